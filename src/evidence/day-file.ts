/**
 * One day of evidence: one SQLite file, `YYYY-MM-DD.sqlite` (UTC), written by one worker and read by anybody.
 *
 * `records` holds the records as they are. A run of 8,192 of them is a segment. `keys` is the index, one integer each:
 * segment (16 bits), hash (24 bits), place in the segment (13 bits). So inserts always fall into the newest segment's
 * few pages, however large the day grows, and a question costs one seek a segment. Each record carries its link of the
 * day's hash chain (chain.ts), and `chain` the text that the chain rests on.
 */
import { basename, dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { syncDirectoryNow } from '../platform/files.ts';
import { type Foundation, type Head, HeadNote, keepNote, linkOf, readNote } from './chain.ts';
import { agrees, openChain } from './day-chain.ts';
import { keysOf } from './keys.ts';
import { openToRead } from './open-day.ts';

const SEGMENT = 8192;
const HASH_SPAN = SEGMENT;
const SEGMENT_SPAN = 2 ** 37;
const LAST_SEGMENT = 2 ** 16 - 1; // a key stays a safe integer: 536 million records a day
const KEYS_AT_ONCE = 64;
const SYNCHRONOUS_FULL = 2;

// Pages of 16 KiB: a record is about 1 KiB, and small pages waste a quarter. Measured: 11 µs a record against 16 µs.
const SCHEMA = `
  PRAGMA page_size = 16384;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -4000;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, json TEXT NOT NULL, link BLOB) STRICT;
  CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), foundation TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS keys (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE IF NOT EXISTS segments (segment INTEGER PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS batches (first INTEGER PRIMARY KEY, last INTEGER NOT NULL) STRICT;
`;

// CROSS JOIN keeps this order of the loops: segments, then one seek, then the records
const BY_KEY = `
  SELECT records.id, records.json
  FROM segments
  CROSS JOIN keys ON keys.key BETWEEN segments.segment * ${SEGMENT_SPAN} + :low AND segments.segment * ${SEGMENT_SPAN} + :low + ${SEGMENT - 1}
  CROSS JOIN records ON records.id = segments.segment * ${SEGMENT} + (keys.key % ${SEGMENT})
  WHERE segments.until >= :since AND segments.since < :until
  ORDER BY segments.segment DESC, keys.key DESC`;

const BY_TIME = `
  SELECT records.id, records.json
  FROM segments
  CROSS JOIN records ON records.id BETWEEN segments.segment * ${SEGMENT} AND segments.segment * ${SEGMENT} + ${SEGMENT - 1}
  WHERE segments.until >= :since AND segments.since < :until AND records.time >= :since AND records.time < :until
  ORDER BY segments.segment DESC, records.id DESC`;

const IN_ORDER = 'SELECT id, json FROM records WHERE id >= :from AND time >= :since AND time < :until ORDER BY id';

export interface StoredLine {
  readonly id: number;
  readonly json: string;
}

/** Milliseconds since the epoch; from `since` to just before `until`. */
export interface Span {
  readonly since: number;
  readonly until: number;
}

/** Writes one day. Not for two writers at a time: the spool's lock on the data directory sees to that. */
export class DayWriter implements Disposable {
  readonly #db: DatabaseSync;
  readonly #insertRecord: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #insertKeys: StatementSync;
  readonly #insertSegment: StatementSync;
  readonly #batchBefore: StatementSync;
  readonly #insertBatch: StatementSync;
  readonly #seen = new Set<string>();
  readonly #note: HeadNote;
  #next: number;
  #head: string;

  /**
   * Opens or creates the file; throws where it cannot promise that a commit is on disk (design.md P1, D6). `after` tells
   * of the day before, where the chain has to begin; `now`: milliseconds since the epoch.
   */
  constructor(path: string, after: () => Foundation['after'], now: number) {
    const db = new DatabaseSync(path);
    this.#db = db;
    try {
      db.exec(SCHEMA);
      if (db.prepare('PRAGMA synchronous').get()?.['synchronous'] !== SYNCHRONOUS_FULL) {
        throw new Error('SQLite does not take synchronous=FULL: a commit would not be on disk');
      }
      if (db.prepare('PRAGMA journal_mode').get()?.['journal_mode'] !== 'wal')
        throw new Error('SQLite does not take journal_mode=WAL');
      syncDirectoryNow(dirname(path)); // the file's name, so that a power loss does not take the file
      this.#next = Number(db.prepare('SELECT coalesce(max(id) + 1, 0) AS next FROM records').get()?.['next'] ?? 0);
      this.#head = openChain(db, basename(path, '.sqlite'), this.#next, after);
      const noted = readNote(path);
      if (noted !== undefined && !agrees(db, noted)) keepNote(path, now);
      this.#note = new HeadNote(path);
    } catch (error) {
      db.close();
      throw error;
    }
    this.#insertRecord = db.prepare('INSERT INTO records VALUES (?, ?, ?, ?)');
    this.#insertKey = db.prepare('INSERT OR IGNORE INTO keys VALUES (?)');
    this.#insertKeys = db.prepare(`INSERT OR IGNORE INTO keys VALUES ${Array(KEYS_AT_ONCE).fill('(?)').join(',')}`);
    this.#insertSegment = db.prepare(
      'INSERT INTO segments VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET since = min(since, excluded.since), until = max(until, excluded.until)',
    );
    this.#batchBefore = db.prepare('SELECT first, last FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1');
    this.#insertBatch = db.prepare('INSERT INTO batches VALUES (?, ?) ON CONFLICT DO UPDATE SET last = max(last, excluded.last)');
  }

  /** Runs `work` as one transaction: after it returned, all of it is on disk; after it threw, nothing is. */
  transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    const next = this.#next;
    const head = this.#head;
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#next = next;
      this.#head = head;
      this.#seen.clear();
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
    if (this.#next === next) return;
    try {
      this.#note.write(this.head);
    } catch {
      // the records are on disk: a note that lags proves less, and is no reason to write them again
    }
  }

  get head(): Head {
    return { records: this.#next, head: this.#head };
  }

  /** Inserts serialised records with their times (milliseconds), inside a transaction. */
  insert(lines: readonly string[], times: readonly number[]): void {
    let done = 0;
    while (done < lines.length) {
      const room = SEGMENT - (this.#next % SEGMENT);
      const end = Math.min(lines.length, done + room);
      this.#insertRun(lines, times, done, end);
      done = end;
    }
  }

  /** Inserts lines `from` to `end`, which all fall into one segment. */
  #insertRun(lines: readonly string[], times: readonly number[], from: number, end: number): void {
    const segment = Math.floor(this.#next / SEGMENT);
    if (segment > LAST_SEGMENT) throw new Error('this day of evidence is full');
    if (this.#next % SEGMENT === 0) this.#seen.clear();
    const keys: number[] = [];
    const hashes: number[] = [];
    let since = Number.POSITIVE_INFINITY;
    let until = Number.NEGATIVE_INFINITY;
    for (let i = from; i < end; i++) {
      const line = lines[i] ?? '';
      const time = times[i] ?? 0;
      this.#head = linkOf(this.#head, line);
      this.#insertRecord.run(this.#next, time, line, Buffer.from(this.#head, 'hex'));
      hashes.length = 0;
      keysOf(line, this.#seen, hashes);
      const place = segment * SEGMENT_SPAN + (this.#next % SEGMENT);
      for (const hash of hashes) keys.push(place + hash * HASH_SPAN);
      if (time < since) since = time;
      if (time > until) until = time;
      this.#next += 1;
    }
    this.#writeKeys(Float64Array.from(keys).sort());
    this.#insertSegment.run(segment, since, until);
  }

  /** In order, and many a statement: half the cost of one by one. */
  #writeKeys(sorted: Float64Array): void {
    let at = 0;
    for (; at + KEYS_AT_ONCE <= sorted.length; at += KEYS_AT_ONCE)
      this.#insertKeys.run(...sorted.subarray(at, at + KEYS_AT_ONCE));
    for (; at < sorted.length; at++) this.#insertKey.run(sorted[at] ?? 0);
  }

  /** Whether a batch with this sequence was written to this file. */
  hasBatch(sequence: number): boolean {
    const before = this.#batchBefore.get(sequence);
    return before !== undefined && Number(before['last']) >= sequence;
  }

  /** Notes the sequences of a transaction, kept as ranges: one small row for all of a day without a gap. */
  noteBatches(sequences: readonly number[]): void {
    let first = sequences[0];
    for (let i = 0; first !== undefined && i < sequences.length; i++) {
      const last = sequences[i] ?? first;
      const next = sequences[i + 1];
      if (next === last + 1) continue;
      const before = this.#batchBefore.get(first);
      const joins = before !== undefined && Number(before['last']) >= first - 1;
      this.#insertBatch.run(joins ? Number(before['first']) : first, last);
      first = next;
    }
  }

  /** Whether this very record is here. */
  hasRecord(line: string): boolean {
    const hashes: number[] = [];
    keysOf(line, new Set(), hashes);
    const hash = hashes[0];
    if (hash === undefined) return true; // cannot be looked up: the sequence alone decides
    for (const row of linesByKey(this.#db.prepare(BY_KEY), hash, { since: -Infinity, until: Infinity })) {
      if (row.json === line) return true;
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#note[Symbol.dispose]();
    this.#db.close();
  }
}

/** Reads one day, beside a writer or without one. */
export class DayReader implements Disposable {
  readonly #db: DatabaseSync;
  readonly #byKey: StatementSync;
  readonly #allByKey: StatementSync;
  readonly #byTime: StatementSync;
  readonly #inOrder: StatementSync;

  constructor(path: string) {
    this.#db = openToRead(path);
    this.#byKey = this.#db.prepare(BY_KEY);
    this.#allByKey = this.#db.prepare(BY_KEY);
    this.#byTime = this.#db.prepare(BY_TIME);
    this.#inOrder = this.#db.prepare(IN_ORDER);
  }

  /** Candidates for a key, newest first; others may share its hash. Only segments that touch the span are searched. */
  byKey(hash: number, span: Span): Iterable<StoredLine> {
    return linesByKey(this.#byKey, hash, span);
  }

  /** The same at once, also amid an iteration of `byKey`: for keys that few records have. */
  allByKey(hash: number, span: Span): StoredLine[] {
    return this.#allByKey.all(parametersOf(hash, span)) as unknown as StoredLine[];
  }

  /** All records of the span as they were written, from the record `from` on: one that tells of a delivery stands behind its receipt. */
  inOrder(span: Span, from = 0): Iterable<StoredLine> {
    return this.#inOrder.iterate({ since: span.since, until: span.until, from }) as unknown as Iterable<StoredLine>;
  }

  /** All records of the span, newest first but for records that came late. */
  byTime(span: Span): Iterable<StoredLine> {
    return this.#byTime.iterate({ since: span.since, until: span.until }) as unknown as Iterable<StoredLine>;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function linesByKey(statement: StatementSync, hash: number, span: Span): Iterable<StoredLine> {
  return statement.iterate(parametersOf(hash, span)) as unknown as Iterable<StoredLine>;
}

function parametersOf(hash: number, span: Span): Record<string, number> {
  return { low: hash * HASH_SPAN, since: span.since, until: span.until };
}
