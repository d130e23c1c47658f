/** The evidence store as its worker sees it: day files to write to, with the rule that a batch counts once. */
import { makeDirectory } from '../platform/files.ts';
import type { Foundation, Head } from './chain.ts';
import { headOf } from './day-chain.ts';
import { DayWriter } from './day-file.ts';
import { dayOf, daysIn, dropOldDays, fileOf, setAsideDay, startOf } from './days.ts';
import { timeOf } from './keys.ts';
import type { OutboxBatch } from './ports.ts';

const DAY_MS = 86_400_000;

export interface StoreSettings {
  readonly directory: string;
  readonly keepDays: number;
}

export interface DayHead extends Head {
  readonly day: string;
}

/** What of one transaction goes into one day. */
interface Share {
  readonly lines: string[];
  readonly times: number[];
  readonly sequences: number[];
}

export class Store implements Disposable {
  readonly #settings: StoreSettings;
  readonly #open = new Map<string, DayWriter>();
  readonly #aside: string[] = [];
  readonly #over: DayHead[] = [];
  #today = '';

  constructor(settings: StoreSettings) {
    this.#settings = settings;
    makeDirectory(settings.directory);
  }

  /**
   * Writes batches, one transaction a day they touch. After it returned all are on disk. A crash between two days'
   * commits leaves the batch in the outbox; the replay then writes only what is missing.
   */
  insert(batches: readonly OutboxBatch[], now: number): void {
    for (const [day, share] of this.#sharesByDay(batches, now)) this.#write(day, share, batches, now);
    const today = dayOf(now);
    if (today !== this.#today) this.#turnOver(today, now);
  }

  #write(day: string, share: Share, batches: readonly OutboxBatch[], now: number, isRetry = false): void {
    try {
      const writer = this.#writer(day, now);
      writer.transaction(() => {
        const fresh = share.sequences.some((sequence) => writer.hasBatch(sequence))
          ? this.#withoutKnown(writer, batches, day, now)
          : share;
        writer.insert(fresh.lines, fresh.times);
        writer.noteBatches(fresh.sequences);
      });
    } catch (error) {
      if (!isDamage(error) || isRetry) throw error;
      // What is damaged is kept for a person, and stops neither evidence nor mail
      this.#setAside(day, now);
      this.#write(day, share, batches, now, true);
    }
  }

  #sharesByDay(batches: readonly OutboxBatch[], now: number): Map<string, Share> {
    const shares = new Map<string, Share>();
    let share: Share = { lines: [], times: [], sequences: [] };
    let from = 0;
    let until = 0;
    for (const { sequence, lines } of batches) {
      for (const line of lines.split('\n')) {
        if (line === '') continue;
        const time = timeOf(line, now);
        if (time < from || time >= until) {
          const day = dayOf(time);
          from = startOf(day);
          until = from + DAY_MS;
          share = shares.get(day) ?? { lines: [], times: [], sequences: [] };
          shares.set(day, share);
        }
        share.lines.push(line);
        share.times.push(time);
        if (share.sequences.at(-1) !== sequence) share.sequences.push(sequence);
      }
    }
    return shares;
  }

  /** The slow way, after a crash: leaves out the batches that this day has. */
  #withoutKnown(writer: DayWriter, batches: readonly OutboxBatch[], day: string, now: number): Share {
    const unknown = batches.filter(({ sequence, lines }) => {
      if (!writer.hasBatch(sequence)) return true;
      // An outbox that began anew (a spool that was deleted) counts from the start again: the same sequence, other records
      const first = lines.split('\n').find((line) => line !== '' && dayOf(timeOf(line, now)) === day);
      return first !== undefined && !writer.hasRecord(first);
    });
    return this.#sharesByDay(unknown, now).get(day) ?? { lines: [], times: [], sequences: [] };
  }

  #writer(day: string, now: number): DayWriter {
    const open = this.#open.get(day);
    if (open !== undefined) return open;
    const file = fileOf(this.#settings.directory, day);
    let writer: DayWriter;
    try {
      writer = new DayWriter(file, () => this.#dayBefore(day), now);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#setAside(day, now);
      writer = new DayWriter(file, () => this.#dayBefore(day), now);
    }
    this.#open.set(day, writer);
    return writer;
  }

  /** The newest day before this one, with its head as it is now: what a new day's chain rests on. */
  #dayBefore(day: string): Foundation['after'] {
    const before = daysIn(this.#settings.directory).findLast((one) => one < day);
    if (before === undefined) return undefined;
    return { day: before, ...(this.#open.get(before)?.head ?? headOf(fileOf(this.#settings.directory, before))) };
  }

  #setAside(day: string, now: number): void {
    this.#open.get(day)?.[Symbol.dispose]();
    this.#open.delete(day);
    const aside = setAsideDay(this.#settings.directory, day, now);
    this.#aside.push(aside);
  }

  /** Damaged files that were set aside since the last call. */
  takeAside(): string[] {
    return this.#aside.splice(0);
  }

  /** Days that ended since the last call, each with the head of its chain, to be told to others. */
  takeOver(): DayHead[] {
    return this.#over.splice(0);
  }

  /** A new day: opens its file, closes the others, drops those that are too old. */
  #turnOver(today: string, now: number): void {
    this.#writer(today, now);
    const before = this.#dayBefore(today);
    if (before?.records !== undefined && before.head !== undefined)
      this.#over.push({ day: before.day, records: before.records, head: before.head });
    this.#today = today;
    for (const [day, writer] of this.#open) {
      if (day === today) continue;
      writer[Symbol.dispose]();
      this.#open.delete(day);
    }
    dropOldDays(this.#settings.directory, this.#settings.keepDays, now);
  }

  [Symbol.dispose](): void {
    for (const writer of this.#open.values()) writer[Symbol.dispose]();
    this.#open.clear();
  }
}

const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && ((code & 0xff) === SQLITE_CORRUPT || code === SQLITE_NOTADB);
}
