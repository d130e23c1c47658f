/** The versions that were active: one JSON line each, in the data directory. */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryRoute } from './ports.ts';

export interface VersionRecord {
  readonly version: number;
  /** ISO 8601 */
  readonly time: string;
  /** Who made it active: `start`, `reload`, a user's name. */
  readonly who: string;
  readonly from: readonly { readonly source: string; readonly file: string }[];
  readonly digest: string;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
}

const FILE = 'history.jsonl';
/** Octets; the last version stands at the end. */
const TAIL = 65_536;

/** The last version recorded, `undefined` where there is none. A line that a crash cut short does not count. */
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
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(Math.min(size, TAIL)),
      0,
      Math.min(size, TAIL),
      Math.max(0, size - TAIL),
    );
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

/** Appends a version; durable when resolved. A crash before leaves the history as it was, or with a cut line that readers skip. */
export async function recordVersion(folder: string, record: VersionRecord): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, FILE), 'a');
  try {
    // the line feed in front ends a line that a crash cut short
    await file.write(`\n${JSON.stringify(record)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
}

function readLine(line: string): VersionRecord | undefined {
  if (!line.startsWith('{"version":')) return undefined;
  try {
    const record = JSON.parse(line) as VersionRecord;
    return Number.isSafeInteger(record.version) && typeof record.digest === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
