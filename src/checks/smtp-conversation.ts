/**
 * One SMTP session, command by command, with every line and its time: what an administrator would see in telnet. A client
 * library hides what matters here (the banner's timing, what was said around STARTTLS, the certificates as they were sent).
 * What the peer does is data: a step that does not come to its end says so in its answer.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { printable } from '../platform/printable.ts';
import { type TlsFacts, tlsEvidence } from '../platform/tls-facts.ts';
import { readServerHandshake, type ServerHandshake } from './tls-handshake.ts';
import { WireTap } from './wire-tap.ts';

const MAX_REPLY = 64 * 1024;
const MAX_TRANSCRIPT = 500;
const LF = 10;

/** `ETIMEDOUT`, `ECLOSED`, `EPROTOCOL`, or the code of Node or OpenSSL. */
export interface Lost {
  readonly lost: string;
  readonly message: string;
}

export interface WireReply {
  readonly code: number;
  /** Without their codes; octets as UTF-8 where they are, else Latin-1. */
  readonly lines: readonly string[];
  /** The whole on one line. */
  readonly text: string;
}

export interface TranscriptLine {
  /** Milliseconds since the connection was begun. */
  readonly 'at-ms': number;
  readonly from: 'client' | 'server' | 'note';
  readonly line: string;
}

/** What a handshake came to. */
export interface Secured {
  readonly facts: TlsFacts;
  /** The server's own. */
  readonly certificate: PeerCertificate;
  /** Absent where the server's part could not be read. */
  readonly handshake: ServerHandshake | undefined;
}

export interface ConversationOptions {
  readonly address: string;
  readonly port: number;
  readonly sourceAddress?: string | undefined;
  /** Milliseconds for each wait. */
  readonly patience: number;
  /** Ends all waits. */
  readonly signal: AbortSignal;
  /** Milliseconds on a clock that never jumps. */
  readonly now: () => number;
}

