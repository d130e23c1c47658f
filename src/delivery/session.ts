/** Opens a session at a target: connects, greets, and climbs down the ladder of starttls.ts where TLS fails. */
import { connect, isIP, type Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { formatReply, reply, type SmtpReply } from '../mail/reply.ts';
import type { LadderStep, TlsEvidence } from '../mail/tls.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { type TlsFacts, tlsEvidence } from '../platform/tls-facts.ts';
import { nameError } from './certificate-names.ts';
import type { Deadlines } from './deadlines.ts';
import type { TlsSight } from './learned-hop.ts';
import type { LearnedTls } from './learned-tls.ts';
import { connectFailure, readReply, sessionFailure } from './network-replies.ts';
import { formatEndpoint, type Pool, type Session, type Target } from './pool.ts';
import type { ProtocolLogging } from './ports.ts';
import { type ConnectionLost, SmtpConnection } from './smtp-connection.ts';
import { firstRung, judge, type Observed, type Rung, tlsRefusal } from './starttls.ts';
import type { TlsContexts } from './tls-contexts.ts';
import { putOff, sightOf } from './tls-sight.ts';

/** No session: why, and what was tried. */
export interface NotOpened {
  readonly reply: SmtpReply;
  readonly tls: TlsEvidence;
}

/** TLS was not reached, or not asked for. */
export const TLS_NOT_TRIED: TlsEvidence = { result: 'not-tried' };

/** What one connection came to. */
interface Tried {
  readonly connection: SmtpConnection;
  readonly observed: Observed;
  readonly facts: TlsFacts;
  /** What is learned of it; absent where the connection is gone. */
  readonly sight?: TlsSight;
  /** The handshake offered to resume a session. */
  readonly resuming?: true;
}

export class SessionOpener {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #deadlines: Deadlines;
  readonly #contexts: TlsContexts;
  readonly #learned: Pick<LearnedTls, 'note'> | undefined;
  readonly #protocolLog: ProtocolLogging | undefined;

  /** `learned` is told what each connection shows; absent: nothing is learned. */
  constructor(
    pool: Pool,
    clock: Clock,
    log: Log,
    deadlines: Deadlines,
    contexts: TlsContexts,
    learned: Pick<LearnedTls, 'note'> | undefined,
    protocolLog?: ProtocolLogging,
  ) {
    this.#protocolLog = protocolLog;
    this.#contexts = contexts;
    this.#learned = learned;
    this.#log = log;
    this.#pool = pool;
    this.#clock = clock;
    this.#deadlines = deadlines;
  }

  /** Never rejects. */
  async open(target: Target): Promise<Session | NotOpened> {
    const now = this.#clock.now();
    const memory = target.remembered !== undefined && target.remembered.until > now ? target.remembered : undefined;
    const ladder: LadderStep[] = memory === undefined ? [] : [...memory.steps];
    let failures = ladder.length;
    for (let rung = memory?.rung ?? firstRung(target.tls); ; ) {
      const tried = await this.#attempt(target, rung);
      if ('reply' in tried) return { reply: tried.reply, tls: unsent(ladder) };
      const { connection, observed, facts, sight } = tried;
      const { step, next } = judge(target.tls, rung, observed);
      ladder.push(step);
      if (tried.resuming === true && observed.kind === 'failed') {
        // OpenSSL servers that ask for a certificate and have no session id context break there; TLS itself is not to blame
        connection.close();
        target.ticket = undefined;
        target.resumeAgainAt = now + this.#pool.limits.handshakeMemory;
        continue;
      }
      const worse = sight === undefined ? undefined : this.#note(target, sight, next === 'stop');
      if (next === 'use' && worse !== undefined) {
        connection.close();
        target.ticket = undefined;
        return { reply: worse, tls: putOff(facts, ladder, worse) };
      }
      if (next === 'use') {
        if (failures > 0 && memory?.rung !== rung) this.#remember(target, ladder.slice(0, failures), rung);
        return this.#session(target, connection, { ...facts, result: step.result, ladder });
      }
      connection.close();
      target.ticket = undefined;
      if (next === 'stop') return { reply: tlsRefusal(target.name, step), tls: { ...facts, result: step.result, ladder } };
      failures = ladder.length;
      rung = next;
    }
  }

  #note(target: Target, sight: TlsSight, refused: boolean): SmtpReply | undefined {
    const { connector, name, endpoint, tls } = target;
    if (tls.mode === 'none' || 'unix' in endpoint) return undefined;
    return this.#learned?.note(connector, formatEndpoint({ host: name, port: endpoint.port }), tls, sight, refused);
  }

  /** The next hour's connections begin where this one ended; the failures stay in their record, marked as remembered. */
  #remember(target: Target, steps: readonly LadderStep[], rung: Rung): void {
    this.#log.warn({ connector: target.connector, remoteMta: target.remoteMta, ladder: steps, now: rung }, 'TLS downgraded');
    const now = this.#clock.now();
    const since = new Date(now).toISOString();
    target.remembered = {
      steps: steps.map((step) => ({ ...step, error: `${step.error ?? step.result} (remembered since ${since})` })),
      rung,
      until: now + this.#pool.limits.handshakeMemory,
    };
  }

  /** One connection, one offer. */
  async #attempt(target: Target, rung: Rung): Promise<Tried | { readonly reply: SmtpReply }> {
    let ticket = target.ticket?.rung === rung && target.resumeAgainAt <= this.#clock.now() ? target.ticket : undefined;
    let context: SecureContext | undefined;
    let named: Error | undefined;
    if (rung !== 'clear') {
      try {
        context = await this.#contexts.of(target.tls, rung);
      } catch (error) {
        const { message } = error as Error;
        return { reply: reply(451, '4.7.5', `the connector's certificate or key cannot be used: ${message.slice(0, 200)}`) };
      }
    }
    // a session resumed would be that of the certificate before
    if (ticket?.context !== context) ticket = undefined;
    const socket = await connectSocket(target, this.#deadlines.connect);
    if (typeof socket === 'string') return { reply: connectFailure(place(target), socket) };
    const connection = new SmtpConnection({
      socket,
      host: target.name,
      ...(isIP(target.name) === 0 ? { servername: target.name } : {}),
      helo: target.helo,
      lmtp: target.protocol === 'lmtp',
      clear: rung === 'clear',
      tls: {
        ...(context === undefined ? {} : { secureContext: context }),
        rejectUnauthorized: false, // judged in starttls.ts, so that a refused certificate is in the record too
        checkServerIdentity: (_host, certificate) => (named = nameError(target.tls.names ?? [target.name], certificate)),
        ...(ticket === undefined ? {} : { session: ticket.session }),
      },
      deadlines: this.#deadlines,
      now: () => this.#clock.monotonic(),
      protocol: this.#protocolLog?.open(target.connector, socket),
      onTlsSession: (session) => {
        // this event may come before the connection counts as secured
        if (context !== undefined)
          target.ticket = { session, rung, context, facts: factsOf(connection._socket as TLSSocket, ticket?.facts) };
      },
    });
    this.#pool.watch(connection);
    const lost = await connection.open();
    if (lost === undefined) {
      const facts = connection.secured === undefined ? {} : factsOf(connection.secured, ticket?.facts);
      const observed = observe(connection, facts, named);
      const sight = this.#learned === undefined ? undefined : sightOf(connection, rung, facts);
      return { connection, observed, facts, ...(sight === undefined ? {} : { sight }) };
    }
    if (!isTlsFailure(connection, lost)) return { reply: sessionFailure(target.name, connection.openingStage, lost) };
    const resuming = ticket !== undefined && connection.openingStage !== 'STARTTLS';
    return { connection, observed: observeFailure(connection, lost), facts: {}, ...(resuming ? { resuming } : {}) };
  }

  #session(target: Target, connection: SmtpConnection, tls: TlsEvidence): Session {
    const session: Session = {
      connection,
      target,
      tls,
      openedAt: this.#clock.monotonic(),
      idleSince: 0,
      transactions: 0,
    };
    this.#pool.add(session);
    return session;
  }
}

