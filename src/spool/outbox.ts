/**
 * Event records in the store until the evidence store has them (D6), by a growing sequence: what the next transaction adds
 * to them and takes out.
 */
import type { EventRecord } from '../mail/event.ts';
import type { Databases } from './databases.ts';
import { linesOf } from './group.ts';
import type { CommittedLines } from './ports.ts';

/** Milliseconds that acknowledged batches wait for a transaction before they get one of their own. */
const ACKNOWLEDGE_DELAY = 250;

/** Event records of one transaction, also as JSON lines without a final newline; sequence 0 and no lines where it has none. */
export interface Batch extends CommittedLines {
  readonly events: readonly EventRecord[];
}

export class Outbox {
  readonly #begin: () => void;
  #sequence: number;
  #acknowledged: number[] = [];
  #replaced: Batch[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `begin` is asked for a transaction where none comes by itself. */
  constructor(stored: Databases['outbox'], begin: () => void) {
    this.#begin = begin;
    // Time starts the sequence, so that it goes on growing when the outbox was emptied before a restart (D6).
    const last = [...stored.getKeys({ reverse: true, limit: 1 })][0] ?? 0;
    this.#sequence = Math.max(last + 1, Date.now() * 1000);
  }

  /** Whether the next transaction has batches to take out. */
  get hasAcknowledged(): boolean {
    return this.#acknowledged.length > 0;
  }

  /** These go with the next transaction, or with one of their own after a while. */
  acknowledge(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#acknowledged.push(sequence);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.hasAcknowledged) this.#begin();
    }, ACKNOWLEDGE_DELAY).unref();
  }

  /** What a durable batch says is no longer so: the next transaction writes these events in its place. */
  replace({ sequence }: Batch, events: readonly EventRecord[]): Batch {
    const batch = { sequence, lines: linesOf(events), events };
    if (batch.lines !== '') this.#replaced.push(batch);
    else if (sequence !== 0) this.#acknowledged.push(sequence);
    return batch;
  }

  /** Puts the events of a transaction into it, and takes out what was acknowledged. */
  write(stored: Databases['outbox'], events: readonly EventRecord[]): { batch: Batch; promise: Promise<unknown> | undefined } {
    let promise: Promise<unknown> | undefined;
    for (const sequence of this.#acknowledged) promise = stored.remove(sequence);
    this.#acknowledged = [];
    for (const { sequence, lines } of this.#replaced) promise = stored.put(sequence, lines);
    this.#replaced = [];
    const lines = linesOf(events);
    if (lines === '') return { batch: { sequence: 0, lines, events }, promise };
    const batch = { sequence: this.#sequence++, lines, events };
    return { batch, promise: stored.put(batch.sequence, lines) };
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
