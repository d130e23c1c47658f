/**
 * The hash chain of a day's records: each link is the SHA-256 of the link before it and the record's very text, so that a
 * record that is changed, taken out or put in breaks the chain where it stands. A day's first link rests on a text that
 * names the head of the day before.
 *
 * What it proves: that the records are those from which a head was made that somebody else has (a printed report, the
 * log of another machine). What it cannot: who can rewrite every file here can also make a chain anew; only a head that
 * left the machine contradicts him.
 */
import { hash } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

/** The state of a day's chain: how many records it has, and the last link, lower-case hex. */
export interface Head {
  readonly records: number;
  readonly head: string;
}

/** The next link. By hand: `printf '%s%s' "$previous" "$json" | sha256sum`. */
export function linkOf(previous: string, json: string): string {
  return hash('sha256', previous + json);
}

/** What a day's chain rests on. */
export interface Foundation {
  readonly day: string;
  /** The number of the first record that is chained: those before it were written by an earlier version. */
  readonly first: number;
  /** The day before it among the files, as it stood then; absent where there was none. */
  readonly after?: { readonly day: string } & Partial<Head>;
}

/** The text whose SHA-256 stands in the place of the link before the first. */
export function foundationText({ day, first, after }: Foundation): string {
  const before = after === undefined ? 'none' : `${after.day} records=${after.records ?? '?'} head=${after.head ?? '?'}`;
  return `bridgehead evidence day=${day} first=${first} after=${before}`;
}

const FOUNDATION = /^bridgehead evidence day=(\S+) first=(\d+) after=(?:none|(\S+) records=(\d+|\?) head=([0-9a-f]{64}|\?))$/;

/** The foundation as its text says it; `undefined` where it is none. */
export function parseFoundation(text: string): Foundation | undefined {
  const [, day, first, after, records, head] = FOUNDATION.exec(text) ?? [];
  if (day === undefined || first === undefined) return undefined;
  if (after === undefined) return { day, first: Number(first) };
  const known =
    records === undefined || head === undefined || records === '?' || head === '?' ? {} : { records: Number(records), head };
  return { day, first: Number(first), after: { day: after, ...known } };
}

// Beside the day's file, so that records cut off at its end are missed; always as long, so that one write replaces it
const NOTE_LENGTH = 128;

/** `2026-11-22.chain` beside `2026-11-22.sqlite`. */
export function noteFileOf(dayFile: string): string {
  return dayFile.replace(/\.sqlite$/, '.chain');
}

/** Notes the head of a day in place. Behind the commit: a crash between the two leaves a note that is behind, never ahead. */
export class HeadNote implements Disposable {
  readonly #fd: number;

  constructor(dayFile: string) {
    this.#fd = openSync(noteFileOf(dayFile), constants.O_RDWR | constants.O_CREAT, 0o600);
  }

  write({ records, head }: Head): void {
    writeSync(this.#fd, `${JSON.stringify({ records, head }).padEnd(NOTE_LENGTH - 1)}\n`, 0, 'latin1');
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** The head that was noted of a day; `undefined` where there is none, `null` where it cannot be read. */
export function readNote(dayFile: string): Head | undefined | null {
  let text: string;
  try {
    text = readFileSync(noteFileOf(dayFile), 'latin1');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : null;
  }
  if (text === '') return undefined; // begun, and nothing written yet
  try {
    const { records, head } = JSON.parse(text) as Partial<Head>;
    return Number.isSafeInteger(records) && typeof head === 'string' && /^[0-9a-f]{64}$/.test(head)
      ? { records: records as number, head }
      : null;
  } catch {
    return null;
  }
}

/** Keeps a note that the day's file contradicts: what it says is proof that records are missing. */
export function keepNote(dayFile: string, now: number): void {
  renameSync(noteFileOf(dayFile), `${noteFileOf(dayFile)}.contradicted-${now}`);
}
