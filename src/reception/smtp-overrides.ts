/**
 * The one place that reaches into smtp-server (design.md D2). Kept of it: the listener, implicit TLS, STARTTLS with its
 * hygiene, the half-closed end of a connection. Replaced, because a busy perimeter cannot afford them or the answers
 * would be wrong: the fixed wait of 100 ms before the greeting, the reverse look-up, the stream between socket and
 * parser, the copy of the body octet by octet, the log calls and closures per command, the enhanced codes by reply class.
 *
 * `OVERRIDDEN` and `RELIED_ON` name every method of smtp-server that this file replaces or counts on;
 * test/unit/reception/smtp-overrides.test.ts compares their source with the one that was read, so that an upgrade that
 * moves one of them fails there and not at night.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { ProtocolSession } from '../mail/protocol-session.ts';
import type { Entrance } from './entrance.ts';
import { CommandInput, type InputTaker } from './input.ts';
import { NetworkSet, plainAddress } from './peers.ts';
import type { ListenerSettings } from './ports.ts';
import { readProxyHeader } from './proxy-entrance.ts';
import { Submission } from './submission.ts';

export const OVERRIDDEN = {
  server: ['connect', '_handleProxy', '_expectsProxyHeader', '_acceptSocket', 'onSecure', '_onError'],
  connection: [
    'init',
    '_createParser',
    'send',
    '_armTimeout',
    '_onTimeout',
    '_onCommand',
    '_onCloseEvent',
    '_onError',
    '_resetSession',
  ],
} as const;
export const RELIED_ON = {
  server: ['constructor', 'listen', 'updateSecureContext', '_upgrade'],
  connection: ['constructor', 'upgrade', 'close'],
} as const;

type ServerOptions = NonNullable<ConstructorParameters<typeof SMTPServer>[0]>;
type Session = SMTPConnection['session'] & { owner?: LeanConnection };

/** Who opens connections and hears of sockets that never became one. */
export interface ConnectionOpener {
  /** Counts a socket in; false: it was refused and is being closed. */
  enter(socket: Socket, from: Entrance, implicitTls: boolean): boolean;
  leave(address: string): void;
  open(server: LeanServer, socket: Socket | TLSSocket, id: string, from: Entrance): LeanConnection;
  nextId(): string;
  onError(error: Error): void;
  /** A load balancer sent no PROXY header, or none that can be read. */
  onBrokenHeader(balancer: string, reason: string): void;
  /** Milliseconds that a PROXY header is waited for. */
  readonly proxyHeader: number;
}

/** Connections of load balancers whose header has not come; it comes with the first packet, so that these are few. */
const HEADERS_AWAITED = 1_000;

type Options = SMTPConnectionOptions & { readonly from?: Entrance };

/** smtp-server's listener, with connections of ours. */
export class LeanServer extends SMTPServer {
  readonly implicitTls: boolean;
  /** Where it listens; the port is the true one once it does. */
  readonly address: string;
  port: number;
  readonly submission: Submission | undefined;
  private readonly proxies: NetworkSet | undefined;
  private readonly opener: ConnectionOpener;
  private headersAwaited = 0;

  constructor(options: ServerOptions, at: ListenerSettings, opener: ConnectionOpener) {
    super(options);
    this.address = at.address;
    this.port = at.port;
    this.submission = at.submission && new Submission(at.submission.withoutTls);
    this.proxies = at.proxies && new NetworkSet(at.proxies);
    this.opener = opener;
    this.implicitTls = options.secure === true;
  }

  /** The first to see a socket. smtp-server guards here those that have a handshake before them. */
  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    if (this._expectsProxyHeader(socket)) {
      if (this.headersAwaited < HEADERS_AWAITED) return super._acceptSocket(socket, handshake);
      socket.destroy();
      return false;
    }
    if (!this.enter(socket, { address: plainAddress(socket.remoteAddress ?? '') })) return false;
    return handshake ? super._acceptSocket(socket, handshake) : NOTHING;
  }

  private enter(socket: Socket, from: Entrance): boolean {
    if (!this.opener.enter(socket, from, this.implicitTls)) return false;
    // a session tells of its end itself, but before it stands there may be a handshake that fails
    if (this.implicitTls) socket.once('close', () => this.opener.leave(from.address));
    return true;
  }

  /** From listed networks alone, and from there always: a header that anybody may send is one that anybody can forge. */
  override _expectsProxyHeader(socket: Socket): boolean {
    return this.proxies !== undefined && socket.remoteAddress !== undefined && this.proxies.has(socket.remoteAddress);
  }

  /** Without a PROXY header to wait for, the connection begins at once. */
  override _handleProxy(socket: Socket, callback: Parameters<SMTPServer['_handleProxy']>[1]): void {
    if (!this._expectsProxyHeader(socket)) {
      callback(null, { id: this.opener.nextId() });
      return;
    }
    const balancer = plainAddress(socket.remoteAddress ?? '');
    this.headersAwaited += 1;
    readProxyHeader(socket, this.opener.proxyHeader, (found) => {
      this.headersAwaited -= 1;
      if ('broken' in found) {
        if (!found.silent) this.opener.onBrokenHeader(balancer, found.broken);
        callback(new Error(found.broken));
        return;
      }
      const from: Entrance = { address: found.client ?? balancer, balancer };
      const options = { id: this.opener.nextId(), from };
      if (this.enter(socket, from)) callback(null, options);
      else callback(new Error('refused'));
    });
  }

  override connect(socket: Socket | TLSSocket, options?: Options | null): void {
    const from = options?.from ?? { address: plainAddress(socket.remoteAddress ?? '') };
    const connection = this.opener.open(this, socket, options?.id ?? this.opener.nextId(), from);
    this.connections.add(connection);
    connection.init();
  }

  /** Called at the end of STARTTLS. smtp-server would pipe the socket into its parser when called back. */
  override onSecure(_socket: Socket | TLSSocket, session: Session): void {
    session.owner?.secured();
  }

  override _onError(error: Error): void {
    this.opener.onError(error);
  }
}

