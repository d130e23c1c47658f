/** `report verify`: follows the hash chain of each day and names what was changed, taken out or put in (chain.ts). */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { type Foundation, linkOf, parseFoundation, readNote } from './chain.ts';
import { agrees, hexOf } from './day-chain.ts';
import type { Span } from './day-file.ts';
import { daysIn, fileOf, startOf } from './days.ts';
import { timeOf } from './keys.ts';
import { openToRead } from './open-day.ts';

export interface VerifiedDay {
  readonly day: string;
  readonly records: number;
  /** Of them, those written by an earlier version, which are in no chain. */
  readonly 'not-chained': number;
  /** The last link of the chain; null where there is none. */
  readonly head: string | null;
  readonly findings: number;
}

export interface ChainFinding {
  readonly day: string;
  /** The record's number in the day; null where the finding is of the day as a whole. */
  readonly record: number | null;
  readonly time: string | null;
  readonly 'spool-id': string | null;
  readonly problem: string;
}

export interface Verification {
  readonly ok: boolean;
  readonly days: readonly VerifiedDay[];
  /** The first of them; `VerifiedDay.findings` counts all. */
  readonly findings: readonly ChainFinding[];
}

const MOST_FINDINGS = 1000;
const DAY_MS = 86_400_000;

/** Verifies the days that the span touches, each as a whole. Blocks; it runs in a worker. */
export function verifyDays(directory: string, span: Span): Verification {
  const all = daysIn(directory);
  const findings: ChainFinding[] = [];
  const wanted = all.filter((day) => startOf(day) < span.until && startOf(day) + DAY_MS > span.since);
  const days = wanted.map((day) => new DayVerification(directory, day, all, findings).run());
  for (const { day, problem } of strayFiles(directory, all)) {
    if (startOf(day) >= span.until || startOf(day) + DAY_MS <= span.since) continue;
    findings.push({ day, record: null, time: null, 'spool-id': null, problem });
  }
  return { ok: findings.length === 0, days, findings };
}

class DayVerification {
  readonly #directory: string;
  readonly #day: string;
  readonly #all: readonly string[];
  readonly #findings: ChainFinding[];
  #count = 0;

  constructor(directory: string, day: string, all: readonly string[], findings: ChainFinding[]) {
    this.#directory = directory;
    this.#day = day;
    this.#all = all;
    this.#findings = findings;
  }

  run(): VerifiedDay {
    const file = fileOf(this.#directory, this.#day);
    const noted = readNote(file); // before the records are read: the note is never ahead of them
    let read = { records: 0, 'not-chained': 0, head: null as string | null };
    try {
      using db = openToRead(file);
      read = this.#records(db);
      if (noted === null) this.#find(null, undefined, 'the note of its head cannot be read: records may be missing at the end');
      else if (noted !== undefined && !agrees(db, noted))
        this.#find(
          null,
          undefined,
          `${noted.records} records were noted, the last with the link ${noted.head}: records are missing at the end, or were made anew`,
        );
    } catch (error) {
      this.#find(null, undefined, `it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { day: this.#day, ...read, findings: this.#count };
  }

  #records(db: DatabaseSync): Omit<VerifiedDay, 'day' | 'findings'> {
    const isChained = db
      .prepare('PRAGMA table_info(records)')
      .all()
      .some((column) => column['name'] === 'link');
    if (!isChained) {
      const records = Number(db.prepare('SELECT count(*) AS n FROM records').get()?.['n'] ?? 0);
      return { records, 'not-chained': records, head: null };
    }
    const text = String(db.prepare('SELECT foundation FROM chain').get()?.['foundation'] ?? '');
    const foundation = parseFoundation(text);
    if (foundation === undefined || foundation.day !== this.#day)
      this.#find(null, undefined, 'what its chain rests on was changed');
    else this.#foundation(foundation);
    const first = foundation?.first ?? 0;
    let previous = createHash('sha256').update(text).digest('hex');
    let next = 0;
    let notChained = 0;
    for (const row of db.prepare('SELECT id, time, json, link FROM records ORDER BY id').iterate()) {
      const id = Number(row['id']);
      const json = String(row['json']);
      if (id > next)
        this.#find(next, undefined, id === next + 1 ? 'it is missing' : `it and ${id - next - 1} behind it are missing`);
      const link = row['link'] instanceof Uint8Array ? hexOf(row['link']) : undefined;
      if (link === undefined) {
        notChained += 1;
        if (id >= first) this.#find(id, json, 'it was put in: it has no link');
      } else {
        // behind a gap the link before it is not known: the chain is taken up again where it goes on
        if (id === next && linkOf(previous, json) !== link)
          this.#find(id, json, 'it is not as it was written, or a record was taken out or put in before it');
        previous = link;
      }
      if (timeOf(json, Number(row['time'])) !== Number(row['time']))
        this.#find(id, json, 'the time it is filed under is not its own');
      next = id + 1;
    }
    return { records: next, 'not-chained': notChained, head: next > notChained || notChained === 0 ? previous : null };
  }

  /** Whether the day before still is what this day began behind. */
  #foundation({ after }: Foundation): void {
    if (after === undefined) return;
    const before = fileOf(this.#directory, after.day);
    if (!existsSync(before)) {
      // what is older than all that is kept was dropped in its time
      if (this.#all.some((day) => day < after.day)) this.#find(null, undefined, `the day ${after.day} before it is missing`);
      return;
    }
    if (after.records === undefined || after.head === undefined || after.records === 0) return;
    using db = openToRead(before);
    if (!agrees(db, { records: after.records, head: after.head }))
      this.#find(
        null,
        undefined,
        `it began behind record ${after.records - 1} of ${after.day}, which is missing or not as it was then`,
      );
  }

  #find(record: number | null, json: string | undefined, problem: string): void {
    this.#count += 1;
    if (this.#findings.length >= MOST_FINDINGS) return;
    this.#findings.push({ day: this.#day, record, ...factsOf(json), problem });
  }
}

function factsOf(json: string | undefined): Pick<ChainFinding, 'time' | 'spool-id'> {
  try {
    const { time, 'spool-id': id } = JSON.parse(json ?? 'null') as { time?: unknown; 'spool-id'?: unknown };
    return { time: typeof time === 'string' ? time : null, 'spool-id': typeof id === 'string' ? id : null };
  } catch {
    return { time: null, 'spool-id': null };
  }
}

/** Files that tell of days without a place in the chain. */
function strayFiles(directory: string, days: readonly string[]): { readonly day: string; readonly problem: string }[] {
  const found: { day: string; problem: string }[] = [];
  for (const name of days.length === 0 && !existsSync(directory) ? [] : readdirSync(directory).sort()) {
    const [, day, rest] = /^(\d{4}-\d{2}-\d{2})\.(.+)$/.exec(name) ?? [];
    if (day === undefined || rest === undefined) continue;
    if (rest === 'chain' && !days.includes(day)) found.push({ day, problem: `its records are missing: there is only ${name}` });
    else if (rest.startsWith('chain.contradicted-'))
      found.push({ day, problem: `when the relay opened it, it did not have the records that ${name} had noted` });
    else if (/^sqlite\.damaged-\d+$/.test(rest))
      found.push({ day, problem: `it was damaged; ${name} was set aside and is not verified` });
  }
  return found;
}
