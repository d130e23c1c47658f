/**
 * The embedded store: an LMDB environment with group commit and its failures (design.md D4).
 *
 * One transaction is under way at a time; what comes meanwhile goes into the next. So a transaction that fails takes a
 * known set of changes with it and leaves nothing else inside lmdb, where a write after a failed one could hang.
 */
import { setImmediate as setImmediateAsync } from 'node:timers/promises';
import type { SpoolId } from '../mail/spooled.ts';
import type { Log } from '../platform/logger.ts';
import { mappedMemory } from '../platform/memory.ts';
import { FORMAT } from './codec.ts';
import { type Databases, openDatabases } from './databases.ts';
import { type Change, eventsOf, Group, octetsOf } from './group.ts';
import { type Batch, Outbox } from './outbox.ts';
import type { Failure } from './ports.ts';

export interface StoreSettings {
  readonly path: string;
  /** Milliseconds a transaction may take. */
  readonly commitDeadline: number;
  /** Milliseconds to the first try to open again after a failure; it doubles up to 10 s. */
  readonly reopenDelay: number;
  /** Throws where the disk has no room for so many octets: then nothing of them is given to lmdb. */
  readonly claimRoom?: (octets: number) => void;
  /** Milliseconds without a transaction after which one is made to see whether the disk takes it; a minute by default. */
  readonly idleProbe?: number;
}

/** Octets that the map may grow by, and how often that is looked at, in milliseconds. */
const MAP_LIMIT = 48 * 1024 * 1024;
const MAP_WATCH = 250;
const IDLE_PROBE = 60_000;
/** Milliseconds that outcomes wait for company. */
const OUTCOME_DELAY = 2;
const LONGEST_REOPEN_DELAY = 10_000;

/** Changes nothing, and shows that the disk takes it. */
const PROBE: Change = { writes: [], events: [], keep: true, control: { key: 'format', value: String(FORMAT) } };

/** No answer in time: it may yet become durable, and is then removed. */
export class CommitTooLate extends Error {}

export class Store {
  readonly #settings: StoreSettings;
  readonly #log: Log;
  #db: Databases;
  /** Not so between a failed and a successful try to open again. */
  #isOpen = true;
  /** Settles when that is over. */
  #openAgain: PromiseWithResolvers<void> | undefined;
  /** Takes changes: they are with lmdb, and the turn of the event loop is not over. */
  #open: Group | undefined;
  #underWay: Group | undefined;
  #waiting = new Group();
  #promise: Promise<unknown> | undefined;
  readonly #watch: NodeJS.Timeout;
  readonly #idleWatch: NodeJS.Timeout;
  #failure: Failure | undefined;
  #probing = false;
  #delay: number;
  #reopenTimer: NodeJS.Timeout | undefined;
  #reopening: Promise<void> | undefined;
  #closing: (() => void) | undefined;
  #closed = false;
  /** Refused to the client after a failure; removed before anything else is written, should they be there. */
  #refused: SpoolId[] = [];
  readonly #outbox: Outbox;
  #outcomeTimer: NodeJS.Timeout | undefined;
  /** Somebody waits for outcomes: the next transaction begins at once. */
  #isUrgent = false;
  /** `large`: to be mapped anew when the transaction under way ends; `anew`: that is happening, no transaction begins. */
  #mapping: 'fine' | 'large' | 'anew' = 'fine';
  #mappedAtOpen = mappedMemory();
  readonly #mapWatch: NodeJS.Timeout;
  readonly #controls = new Map<string, string>();
  /** Told of each transaction with event records, once it is durable. */
  committed: (batch: Batch) => void = () => {};
  /** Told when the store works again after a failure. */
  recovered: () => void = () => {};

