/** A plain SMTP client that says exactly what it is told and knows what it was told back. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { stuff } from './messages.ts';

export interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

/**
 * How a message ended: `acked` (250 read behind the final dot), `refused` (4xx or 5xx read), `unknown` (the connection
 * ended before an answer, so nobody knows; before DATA was answered it counts as refused by silence, also `unknown`).
 */
export type Verdict = { readonly kind: 'acked' | 'refused'; readonly reply: Reply } | { readonly kind: 'unknown' };

export class SmtpClient {
  #socket: Socket;
  #buffer = '';
  #lines: string[] = [];
  readonly #replies: Reply[] = [];
  #waiting: ((reply: Reply | undefined) => void) | undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** Connects and reads the greeting; `undefined` where there is none. */
  static async open(
    port: number,
    from = '127.0.0.1',
    deadline = 60_000,
    host = '127.0.0.1',
  ): Promise<{ client: SmtpClient; greeting: Reply } | undefined> {
    const socket = connect({ port, host, localAddress: from });
    socket.setNoDelay(true);
    socket.setTimeout(deadline, () => socket.destroy());
    const client = new SmtpClient(socket);
    const greeting = await client.#next();
    return greeting === undefined ? undefined : { client, greeting };
  }

  #listen(): void {
    this.#socket.on('data', (data) => this.#take(data.toString('latin1')));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#waiting?.(undefined);
      this.#waiting = undefined;
    });
  }

  #take(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf('\n'); end >= 0; end = this.#buffer.indexOf('\n')) {
      const line = this.#buffer.slice(0, end).replace(/\r$/, '');
      this.#buffer = this.#buffer.slice(end + 1);
      this.#lines.push(line);
      if (line[3] === '-') continue;
      const reply = { code: Number(line.slice(0, 3)), lines: this.#lines };
      this.#lines = [];
      if (this.#waiting === undefined) this.#replies.push(reply);
      else {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting(reply);
      }
    }
  }

  #next(): Promise<Reply | undefined> {
    const reply = this.#replies.shift();
    if (reply !== undefined || this.#closed) return Promise.resolve(reply);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Sends one line; `undefined` where the connection ended instead of an answer. */
  command(line: string): Promise<Reply | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    this.#socket.write(`${line}\r\n`);
    return this.#next();
  }

  async startTls(): Promise<boolean> {
    if ((await this.command('STARTTLS'))?.code !== 220) return false;
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const socket = connectTls({ socket: plain, rejectUnauthorized: false });
    return new Promise((resolve) => {
      socket.once('error', () => resolve(false));
      socket.once('secureConnect', () => {
        this.#socket = socket;
        this.#listen();
        resolve(true);
      });
    });
  }

  /** One message on this session; EHLO was said before. */
  async send(from: string, to: readonly string[], message: Buffer): Promise<Verdict> {
    const mail = await this.command(`MAIL FROM:<${from}> BODY=8BITMIME`);
    if (mail === undefined) return { kind: 'unknown' };
    if (mail.code !== 250) return { kind: 'refused', reply: mail };
    for (const recipient of to) {
      const rcpt = await this.command(`RCPT TO:<${recipient}>`);
      if (rcpt === undefined) return { kind: 'unknown' };
      if (rcpt.code !== 250) {
        await this.command('RSET');
        return { kind: 'refused', reply: rcpt };
      }
    }
    const data = await this.command('DATA');
    if (data === undefined) return { kind: 'unknown' };
    if (data.code !== 354) return { kind: 'refused', reply: data };
    if (this.#closed) return { kind: 'unknown' };
    this.#socket.write(stuff(message));
    const end = await this.command('.');
    if (end === undefined) return { kind: 'unknown' };
    return { kind: end.code === 250 ? 'acked' : 'refused', reply: end };
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.#socket.destroy();
  }

  async quit(): Promise<void> {
    await this.command('QUIT');
    this.#socket.destroy();
  }
}
