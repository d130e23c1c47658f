/**
 * The queue runner: takes what is due from the spool, hands it to the lanes, wakes when the next mail falls due.
 * Spooled state is the truth; all that is kept here can be lost and is found again at the next start.
 */
import type { Mailbox } from '../mail/address.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Side } from '../mail/route.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { Dispatch } from './dispatch.ts';
import type { Lane, Sighting } from './lanes.ts';
import type { Authentication, Control, DeliverySettings, DueMail, Grace, Hands, Notifying, Routing } from './ports.ts';
import { recheckHeld, recheckParked } from './recheck.ts';
import type { Transport } from './transaction.ts';

export interface SchedulerDeps {
  readonly due: DueMail;
  readonly routing: Routing;
  readonly notifying: Notifying;
  readonly control: Control;
  /** Absent: whoever a server does not know fails at once, however new the mailbox is there. */
  readonly grace?: Grace;
  /** Absent: mail is what it says it is. */
  readonly authentication?: Authentication;
  /** Absent: nobody asks what was under way when the process died. */
  readonly hands?: Hands;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** A random number from 0 to 1, for jitter; default `Math.random`. */
  readonly random?: () => number;
}

/** One lane as an operator sees it. Times in milliseconds since the epoch. */
export interface LaneStats {
  /** The connector, and for delivery by MX the domain behind a space. */
  readonly lane: string;
  readonly connector: string;
  readonly destination?: string;
  /** Messages that wait for this lane: for a free connection, or for the hop to come back. */
  readonly waiting: number;
  readonly active: number;
  /** When the message that has waited longest was accepted. */
  readonly oldest?: number;
  readonly state: 'up' | 'backing-off' | 'paused';
  /** While backing off. */
  readonly downSince?: number;
  readonly retryAt?: number;
  /** What closed it. */
  readonly downReply?: SmtpReply;
  readonly lastSuccess?: Sighting;
  readonly lastFailure?: Sighting;
}

export interface Scheduler {
  start(): void;
  /** Starts nothing new, waits for what is under way, at most `deadline` milliseconds. What is not settled by then is repeated. */
  stop(deadline: number): Promise<void>;
  stats(): LaneStats[];
  /** Messages that are not delivered, for their body changed in the spool. */
  corrupt(): SpoolId[];
  reconfigure(settings: DeliverySettings): void;
  /** Tries a lane or a connector (all without a name) at once, whatever its back-off says. */
  retryNow(laneOrConnector?: string): void;
  /** Routes held and parked mail anew, after the directory, the settings or the time changed; resolves when it is done. */
  recheckHeld(): Promise<void>;
  /**
   * Resolves when the attempts have ended that are meant and were under way at the call, at the latest after `deadline`
   * milliseconds, with the number of those that have not. What came of the others is durable.
   */
  attemptsEnd(isMeant: (attempt: { recipient: Mailbox; side: Side }) => boolean, deadline: number): Promise<number>;
}

/** Messages claimed before the event loop gets its turn. */
const BATCH = 200;
/** How often a paused lane, or one that comes back, is looked at; how long to wait for a store that is behind. */
const ATTEND_EVERY_MS = 500;
/** The longest sleep: a clock that is set back or ahead is noticed by then. */
const LONGEST_SLEEP_MS = 60_000;

export function createScheduler(settings: DeliverySettings, deps: SchedulerDeps): Scheduler {
  return new QueueRunner(settings, deps);
}

