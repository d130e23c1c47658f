/** Opens a session at a target: connects, greets, and climbs down the ladder of starttls.ts where TLS fails. */
import { readFile, stat } from 'node:fs/promises';
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { formatReply, reply, type SmtpReply } from '../mail/reply.ts';
import type { LadderStep, TlsEvidence } from '../mail/tls.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { type TlsFacts, tlsEvidence } from '../platform/tls-facts.ts';
import type { Deadlines } from './deadlines.ts';
import { connectFailure, readReply, sessionFailure } from './network-replies.ts';
import { formatEndpoint, type Pool, type Session, type Target } from './pool.ts';
import { type ConnectionLost, SmtpConnection } from './smtp-connection.ts';
import { firstRung, judge, type Observed, profileOptions, type Rung, tlsRefusal } from './starttls.ts';

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
}

export class SessionOpener {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #deadlines: Deadlines;
  readonly #ca: string[] | undefined;
  readonly #contexts = new Map<string, { readonly stamp: string; readonly context: SecureContext }>();

  /** `ca`: trust anchors in PEM in place of Node's own. */
  constructor(pool: Pool, clock: Clock, log: Log, deadlines: Deadlines, ca?: string[]) {
    this.#log = log;
    this.#pool = pool;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#ca = ca;
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
      const { connection, observed, facts } = tried;
      const { step, next } = judge(target.tls, rung, observed);
      ladder.push(step);
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
    const ticket = target.ticket?.rung === rung ? target.ticket : undefined;
    let tls: ConnectionOptions = {};
    if (rung !== 'clear') {
      try {
        tls = await this.#tlsOptions(target, rung, ticket?.session);
      } catch (error) {
        const { message } = error as Error;
        return { reply: reply(451, '4.7.5', `the connector's certificate or key cannot be used: ${message.slice(0, 200)}`) };
      }
    }
    const socket = await connectSocket(target, this.#deadlines.connect);
    if (typeof socket === 'string') return { reply: connectFailure(place(target), socket) };
    const connection = new SmtpConnection({
      socket,
      host: target.name,
      ...(isIP(target.name) === 0 ? { servername: target.name } : {}),
      helo: target.helo,
      lmtp: target.protocol === 'lmtp',
      clear: rung === 'clear',
      tls,
      deadlines: this.#deadlines,
      now: () => this.#clock.monotonic(),
      onTlsSession: (session) => {
        // this event may come before the connection counts as secured
        target.ticket = { session, rung, facts: factsOf(connection._socket as TLSSocket, ticket?.facts) };
      },
    });
    this.#pool.watch(connection);
    const lost = await connection.open();
    if (lost === undefined) {
      const facts = connection.secured === undefined ? {} : factsOf(connection.secured, ticket?.facts);
      return { connection, observed: observe(connection, facts), facts };
    }
    if (!isTlsFailure(connection, lost)) return { reply: sessionFailure(target.name, connection.openingStage, lost) };
    return { connection, observed: observeFailure(connection, lost), facts: {} };
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

  async #tlsOptions(target: Target, rung: Exclude<Rung, 'clear'>, session: Buffer | undefined): Promise<ConnectionOptions> {
    const names = target.tls.names ?? [target.name];
    return {
      secureContext: await this.#context(target, rung),
      rejectUnauthorized: false, // judged in starttls.ts, so that a refused certificate is in the record too
      checkServerIdentity: (_host, certificate) => {
        let error: Error | undefined;
        for (const name of names) {
          error = checkServerIdentity(name, certificate);
          if (error === undefined) return undefined;
        }
        return error;
      },
      ...(session === undefined ? {} : { session }),
    };
  }

  /** Contexts are costly; they are made anew when a certificate's file changes. */
  async #context(target: Target, rung: Exclude<Rung, 'clear'>): Promise<SecureContext> {
    const { certificate, key } = target.tls;
    const id = JSON.stringify([rung, certificate, key]);
    const files = certificate === undefined ? [] : [certificate, key ?? certificate];
    const stamp = (await Promise.all(files.map((file) => stat(file)))).map(({ mtimeMs, size }) => `${mtimeMs}/${size}`).join();
    const known = this.#contexts.get(id);
    if (known?.stamp === stamp) return known.context;
    const [cert, privateKey] = await Promise.all(files.map((file) => readFile(file)));
    const context = createSecureContext({
      ...profileOptions(rung),
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
      ...(cert === undefined || privateKey === undefined ? {} : { cert, key: privateKey }),
    });
    this.#contexts.set(id, { stamp, context });
    return context;
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

function observe(connection: SmtpConnection, facts: TlsFacts): Observed {
  if (connection.secured === undefined) {
    const refusal = connection.starttlsRefusal;
    return refusal === undefined ? { kind: 'clear' } : { kind: 'clear', refusal: oneLine(refusal) };
  }
  const { verified = false, 'verification-error': error } = facts;
  return { kind: 'secured', verified, ...(error === undefined ? {} : { error }) };
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
