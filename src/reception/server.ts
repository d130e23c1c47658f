/** The listeners of the perimeter: their TLS contexts, their start and end, and the sweep that keeps the deadlines. */
import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { TlsProfile } from '../mail/route.ts';
import type { Clock } from '../platform/clock.ts';
import { ulid } from '../platform/ids.ts';
import type { Log } from '../platform/logger.ts';
import { BlockLists, behindBlockLists, type ListCounts } from './block-lists.ts';
import type { Conversation } from './conversation.ts';
import { clientOf, type Entrance, isUnnamed } from './entrance.ts';
import { type Bite, type Bitten, Gate } from './gate.ts';
import { DEADLINES, type Deadlines, type House, makeReady } from './house.ts';
import type {
  EventSink,
  ListenerSettings,
  OpenedSockets,
  ProtocolLogging,
  ReceptionSettings,
  RecipientAdmission,
  Spooling,
} from './ports.ts';
import { ProxyComplaints } from './proxy-entrance.ts';
import { IN_CLEAR, rejectRecord, type SessionFacts } from './records.ts';
import { RefusedSockets } from './refused.ts';
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
  readonly sockets?: OpenedSockets;
}

export interface ReceptionStats {
  readonly connections: number;
  /** Messages answered with 250. */
  readonly accepted: number;
  /** REJECT records. */
  readonly rejected: number;
  /** No new connections, no new transactions. */
  readonly draining: boolean;
  /** How often each limit was met; clients and networks in memory. */
  readonly limits: ReadonlyMap<string, Readonly<Bitten>>;
  readonly remembered: number;
  /** Per zone of a block list. */
  readonly blockLists: ReadonlyMap<string, Readonly<ListCounts>>;
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

const TIMES = ['session', 'transaction', 'greetingDelay'] as const;
const BACKLOG = 1024;
const LAST_WORDS = 1_000; // for the 421 to be read at shutdown
const PROXY_HEADER = 5_000;
const HUNG_UP = new Set<string | undefined>(['ECONNRESET', 'SocketError']); // the second is smtp-server's word for a close

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
  private readonly sockets: OpenedSockets | undefined;
  private readonly sessions = new Set<Conversation>();
  private readonly servers: LeanServer[] = [];
  private readonly idPrefix: string;
  private readonly protocolLog: ProtocolLogging | undefined;
  private readonly refused = new RefusedSockets();
  private readonly complaints: ProxyComplaints;
  /** Of those who are no balancers: kept apart, or anybody could keep ours silent. */
  private readonly strays: ProxyComplaints;
  private ids = 0;
  private sweep: NodeJS.Timeout | undefined;
  private stopped: Promise<void> | undefined;
  private allLeft: (() => void) | undefined;

  constructor(settings: ReceptionSettings, ports: ReceptionPorts, deadlines: Deadlines) {
    this.settings = settings;
    this.protocolLog = ports.protocolLog;
    this.sockets = ports.sockets;
    this.idPrefix = `${ulid(ports.clock.now()).slice(0, 16)}-`;
    this.complaints = new ProxyComplaints(ports.log, () => ports.clock.monotonic());
    this.strays = new ProxyComplaints(ports.log, () => ports.clock.monotonic());
    const blockLists = new BlockLists(settings.blockLists, ports.log, () => ports.clock.monotonic());
    this.house = {
      settings: makeReady(settings),
      deadlines,
      ...ports,
      admission: behindBlockLists(blockLists, ports.admission),
      gate: new Gate(settings.limits),
      blockLists,
      now: ports.clock.monotonic(),
      draining: false,
      accepted: 0,
      rejected: 0,
      record: (event) => {
        this.house.rejected += 1;
        ports.events.record(event);
      },
      tell: (bite, session) => this.tell(bite, session),
      strayHeader: (address) => this.strays.note(address, 'the address is not under proxy-protocol of this listener'),
      left: (session) => {
        this.sessions.delete(session);
        // with implicit TLS the socket was counted before there was a session
        if (!(session._server as LeanServer).implicitTls) this.house.gate.leave(session.from.address);
        if (this.sessions.size === 0) this.allLeft?.();
      },
    };
  }

