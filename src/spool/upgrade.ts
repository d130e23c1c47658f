/**
 * Brings a store of format 1 to format 2, by a copy.
 *
 * Format 1 was written by lmdb 3, which keeps the list of free pages another way: lmdb 2 reads such a store, but what it
 * writes there ends in assertions (README.md here). A crash on the way leaves the old store, whole, or the new one.
 */
import { renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'lmdb';
import { makeDirectory, syncDirectoryNow } from '../platform/files.ts';
import type { Log } from '../platform/logger.ts';
import { mappedMemory } from '../platform/memory.ts';
import { FORMAT } from './codec.ts';
import { DATABASE_NAMES, type DatabaseName, openDatabases, openToRead, readPage } from './databases.ts';

/** Entries in one transaction; a body has up to 128 KiB. */
const PAGE = 200;
/** Octets that the maps may grow by before both are opened anew. */
const MAP_LIMIT = 32 * 1024 * 1024;

type Key = string | number;

/** Blocks, for start-up. Throws where the copy cannot be made, which changes nothing. A later format stays as it is. */
export async function upgradeStore(path: string, log: Log): Promise<void> {
  const draft = `${path}.new`;
  rmSync(draft, { recursive: true, force: true });
  if (!statSync(join(path, 'data.mdb'), { throwIfNoEntry: false })?.size) return; // a crash within the first start leaves it empty
  const format = await formatOf(path);
  if (format >= FORMAT) return;
  let messages: number;
  try {
    makeDirectory(draft);
    messages = await copyStore(path, draft);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    const { message } = error as Error;
    const why = `the store ${path} has format ${format} and could not be copied to format ${FORMAT}: ${message}`;
    const remedy = 'Make room for a copy of it, or let its queue run empty under the version before, which reads it';
    throw new Error(`${why}; nothing of it has changed. ${remedy}`, { cause: error });
  }
  renameSync(join(draft, 'data.mdb'), join(path, 'data.mdb'));
  rmSync(join(path, 'lock.mdb'), { force: true });
  syncDirectoryNow(path);
  rmSync(draft, { recursive: true, force: true });
  log.info({ from: format, to: FORMAT, messages }, 'the store was copied into its new format');
}

async function formatOf(path: string): Promise<number> {
  const { root, controls } = openToRead(path);
  try {
    return Number(controls?.get('format') ?? 1);
  } finally {
    await root.close();
  }
}

/** Returns the number of messages. */
async function copyStore(from: string, to: string): Promise<number> {
  for (const name of DATABASE_NAMES) {
    for (let after: Key | undefined; ; ) {
      const { isDone, last } = await copySome(from, to, name, after);
      if (isDone) break;
      after = last;
    }
  }
  const db = openDatabases(to);
  try {
    db.controls.putSync('format', String(FORMAT));
    return entriesOf(db.messages);
  } finally {
    await db.root.close();
  }
}

/** Copies what is behind `after`, until the maps of both have grown large: closing them lets go of that. */
async function copySome(
  from: string,
  to: string,
  name: DatabaseName,
  after: Key | undefined,
): Promise<{ readonly isDone: boolean; readonly last: Key | undefined }> {
  const mapped = mappedMemory();
  const old = openToRead(from);
  const made = openDatabases(to);
  try {
    const source = old[name] as Database<unknown, Key> | undefined;
    if (source === undefined) return { isDone: true, last: after };
    const target = made[name] as Database<unknown, Key>;
    let last = after;
    do {
      const page = readPage(source, last, PAGE);
      if (page.length === 0) {
        const [copied, all] = [entriesOf(target), entriesOf(source)];
        if (copied !== all) throw new Error(`${copied} of ${all} ${name} could be read`);
        return { isDone: true, last };
      }
      made.root.transactionSync(() => {
        for (const { key, value } of page) void target.put(key, value);
      });
      last = page.at(-1)?.key;
    } while (mappedMemory() - mapped < MAP_LIMIT);
    return { isDone: false, last };
  } finally {
    await old.root.close();
    await made.root.close();
  }
}

/** From the tree's root; counting would look at every page, and so map all of them. */
function entriesOf(db: Database<unknown, Key>): number {
  return (db.getStats() as { entryCount: number }).entryCount;
}
