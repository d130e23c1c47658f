/**
 * The places we connect to, what we remember of each, and the connections kept open there. One timer watches every
 * deadline and every idle connection, so that a message costs none.
 */
import type { SecureContext } from 'node:tls';
import type { RemoteMta } from '../mail/attempt.ts';
import type { HostPort } from '../mail/route.ts';
import type { LadderStep, TlsEvidence } from '../mail/tls.ts';
import type { TlsDecision } from '../mail/tls-policy.ts';
import type { Clock } from '../platform/clock.ts';
import type { TlsFacts } from '../platform/tls-facts.ts';
import type { Deadlines, Waiting } from './deadlines.ts';
import type { SmtpConnection } from './smtp-connection.ts';
import type { Rung } from './starttls.ts';

/** One address of one host, as one connector reaches it: connections of different identities are never mixed. */
export interface Target {
  readonly protocol: 'smtp' | 'lmtp';
  readonly connector: string;
  /** The host that was asked for. */
  readonly name: string;
  readonly endpoint: { readonly address: string; readonly port: number } | { readonly unix: string };
  readonly remoteMta: RemoteMta;
  readonly tls: TlsDecision;
  readonly helo: string;
  readonly sourceAddress: string | undefined;
  /** Kept connections, the last used one at the end. */
  readonly idle: Session[];
  /** Monotonic ms: until then others are tried first. */
  downUntil: number;
  /** Handshakes that failed, so that each message does not repeat them. */
  remembered: { readonly steps: readonly LadderStep[]; readonly rung: Rung; readonly until: number } | undefined;
  /**
   * A TLS session to resume on this rung, with the context (our certificate) and the facts of its full handshake: a
   * resumed one shows no certificate, on either side.
   */
  ticket:
    | { readonly session: Buffer; readonly rung: Rung; readonly context: SecureContext; readonly facts: TlsFacts }
    | undefined;
  /** Milliseconds since the epoch: until then no session is resumed, for a handshake that did so failed. */
  resumeAgainAt: number;
}

/** A connection that is ready for mail. */
export interface Session {
  readonly connection: SmtpConnection;
  readonly target: Target;
  readonly tls: TlsEvidence;
  /** Monotonic ms. */
  readonly openedAt: number;
  idleSince: number;
  transactions: number;
}

export interface PoolLimits {
  /** Milliseconds a connection is kept without work. */
  readonly idle: number;
  /** Milliseconds a connection is used at most, so that changed addresses and certificates are seen. */
  readonly age: number;
  readonly transactions: number;
  /** Milliseconds for which a host that took no connection is asked last. */
  readonly down: number;
  /** Milliseconds for which a failed handshake is not repeated. */
  readonly handshakeMemory: number;
  /** Targets remembered. */
  readonly targets: number;
}

export const POOL_LIMITS: PoolLimits = {
  idle: 30_000,
  age: 300_000,
  transactions: 1_000,
  down: 60_000,
  handshakeMemory: 3_600_000,
  targets: 20_000,
};

/** What makes a target, but for the state we keep of it. */
export type TargetIdentity = Omit<Target, 'idle' | 'downUntil' | 'remembered' | 'ticket' | 'resumeAgainAt' | 'remoteMta'>;