  async listen(): Promise<void> {
    try {
      for (const listener of this.settings.listeners) {
        this.servers.push(await this.openListener(listener, await tlsOptions(this.settings.tls, listener.clientCaFile)));
      }
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
    if (this.sockets?.handOver(at, server.server, BACKLOG) !== true)
      server.listen({ host: at.address, port: at.port, backlog: BACKLOG });
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
    const { tls, listeners } = this.settings;
    const options = await Promise.all(this.servers.map((_, i) => tlsOptions(tls, listeners[i]?.clientCaFile)));
    this.servers.forEach((server, i) => server.updateSecureContext(options[i]));
  }

  reconfigure(settings: ReceptionSettings): void {
    this.house.settings = makeReady(settings);
    this.house.gate.change(settings.limits);
    this.house.blockLists.change(settings.blockLists);
    this.settings = settings;
    if (!this.house.draining) this.startSweep(this.sweepInterval());
  }

  stats(): ReceptionStats {
    const { accepted, rejected, draining, gate, blockLists } = this.house;
    const { open, bitten, remembered } = gate;
    return { connections: open, accepted, rejected, draining, limits: bitten, remembered, blockLists: blockLists.counts };
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
    this.refused.closeAll();
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

  enter(socket: Socket, from: Entrance, implicitTls: boolean): boolean {
    const gone = from.address === '';
    const refusal = gone ? undefined : this.knock(from);
    if (!gone && refusal === undefined) return true;
    const answer = refusal === undefined || implicitTls ? undefined : formatReply(refusal);
    this.refused.refuse(socket, answer, gone ? 0 : this.house.gate.waitAtTheDoor(from.address));
    return false;
  }

  private knock(from: Entrance): SmtpReply | undefined {
    const { gate, settings } = this.house;
    const client = clientOf(from, settings.peers);
    const tell = (bite: Bite): void => this.tell(bite, { sessionId: this.nextId(), client, tls: IN_CLEAR });
    return gate.enter(from.address, client.peer, { tell }, isUnnamed(from));
  }

  /** A limit that refuses leaves a record; one that is monitored, or lets its client wait, refused nothing: a line in the log. */
  private tell({ limit, reason }: Bite, session: SessionFacts): void {
    const { house } = this;
    const { sessionId, client } = session;
    const waits = limit.name === 'greeting-delay';
    if (limit.enforced && !waits) house.record(rejectRecord(session, house.clock.now(), { reply: limit.answer, reason }));
    else
      house.log.warn({ sessionId, client, limit: limit.name, reason }, `limit met, ${limit.enforced ? 'it waits' : 'monitored'}`);
  }

  leave(address: string): void {
    this.house.gate.leave(address);
  }

  onBrokenHeader(balancer: string, reason: string): void {
    this.complaints.note(balancer, reason);
  }

  get proxyHeader(): number {
    return this.house.deadlines.proxyHeader ?? PROXY_HEADER;
  }

  open(server: LeanServer, socket: Socket, id: string, from: Entrance): Session {
    const session = new Session(server, socket, id, from, this.house);
    session.protocol = this.protocolLog?.open(this.servers.indexOf(server), id, socket);
    this.sessions.add(session);
    return session;
  }

  /** Unique and cheap: the start of this process and a running number. */
  nextId(): string {
    this.ids += 1;
    return this.idPrefix + this.ids.toString(36).toUpperCase();
  }

  onError(error: Error & { code?: string }): void {
    // a balancer or a monitor that looks whether the port is open hangs up here, every other second
    const level = HUNG_UP.has(error.code) ? 'debug' : 'info';
    this.house.log[level]({ err: error }, 'connection failed before its session');
  }

  private sweepInterval(): number {
    const { handshake, handler, rateWindow } = this.house.deadlines;
    const { limits, sessionIdle } = this.settings;
    const times = TIMES.map((name) => limits[name]).filter(({ mode }) => mode !== 'off');
    const shortest = Math.min(sessionIdle, handshake, handler, rateWindow, ...times.map(({ most }) => most));
    return Math.min(1_000, Math.max(20, shortest / 4));
  }

  private startSweep(interval: number): void {
    clearInterval(this.sweep);
    const { house } = this;
    this.sweep = setInterval(() => {
      house.now = house.clock.monotonic();
      house.gate.tick(house.now);
      for (const session of this.sessions) session.checkDeadlines();
    }, interval);
    this.sweep.unref();
  }
}

async function tlsOptions(tls: ReceptionSettings['tls'], clientCaFile: string | undefined): Promise<SecureContextOptions> {
  const [cert, key] = await Promise.all([readFile(tls.certificate), readFile(tls.key)]);
  const ca = clientCaFile === undefined ? undefined : { ca: await readFile(clientCaFile) };
  const options = { cert, key, ...ca, ...profileOptions(tls.profile), secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
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
