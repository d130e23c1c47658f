/**
 * Moves records from the spool's outbox into the store (design.md D6): gathered for a moment, written as one
 * transaction, then acknowledged. A crash at any point leaves a batch in the outbox, in the store, or in both; the store
 * counts it once. Memory is bounded: a store that lags is fed from the outbox again when it has caught up.
 */
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { Outbox, OutboxBatch } from './ports.ts';
import type { StoreThread } from './store-thread.ts';
import type { Inserted } from './store-worker.ts';

const GATHER_MS = 200;
const FLUSH_LENGTH = 2 ** 20; // characters a transaction
const MAX_LENGTH = 2 ** 23; // characters gathered beside the transaction under way
const RETRY_MS = 1000;

export interface IntakeState {
  /** Batches that this process knows of and that are not in the store yet. */
  readonly waiting: number;
  /** Why the store takes nothing at the moment. */
  readonly failing?: string;
}

/** Says what came up in writing. A head in the log of another machine is one that nobody here can make unsaid (chain.ts). */
export function tell(log: Log, { aside, over }: Inserted): void {
  for (const file of aside) log.error({ file }, 'damaged evidence was set aside');
  for (const { day, records, head } of over) log.info({ day, records, head }, 'evidence of a day');
}

export class Intake {
  readonly #outbox: Outbox;
  readonly #thread: StoreThread;
  readonly #clock: Clock;
  readonly #log: Log;
  #gathered: OutboxBatch[] = [];
  #length = 0;
  #underWay: Promise<void> | undefined;
  #writing: readonly OutboxBatch[] = [];
  /** The outbox has more than we hold. True at first: a crash may have left some. */
  #behind = true;
  #failing: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(outbox: Outbox, thread: StoreThread, clock: Clock, log: Log) {
    this.#outbox = outbox;
    this.#thread = thread;
    this.#clock = clock;
    this.#log = log;
    outbox.onCommitted((batch) => this.#take(batch));
    this.#schedule(0);
  }

  get state(): IntakeState {
    const waiting = this.#gathered.length + this.#writing.length;
    return this.#failing === undefined ? { waiting } : { waiting, failing: this.#failing };
  }

  /** Runs for every spool transaction: nothing but two appends. */
  #take(batch: OutboxBatch): void {
    if (this.#behind) return; // it stays in the outbox, and we shall read it there
    this.#gathered.push(batch);
    this.#length += batch.lines.length;
    if (this.#length >= FLUSH_LENGTH) this.#flush();
    else if (this.#timer === undefined) this.#schedule(GATHER_MS);
  }

  #schedule(delay: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, delay).unref();
  }

  #flush(): void {
    if (this.#underWay !== undefined) {
      if (this.#length > MAX_LENGTH) this.#letGo();
      return;
    }
    if (this.#behind && this.#gathered.length === 0 && !this.#readOutbox()) return;
    if (this.#gathered.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#gathered;
    this.#gathered = [];
    this.#length = 0;
    this.#underWay = this.#write(this.#writing);
  }

  async #write(batches: readonly OutboxBatch[]): Promise<void> {
    try {
      tell(this.#log, await this.#thread.ask<Inserted>({ kind: 'insert', batches, now: this.#clock.now() }));
      // All are on disk: a crash before the next line is a replay, which the store recognises
      this.#outbox.acknowledge(batches.map((batch) => batch.sequence));
      if (this.#failing !== undefined) this.#log.info({}, 'evidence is written again');
      this.#failing = undefined;
    } catch (error) {
      this.#failed(error);
    }
    this.#writing = [];
    this.#underWay = undefined;
    if (this.#failing !== undefined) this.#schedule(RETRY_MS);
    else if (this.#behind || this.#length >= FLUSH_LENGTH) this.#flush();
    else if (this.#gathered.length > 0) this.#schedule(GATHER_MS);
  }

  #failed(error: unknown): void {
    const cause = error instanceof Error ? error.message : String(error);
    if (cause !== this.#failing) this.#log.error({ cause }, 'evidence cannot be written; the records stay in the outbox');
    this.#failing = cause;
    this.#letGo();
  }

  #letGo(): void {
    this.#gathered = [];
    this.#length = 0;
    this.#behind = true;
  }

  /** Takes the oldest of what the outbox holds, as much as one transaction should have. `false`: it cannot be read now. */
  #readOutbox(): boolean {
    try {
      for (const batch of this.#outbox.pending()) {
        if (this.#length >= FLUSH_LENGTH) return true; // still behind
        this.#gathered.push(batch);
        this.#length += batch.lines.length;
      }
    } catch (error) {
      this.#failed(error); // the spool's disk fails
      this.#schedule(RETRY_MS);
      return false;
    }
    this.#behind = false;
    return true;
  }

  /** Resolves when all that was committed before this call is in the store, or when writing fails. */
  async drain(): Promise<void> {
    await this.#underWay;
    do {
      this.#flush();
      await this.#underWay;
    } while (this.#behind && this.#failing === undefined);
    await this.#underWay; // the last part of the outbox may have been taken up by the write before
  }

  /** Drains and takes nothing more. What cannot be written stays in the outbox for the next start. */
  async close(): Promise<void> {
    this.#failing = undefined; // one more try, whatever was before
    do await this.drain();
    while (this.#gathered.length > 0 && this.#failing === undefined);
    this.#closed = true;
    this.#behind = true;
    clearTimeout(this.#timer);
  }
}
