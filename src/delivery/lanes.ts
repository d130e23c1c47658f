/**
 * A lane is one next hop: a connector, and for delivery by MX the domain; domains with TLS of their own have one each. It holds who waits there, how many transactions
 * run, and whether the hop is known to be down. Lanes know nothing of each other: a dead one delays no other.
 */

import type { Domain } from '../mail/address.ts';
import type { Attempt, RemoteMta } from '../mail/attempt.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { Connector, Leg } from '../mail/route.ts';
import type { SpoolId } from '../mail/spooled.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import { tlsDestinationOf } from '../mail/tls-policy.ts';
import { FinalDots } from './final-dots.ts';
import { MassRefusal } from './mass-refusal.ts';
import { kindOf } from './outcome-table.ts';
import type { Closed } from './settle.ts';

/**
 * One waiting message: its id where all of its due recipients wait here, else which of them. Nothing more is kept, so
 * that a hundred thousand of them cost a few megabytes.
 */
export type Waiting =
  | SpoolId
  | { readonly id: SpoolId; readonly share: readonly number[] | undefined; readonly waitedFor?: string };

/** What a lane last saw of its next hop. Times in milliseconds since the epoch. */
export interface Sighting {
  readonly at: number;
  readonly reply: SmtpReply;
  readonly remoteMta?: RemoteMta;
  readonly tls: TlsEvidence;
}

interface Down {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** On the clock that never jumps. */
  readonly markedAt: number;
  readonly retryAt: number;
  readonly failures: number;
  readonly reply: SmtpReply;
}

/** Until a hop has answered, few connections are risked on it. */
const FIRST_CONNECTIONS = 5;
/** After the hop refused one connection beside others that work, how long until one more is tried. */
const GROW_EVERY_MS = 60_000;
/** Parked ids that are remembered; beyond that mail comes back at its own time only. */
const MAX_PARKED = 200_000;

/** A queue without shifting: taking the first costs the same however many wait. */
export class Queue<T> {
  #items: T[] = [];
  #head = 0;
  get length(): number {
    return this.#items.length - this.#head;
  }
  first(): T | undefined {
    return this.#items[this.#head];
  }
  push(item: T): void {
    this.#items.push(item);
  }
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 4096 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}

export class Lane {
  readonly key: string;
  readonly destination: Domain;
  connector: Connector;
  readonly waiting = new Queue<Waiting>();
  /** Messages put off because the hop was down or paused: unclaimed, deferred in the spool, woken when it is back. */
  readonly parked = new Set<SpoolId>();
  readonly refusals = new MassRefusal();
  active = 0;
  /** Transactions that have ended, their outcomes not durable yet. */
  settling = 0;
  readonly dots: FinalDots;
  /** Work on this lane that must not run twice at a time. */
  turningAway = false;
  /** Its connector is about to be paused (R18). */
  stopping = false;
  waking = false;
  lastSuccess: Sighting | undefined;
  lastFailure: Sighting | undefined;
  #down: Down | undefined;
  #probing = false;
  #limit = FIRST_CONNECTIONS;
  #proven = false;
  #grewAt = 0;
  #pressed = false;
  #successAt = -1;
  #throttledAt = -1;

  /** `dotWaits`: told when a final dot has to wait for outcomes. */
  constructor(key: string, connector: Connector, destination: Domain, dotWaits?: (lane: Lane) => void) {
    this.key = key;
    this.connector = connector;
    this.destination = destination;
    this.dots = new FinalDots(
      () => this.slots,
      () => dotWaits?.(this),
    );
  }

  /** Connections that this lane may use now. */
  get slots(): number {
    return this.#probing ? 1 : Math.min(this.#limit, this.connector.connections);
  }
  get down(): Down | undefined {
    return this.#down;
  }
  /** The hop is down and nobody is to try it. */
  get backingOff(): boolean {
    return this.#down !== undefined && !this.#probing;
  }
  get idle(): boolean {
    return this.active + this.settling === 0 && this.waiting.length === 0 && this.parked.size === 0;
  }

  /** Remembers a message to be woken when the hop is back. */
  park(id: SpoolId): void {
    if (this.parked.size < MAX_PARKED) this.parked.add(id);
  }

