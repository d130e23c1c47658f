/** A next hop for tests: takes mail, remembers each delivery by token and hash, and answers as it is told. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { arrived, unstuff } from './messages.ts';
import { freePorts } from './workspace.ts';

export interface Delivery {
  /** Milliseconds since the epoch, when the final dot was read. */
  readonly at: number;
  readonly token: string;
  readonly hash: string;
  /** The fields that hops put in front. */
  readonly trace: string;
  readonly recipients: readonly string[];
}

/** What to answer; `undefined` is 250 (354 to DATA), `drop` ends the connection, `silent` never answers again. */
export type Answer = (stage: 'connect' | 'mail' | 'rcpt' | 'data' | 'dot', argument: string) => string | undefined;

const END = Buffer.from('\r\n.\r\n');

export class SmtpSink implements AsyncDisposable {
  readonly deliveries: Delivery[] = [];
  /** Set it to change its mind. */
  answer: Answer = () => undefined;
  /** Called with each delivery. */
  onDelivery: (delivery: Delivery) => void = () => {};
  /** Whether to keep deliveries; off where only their number counts. */
  keep = true;
  count = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port: number;

  constructor(port = 0) {
    this.port = port;
  }

  async listen(): Promise<this> {
    if (this.port === 0) [this.port = 0] = await freePorts(1);
    const server = createServer((socket) => this.#session(socket)).listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    return this;
  }

  /** Stops listening, as a server that is down; `listen` brings it back on the same port. */
  async down(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    await once(server.close(), 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #session(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setNoDelay(true);
    let recipients: string[] = [];
    let inData = false;
    let pending: Buffer[] = [];
    let tail = Buffer.alloc(0);
    let isMute = false;
    const write = (text: string): void => {
      if (!isMute) socket.write(text);
    };
    const say = (answer: string | undefined, usual: string): boolean => {
      if (answer === 'drop') socket.destroy();
      else if (answer === 'silent') isMute = true;
      else write(`${answer ?? usual}\r\n`);
      return answer === undefined || answer.startsWith('2') || answer.startsWith('3');
    };
    const line = (text: string): void => {
      const verb = text.slice(0, 4).toUpperCase();
      if (verb === 'EHLO') write('250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n');
      else if (verb === 'MAIL') {
        recipients = [];
        say(this.answer('mail', text), '250 2.1.0 Ok');
      } else if (verb === 'RCPT') {
        if (say(this.answer('rcpt', text), '250 2.1.5 Ok')) recipients.push(/<([^>]*)>/.exec(text)?.[1] ?? '');
      } else if (verb === 'DATA') {
        inData = recipients.length === 0 ? false : say(this.answer('data', ''), '354 Go on');
        if (recipients.length === 0) write('554 5.5.1 No valid recipients\r\n');
        tail = Buffer.from('\r\n');
      } else if (verb === 'RSET' || verb === 'NOOP') write('250 2.0.0 Ok\r\n');
      else if (verb === 'QUIT') socket.end(isMute ? '' : '221 2.0.0 Bye\r\n');
      else write('502 5.5.1 Not here\r\n');
    };
    const message = (bytes: Buffer): void => {
      const answer = this.answer('dot', '');
      if (answer === undefined || answer.startsWith('2')) {
        this.count += 1;
        if (this.keep) {
          const what = arrived(unstuff(bytes)) ?? { token: '', hash: '', trace: '' };
          const delivery = { at: Date.now(), recipients, ...what };
          this.deliveries.push(delivery);
          this.onDelivery(delivery);
        }
      }
      say(answer, '250 2.0.0 Ok');
      recipients = [];
    };
    socket.on('data', (chunk) => {
      let rest = chunk;
      while (rest.length > 0) {
        if (inData) {
          const joined = Buffer.concat([tail, rest]);
          const at = joined.indexOf(END);
          if (at < 0) {
            pending.push(rest);
            tail = joined.subarray(Math.max(0, joined.length - 4));
            return;
          }
          const used = at + END.length - tail.length;
          pending.push(rest.subarray(0, used));
          const all = Buffer.concat(pending);
          pending = [];
          inData = false;
          rest = rest.subarray(used);
          message(all.subarray(0, all.length - 3)); // without `.CRLF`
        } else {
          const joined = pending.length === 0 ? rest : Buffer.concat([...pending, rest]);
          const end = joined.indexOf('\n');
          if (end < 0) {
            pending = [joined];
            return;
          }
          pending = [];
          rest = joined.subarray(end + 1);
          line(joined.toString('latin1', 0, end).trimEnd());
        }
      }
    });
    say(this.answer('connect', ''), '220 sink.example ESMTP');
  }
}