export class Pool {
  readonly limits: PoolLimits;
  readonly #clock: Clock;
  readonly #tick: number;
  readonly #targets = new Map<string, Target>();
  readonly #waiting = new Set<Waiting & { readonly _destroyed: boolean }>();
  readonly #sessions = new Set<Session>();
  #timer: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(clock: Clock, deadlines: Deadlines, limits: PoolLimits) {
    this.#clock = clock;
    this.limits = limits;
    const shortest = Math.min(...Object.values(deadlines as unknown as Record<string, number>), limits.idle);
    this.#tick = Math.max(5, Math.min(1_000, shortest / 4));
  }

  /** The one target of this identity. */
  target(identity: TargetIdentity): Target {
    const { protocol, connector, name, endpoint, tls, helo, sourceAddress } = identity;
    // where a policy stands changes nothing of what it says
    const key = JSON.stringify([protocol, connector, name, endpoint, { ...tls, source: '' }, helo, sourceAddress]);
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    if (this.#targets.size >= this.limits.targets) this.#forget();
    const remoteMta = 'unix' in endpoint ? { name: endpoint.unix } : { name, address: endpoint.address, port: endpoint.port };
    const target: Target = {
      ...identity,
      remoteMta,
      idle: [],
      downUntil: 0,
      remembered: undefined,
      ticket: undefined,
      resumeAgainAt: 0,
    };
    this.#targets.set(key, target);
    return target;
  }

  /** Drops the oldest tenth of the targets that hold no connection. */
  #forget(): void {
    let surplus = Math.ceil(this.limits.targets / 10);
    for (const [key, target] of this.#targets) {
      if (target.idle.length > 0) continue;
      this.#targets.delete(key);
      if (--surplus === 0) return;
    }
  }

  /** A kept connection that still looks alive. */
  take(target: Target): Session | undefined {
    for (let session = target.idle.pop(); session !== undefined; session = target.idle.pop()) {
      if (session.connection.usable) return session;
      session.connection.close();
    }
    return undefined;
  }

  /** Takes a session back after use: keeps it, or says goodbye. */
  keep(session: Session): void {
    const { connection, target } = session;
    const now = this.#clock.monotonic();
    if (connection._destroyed) return;
    if (
      this.#closing ||
      !connection.usable ||
      session.transactions >= this.limits.transactions ||
      now - session.openedAt >= this.limits.age
    ) {
      connection.leave();
      return;
    }
    session.idleSince = now;
    target.idle.push(session);
  }

  /** Watches a connection's deadlines from its first moment to its last. */
  watch(connection: SmtpConnection): void {
    this.#waiting.add(connection);
    connection.once('end', () => this.#unwatch(connection));
    this.#timer ??= setInterval(() => this.#sweep(), this.#tick);
  }

  /** A connector's own certificate has changed: kept connections end now, those at work when they come back. */
  retire(connector: string): void {
    for (const session of this.#sessions) {
      if (session.target.connector !== connector) continue;
      session.transactions = this.limits.transactions;
      for (const idle of session.target.idle.splice(0)) idle.connection.leave();
    }
  }

  #unwatch(connection: SmtpConnection): void {
    this.#waiting.delete(connection);
    if (this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  add(session: Session): void {
    this.#sessions.add(session);
    session.connection.once('end', () => {
      this.#sessions.delete(session);
      const { idle } = session.target;
      const at = idle.indexOf(session);
      if (at >= 0) idle.splice(at, 1);
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const waiting of this.#waiting) if (waiting.deadline !== 0 && now >= waiting.deadline) waiting.expire();
    for (const { target } of this.#sessions) {
      const { idle } = target;
      // the oldest stand in front
      while (idle[0] !== undefined && now - idle[0].idleSince >= this.limits.idle) idle.shift()?.connection.leave();
    }
  }

  /** Says goodbye to idle connections now, to others when they come back; at the deadline (ms) breaks what is left. */
  async close(deadline: number): Promise<void> {
    this.#closing = true;
    for (const { target } of this.#sessions) for (const session of target.idle.splice(0)) session.connection.leave();
    if (this.#waiting.size === 0) return;
    const open = [...this.#waiting] as SmtpConnection[];
    const gone = Promise.all(open.map((connection) => new Promise<void>((resolve) => connection.once('end', resolve))));
    const timer = setTimeout(() => {
      for (const connection of this.#waiting)
        (connection as SmtpConnection).abort({ code: 'ESHUTDOWN', message: 'the relay stops' });
    }, deadline);
    await gone;
    clearTimeout(timer);
  }
}

/** `host:port`, the host in brackets where it is an IPv6 address. */
export function formatEndpoint(endpoint: Target['endpoint'] | HostPort): string {
  if ('unix' in endpoint) return `unix:${endpoint.unix}`;
  const host = 'address' in endpoint ? endpoint.address : endpoint.host;
  return `${host.includes(':') ? `[${host}]` : host}:${endpoint.port}`;
}
