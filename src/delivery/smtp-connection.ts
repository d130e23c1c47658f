/**
 * One connection to a next hop. nodemailer opens, greets and secures it (EHLO, HELO, LHLO, STARTTLS with its hygiene);
 * transactions on it are ours (mail-exchange.ts): nodemailer's send rewrites bodies, has one deadline for everything,
 * and does not say which command failed, whether the dot was out, or what each LMTP recipient was told
 * (design.md D3, reliability.md 3).
 */
import type { Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import NodemailerConnection from 'nodemailer/lib/smtp-connection';
import type { ProtocolSession } from '../mail/protocol-session.ts';
import type { Deadlines, Waiting } from './deadlines.ts';

/** What we use of nodemailer's connection beyond its published types. A test fails when an upgrade moves one of them. */
export interface NodemailerInternals {
  readonly secure: boolean;
  readonly _socket: Socket | TLSSocket;
  readonly _destroyed: boolean;
  readonly _remainder: string;
  readonly _supportedExtensions: readonly string[];
  readonly _maxAllowedSize: number;
  connect(): void;
  quit(): void;
  close(): void;
  on(event: 'connect' | 'error' | 'end', listener: () => void): this;
  once(event: 'connect' | 'error' | 'end', listener: () => void): this;
  _onData(chunk: Buffer): void;
  _onEnd(): void;
  _onError(error: Error & { code?: string }, code: string, reply: string | false, command: string): void;
  _destroy(): void;
  _sendCommand(command: string): void;
  _actionEHLO(reply: string): void;
  _actionSTARTTLS(reply: string): void;
  _upgradeConnection(done: (error: Error | null, secured?: boolean) => void): void;
}

interface NodemailerOptions {
  readonly connection: Socket;
  readonly host: string;
  readonly servername?: string;
  readonly name: string;
  readonly lmtp: boolean;
  readonly ignoreTLS: boolean;
  readonly opportunisticTLS: boolean;
  readonly secure: false;
  readonly tls: ConnectionOptions;
  readonly connectionTimeout: number;
  readonly greetingTimeout: number;
  readonly socketTimeout: number;
  readonly socketCloseTimeout: number;
  readonly maxResponseSize: number;
}

const Base = NodemailerConnection as unknown as new (options: NodemailerOptions) => NodemailerInternals;

const NEVER = 2 ** 31 - 1; // nodemailer's own timers: ours are finer, by phase
const MAX_GREETING = 512;
const MAX_REPLY = 32 * 1024; // RFC 5321 §4.5.3.1.5 allows 512 octets a line; nobody needs more than 60 lines
const HYPHEN = 45;
const CR = 13;

/** Where the opening of a session stood when it failed. */
export type OpeningStage = 'greeting' | 'EHLO' | 'STARTTLS' | 'handshake' | 'EHLO after STARTTLS';

/** Why a connection ended. */
export interface ConnectionLost {
  /** A code of Node or OpenSSL where there is one: `ECONNRESET`, `ETIMEDOUT`, `ERR_SSL_...`; else `ECLOSED`. */
  readonly code: string;
  readonly message: string;
  /** The reply that ended it, as it stood on the wire. */
  readonly reply?: string;
}

/** What takes the replies while commands are under way. Exactly one at a time. */
export interface Exchange {
  /** One whole reply, its lines separated by LF, octets as Latin-1. */
  onReply(reply: string): void;
  onLost(lost: ConnectionLost): void;
}

export interface SmtpConnectionOptions {
  /** Connected already. */
  readonly socket: Socket;
  /** The name we asked for, for SNI and for texts. */
  readonly host: string;
  readonly servername?: string;
  readonly helo: string;
  readonly lmtp: boolean;
  /** Offer STARTTLS nothing: this connection stays in clear. */
  readonly clear: boolean;
  readonly tls: ConnectionOptions;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  /** Where what is said here is written down; absent: nowhere. */
  readonly protocol?: ProtocolSession | undefined;
  /** A TLS session that can be resumed later. */
  readonly onTlsSession?: (session: Buffer) => void;
}

export class SmtpConnection extends Base implements Waiting {
  /** @inheritdoc */
  deadline = 0;
  openingStage: OpeningStage = 'greeting';
  /** The first line that came: the 220 of a server, as far as it came at once. */
  greeting: string | undefined;
  /** The answer to STARTTLS where it was not positive. */
  starttlsRefusal: string | undefined;
  /** A transaction was left open in the peer: RSET comes before the next MAIL. */
  needsReset = false;
  lost: ConnectionLost | undefined;
  /** Behind the reply at hand has come more already: how that begins, empty where nothing has. A 421 may come at any time. */
  ahead = '';

  pipelining = false;
  dsn = false;
  eightBitMime = false;
  smtputf8 = false;
  sizeOffered = false;
  /** Octets; 0 where the peer names no limit (RFC 1870 §4). */
  maxSize = 0;

  readonly lmtp: boolean;
  readonly deadlines: Deadlines;
  readonly now: () => number;
  readonly #onTlsSession: ((session: Buffer) => void) | undefined;
  readonly #protocol: ProtocolSession | undefined;
  #exchange: Exchange | undefined;
  #unread = '';
  #opened: ((lost: ConnectionLost | undefined) => void) | undefined;

  constructor(options: SmtpConnectionOptions) {
    super({
      connection: options.socket,
      host: options.host,
      ...(options.servername === undefined ? {} : { servername: options.servername }),
      name: options.helo,
      lmtp: options.lmtp,
      ignoreTLS: options.clear,
      opportunisticTLS: true, // whether clear is allowed is judged by starttls.ts, before any MAIL
      secure: false,
      tls: options.tls,
      connectionTimeout: NEVER,
      greetingTimeout: NEVER,
      socketTimeout: NEVER,
      socketCloseTimeout: 0,
      maxResponseSize: MAX_REPLY,
    });
    this.lmtp = options.lmtp;
    this.deadlines = options.deadlines;
    this.now = options.now;
    this.#onTlsSession = options.onTlsSession;
    this.#protocol = options.protocol;
    this.on('error', () => {}); // what went wrong is kept in `lost`
  }

  /** Greets and secures. Resolves with `undefined` when commands can be sent, else with what went wrong. */
  open(): Promise<ConnectionLost | undefined> {
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#wait(this.deadlines.greeting);
      this.once('connect', () => this.#ready());
      this.connect();
    });
  }

  #ready(): void {
    const extensions = this._supportedExtensions;
    this.pipelining = extensions.includes('PIPELINING');
    this.dsn = extensions.includes('DSN');
    this.eightBitMime = extensions.includes('8BITMIME');
    this.smtputf8 = extensions.includes('SMTPUTF8');
    this.sizeOffered = extensions.includes('SIZE');
    this.maxSize = this._maxAllowedSize;
    this._socket.setTimeout(0);
    this.deadline = 0;
    this.#settleOpening(undefined);
  }

  #settleOpening(lost: ConnectionLost | undefined): void {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.(lost);
  }

  #wait(milliseconds: number): void {
    this.deadline = this.now() + milliseconds;
  }

  /** Commands can be sent: the socket is whole, nothing unasked has come. */
  get usable(): boolean {
    return !this._destroyed && this._socket.writable && !this._socket.readableEnded && this._remainder === '';
  }

  get secured(): TLSSocket | undefined {
    return this.secure ? (this._socket as TLSSocket) : undefined;
  }

  /** From here to `end` replies go to this exchange. */
  begin(exchange: Exchange): void {
    this.#unread = '';
    this.ahead = '';
    this.#exchange = exchange;
  }

  end(): void {
    this.#exchange = undefined;
    this.deadline = 0;
  }

  /** Writes command lines. */
  command(lines: string, encoding: 'latin1' | 'utf8' = 'latin1'): void {
    this.#protocol?.sent(lines);
    this._socket.write(lines, encoding);
  }

  /** Sends QUIT, and closes at the answer or soon. */
  leave(): void {
    if (!this.usable) {
      this.close();
      return;
    }
    this.#wait(this.deadlines.quit);
    this.quit();
  }

  /** Breaks the connection; whoever waits hears why. */
  abort(lost: ConnectionLost): void {
    this.lost ??= lost;
    this.close();
  }

  expire(): void {
    this.deadline = 0;
    this.abort({ code: 'ETIMEDOUT', message: 'no answer in time' });
  }

  override _onData(chunk: Buffer): void {
    this.#protocol?.received(chunk.toString());
    if (this.#exchange === undefined) {
      this.greeting ??=
        chunk
          .toString('latin1')
          .split(/[\r\n]/, 1)[0]
          ?.slice(0, MAX_GREETING) ?? '';
      super._onData(chunk);
    } else this.#read(chunk);
  }

  /** Cuts the input into replies; several lines of one reply stay together (RFC 5321 §4.2.1). */
  #read(chunk: Buffer): void {
    const text = this.#unread + chunk.toString('latin1');
    let reply = 0; // where the reply begins
    let line = 0; // where its line at hand begins
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', line)) {
      if (text.charCodeAt(line + 3) === HYPHEN) {
        line = end + 1;
        continue;
      }
      const whole = text.slice(reply, text.charCodeAt(end - 1) === CR ? end - 1 : end);
      line = reply = end + 1;
      if (whole === '') continue;
      this.ahead = text.startsWith('421', line) ? '' : text.charAt(line);
      this.#exchange?.onReply(whole);
      if (this.#exchange === undefined) break;
    }
    const rest = reply === 0 ? text : text.slice(reply);
    if (this.#exchange !== undefined) {
      this.#unread = rest;
      if (rest.length > MAX_REPLY) this.abort({ code: 'EPROTOCOL', message: `a reply of more than ${MAX_REPLY} octets` });
    } else if (rest !== '' && !this._destroyed) {
      super._onData(Buffer.from(rest, 'latin1')); // nothing asked for it: nodemailer ends the session
    }
  }

  override _onEnd(): void {
    this._socket.destroy(); // no half-open sessions: what the peer wrote before its FIN was read before this event
  }

  override _onError(error: Error & { code?: string }, code: string, reply: string | false, command: string): void {
    this.lost ??= {
      code: error.code ?? code,
      message: error.message,
      ...(reply === false ? {} : { reply }),
    };
    super._onError(error, code, reply, command);
  }

  override _destroy(): void {
    if (this._destroyed) return;
    super._destroy();
    if (this.#protocol !== undefined) {
      if (this.lost !== undefined) this.#protocol.note(`${this.lost.code}: ${this.lost.message}`);
      this.#protocol.end();
    }
    this.deadline = 0;
    const lost = (this.lost ??= { code: 'ECLOSED', message: 'connection closed by the peer' });
    this.#settleOpening(lost);
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.onLost(lost);
  }

  override _sendCommand(command: string): void {
    const verb = command.slice(0, 4);
    if (verb === 'EHLO' || verb === 'HELO' || verb === 'LHLO') {
      this.openingStage = this.secure ? 'EHLO after STARTTLS' : 'EHLO';
      this.#wait(this.deadlines.command);
    } else if (verb === 'STAR') {
      this.openingStage = 'STARTTLS';
      this.#wait(this.deadlines.handshake);
    }
    this.#protocol?.sent(command);
    super._sendCommand(command);
  }

  override _actionEHLO(reply: string): void {
    // RFC 5321 §3.2: HELO is for those who do not know EHLO (5yz). Where it is put off, or answered with nonsense, HELO
    // would cost the extensions of this session, and 8-bit mail would fail for a moment's sake.
    if (/^[25]/.test(reply)) super._actionEHLO(reply);
    else this._onError(new Error('EHLO not answered'), 'EPROTOCOL', reply, 'EHLO');
  }

  override _actionSTARTTLS(reply: string): void {
    if (!reply.startsWith('2')) this.starttlsRefusal = reply;
    // RFC 5321 §3.8: after 421 nothing more comes, so this session cannot go on in clear
    if (reply.startsWith('421')) this._onError(new Error('STARTTLS answered with 421'), 'ECLOSED', reply, 'STARTTLS');
    else super._actionSTARTTLS(reply);
  }

  override _upgradeConnection(done: (error: Error | null, secured?: boolean) => void): void {
    this.openingStage = 'handshake';
    this.#wait(this.deadlines.handshake);
    super._upgradeConnection(done);
    const keep = this.#onTlsSession;
    if (keep !== undefined && !this._destroyed) (this._socket as TLSSocket).on('session', keep);
    const protocol = this.#protocol;
    if (protocol === undefined || this._destroyed) return;
    const socket = this._socket as TLSSocket;
    socket.prependOnceListener('secureConnect', () =>
      protocol.note(`TLS: ${socket.getProtocol() ?? 'unknown'} with ${socket.getCipher().name}`),
    );
  }
}
