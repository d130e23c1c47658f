/**
 * The journal of versions: one JSON line each, in the data directory. Its last line is the state that counts: a version
 * becomes active by the line that names its files, after these are on disk. A crash before the line leaves the version
 * before, and files that nobody names (the next start removes them); a crash behind it leaves the new one.
 */
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../platform/files.ts';
import type { DirectoryRoute } from './ports.ts';

/** What a source held in a version. */
export interface SourceRecord {
  readonly name: string;
  readonly kind: 'file' | 'imported' | 'live';
  /** Short names of the files, or the server. */
  readonly origins: readonly string[];
  /** Of the kept records. */
  readonly set: string;
  readonly digest: string;
  readonly records: number;
  /** When these records were taken, ISO 8601. */
  readonly since: string;
  /** Of a file named in the settings: its path, and what it looked like when it was read (`stampOf`). */
  readonly file?: string;
  readonly stamp?: string;
}

export interface VersionRecord {
  readonly version: number;
  /** ISO 8601 */
  readonly time: string;
  /** Who made it active: `start`, `reload`, a user's name. */
  readonly who: string;
  /** `import imported`, `set ann@example.com`, `wave pilot`, `rollback to 12`. */
  readonly what: string;
  readonly reason?: string;
  readonly from: readonly { readonly source: string; readonly file: string }[];
  /** Of all that decides: records and overlays. */
  readonly digest: string;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  /** Ids of the files that hold it. */
  readonly base: string;
  readonly overlays: string;
  readonly sources: readonly SourceRecord[];
  /** Of the settings it was built by. */
  readonly checks: string;
  /** The version that a rollback restored: sources do not change it until the next import (C6). */
  readonly pinned?: number;
}

const FILE = 'history.jsonl';
/** Octets; the last version stands at the end. */
const TAIL = 262_144;
/** Octets; a longer journal is cut to its last versions. */
const LONG = 16 << 20;
const KEPT_LINES = 5_000;

/** The last record, `undefined` where there is none. A line that a crash cut short does not count. */
export async function lastVersion(folder: string): Promise<VersionRecord | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(join(folder, FILE), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    for (const line of lines.reverse()) {
      const record = readLine(line);
      if (record !== undefined) return record;
    }
    return undefined;
  } finally {
    await file.close();
  }
}

/** Every version that is recorded, the newest first. A version that was recorded again (its sources changed, nothing that decides) stands here once. */
export async function readHistory(folder: string): Promise<VersionRecord[]> {
  const text = await readFile(join(folder, FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const versions = new Map<number, VersionRecord>();
  for (const line of text.split('\n')) {
    const record = readLine(line);
    if (record !== undefined) versions.set(record.version, record);
  }
  return [...versions.values()].sort((a, b) => b.version - a.version);
}

/** Appends a record; durable when resolved. A crash before leaves the history as it was, or with a cut line that readers skip. */
export async function recordVersion(folder: string, record: VersionRecord): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(join(folder, FILE), 'a', 0o600);
  try {
    // the line feed in front ends a line that a crash cut short
    await file.write(`\n${JSON.stringify(record)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Cuts a journal that grew long to its last versions; for the start. */
export async function shortenHistory(folder: string): Promise<void> {
  const size = await stat(join(folder, FILE)).then(
    (found) => found.size,
    () => 0,
  );
  if (size < LONG) return;
  const kept = (await readHistory(folder)).slice(0, KEPT_LINES).reverse();
  replaceFile(join(folder, FILE), kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

function readLine(line: string): VersionRecord | undefined {
  if (!line.startsWith('{"version":')) return undefined;
  try {
    const record = JSON.parse(line) as VersionRecord;
    return Number.isSafeInteger(record.version) && typeof record.digest === 'string' && typeof record.base === 'string'
      ? record
      : undefined;
  } catch {
    return undefined;
  }
}
