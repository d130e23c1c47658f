/** Sorts claimed mail into lanes, runs the transactions, and settles what came of them. */
import type { Attempt } from '../mail/attempt.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { enterAttempts, gripOn, indexesOf, type Task, transactionOf } from './attempts.ts';
import { Claims } from './claims.ts';
import { Commits } from './commit.ts';
import { addTo, type Group, waitingOf } from './groups.ts';
import { type Lane, Lanes, type Waiting } from './lanes.ts';
import { type Moment, openLedger } from './ledger.ts';
import { stopConnector } from './mass-refusal.ts';
import { headerEdits, withEdits } from './outgoing-header.ts';
import { Parking } from './parking.ts';
import { isDue, isPending, plan, type Turn } from './plan.ts';
import type { Authentication, Control, DeliverySettings, DueMail, Grace, Hands, Notifying, Routing } from './ports.ts';
import { retryDelay } from './retry-schedule.ts';
import { SenderChecks } from './sender-checks.ts';
import { enterStep } from './steps.ts';
import type { Transport } from './transaction.ts';

export interface DispatchDeps {
  readonly due: DueMail;
  readonly routing: Routing;
  readonly notifying: Notifying;
  readonly control: Control;
  readonly grace?: Grace;
  readonly authentication?: Authentication;
  readonly hands?: Hands;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** A random number from 0 to 1. */
  readonly random: () => number;
  /** Something falls due at this time (milliseconds since the epoch). */
  readonly wakeBy: (at: number) => void;
  /** Something is due now. */
  readonly pumpSoon: () => void;
}

/** Waiting mail that a lane calls up: to be sent, or (`away`) to be collected because the lane is closed. */
interface LaneTurn {
  readonly lane: Lane;
  readonly away?: Task[];
  /** The side for which it waited before it came to this lane. */
  readonly waitedFor?: string;
}

/** Transactions at once; a lane that has none yet may go up to the hard bound, so that busy lanes leave room for it. */
const SOFT_TRANSACTIONS = 500;
const HARD_TRANSACTIONS = 2000;
/** Beside those behind their final dot (final-dots.ts) so many more a connection may be on their way to it, or ended without. */
const UNSETTLED_PER_SLOT = 2;
/** Settlements under way, beyond which nothing new is started: the store is the bottleneck then. */
const MAX_SETTLING = 1000;
/** Messages put off, or woken, before the event loop gets its turn. */
const BATCH = 200;
/** Five hundred a second at most are put off, so that a queue of any length for a dead hop takes little from the others. */
const TURN_AWAY_PAUSE_MS = 400;
/** A next hop of our own is looked at again every ten minutes, a stranger's every hour, however long it is down. */
const OWN_HOP_RETRY_MS = 600_000;
const INTERNET_HOP_RETRY_MS = 3_600_000;
const STALLED_MS = 60_000;
/** Corrupt messages that are remembered for `status`; the log has all. */
const MAX_CORRUPT = 1000;

export class Dispatch {
  readonly lanes: Lanes;
  readonly claims: Claims;
  readonly commits: Commits;
  readonly parking: Parking;
  /** Lanes that need a look from time to time: down, paused, or with parked mail. */
  readonly attended = new Set<Lane>();
  settings: DeliverySettings;
  stopped = false;
  active = 0;
  /** Transactions under way; each ends when its outcome is durable. */
  readonly running = new Map<Task, Promise<void>>();
  /** Called when the last transaction or settlement under way has ended. */
  onQuiet: (() => void) | undefined;
  /** Messages whose body changed in the spool: they are put off until they expire, and nobody gets them. */
  readonly corrupt = new Set<SpoolId>();
  /** Ids held by us, for a spool that keeps no list of them. */
  readonly held = new Set<SpoolId>();
  readonly #deps: DispatchDeps;
  /** Lanes with waiting mail that had a slot, while the relay as a whole had none. */
  readonly #blocked = new Set<Lane>();
  readonly #senderChecks: SenderChecks | undefined;