/** Everything between our STARTTLS and the first answer under TLS, but for an answer that is SMTP's own. */
function isTlsFailure(connection: SmtpConnection, lost: ConnectionLost): boolean {
  switch (connection.openingStage) {
    case 'STARTTLS':
    case 'handshake':
      return true;
    case 'EHLO after STARTTLS':
      return lost.reply === undefined; // in TLS 1.3 a refused client certificate shows only here
    case 'greeting':
    case 'EHLO':
      return false;
  }
}

function observeFailure(connection: SmtpConnection, { code, message }: ConnectionLost): Observed {
  const refusal = connection.starttlsRefusal;
  if (refusal !== undefined) return { kind: 'failed', code, message, refusal: oneLine(refusal) };
  return { kind: 'failed', code, message: code === 'ETIMEDOUT' ? `no answer in time (${connection.openingStage})` : message };
}

function oneLine(wire: string): string {
  return formatReply(readReply(wire));
}

/** `named`: what was wrong with its names. */
function observe(connection: SmtpConnection, facts: TlsFacts, named: Error | undefined): Observed {
  if (connection.secured === undefined) {
    const refusal = connection.starttlsRefusal;
    return refusal === undefined ? { kind: 'clear' } : { kind: 'clear', refusal: oneLine(refusal) };
  }
  const { verified = false, 'verification-error': error } = facts;
  const why = error === undefined || named === undefined ? error : `${error}: ${named.message}`;
  return { kind: 'secured', verified, ...(why === undefined ? {} : { error: why }) };
}

/**
 * The facts of a connection. A resumed session shows no certificate and Node checks no name on it: what its full
 * handshake came to still holds.
 */
function factsOf(socket: TLSSocket, full: TlsFacts | undefined): TlsFacts {
  const facts = tlsEvidence(socket);
  if (full === undefined || !socket.isSessionReused()) return facts;
  // before TLS 1.3 a resumed session makes no new key exchange
  const fresh = facts.protocol === 'TLSv1.3' ? ['protocol', 'cipher', 'bits', 'key-exchange'] : ['protocol', 'cipher', 'bits'];
  return { ...full, ...Object.fromEntries(Object.entries(facts).filter(([fact]) => fresh.includes(fact))) };
}

/** Nothing went: what the ladder came to so far. */
function unsent(ladder: readonly LadderStep[]): TlsEvidence {
  const last = ladder.at(-1);
  return last === undefined ? TLS_NOT_TRIED : { result: last.result, ladder };
}

function place({ name, endpoint }: Target): string {
  const where = formatEndpoint(endpoint);
  return 'unix' in endpoint || endpoint.address === name ? where : `${name} (${where})`;
}

/** Connects; a string is the code of the error. */
function connectSocket({ endpoint, sourceAddress }: Target, deadline: number): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket =
      'unix' in endpoint
        ? connect({ path: endpoint.unix })
        : connect({
            host: endpoint.address,
            port: endpoint.port,
            autoSelectFamily: false,
            ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
          });
    const timer = setTimeout(() => fail({ code: 'ETIMEDOUT' }), deadline);
    const fail = (error: NodeJS.ErrnoException | { code: string }): void => {
      clearTimeout(timer);
      socket.on('error', () => {});
      socket.destroy();
      resolve(error.code ?? 'ECONNECT');
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