export class SmtpConversation implements Disposable {
  readonly transcript: TranscriptLine[] = [];
  readonly #options: ConversationOptions;
  readonly #began: number;
  readonly #tcp: Socket;
  #socket: Socket | TLSSocket;
  #unread: Buffer = Buffer.alloc(0);
  #lost: Lost | undefined;
  #wake: (() => void) | undefined;
  readonly #take = (chunk: Buffer): void => {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (this.#unread.length > MAX_REPLY) {
      this.#lose({ lost: 'EPROTOCOL', message: `a reply of more than ${MAX_REPLY} octets` });
      this.#socket.destroy();
    }
    this.#wake?.();
  };

  private constructor(socket: Socket, options: ConversationOptions, began: number) {
    this.#tcp = socket;
    this.#socket = socket;
    this.#options = options;
    this.#began = began;
    this.#listen(socket);
  }

  /** Connects, and says nothing. */
  static connect(options: ConversationOptions): Promise<SmtpConversation | Lost> {
    const began = options.now();
    return new Promise((resolve) => {
      const { address, port, sourceAddress } = options;
      const socket = connectTcp({
        host: address,
        port,
        autoSelectFamily: false,
        ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
      });
      const give = (outcome: Lost | undefined): void => {
        clearTimeout(timer);
        options.signal.removeEventListener('abort', late);
        socket.removeAllListeners();
        if (outcome === undefined) return resolve(new SmtpConversation(socket, options, began));
        socket.on('error', () => {});
        socket.destroy();
        resolve(outcome);
      };
      const late = (): void => give({ lost: 'ETIMEDOUT', message: 'no connection in time' });
      const timer = setTimeout(late, options.patience);
      options.signal.addEventListener('abort', late);
      if (options.signal.aborted) return late();
      socket.once('error', (error: NodeJS.ErrnoException) => give({ lost: error.code ?? 'ECONNECT', message: error.message }));
      socket.once('connect', () => give(undefined));
    });
  }

  /** The next whole reply, one line or several. */
  async reply(): Promise<WireReply | Lost> {
    for (;;) {
      const reply = this.#cut();
      if (reply !== undefined) return reply;
      if (this.#lost !== undefined) return this.#lost;
      if (!(await this.#news())) {
        this.#lose({ lost: 'ETIMEDOUT', message: 'no answer in time' });
        this.close();
      }
    }
  }

  /** Sends one or more lines in one piece, and reads the answer to the first. */
  command(...lines: readonly string[]): Promise<WireReply | Lost> {
    for (const line of lines) this.#note('client', line);
    if (!this.#socket.destroyed) this.#socket.write(lines.map((line) => `${line}\r\n`).join(''));
    return this.reply();
  }

  /** What came and was not asked for, as text; it is dropped. */
  drain(): string {
    const text = decoded(this.#unread);
    this.#unread = Buffer.alloc(0);
    return text;
  }

  /** Begins TLS on the connection. What stood unread in clear is forgotten (RFC 3207 §4.2). */
  async secure(options: ConnectionOptions): Promise<Secured | Lost> {
    this.#unread = Buffer.alloc(0);
    this.#tcp.removeAllListeners();
    this.#tcp.pause();
    const tap = new WireTap(this.#tcp);
    const keys: string[] = [];
    let socket: TLSSocket;
    try {
      socket = connectTls({ ...options, socket: tap, rejectUnauthorized: false });
    } catch (error) {
      // a protocol or cipher that this OpenSSL does not have
      return this.#lose({ lost: (error as NodeJS.ErrnoException).code ?? 'ETLS', message: (error as Error).message });
    }
    socket.on('keylog', (line: Buffer) => keys.push(line.toString('latin1').trim()));
    this.#socket = socket;
    let secured = false;
    socket.once('secureConnect', () => {
      secured = true;
      this.#wake?.();
    });
    this.#listen(socket);
    while (!secured) {
      if (this.#lost !== undefined) return this.#lost;
      if (!(await this.#news())) {
        this.close();
        return this.#lose({ lost: 'ETIMEDOUT', message: 'no answer in time (handshake)' });
      }
    }
    const certificate = socket.getPeerCertificate();
    const facts = tlsEvidence(socket);
    this.note(`TLS: ${facts.protocol ?? 'unknown'}, ${facts.cipher ?? 'cipher unknown'}`);
    return { facts, certificate, handshake: readServerHandshake(tap.inbound, keys) };
  }

  note(line: string): void {
    this.#note('note', line);
  }

  /** Milliseconds since the connection was begun. */
  get elapsed(): number {
    return Math.round(this.#options.now() - this.#began);
  }

  /** QUIT, and a short wait for its answer. */
  async quit(): Promise<void> {
    if (this.#lost === undefined) await this.command('QUIT');
    this.close();
  }

  close(): void {
    this.#socket.destroy();
    this.#tcp.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #listen(socket: Socket | TLSSocket): void {
    socket.on('data', this.#take);
    socket.on('error', (error: NodeJS.ErrnoException) => this.#lose({ lost: error.code ?? 'ECLOSED', message: error.message }));
    for (const event of ['end', 'close'] as const)
      socket.on(event, () => this.#lose({ lost: 'ECLOSED', message: 'connection closed by the peer' }));
  }

  #lose(lost: Lost): Lost {
    this.#lost ??= lost;
    this.#wake?.();
    return this.#lost;
  }

  /** Waits until something happened; `false`: nothing did in time. */
  #news(): Promise<boolean> {
    const { patience, signal } = this.#options;
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const give = (came: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', late);
        this.#wake = undefined;
        resolve(came);
      };
      const late = (): void => give(false);
      const timer = setTimeout(late, patience);
      signal.addEventListener('abort', late);
      this.#wake = () => give(true);
    });
  }

  #cut(): WireReply | undefined {
    const lines: Buffer[] = [];
    for (let from = 0; ; ) {
      const end = this.#unread.indexOf(LF, from);
      if (end < 0) return undefined;
      const line = this.#unread.subarray(from, this.#unread[end - 1] === 13 ? end - 1 : end);
      lines.push(line);
      from = end + 1;
      if (line.length > 3 && line[3] === 45) continue; // RFC 5321 §4.2.1: a hyphen, more lines follow
      this.#unread = this.#unread.subarray(from);
      return this.#read(lines.map(decoded));
    }
  }

  #read(lines: readonly string[]): WireReply {
    for (const line of lines) this.#note('server', line);
    const code = /^[2-5]\d\d(?=[ -]|$)/.exec(lines[0] ?? '');
    const texts = lines.map((line) => line.replace(/^\d{3}[ -]?/, ''));
    return { code: code === null ? 0 : Number(code[0]), lines: texts, text: lines.map(printable).join(' / ').slice(0, 1000) };
  }

  #note(from: TranscriptLine['from'], line: string): void {
    if (this.transcript.length >= MAX_TRANSCRIPT) return;
    this.transcript.push({ 'at-ms': this.elapsed, from, line: printable(line).slice(0, 1000) });
  }
}

/** The name for SNI: a host that is an address has none (RFC 6066 §3). */
export const sniOf = (host: string): { readonly servername?: string } => (isIP(host) === 0 ? { servername: host } : {});

/** RFC 6531 §3.7.4.1 allows UTF-8 in replies. */
function decoded(octets: Buffer): string {
  const text = octets.toString('utf8');
  return text.includes('\ufffd') ? octets.toString('latin1') : text;
}