  constructor(settings: DeliverySettings, deps: DispatchDeps) {
    this.settings = settings;
    this.#deps = deps;
    this.lanes = new Lanes((lane) => this.#hurry(lane));
    this.commits = new Commits(deps.due, deps.notifying, deps.clock, deps.log, () => this.#ended());
    this.parking = new Parking(this, deps.due, deps.routing, () => deps.clock.now());
    this.claims = new Claims((id, retryAt) => {
      deps.due.release(id);
      if (retryAt !== undefined) deps.wakeBy(retryAt);
    }, deps.wakeBy);
    const { authentication, due, log, clock } = deps;
    this.#senderChecks =
      authentication &&
      new SenderChecks({
        authentication,
        due,
        log,
        isStopped: () => this.stopped,
        keep: (message, found) => this.commits.commit(message, openLedger(), found),
        takeUp: (id, share) => void this.take(id, share),
        stall: (id, share) => this.claims.stall(id, share, clock.now() + STALLED_MS),
      });
  }

  /** Nothing new may be taken on: the store is behind. */
  get saturated(): boolean {
    return this.commits.pending >= MAX_SETTLING;
  }
  get quiet(): boolean {
    return this.active === 0 && this.commits.pending === 0;
  }

  pumpSoon(): void {
    this.#deps.pumpSoon();
  }

  /**
   * Takes up a claimed message; `share` are the recipients to look at, `undefined` all of them. `false` where nothing of
   * it was due.
   */
  take(id: SpoolId, share?: readonly number[], turn?: LaneTurn): boolean {
    try {
      const message = this.#deps.due.load(id);
      // before a route: what a lane calls up has one
      if (message !== undefined && turn === undefined && this.#senderChecks?.begins(message, share) === true) return true;
      if (message !== undefined && this.#sort(message, share, turn)) return true;
      this.claims.finish(id, share);
    } catch (error) {
      // A bug or a broken disk: the claim is kept, so that one message does not spin, and looked at again in a while.
      this.#deps.log.error({ err: error, spoolId: id }, 'message not dispatched');
      this.claims.stall(id, share, this.#deps.clock.now() + STALLED_MS);
    }
    return false;
  }

  /** Takes up those recipients of a message still claimed that fell due while others of it were busy. */
  takeAgain(id: SpoolId): void {
    try {
      const now = this.#deps.clock.now();
      const free =
        this.#deps.due.load(id)?.recipients.filter((one) => isPending(one) && !this.claims.isBusy(id, one.index)) ?? [];
      const share = free.filter((recipient) => isDue(recipient, now)).map((recipient) => recipient.index);
      for (const recipient of free) if (!isDue(recipient, now)) this.claims.lookAgain(id, recipient.nextAttemptAt);
      this.claims.share(id, share);
      if (share.length === 0) this.claims.finish(id, share);
      else this.take(id, share);
    } catch (error) {
      this.#deps.log.error({ err: error, spoolId: id }, 'message not dispatched');
      this.claims.stall(id, undefined, this.#deps.clock.now() + STALLED_MS);
    }
  }

  /** Decides the route of each due recipient (P3) and places it in its lane; `false` where none is due. */
  #sort(message: SpooledMessage, share: readonly number[] | undefined, turn?: LaneTurn): boolean {
    const now = this.#deps.clock.now();
    const groups: Group[] = [];
    let first: Turn[] | undefined;
    let planned = 0;
    let waiting: number[] | undefined;
    for (const recipient of message.recipients) {
      if (!isDue(recipient, now) || share?.includes(recipient.index) === false) {
        if (isPending(recipient)) (waiting ??= []).push(recipient.nextAttemptAt);
        else if (recipient.state === 'held') waiting ??= [];
        continue;
      }
      const step = plan(message, recipient, this.#deps.routing);
      if (step.kind === 'attempt') {
        planned += 1;
        addTo(groups, this.lanes.of(step.part.leg), step.part);
      } else {
        first ??= [];
        first.push(step);
      }
    }
    if (first !== undefined) {
      void this.#settleFirst(message, share, first);
      return true;
    }
    if (planned === 0) return false;
    const tracked = this.#track(message.id, share, groups, waiting);
    const waitedFor = turn?.waitedFor ?? turn?.lane.connector.side;
    for (const { lane, parts } of groups) {
      const task = { lane, message, parts, share: tracked ? indexesOf(parts) : undefined, waitedFor };
      this.#place(task, turn);
    }
    return true;
  }

  /** Keeps track of a message that has several tasks, or recipients that wait for a time of their own. */
  #track(
    id: SpoolId,
    share: readonly number[] | undefined,
    groups: readonly Group[],
    waiting: readonly number[] | undefined,
  ): boolean {
    if (share === undefined && groups.length === 1 && waiting === undefined) return false;
    const planned = groups.flatMap((group) => indexesOf(group.parts));
    this.claims.share(id, planned);
    if (share === undefined) for (const at of waiting ?? []) this.claims.lookAgain(id, at);
    // What needs nothing any more (an operator was faster) leaves the share.
    else if (planned.length < share.length)
      this.claims.finish(
        id,
        share.filter((index) => !planned.includes(index)),
      );
    return true;
  }

  /** Starts a task where its lane has room and it is its turn, else lets it wait. */
  #place(task: Task, turn: LaneTurn | undefined): void {
    const { lane } = task;
    if (lane.parked.size > 0) lane.parked.delete(task.message.id);
    const itsTurn = turn?.lane === lane;
    if (itsTurn && turn.away !== undefined) turn.away.push(task);
    else if ((itsTurn || (lane.waiting.length === 0 && !this.isClosed(lane))) && this.#hasRoom(lane)) this.#start(task);
    else {
      lane.waiting.push(waitingOf(task));
      if (!itsTurn) this.advance(lane);
    }
  }

  /** Has the lane looked at from time to time, until it is open and nothing is parked. */
  attend(lane: Lane): void {
    if (this.attended.has(lane)) return;
    this.attended.add(lane);
    this.#deps.wakeBy(this.#deps.clock.now());
  }

  isClosed(lane: Lane): boolean {
    return lane.backingOff || this.#isPaused(lane);
  }

  #isPaused(lane: Lane): boolean {
    return lane.stopping || this.#deps.control.isPaused(lane.connector.name);
  }

  #hasRoom(lane: Lane): boolean {
    if (this.stopped || lane.active >= lane.slots || lane.active + lane.settling >= UNSETTLED_PER_SLOT * lane.slots) return false;
    if (!this.saturated && this.active < (lane.active === 0 ? HARD_TRANSACTIONS : SOFT_TRANSACTIONS)) return true;
    this.#blocked.add(lane);
    return false;
  }

  /** Gives waiting mail its turn: as far as there is room, or away where the lane is closed. */
  advance(lane: Lane): void {
    if (lane.waiting.length === 0 || this.stopped) return;
    if (this.isClosed(lane)) {
      this.attend(lane);
      if (!lane.turningAway) void this.#turnAway(lane);
      return;
    }
    while (lane.waiting.length > 0 && this.#hasRoom(lane)) this.#give(lane.waiting.shift(), { lane });
  }

  #give(item: Waiting | undefined, turn: LaneTurn): void {
    if (item === undefined) return;
    if (typeof item === 'string') this.take(item, undefined, turn);
    else this.take(item.id, item.share, item.waitedFor === undefined ? turn : { ...turn, waitedFor: item.waitedFor });
  }

  /** Puts off whatever waits for a closed lane, a batch at a time, with a pause for everybody else between batches. */
  async #turnAway(lane: Lane): Promise<void> {
    lane.turningAway = true;
    while (!this.stopped && lane.waiting.length > 0) {
      const closed = lane.closed(this.#isPaused(lane));
      if (closed === undefined) break;
      const away: Task[] = [];
      for (let i = 0; i < BATCH && lane.waiting.length > 0; i++) this.#give(lane.waiting.shift(), { lane, away });
      await Promise.all(away.map((task) => this.parking.putOff(task, closed)));
      await new Promise((resolve) => setTimeout(resolve, TURN_AWAY_PAUSE_MS));
    }
    lane.turningAway = false;
    this.advance(lane);
  }

  #start(task: Task): void {
    task.lane.active += 1;
    this.active += 1;
    this.running.set(task, this.#attempt(task));
  }

  async #attempt(task: Task): Promise<void> {
    const { lane, message, parts } = task;
    const { transport, due, hands, clock, log } = this.#deps;
    const started = clock.monotonic();
    const grip = hands?.begin(gripOn(message, parts[0]?.recipient));
    const dot = lane.dots.passage();
    let attempts: readonly Attempt[] = [];
    try {
      // the domain of this mail, not that of the first in this lane: after a reload its TLS may be another
      const domain = parts[0]?.leg.address.domain ?? lane.destination;
      const body = due.body(message);
      const edits = headerEdits(message, this.settings);
      const edited = edits === undefined ? undefined : await withEdits(body, edits);
      const transaction = transactionOf(message, parts, edited?.body ?? body, edited?.longer ?? 0, dot.enter);
      attempts = await transport.deliver(lane.connector, domain, transaction);
    } catch (error) {
      log.error({ err: error, spoolId: message.id, lane: lane.key }, 'attempt failed inside the relay');
    }
    if (attempts[0]?.corrupt === true) this.#noteCorrupt(message.id, lane);
    lane.active -= 1;
    this.active -= 1;
    this.#observe(lane, attempts, started);
    const everybody = lane.refusals.note(message, parts, attempts, clock.now());
    if (everybody !== undefined && !this.#isPaused(lane)) void stopConnector(lane, everybody, this.#deps);
    const ledger = enterAttempts(task, attempts, () => this.moment(), this.#deps.grace);
    if (ledger.retryAt !== undefined && this.isClosed(lane)) {
      lane.park(message.id);
      this.attend(lane);
    }
    lane.settling += 1;
    const commit = this.commits.commit(message, ledger);
    this.#hurry(lane);
    this.advance(lane);
    const isSettled = await commit;
    this.running.delete(task);
    lane.settling -= 1;
    if (isSettled) {
      dot.leave();
      if (grip !== undefined) hands?.end(grip);
      this.claims.finish(message.id, task.share, ledger.retryAt);
    }
    this.advance(lane);
    if (lane.parked.size > 0 && lane.down === undefined && !this.isClosed(lane)) void this.parking.wake(lane, BATCH);
    this.#ended();
  }

  /** Dots wait, and each before them has its outcome: nothing comes that could share the sync. */
  #hurry(lane: Lane): void {
    if (lane.dots.areWaited && lane.settling >= lane.slots) this.#deps.due.hurry?.();
  }

  #noteCorrupt(spoolId: SpoolId, lane: Lane): void {
    this.#deps.log.error({ spoolId, lane: lane.key }, 'the body of a spooled message changed, not delivered');
    if (this.corrupt.size < MAX_CORRUPT) this.corrupt.add(spoolId);
  }

  #observe(lane: Lane, attempts: readonly Attempt[], started: number): void {
    const { clock, log, random } = this.#deps;
    const longest = lane.connector.side === 'internet' ? INTERNET_HOP_RETRY_MS : OWN_HOP_RETRY_MS;
    const delay = (failures: number) => Math.min(retryDelay(this.settings.retry, failures, random()), longest);
    const news = lane.observe(attempts, started, clock.now(), clock.monotonic(), delay);
    if (news === 'down') {
      this.attend(lane);
      log.warn({ lane: lane.key, reply: lane.down?.reply, failures: lane.down?.failures }, 'next hop down');
    } else if (news === 'up') {
      log.info({ lane: lane.key, parked: lane.parked.size }, 'next hop up');
    }
  }

  /** Makes durable what comes before any attempt (holds, refusals, copies), then looks at the message anew. */
  async #settleFirst(message: SpooledMessage, share: readonly number[] | undefined, steps: readonly Turn[]): Promise<void> {
    const { hands } = this.#deps;
    const first = steps[0];
    const grip = hands?.begin(gripOn(message, first === undefined || first.kind === 'attempt' ? undefined : first.recipient));
    const ledger = openLedger();
    const at = this.moment();
    for (const step of steps) enterStep(ledger, message, step, at);
    if (this.#deps.due.held === undefined && steps.some((step) => step.kind === 'hold')) this.held.add(message.id);
    if (!(await this.commits.commit(message, ledger))) return;
    if (grip !== undefined) hands?.end(grip);
    const copies = ledger.copies.map((copy) => copy.index);
    if (share !== undefined) {
      this.claims.share(message.id, copies);
      if (ledger.retryAt !== undefined) this.claims.lookAgain(message.id, ledger.retryAt);
    }
    this.take(message.id, share === undefined ? undefined : [...share, ...copies]);
    if (ledger.retryAt !== undefined) this.#deps.wakeBy(ledger.retryAt);
  }

  moment(): Moment {
    return { now: this.#deps.clock.now(), chance: this.#deps.random(), settings: this.settings };
  }

  /** Room may have come free for lanes that the relay's own bounds kept waiting. */
  #ended(): void {
    if (this.#blocked.size > 0 && !this.saturated) {
      const blocked = [...this.#blocked];
      this.#blocked.clear();
      for (const lane of blocked) this.advance(lane);
    }
    if (this.quiet) this.onQuiet?.();
  }
}
