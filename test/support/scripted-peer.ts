/** An SMTP or LMTP server that does exactly what a test says, on a real socket. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import type { TestCertificate } from './certificates.ts';

/**
 * What to do at one point of the dialogue; a string is sent with CRLF. After a function that returns nothing the peer
 * takes no further command on that connection.
 */
export type Reaction = string | ((peer: PeerSession, line: string) => string | undefined);

/** Closes the connection without a word. */
export const drop: Reaction = (peer) => {
  peer.socket.destroy();
  return undefined;
};

/** Says nothing more. */
export const hang: Reaction = () => undefined;

/** Points of the dialogue. What is absent is answered as a friendly server does. */
export interface PeerScript {
  readonly greeting?: Reaction;
  readonly ehlo?: Reaction;
  readonly helo?: Reaction;
  /** EHLO keywords; STARTTLS is added where there is a certificate and no TLS yet. */
  readonly keywords?: readonly string[];
  readonly starttls?: Reaction;
  /** Sent in place of a handshake, once the client has begun its own. */
  readonly insteadOfHandshake?: string;
  readonly mail?: Reaction;
  readonly rcpt?: Reaction;
  readonly data?: Reaction;
  /** After the final dot. In LMTP called once a recipient, with the recipient's RCPT line. */
  readonly dot?: Reaction;
  /** Called with each whole message, whatever is answered to it (`undefined`: nothing). In LMTP once a recipient. */
  readonly onMessage?: (message: ReceivedMessage, answer: string | undefined) => void;
  /** Called with each piece of a message as it comes. */
  readonly bodyChunk?: (peer: PeerSession, soFar: number) => void;
  readonly rset?: Reaction;
  readonly quit?: Reaction;
  readonly certificate?: TestCertificate;
  /** `demandCert`: no session without a client certificate. */
  readonly tls?: SecureContextOptions & { readonly requestCert?: boolean; readonly demandCert?: boolean };
  readonly lmtp?: boolean;
  readonly unix?: string;
  readonly address?: string;
}

export interface ReceivedMessage {
  readonly mail: string;
  readonly rcpts: readonly string[];
  /** As on the wire, without the final dot. */
  readonly wire: Buffer;
  readonly secure: boolean;
  /** `TLSv1.3`, where it was. */
  readonly protocol?: string;
}

/** One connection at the peer. */
export interface PeerSession {
  socket: Socket | TLSSocket;
  secure: boolean;
  /** Commands in the order in which they came. */
  readonly commands: string[];
  write(text: string): void;
}

export class ScriptedPeer implements AsyncDisposable {
  readonly port: number;
  readonly messages: ReceivedMessage[] = [];
  readonly sessions: PeerSession[] = [];
  /** Replaces the script for what comes next. */
  script: PeerScript;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, script: PeerScript) {
    this.#server = server;
    this.script = script;
    const address = server.address();
    this.port = address !== null && typeof address === 'object' ? address.port : 0;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(script: PeerScript = {}, port = 0): Promise<ScriptedPeer> {
    const server = createServer();
    if (script.unix === undefined) server.listen(port, script.address ?? '127.0.0.1');
    else server.listen(script.unix);
    await once(server, 'listening');
    return new ScriptedPeer(server, script);
  }

  /** All commands of all connections. */
  get commands(): string[] {
    return this.sessions.flatMap(({ commands }) => commands);
  }

  /** Breaks every open connection. */
  disconnectAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnectAll();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #serve(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    const session: PeerSession = {
      socket,
      secure: false,
      commands: [],
      write: (text) => void (session.socket.destroyed || session.socket.write(text, 'latin1')),
    };
    this.sessions.push(session);
    new Dialogue(this, session).begin();
  }
}

const contexts = new WeakMap<TestCertificate, Map<string, SecureContext>>();

/** One context for all connections with these options, so that sessions can be resumed. */
function contextOf(certificate: TestCertificate, options: SecureContextOptions = {}): SecureContext {
  const made = contexts.get(certificate) ?? new Map<string, SecureContext>();
  contexts.set(certificate, made);
  const key = JSON.stringify(options);
  const context = made.get(key) ?? createSecureContext({ sessionIdContext: 'scripted peer', ...certificate, ...options });
  made.set(key, context);
  return context;
}

class Dialogue {
  readonly #peer: ScriptedPeer;
  readonly #session: PeerSession;
  #buffer: Buffer = Buffer.alloc(0);
  /** Of a message, behind `#buffer`: joined once it is whole. */
  #pieces: Buffer[] = [];
  #length = 0;
  /** The last octets of it, for an end that comes in two pieces. */
  #tail: Buffer = Buffer.alloc(0);
  #body = false;
  #silent = false;
  #mail = '';
  #rcpts: string[] = [];

  constructor(peer: ScriptedPeer, session: PeerSession) {
    this.#peer = peer;
    this.#session = session;
  }

  begin(): void {
    this.#listen();
    this.#react(this.#peer.script.greeting, '220 mx.test ESMTP', '');
  }