class QueueRunner implements Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #dispatch: Dispatch;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #pumping = false;
  #rechecking: Promise<void> = Promise.resolve();

  constructor(settings: DeliverySettings, deps: SchedulerDeps) {
    this.#deps = deps;
    const random = deps.random ?? Math.random;
    this.#dispatch = new Dispatch(settings, {
      ...deps,
      random,
      wakeBy: (at) => this.#wakeBy(at),
      pumpSoon: () => this.#pumpSoon(),
    });
  }

  start(): void {
    this.#deps.due.onDue(() => this.#pumpSoon());
    this.#pumpSoon();
  }

  async stop(deadline: number): Promise<void> {
    const dispatch = this.#dispatch;
    dispatch.stopped = true;
    clearTimeout(this.#timer);
    if (!dispatch.quiet) {
      const { promise, resolve } = Promise.withResolvers<void>();
      dispatch.onQuiet = resolve;
      const timer = setTimeout(resolve, deadline);
      await promise;
      clearTimeout(timer);
    }
    dispatch.commits.stop();
  }

  reconfigure(settings: DeliverySettings): void {
    const before = new Map(this.#dispatch.settings.connectors.map((connector) => [connector.name, JSON.stringify(connector)]));
    this.#dispatch.settings = settings;
    for (const connector of settings.connectors) {
      if (before.get(connector.name) !== JSON.stringify(connector)) this.retryNow(connector.name);
    }
  }

  retryNow(laneOrConnector?: string): void {
    for (const lane of this.#dispatch.lanes.all()) {
      if (laneOrConnector !== undefined && lane.key !== laneOrConnector && lane.connector.name !== laneOrConnector) continue;
      lane.probe();
      this.#attend(lane);
      if (lane.down !== undefined || lane.parked.size > 0) this.#dispatch.attend(lane);
    }
    this.#pumpSoon();
  }

  recheckHeld(): Promise<void> {
    const again = async () => {
      await recheckHeld(this.#dispatch, this.#deps);
      await recheckParked(this.#dispatch);
      this.#pumpSoon();
    };
    this.#rechecking = this.#rechecking.then(again).catch((error: unknown) => {
      this.#deps.log.error({ err: error }, 'held mail not rechecked');
    });
    return this.#rechecking;
  }

  async attemptsEnd(isMeant: (attempt: { recipient: Mailbox; side: Side }) => boolean, deadline: number): Promise<number> {
    const { running } = this.#dispatch;
    const meant = [...running].filter(([{ parts }]) =>
      parts.some(({ recipient, leg }) => isMeant({ recipient: recipient.address, side: leg.side })),
    );
    if (meant.length === 0) return 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadline);
    await Promise.race([promise, Promise.all(meant.map(([, ended]) => ended))]);
    clearTimeout(timer);
    return meant.filter(([task]) => running.has(task)).length;
  }

  stats(): LaneStats[] {
    return Array.from(this.#dispatch.lanes.all(), (lane) => this.#statsOf(lane));
  }

  corrupt(): SpoolId[] {
    const { corrupt } = this.#dispatch;
    for (const id of corrupt) if (this.#loaded(id) === undefined) corrupt.delete(id);
    return [...corrupt];
  }

  #statsOf(lane: Lane): LaneStats {
    const { connector, down, lastSuccess, lastFailure } = lane;
    const paused = this.#deps.control.isPaused(connector.name);
    const oldest = this.#oldestOf(lane);
    const { clock } = this.#deps;
    return {
      lane: lane.key,
      connector: connector.name,
      ...(connector.nextHop.kind === 'mx' ? { destination: lane.destination } : undefined),
      waiting: lane.waiting.length + lane.parked.size,
      active: lane.active,
      ...(oldest === undefined ? undefined : { oldest }),
      state: paused ? 'paused' : down === undefined ? 'up' : 'backing-off',
      ...(down === undefined
        ? undefined
        : { downSince: down.since, downReply: down.reply, retryAt: clock.now() + Math.max(0, down.retryAt - clock.monotonic()) }),
      ...(lastSuccess === undefined ? undefined : { lastSuccess }),
      ...(lastFailure === undefined ? undefined : { lastFailure }),
    };
  }

  #oldestOf(lane: Lane): number | undefined {
    const first = lane.waiting.first();
    const ids: (SpoolId | undefined)[] = [typeof first === 'object' ? first.id : first, lane.parked.values().next().value];
    let oldest: number | undefined;
    for (const id of ids) {
      const at = id === undefined ? undefined : this.#loaded(id)?.receivedAt;
      if (at !== undefined && (oldest === undefined || at < oldest)) oldest = at;
    }
    return oldest;
  }

  /** `null` while the spool cannot be read: `status` has that to say, and must not fail over it. */
  #loaded(id: SpoolId): SpooledMessage | undefined | null {
    try {
      return this.#deps.due.load(id);
    } catch {
      return null;
    }
  }

  /** Once per turn of the event loop, behind what it has to answer: replies to clients go before deliveries. */
  #pumpSoon(): void {
    if (this.#pumping || this.#dispatch.stopped) return;
    this.#pumping = true;
    setImmediate(() => this.#pump());
  }

  #pump(): void {
    this.#pumping = false;
    const { due, clock, log } = this.#deps;
    const dispatch = this.#dispatch;
    if (dispatch.stopped) return;
    const now = clock.now();
    if (dispatch.saturated) {
      this.#wakeBy(now + ATTEND_EVERY_MS);
      return;
    }
    try {
      const ids = due.due(now, BATCH);
      let useful = 0;
      for (const id of ids) if (dispatch.take(id)) useful += 1;
      if (ids.length === BATCH && useful > 0) this.#pumpSoon();
      else {
        // Mail that is due but not given out (the store fails), or not due when looked at, is not worth spinning for.
        const next = due.nextDue();
        if (next !== undefined) this.#wakeBy(next <= now && useful === 0 ? now + ATTEND_EVERY_MS : next);
      }
    } catch (error) {
      log.error({ err: error }, 'due mail not read');
      this.#wakeBy(now + ATTEND_EVERY_MS);
    }
  }

  #wakeBy(at: number): void {
    if (at >= this.#timerAt || this.#dispatch.stopped) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const wait = Math.min(Math.max(0, at - this.#deps.clock.now()), LONGEST_SLEEP_MS);
    this.#timer = setTimeout(() => this.#tick(), wait);
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const dispatch = this.#dispatch;
    const now = this.#deps.clock.now();
    const { ready, next } = dispatch.claims.takeLater(now);
    for (const id of ready) dispatch.takeAgain(id);
    let wait = LONGEST_SLEEP_MS;
    for (const lane of dispatch.attended) wait = Math.min(wait, this.#attend(lane));
    this.#wakeBy(Math.min(now + wait, next ?? Number.POSITIVE_INFINITY));
    this.#pumpSoon();
  }

  /**
   * Looks at a lane that was closed: is it time to probe, was it resumed, is there parked mail to wake? Answers how many
   * milliseconds it may be left alone.
   */
  #attend(lane: Lane): number {
    const dispatch = this.#dispatch;
    const { clock, control } = this.#deps;
    if (control.isPaused(lane.connector.name)) return ATTEND_EVERY_MS;
    if (lane.down !== undefined && lane.backingOff) {
      const wait = lane.down.retryAt - clock.monotonic();
      if (wait > 0) return wait;
      lane.probe();
    }
    if (lane.waiting.length > 0) {
      dispatch.advance(lane);
      return ATTEND_EVERY_MS;
    }
    if (lane.parked.size === 0) {
      // the next mail for it has it attended again
      if (lane.down === undefined || lane.idle) dispatch.attended.delete(lane);
      return LONGEST_SLEEP_MS;
    }
    // Half open: one message shows whether the hop is back.
    if (lane.down === undefined) void dispatch.parking.wake(lane, BATCH);
    else if (lane.active === 0) void dispatch.parking.wake(lane, 1);
    return ATTEND_EVERY_MS;
  }
}