  constructor(settings: StoreSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.#delay = settings.reopenDelay;
    this.#db = openDatabases(settings.path);
    for (const { key, value } of this.#db.controls.getRange({})) this.#controls.set(key, value);
    this.#outbox = new Outbox(this.#db.outbox, () => {
      if (this.#isIdle) this.#begin();
    });
    this.#watch = setTimeout(() => this.#overdue(), settings.commitDeadline).unref();
    this.#idleWatch = setInterval(() => {
      if (this.#isIdle) void this.write(PROBE);
    }, settings.idleProbe ?? IDLE_PROBE).unref();
    this.#mapWatch = setInterval(() => this.#watchMap(), MAP_WATCH).unref();
    if (!this.#controls.has('format')) {
      void this.write(PROBE);
    }
  }

  /** Why nothing can be made durable; `undefined` while the store works. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /**
   * Makes a change durable together with all others of this moment. A crash before it resolves leaves all of the change
   * or nothing of it; after, all of it.
   */
  write(change: Change): Promise<void> {
    if (this.#closed || (this.#failure !== undefined && !change.keep)) {
      return Promise.reject(new Error(this.#closed ? 'the spool is closed' : `the spool failed: ${this.#failure?.reason}`));
    }
    let group = this.#open;
    if (group === undefined) {
      group = this.#waiting;
      group.changes.push(change);
      if (this.#isIdle) {
        if (change.keep) this.#beginSoon();
        else this.#begin();
      }
    } else {
      group.changes.push(change);
      this.#put(change);
    }
    return change.keep ? group.kept.promise : group.accepted.promise;
  }

  /**
   * Nobody waits for an outcome as a client waits for its 250: a moment later it shares the sync of the next acceptance.
   * A crash in that moment repeats the attempt, as a crash within the sync would.
   */
  #beginSoon(): void {
    if (this.#isUrgent) return this.#begin();
    this.#outcomeTimer ??= setTimeout(() => {
      this.#outcomeTimer = undefined;
      if (this.#isIdle && this.#waiting.changes.length > 0) this.#begin();
    }, OUTCOME_DELAY);
  }

  /** Not while the environment cannot be opened: then what is asked for throws, and `opened` waits. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves when it can be read again. Rejects when it is closed. */
  opened(): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the spool is closed'));
    this.#openAgain ??= Promise.withResolvers<void>();
    return this.#openAgain.promise;
  }

  /** Somebody waits for the outcomes: no delay for company. */
  hurry(): void {
    this.#isUrgent = true;
    if (this.#waiting.changes.length > 0 && this.#isIdle) this.#begin();
  }

  /** Nothing is under way, and a transaction may begin. */
  get #isIdle(): boolean {
    const isBusy = this.#open !== undefined || this.#underWay !== undefined || this.#mapping === 'anew';
    return !isBusy && this.#failure === undefined && !this.#closed;
  }

  record(id: SpoolId): string | undefined {
    return this.databases.messages.get(id);
  }

  body(id: SpoolId): Buffer | undefined {
    return this.databases.bodies.get(id);
  }

  control(key: string): string | undefined {
    return this.#controls.get(key);
  }

  /** What follows `prefix` in the keys that begin with it. */
  controlsOf(prefix: string): string[] {
    return [...this.#controls.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  setControl(key: string, value: string | undefined): Promise<void> {
    if (value === undefined) this.#controls.delete(key);
    else this.#controls.set(key, value);
    return this.write({ writes: [], events: [], keep: true, control: { key, value } });
  }

  /** For reading, and for what start-up repairs before anything else is written. */
  get databases(): Databases {
    if (!this.#isOpen) throw new Error(`the spool cannot be read: ${this.#failure?.reason}`);
    return this.#db;
  }

  /**
   * Batches that the evidence store has, to be forgotten here. A crash before that only has the same batch handed over
   * again, which is harmless.
   */
  acknowledge(sequences: readonly number[]): void {
    this.#outbox.acknowledge(sequences);
  }

  /** Waits for what is under way, at most one deadline, and closes. */
  async close(): Promise<void> {
    while (this.#mapping === 'anew') await setImmediateAsync();
    if (this.#closed) return;
    if (
      this.#failure === undefined &&
      (this.#open !== undefined ||
        this.#underWay !== undefined ||
        this.#waiting.changes.length > 0 ||
        this.#outbox.hasAcknowledged)
    ) {
      if (this.#open === undefined && this.#underWay === undefined) this.#begin();
      await new Promise<void>((resolve) => {
        this.#closing = resolve;
      });
    }
    this.#closed = true;
    clearTimeout(this.#watch);
    clearInterval(this.#idleWatch);
    clearTimeout(this.#reopenTimer);
    this.#outbox.close();
    clearTimeout(this.#outcomeTimer);
    clearInterval(this.#mapWatch);
    const gone = new Error('the spool is closed');
    this.#openAgain?.reject(gone);
    for (const group of [this.#waiting, this.#underWay]) {
      group?.accepted.reject(gone);
      group?.kept.reject(gone);
    }
    // A transaction that hangs inside lmdb would hang its close as well: then the process ends without one.
    await this.#reopening;
    if (this.#underWay === undefined && this.#isOpen) await this.#db.root.close();
  }

  #begin(): void {
    const group = this.#waiting;
    this.#isUrgent = false;
    try {
      this.#settings.claimRoom?.(octetsOf(group.changes));
    } catch (error) {
      return this.#failed(new Group(), error as Error);
    }
    this.#waiting = new Group();
    this.#open = group;
    // Queued before lmdb's own immediate, which ends its batch: what is put until #seal is one LMDB transaction.
    setImmediate(() => this.#seal(group));
    for (const id of this.#refused) this.#remove(id);
    for (const change of group.changes) this.#put(change);
    setImmediate(this.#hear);
  }

  /**
   * lmdb makes a second promise when it starts a transaction, in its own immediate right before this one, and gives it
   * to nobody: its rejection would be unhandled (D4).
   */
  readonly #hear = (): void => {
    void this.#db.root.committed.then(
      () => {},
      () => {},
    );
  };

  #put(change: Change): void {
    const { messages, bodies, controls } = this.#db;
    for (const { id, record, body } of change.writes) {
      if (record === undefined) this.#remove(id);
      else {
        if (body !== undefined) this.#promise = bodies.put(id, body);
        this.#promise = messages.put(id, record);
      }
    }
    if (change.control !== undefined) {
      const { key, value } = change.control;
      this.#promise = value === undefined ? controls.remove(key) : controls.put(key, value);
    }
  }

  #remove(id: SpoolId): void {
    this.#promise = this.#db.bodies.remove(id);
    this.#promise = this.#db.messages.remove(id);
  }

  #seal(group: Group): void {
    this.#open = undefined;
    this.#underWay = group;
    const { batch, promise: last } = this.#outbox.write(this.#db.outbox, eventsOf(group.changes));
    // lmdb gives all writes of one transaction the same promise; it resolves after fdatasync and the synced meta page.
    const promise = last ?? this.#promise ?? Promise.resolve();
    setImmediate(this.#hear); // where the first write was just now
    this.#promise = undefined;
    this.#watch.refresh();
    promise.then(
      () => this.#done(group, batch),
      (error: Error & { commitError?: Promise<unknown> }) => {
        // lmdb rejects this one with the cause, unheard (D4).
        const cause = error.commitError ?? Promise.resolve();
        cause.then(
          () => this.#failed(group, error),
          (why: Error) => this.#failed(group, why),
        );
      },
    );
  }

  #done(group: Group, batch: Batch): void {
    this.#underWay = undefined;
    this.#idleWatch.refresh();
    this.#refused = [];
    if (group.late) this.#doneTooLate(group, batch);
    else {
      group.accepted.resolve();
      group.kept.resolve();
      if (batch.lines !== '') this.committed(batch);
      if (this.#failure !== undefined) this.#recovered();
    }
    if (this.#mapping === 'large' && this.#failure === undefined && this.#closing === undefined) this.#mapAnew();
    else this.#next();
  }

  /** Begins the next transaction, where something waits for one. */
  #next(): void {
    const waiting = this.#waiting.changes;
    if (this.#refused.length > 0 || this.#closing !== undefined || waiting.some(({ keep }) => !keep)) {
      if (waiting.length > 0 || this.#refused.length > 0) this.#begin();
      else this.#closing?.();
    } else if (waiting.length > 0) this.#beginSoon();
  }

  /**
   * LMDB reads by a memory map, and the kernel maps the neighbours of each page that is looked at: in the end the whole
   * file, bodies and all, counts as our memory. Opening it anew lets go of that, within a few milliseconds.
   */
  #watchMap(): void {
    if (this.#mapping !== 'fine' || this.#failure !== undefined || this.#closed) return;
    const mapped = mappedMemory();
    if (mapped - this.#mappedAtOpen < MAP_LIMIT) return;
    this.#mapping = 'large';
    if (this.#open === undefined && this.#underWay === undefined) this.#mapAnew();
  }

  #mapAnew(): void {
    this.#mapping = 'anew';
    // From a callback of its own: nothing but lmdb's own promises runs between close and open, so no reader comes between
    setImmediate(() => {
      if (this.#closed || this.#closing !== undefined) {
        this.#mapping = 'fine';
        return this.#next();
      }
      this.#reopening = this.#db.root.close().then(() => {
        try {
          this.#db = openDatabases(this.#settings.path);
        } catch (error) {
          this.#isOpen = false;
          this.#mapping = 'fine';
          return this.#failed(new Group(), error as Error);
        }
        this.#mappedAtOpen = mappedMemory();
        this.#mapping = 'fine';
        this.#next();
      });
    });
  }

  /** What was accepted in it was answered 451 meanwhile: it goes again. Its outcomes are durable, and say so. */
  #doneTooLate(group: Group, batch: Batch): void {
    this.#refused.push(...group.acceptances());
    group.kept.resolve();
    const outcomes = this.#outbox.replace(batch, eventsOf(group.outcomes()));
    if (outcomes.lines !== '') this.committed(outcomes);
    if (this.#failure !== undefined) this.#recovered();
  }

  #recovered(): void {
    this.#failure = undefined;
    this.#probing = false;
    this.#delay = this.#settings.reopenDelay;
    this.#log.info('the spool works again');
    this.recovered();
  }

  /** Nothing is under way now. Outcomes go to the front of the next transaction; acceptances are refused. */
  #failed(group: Group, error: Error): void {
    this.#underWay = undefined;
    this.#probing = false;
    group.accepted.reject(error);
    this.#refused.push(...group.acceptances());
    this.#refuseWaiting(error);
    const next = this.#waiting;
    next.changes.unshift(...group.outcomes());
    group.kept.resolve(next.kept.promise);
    this.#fail(error);
    if (this.#closing !== undefined) return this.#closing();
    const delay = this.#delay;
    this.#delay = Math.min(delay * 2, LONGEST_REOPEN_DELAY);
    this.#reopenTimer = setTimeout(() => this.#reopenNow(), delay);
  }

  /** A transaction that never ends cannot be given up inside lmdb: no more is written until it does, or for ever. */
  #overdue(): void {
    const group = this.#underWay;
    if (group === undefined || group.late || this.#closed) return;
    group.late = true;
    const error = new CommitTooLate(`a commit took longer than ${this.#settings.commitDeadline} ms`);
    group.accepted.reject(error);
    this.#refuseWaiting(error);
    this.#fail(error);
    this.#closing?.();
  }

  /** Told of a sync that failed elsewhere (a body file): nothing more is taken until a transaction goes through. */
  fail(error: Error): void {
    if (this.#failure !== undefined || this.#closed) return;
    this.#fail(error);
    if (this.#open !== undefined || this.#underWay !== undefined) return; // its end recovers or fails
    this.#reopenTimer = setTimeout(() => this.#reopenNow(), this.#delay);
  }

  #fail(error: Error): void {
    if (this.#failure === undefined) this.#log.error({ err: error }, 'the spool failed; mail is refused for now');
    else this.#log.warn({ err: error }, 'the spool still fails');
    this.#failure = { reason: error.message, since: this.#failure?.since ?? Date.now() };
  }

  #refuseWaiting(error: Error): void {
    const group = this.#waiting;
    if (group.changes.every((change) => change.keep)) return;
    const next = new Group();
    next.changes.push(...group.outcomes());
    group.accepted.reject(error);
    group.kept.resolve(next.kept.promise);
    this.#waiting = next;
  }

  #reopenNow(): void {
    if (!this.#closed && !this.#probing) this.#reopening = this.#reopen();
  }

  /**
   * Opens the environment anew, for one that failed while writing its meta page takes no more (MDB_PANIC), and writes
   * what waits. A failed sync is never repeated: the pages of the failed transaction are free again and written anew.
   */
  async #reopen(): Promise<void> {
    this.#probing = true;
    try {
      if (this.#isOpen) {
        this.#isOpen = false; // nobody reads while it closes
        await this.#db.root.close();
      }
      if (this.#closed) return;
      this.#db = openDatabases(this.#settings.path);
      this.#isOpen = true;
      this.#openAgain?.resolve();
      this.#openAgain = undefined;
    } catch (error) {
      return this.#failed(new Group(), error as Error);
    }
    this.#waiting.changes.push(PROBE);
    this.#begin();
  }
}

/** Throws where a later version of ours wrote the store. */
export function checkFormat({ controls }: Databases): void {
  const format = Number(controls.get('format') ?? FORMAT);
  if (format > FORMAT) throw new Error(`the spool has format ${format}; this version reads formats up to ${FORMAT}`);
}