const NOTHING = (): void => {};

/** smtp-server's connection down to the transport: what is said on it is the subclass's (session.ts). */
export abstract class LeanConnection extends SMTPConnection implements InputTaker {
  private out = '';
  /** Where what is said here is written down. */
  protocol: ProtocolSession | undefined;

  constructor(server: LeanServer, socket: Socket | TLSSocket, options: SMTPConnectionOptions) {
    super(server, socket, options);
    (this.session as Session).owner = this;
  }

  abstract readonly inData: boolean;
  abstract onLine(line: string): void;
  abstract onLineTooLong(): void;
  abstract onData(chunk: Buffer, from: number): number;
  /** The connection stands: greet. */
  protected abstract opened(): void;
  /** TLS stands: what was said before it is forgotten (RFC 3207 §4.2). */
  protected abstract tlsStarted(socket: TLSSocket): void;
  /** Forget the transaction. */
  protected abstract forget(): void;
  protected abstract closed(): void;
  protected abstract failed(error: Error & { code?: string }): void;

  /** smtp-server: listeners, limits, then 100 ms of waiting and a reverse look-up. */
  override init(): void {
    const socket = this._socket;
    socket.on('close', () => this._onCloseEvent());
    socket.on('error', (error) => this._onError(error));
    this.listen();
    this.opened();
  }

  /** The socket is a TLS socket now, by STARTTLS. */
  secured(): void {
    this.tlsStarted(this._socket as TLSSocket);
    this.listen();
  }

  private listen(): void {
    const { input } = this;
    this._socket.on('data', (chunk: Buffer) => input.take(chunk));
  }

  protected get input(): CommandInput {
    return this._parser as unknown as CommandInput;
  }

  override _createParser(): SMTPStream {
    return new CommandInput(this) as unknown as SMTPStream; // see CommandInput: all that smtp-server uses of it is there
  }

  /**
   * Writes one reply, whole, without its final CRLF. Replies to commands that came together go out together
   * (RFC 2920 §3.2).
   */
  protected write(text: string): void {
    if (this.protocol !== undefined) this.protocol.sent(text);
    this.out += `${text}\r\n`;
    if (!this.input.running) this.flush();
  }

  onDealtWith(): void {
    if (this.out !== '') this.flush();
  }

  private flush(): void {
    const { out, _socket: socket } = this;
    this.out = '';
    // while the handshake runs this is still the raw socket: nothing may go out on it in clear
    if (this._upgrading || socket.destroyed || !socket.writable) return;
    if (!socket.write(out, 'latin1')) {
      // a client that does not read its replies is not asked for more commands
      const { input } = this;
      input.hold();
      socket.once('drain', () => input.release());
    }
  }

  pauseReading(): void {
    this._socket.pause();
  }

  resumeReading(): void {
    this._socket.resume();
  }

  /** 220 must be out before the handshake begins. */
  protected startTls(): void {
    this.flush();
    this.upgrade(NOTHING);
  }

  /** After 221 or 421. Where all is with the kernel already, one system call ends a connection in clear. */
  protected hangUp(quick: boolean): void {
    if (this.out !== '') this.flush();
    const socket = this._socket;
    if (quick && !this.secure && socket.writableLength === 0 && !socket.destroyed) {
      this.input.isClosed = true;
      this._closing = true;
      socket.destroy();
    } else {
      this.close();
    }
  }

  /** Only smtp-server's own code would call this; no reply of ours goes through it. */
  override send(code: number, data?: string | string[] | null): void {
    this.write(`${code} ${Array.isArray(data) ? data.join(' ') : (data ?? '')}`);
    if (code === 421) this.close();
  }

  /** One sweep over all sessions does the work of a timer in each (server.ts). */
  override _armTimeout(): void {}
  override _onTimeout(): void {}
  /** Lines come by `onLine`. */
  override _onCommand(): void {}

  override _onError(error: Error & { code?: string }): void {
    this.failed(error);
    if (!this._socket.destroyed) this._socket.destroy();
  }

  override _onCloseEvent(): void {
    if (this._closed) return;
    this._closed = true;
    clearTimeout(this._closeTimer);
    this.input.isClosed = true;
    this._server.connections.delete(this);
    this.protocol?.end();
    this.closed();
  }

  /** smtp-server calls it at the end of STARTTLS, in the middle of a session's life. */
  override _resetSession(): void {
    this.forget();
  }
}
