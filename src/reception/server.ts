/** The listeners of the perimeter: their TLS contexts, their start and end, and the sweep that keeps the deadlines. */
import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { formatReply } from '../mail/reply.ts';
import type { TlsProfile } from '../mail/route.ts';
import type { Clock } from '../platform/clock.ts';
import { ulid } from '../platform/ids.ts';
import type { Log } from '../platform/logger.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { DEADLINES, type Deadlines, type House, makeReady } from './house.ts';
import type { EventSink, ListenerSettings, ProtocolLogging, ReceptionSettings, RecipientAdmission, Spooling } from './ports.ts';
import { Session } from './session.ts';
import { type ConnectionOpener, LeanServer } from './smtp-overrides.ts';

export interface ReceptionPorts {
  readonly admission: RecipientAdmission;
  readonly spooling: Spooling;
  readonly events: EventSink;
  /** Absent: no session is written down. */
  readonly protocolLog?: ProtocolLogging;
  readonly log: Log;
  readonly clock: Clock;
}

export interface ReceptionStats {
  readonly connections: number;
  /** Messages answered with 250. */
  readonly accepted: number;
  /** REJECT records. */
  readonly rejected: number;
  /** No new connections, no new transactions. */
  readonly draining: boolean;
}

export interface Reception extends AsyncDisposable {
  /** Where it listens in fact, in the order of the settings. */
  addresses(): readonly ListenerSettings[];
  /** Reads certificate and key again, for all handshakes to come. Rejects, and keeps the old pair, where they do not fit. */
  reloadCertificate(): Promise<void>;
  /** Peers, limits, sizes, names, tenant proof: at once, for open sessions too, but for the class they have. Listeners stay. */
  reconfigure(settings: ReceptionSettings): void;
  /** Stops listening, says 421 to who is idle, lets transactions end, and after the deadline (milliseconds) ends them. */
  stop(deadline: number): Promise<void>;
  stats(): ReceptionStats;
}

const REFUSED_LINGER = 5_000; // for the 421 to be read by a client that was never let in
const LAST_WORDS = 1_000; // for the 421 to be read at shutdown

/** Listens. Rejects where an address cannot be had, or certificate and key cannot be read or do not fit. */
export async function startReception(
  settings: ReceptionSettings,
  ports: ReceptionPorts,
  deadlines: Deadlines = DEADLINES,
): Promise<Reception> {
  const reception = new Listeners(settings, ports, deadlines);
  await reception.listen();
  return reception;
}

class Listeners implements Reception, ConnectionOpener {
  private settings: ReceptionSettings;
  private readonly house: House;
  private readonly sessions = new Set<Session>();
  private readonly servers: LeanServer[] = [];
  private readonly idPrefix: string;
  private readonly protocolLog: ProtocolLogging | undefined;
  private ids = 0;
  private sweep: NodeJS.Timeout | undefined;
  private stopped: Promise<void> | undefined;
  private allLeft: (() => void) | undefined;

  constructor(settings: ReceptionSettings, ports: ReceptionPorts, deadlines: Deadlines) {
    this.settings = settings;
    this.protocolLog = ports.protocolLog;
    this.idPrefix = `${ulid(ports.clock.now()).slice(0, 16)}-`;
    this.house = {
      settings: makeReady(settings),
      deadlines,
      ...ports,
      limits: new ConnectionLimits(settings),
      now: ports.clock.monotonic(),
      draining: false,
      accepted: 0,
      rejected: 0,
      record: (event) => {
        this.house.rejected += 1;
        ports.events.record(event);
      },
      left: (session) => {
        this.sessions.delete(session);
        // with implicit TLS the socket was counted before there was a session
        if (!(session._server as LeanServer).implicitTls) this.house.limits.leave(session.client.address);
        if (this.sessions.size === 0) this.allLeft?.();
      },
    };
  }

  async listen(): Promise<void> {
    const tls = await tlsOptions(this.settings.tls);
    try {
      for (const listener of this.settings.listeners) this.servers.push(await this.openListener(listener, tls));
    } catch (error) {
      for (const server of this.servers) server.server.close();
      throw error;
    }
    this.startSweep(this.sweepInterval());
  }

  private async openListener(at: ListenerSettings, tls: SecureContextOptions): Promise<LeanServer> {
    const server = new LeanServer(
      {
        ...tls,
        secure: at.tls === 'implicit',
        name: this.settings.hostname,
        // asked for and never needed: it tells who the peer is
        requestCert: true,
        rejectUnauthorized: false,
        authOptional: true,
        disabledCommands: ['AUTH'],
        logger: false,
        disableReverseLookup: true,
        socketTimeout: this.house.deadlines.handshake,
      },
      at,
      this,
    );
    const listening = once(server.server, 'listening'); // rejects on 'error'
    server.listen({ host: at.address, port: at.port, backlog: 1024 });
    await listening;
    server.port = (server.server.address() as AddressInfo).port;
    return server;
  }