  /** Why nothing is tried here now; `undefined` when the lane is open. */
  closed(paused: boolean): Closed | undefined {
    if (paused) return { reason: 'connector paused' };
    if (!this.backingOff || this.#down === undefined) return undefined;
    const { since, reply } = this.#down;
    return { reason: `next hop down since ${new Date(since).toISOString()}: ${formatReply(reply)}`, reply };
  }

  /** Lets one message through to see whether the hop is back. */
  probe(): void {
    if (this.#down !== undefined) this.#probing = true;
  }

  /** Takes note of a transaction. Answers `down` or `up` when that is news. `retryDelay` tells how long to stay away. */
  observe(
    attempts: readonly Attempt[],
    started: number,
    now: number,
    monotonic: number,
    retryDelay: (failures: number) => number,
  ): 'down' | 'up' | undefined {
    let broken: Attempt | undefined;
    let answered = false;
    let throttled: Attempt | undefined;
    for (const attempt of attempts) {
      const { outcome } = attempt;
      if (outcome.kind === 'relayed') this.lastSuccess = sighting(attempt, now);
      else if (outcome.kind === 'deferred' || outcome.cause === 'connection') this.lastFailure = sighting(attempt, now);
      if (outcome.kind === 'deferred' && outcome.cause === 'answer' && this.#isThrottle(outcome.reply)) throttled = attempt;
      else if (outcome.kind === 'relayed' || outcome.cause === 'answer') answered = true;
      // Lost behind the final dot (RFC 1047): the hop was there; this message may even be what it stumbled over.
      else if (outcome.kind === 'deferred' && outcome.possibleDuplicate !== true) broken = attempt;
    }
    if (throttled !== undefined) return this.#throttled(throttled.outcome.reply, started, now, monotonic, retryDelay);
    if (answered) return this.#works(monotonic);
    return broken === undefined ? undefined : this.#fails(broken.outcome.reply, started, now, monotonic, retryDelay);
  }

  #isThrottle(reply: SmtpReply): boolean {
    const { side, nextHop } = this.connector;
    return kindOf({ reply, side, byMx: nextHop.kind === 'mx', stage: 'answer', inGrace: false }) === 'throttle';
  }

  /** R18: half the connections, growing again one a minute; where one was too many already, none for a while. */
  #throttled(
    reply: SmtpReply,
    started: number,
    now: number,
    monotonic: number,
    retryDelay: (failures: number) => number,
  ): 'down' | 'up' | undefined {
    // What set out before the last one tells nothing new.
    if (started < this.#throttledAt) return undefined;
    const alone = this.#probing || (this.#pressed && this.#limit === 1 && this.#successAt <= this.#throttledAt);
    const limit = alone ? 1 : Math.max(1, Math.floor((this.active + 1) / 2));
    const news = alone ? this.#fails(reply, started, now, monotonic, retryDelay) : undefined;
    this.#throttledAt = monotonic;
    this.#proven = true;
    this.#limit = limit;
    this.#pressed = true;
    this.#grewAt = monotonic;
    return news;
  }

  #works(monotonic: number): 'up' | undefined {
    this.#successAt = monotonic;
    if (!this.#proven) {
      this.#proven = true;
      this.#limit = Number.POSITIVE_INFINITY;
    } else if (this.#pressed && monotonic - this.#grewAt >= GROW_EVERY_MS) {
      this.#limit += 1;
      this.#grewAt = monotonic;
      if (this.#limit >= this.connector.connections) this.#pressed = false;
    }
    if (this.#down === undefined) return undefined;
    this.#down = undefined;
    this.#probing = false;
    return 'up';
  }

  #fails(
    reply: SmtpReply,
    started: number,
    now: number,
    monotonic: number,
    retryDelay: (failures: number) => number,
  ): 'down' | undefined {
    // Others got through while this one was refused: too many connections for the hop, not a hop that is down.
    if (this.#down === undefined && this.active > 0 && this.#successAt >= started) {
      this.#limit = Math.max(1, this.active);
      this.#pressed = true;
      this.#grewAt = monotonic;
      return undefined;
    }
    // What set out before the hop was known to be down tells nothing new.
    if (this.#down !== undefined && started < this.#down.markedAt) return undefined;
    const failures = (this.#down?.failures ?? 0) + 1;
    const since = this.#down?.since ?? now;
    this.#down = { since, markedAt: monotonic, retryAt: monotonic + retryDelay(failures), failures, reply };
    this.#probing = false;
    this.#proven = false;
    this.#pressed = false;
    this.#limit = FIRST_CONNECTIONS;
    return 'down';
  }
}

function sighting(attempt: Attempt, now: number): Sighting {
  const { reply } = attempt.outcome;
  const seen = { at: now, reply, tls: attempt.tls };
  return attempt.remoteMta === undefined ? seen : { ...seen, remoteMta: attempt.remoteMta };
}

/** Mail of two TLS policies is never in one transaction, for it is never in one lane. */
function laneKey(connector: Connector, domain: Domain): string {
  if (connector.nextHop.kind === 'mx') return `${connector.name} ${domain}`;
  const destination = tlsDestinationOf(connector, domain);
  return destination === undefined ? connector.name : `${connector.name} ${destination.pattern}`;
}

/** Lanes by name; those long idle are forgotten, so that mail to many domains leaves nothing behind. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #dotWaits: ((lane: Lane) => void) | undefined;

  constructor(dotWaits?: (lane: Lane) => void) {
    this.#dotWaits = dotWaits;
  }

  of(leg: Leg): Lane {
    const { connector } = leg;
    const key = laneKey(connector, leg.address.domain);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      if (this.#lanes.size >= 5000) this.#forgetIdle();
      lane = new Lane(key, connector, leg.address.domain, this.#dotWaits);
      this.#lanes.set(key, lane);
    } else if (lane.connector !== connector) {
      lane.connector = connector;
    }
    return lane;
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** Also those that are down: where no mail waits, nobody needs to know, and the dead domains of a year are many. */
  #forgetIdle(): void {
    for (const [key, lane] of this.#lanes) if (lane.idle) this.#lanes.delete(key);
  }
}
