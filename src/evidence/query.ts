/** Answers questions from the day files and from what still waits in the outbox. Synchronous: it runs in a worker. */
import type { EventRecord } from '../mail/event.ts';
import { DayReader, type Span } from './day-file.ts';
import { daysIn, fileOf, startOf } from './days.ts';
import { type Criterion, criteriaOf, type EvidenceAnswer, type EvidenceFilter } from './filter.ts';
import { hashKey } from './keys.ts';

const DAY_MS = 86_400_000;
const DEFAULT_LIMIT = 1000;
const OPEN_FILES = 16;
const ALWAYS: Span = { since: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };

/** A record with its place, so that records of the same millisecond stay in the order they were written. */
interface Found {
  readonly place: string;
  readonly json: string;
  readonly record: EventRecord;
}

export class EvidenceReader implements Disposable {
  readonly #directory: string;
  readonly #open = new Map<string, DayReader>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** `pending`: serialised records that may not be in the files yet; one that is in both counts once. */
  query(filter: EvidenceFilter, pending: readonly string[] = []): EvidenceAnswer {
    const span: Span = { since: filter.since ?? ALWAYS.since, until: filter.until ?? ALWAYS.until };
    const limit = filter.limit ?? DEFAULT_LIMIT;
    const waiting = pending.map((json, i) => read(`~${String(i).padStart(8, '0')}`, json)).filter((one) => one !== undefined);
    const criteria = criteriaOf(filter);
    this.#forget();
    return criteria.length === 0 ? this.#byTime(span, limit, waiting) : this.#byMessage(criteria, span, limit, waiting);
  }

  #byTime(span: Span, limit: number, waiting: readonly Found[]): EvidenceAnswer {
    const late = new Map(waiting.filter(({ record }) => isWithin(record, span)).map((one) => [one.json, one]));
    const found: Found[] = [];
    let more = false;
    search: for (const day of this.#days(span)) {
      for (const { id, json } of this.#reader(day).byTime(span)) {
        late.delete(json);
        if (found.length + late.size >= limit) {
          more = true;
          break search;
        }
        const one = read(placeOf(day, id), json);
        if (one !== undefined) found.push(one);
      }
    }
    return { records: inOrder([...found, ...late.values()]), more };
  }

  /** Finds candidates by the first criterion, gathers each candidate's whole message, and tests the message. */
  #byMessage(criteria: readonly Criterion[], span: Span, limit: number, waiting: readonly Found[]): EvidenceAnswer {
    const seen = new Set<string>(); // messages by their id, events without one by their text
    const records = new Map<string, Found>();
    for (const candidate of this.#candidates(criteria[0], span, waiting)) {
      const id = candidate.record['spool-id'];
      const key = id ?? candidate.json;
      if (seen.has(key)) continue;
      if (records.size >= limit) return { records: inOrder([...records.values()]), more: true };
      seen.add(key);
      const whole = id === undefined ? [candidate] : this.#message(id, waiting);
      if (isWanted(whole, criteria, span)) for (const one of whole) records.set(one.place, one);
    }
    return { records: inOrder([...records.values()]), more: false };
  }

  /** Records that state the criterion, about the newest first. */
  *#candidates(criterion: Criterion | undefined, span: Span, waiting: readonly Found[]): Generator<Found> {
    if (criterion === undefined) return;
    for (const one of waiting.toReversed()) if (criterion.matches(one.record)) yield one;
    for (const day of this.#days(span)) {
      for (const value of criterion.values) {
        for (const { id, json } of this.#reader(day).byKey(hashKey(criterion.kind, value), span)) {
          const one = read(placeOf(day, id), json);
          if (one !== undefined && criterion.matches(one.record)) yield one;
        }
      }
    }
  }

  /** Every event of one message: its own, and the DSNs that speak of it. */
  #message(id: string, waiting: readonly Found[]): Found[] {
    const isOfIt = ({ record }: Found): boolean => record['spool-id'] === id || record['related-spool-id'] === id;
    const late = new Map(waiting.filter(isOfIt).map((one) => [one.json, one]));
    const found: Found[] = [];
    const hash = hashKey('id', id);
    for (const day of this.#daysSinceBirth(id)) {
      for (const line of this.#reader(day).allByKey(hash, ALWAYS)) {
        const one = read(placeOf(day, line.id), line.json);
        if (one === undefined || !isOfIt(one)) continue;
        late.delete(one.json);
        found.push(one);
      }
    }
    return [...found, ...late.values()];
  }

  /** A spool id is a ULID and tells when the message came: nothing of it is older, but for a clock that was set back. */
  #daysSinceBirth(id: string): string[] {
    const since = timeOfUlid(id) - DAY_MS;
    const days = this.#days({ ...ALWAYS, since });
    return days.length === 0 ? this.#days(ALWAYS) : days;
  }

  /** The days that a span touches, newest first. */
  #days(span: Span): string[] {
    return daysIn(this.#directory)
      .filter((day) => startOf(day) < span.until && startOf(day) + DAY_MS > span.since)
      .reverse();
  }

  #reader(day: string): DayReader {
    let reader = this.#open.get(day);
    if (reader === undefined) {
      reader = openDay(fileOf(this.#directory, day));
      this.#open.set(day, reader);
    }
    return reader;
  }

  /** Lets go of files that were deleted, and of too many. */
  #forget(): void {
    const days = new Set(daysIn(this.#directory));
    for (const [day, reader] of this.#open) {
      if (days.has(day) && this.#open.size <= OPEN_FILES) continue;
      reader[Symbol.dispose]();
      this.#open.delete(day);
    }
  }

  [Symbol.dispose](): void {
    for (const reader of this.#open.values()) reader[Symbol.dispose]();
    this.#open.clear();
  }
}

/** A day that cannot be read is named: an answer without it would pass for the whole (R19). */
function openDay(file: string): DayReader {
  try {
    return new DayReader(file);
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** A line that is no JSON (a damaged file) answers no question. */
function read(place: string, json: string): Found | undefined {
  try {
    return { place, json, record: JSON.parse(json) as EventRecord };
  } catch {
    return undefined;
  }
}

function isWanted(whole: readonly Found[], criteria: readonly Criterion[], span: Span): boolean {
  return (
    whole.some(({ record }) => isWithin(record, span)) &&
    criteria.every((criterion) => whole.some(({ record }) => criterion.matches(record)))
  );
}

function isWithin(record: EventRecord, span: Span): boolean {
  const time = Date.parse(record.time);
  return time >= span.since && time < span.until;
}

function placeOf(day: string, id: number): string {
  return `${day} ${String(id).padStart(9, '0')}`;
}

function inOrder(found: Found[]): EventRecord[] {
  found.sort((a, b) => compare(a.record.time, b.record.time) || compare(a.place, b.place));
  return found.map(({ record }) => record);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Milliseconds since the epoch; 0 where the id is no ULID, so that everything is searched. */
function timeOfUlid(id: string): number {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/i.test(id)) return 0;
  let time = 0;
  for (const digit of id.slice(0, 10).toUpperCase()) time = time * 32 + CROCKFORD.indexOf(digit);
  return time;
}