  addresses(): readonly ListenerSettings[] {
    return this.servers.map((server) => ({
      address: server.address,
      port: server.port,
      tls: server.implicitTls ? 'implicit' : 'starttls',
    }));
  }

  async reloadCertificate(): Promise<void> {
    const tls = await tlsOptions(this.settings.tls);
    for (const server of this.servers) server.updateSecureContext(tls);
  }

  reconfigure(settings: ReceptionSettings): void {
    this.house.settings = makeReady(settings);
    this.house.limits.change(settings);
    this.settings = settings;
    if (!this.house.draining) this.startSweep(this.sweepInterval());
  }

  stats(): ReceptionStats {
    const { accepted, rejected, draining, limits } = this.house;
    return { connections: limits.open, accepted, rejected, draining };
  }

  stop(deadline: number): Promise<void> {
    this.stopped ??= this.drain(deadline);
    return this.stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop(0);
  }

  private async drain(deadline: number): Promise<void> {
    this.house.draining = true;
    const closed = Promise.all(this.servers.map((server) => new Promise((resolve) => server.server.close(resolve))));
    for (const server of this.servers) for (const socket of server._pendingSockets.values()) socket.destroy();
    for (const session of this.sessions) if (session.isIdle) session.end();
    this.startSweep(100);
    const lastWords = setTimeout(() => {
      for (const session of this.sessions) session.end();
    }, deadline);
    const destruction = setTimeout(() => {
      for (const session of this.sessions) session._socket.destroy();
    }, deadline + LAST_WORDS);
    await closed;
    if (this.sessions.size > 0) {
      await new Promise<void>((resolve) => {
        this.allLeft = resolve;
      });
    }
    clearTimeout(lastWords);
    clearTimeout(destruction);
    clearInterval(this.sweep);
  }

  enter(_server: LeanServer, socket: Socket, implicitTls: boolean): boolean {
    const address = socket.remoteAddress;
    const refusal = address === undefined ? undefined : this.house.limits.enter(address);
    if (address !== undefined && refusal === undefined) return true;
    socket.on('error', () => {});
    if (refusal === undefined || implicitTls) {
      socket.destroy();
    } else {
      socket.resume();
      socket.end(`${formatReply(refusal)}\r\n`);
      setTimeout(() => socket.destroy(), REFUSED_LINGER).unref();
    }
    return false;
  }

  leave(socket: Socket): void {
    if (socket.remoteAddress !== undefined) this.house.limits.leave(socket.remoteAddress);
  }

  open(server: LeanServer, socket: Socket, id: string): Session {
    const session = new Session(server, socket, id, this.house);
    session.protocol = this.protocolLog?.open(this.servers.indexOf(server), id, socket);
    this.sessions.add(session);
    return session;
  }

  /** Unique and cheap: the start of this process and a running number. */
  nextId(): string {
    this.ids += 1;
    return this.idPrefix + this.ids.toString(36).toUpperCase();
  }

  onError(error: Error): void {
    this.house.log.info({ err: error }, 'connection failed before its session');
  }

  private sweepInterval(): number {
    const { handshake, handler } = this.house.deadlines;
    return Math.min(5_000, Math.max(20, Math.min(this.settings.sessionIdle, handshake, handler) / 4));
  }

  private startSweep(interval: number): void {
    clearInterval(this.sweep);
    const { house } = this;
    this.sweep = setInterval(() => {
      house.now = house.clock.monotonic();
      for (const session of this.sessions) session.checkDeadlines();
    }, interval);
    this.sweep.unref();
  }
}

async function tlsOptions(tls: ReceptionSettings['tls']): Promise<SecureContextOptions> {
  const [cert, key] = await Promise.all([readFile(tls.certificate), readFile(tls.key)]);
  const options = { cert, key, ...profileOptions(tls.profile), secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
  // OpenSSL takes a certificate and a key of different kinds without a word, and fails at each handshake
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    throw new Error(`${tls.key} is not the key of ${tls.certificate}`);
  }
  createSecureContext(options);
  return options;
}

function profileOptions(profile: TlsProfile): SecureContextOptions {
  switch (profile) {
    case 'modern':
      return { minVersion: 'TLSv1.3' };
    case 'intermediate':
      return { minVersion: 'TLSv1.2' };
    case 'legacy':
      return { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' };
  }
}