  #listen(): void {
    const { socket } = this.#session;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#pieces.push(chunk);
      this.#length += chunk.length;
      if (this.#body && !this.#endsIn(chunk)) {
        this.#peer.script.bodyChunk?.(this.#session, this.#length);
        return;
      }
      this.#buffer = Buffer.concat([this.#buffer, ...this.#pieces]);
      this.#pieces = [];
      this.#parse();
    });
  }

  #endsIn(chunk: Buffer): boolean {
    const window = Buffer.concat([this.#tail, chunk]);
    this.#tail = window.subarray(-4);
    return window.includes('\r\n.\r\n');
  }

  /** Sends the scripted or the usual answer; returns it. */
  #react(reaction: Reaction | undefined, usual: string, line: string): string | undefined {
    const answer = typeof reaction === 'function' ? reaction(this.#session, line) : (reaction ?? usual);
    if (answer === undefined) this.#silent = true;
    else this.#session.write(`${answer}\r\n`);
    return answer;
  }

  #parse(): void {
    while (!this.#silent) {
      if (this.#body) {
        this.#peer.script.bodyChunk?.(this.#session, this.#buffer.length);
        const end = this.#buffer.subarray(0, 3).toString() === '.\r\n' ? -2 : this.#buffer.indexOf('\r\n.\r\n');
        if (end === -1) {
          this.#length = this.#buffer.length;
          this.#tail = Buffer.concat([Buffer.from('\r\n'), this.#buffer.subarray(-4)]).subarray(-4);
          return;
        }
        const wire = this.#buffer.subarray(0, end + 2);
        this.#buffer = this.#buffer.subarray(end + 5);
        this.#body = false;
        this.#message(Buffer.from(wire));
        continue;
      }
      const end = this.#buffer.indexOf('\n');
      if (end < 0) return;
      const line = this.#buffer.subarray(0, end).toString('latin1').replace(/\r$/, '');
      this.#buffer = this.#buffer.subarray(end + 1);
      this.#session.commands.push(line);
      if (this.#command(line)) return;
    }
  }

  /** `true`: what follows is a TLS handshake. */
  #command(line: string): boolean {
    const { script } = this.#peer;
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
      case 'LHLO':
        this.#react(script.ehlo, this.#keywords(), line);
        return false;
      case 'HELO':
        this.#react(script.helo, '250 mx.test', line);
        return false;
      case 'STAR':
        return this.#starttls(line);
      case 'MAIL':
        this.#rcpts = [];
        this.#mail = this.#react(script.mail, '250 2.1.0 Ok', line)?.startsWith('2') === true ? line : '';
        return false;
      case 'RCPT':
        if (this.#react(script.rcpt, this.#mail === '' ? '503 5.5.1 need MAIL' : '250 2.1.5 Ok', line)?.startsWith('2') === true)
          this.#rcpts.push(line);
        return false;
      case 'DATA':
        this.#body =
          this.#react(script.data, this.#rcpts.length > 0 ? '354 Go on' : '554 5.5.1 no valid recipients', line)?.startsWith(
            '3',
          ) === true;
        return false;
      case 'RSET':
        this.#react(script.rset, '250 2.0.0 Ok', line);
        return false;
      case 'QUIT':
        this.#react(script.quit, '221 2.0.0 Bye', line);
        this.#session.socket.end();
        return false;
      default:
        this.#session.write('500 5.5.1 What?\r\n');
        return false;
    }
  }

  #keywords(): string {
    const { script } = this.#peer;
    const keywords = [
      ...(script.keywords ?? ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'SIZE 100000000', 'ENHANCEDSTATUSCODES']),
    ];
    if ((script.certificate !== undefined || script.starttls !== undefined) && !this.#session.secure)
      keywords.unshift('STARTTLS');
    const lines = ['mx.test', ...keywords];
    return lines.map((keyword, i) => `250${i === lines.length - 1 ? ' ' : '-'}${keyword}`).join('\r\n');
  }

  #starttls(line: string): boolean {
    const { script } = this.#peer;
    const answer = this.#react(script.starttls, '220 2.0.0 Ready', line);
    if (answer?.startsWith('220') !== true) return false;
    const plain = this.#session.socket;
    plain.removeAllListeners('data');
    plain.resume();
    if (script.certificate === undefined) {
      const { insteadOfHandshake } = script; // without it none comes, and nothing else
      plain.once('data', () => insteadOfHandshake !== undefined && plain.write(insteadOfHandshake));
      return true;
    }
    const { requestCert = false, demandCert = false } = script.tls ?? {};
    const secured = new TLSSocket(plain, {
      isServer: true,
      requestCert: requestCert || demandCert,
      rejectUnauthorized: demandCert,
      secureContext: contextOf(script.certificate, script.tls),
    });
    this.#session.socket = secured;
    secured.on('secure', () => {
      this.#session.secure = true;
    });
    this.#buffer = Buffer.alloc(0);
    this.#listen();
    return true;
  }

  #message(wire: Buffer): void {
    const { script } = this.#peer;
    const { secure, socket } = this.#session;
    const settle = (rcpts: readonly string[], answer: string | undefined): void => {
      const protocol = secure ? ((socket as TLSSocket).getProtocol() ?? undefined) : undefined;
      const message = { mail: this.#mail, rcpts, wire, secure, ...(protocol === undefined ? {} : { protocol }) };
      script.onMessage?.(message, answer);
      if (answer?.startsWith('2') === true) this.#peer.messages.push(message);
    };
    if (script.lmtp === true) for (const rcpt of this.#rcpts) settle([rcpt], this.#react(script.dot, '250 2.0.0 Stored', rcpt));
    else settle([...this.#rcpts], this.#react(script.dot, '250 2.0.0 Ok: queued as TEST', ''));
  }
}
