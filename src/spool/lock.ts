/** One process per spool: a lock that the kernel holds, so that it ends with the process whatever ends it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Another process holds the spool. `pid` is the one it wrote down, as seen from where it runs. */
export class SpoolInUse extends Error {
  readonly pid: number | undefined;

  constructor(directory: string, pid: number | undefined) {
    super(`the spool ${directory} is in use by process ${pid ?? '(unknown)'}; only one process may open it`);
    this.name = 'SpoolInUse';
    this.pid = pid;
  }
}

/**
 * Takes the lock of a spool directory, or throws `SpoolInUse`. Node has no flock; an exclusive transaction of SQLite on
 * an empty file is a byte-range lock of the kernel. A file with a pid alone would mislead: pids are used again, and in
 * two containers that share a volume neither sees the other's.
 */
export function lockSpool(directory: string): Disposable {
  const pidFile = join(directory, 'pid');
  const lock = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) throw new SpoolInUse(directory, readPid(pidFile));
    throw error;
  }
  // Only for the message above; the lock itself does not depend on it, so it need not survive a crash.
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return { [Symbol.dispose]: () => lock.close() };
}

const SQLITE_BUSY = 5;

function readPid(path: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isNaN(pid) ? undefined : pid;
  } catch {
    return undefined;
  }
}
