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
import { DATABASE_NAMES, type DatabaseName, type Databases, openDatabases, openToRead, readPage } from './databases.ts';

/** Entries in one transaction; a body has up to 128 KiB. */
const PAGE = 200;
/** Octets that the old store's map may grow by before it is opened anew. */
const MAP_LIMIT = 32 * 1024 * 1024;

/** Blocks, for start-up. Throws where the copy cannot be made, which changes nothing. A later format stays as it is. */
export async function upgradeStore(path: string, log: Log): Promise<void> {
  const draft = `${path}.new`;
  rmSync(draft, { recursive: true, force: true });
  if (!statSync(join(path, 'data.mdb'), { throwIfNoEntry: false })?.size) return; // a crash within the first start leaves it empty
  const format = await formatOf(path);
  if (format >= FORMAT) return;
  try {
    makeDirectory(draft);
    const messages = await copyStore(path, draft);
    renameSync(join(draft, 'data.mdb'), join(path, 'data.mdb'));
    rmSync(join(path, 'lock.mdb'), { force: true });
    syncDirectoryNow(path);
    log.info({ from: format, to: FORMAT, messages }, 'the store was copied into its new format');
  } catch (error) {
    const { message } = error as Error;
    const why = `the store ${path} has format ${format} and could not be copied to format ${FORMAT}: ${message}`;
    const remedy = 'Make room for a copy of it, or let its queue run empty under the version before, which reads it';
    throw new Error(`${why}; nothing of it has changed. ${remedy}`, { cause: error });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
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
  const db = openDatabases(to);
  try {
    for (const name of DATABASE_NAMES) await copyDatabase(from, name, db);
    db.controls.putSync('format', String(FORMAT));
    return db.messages.getCount();
  } finally {
    await db.root.close();
  }
}

async function copyDatabase(from: string, name: DatabaseName, to: Databases): Promise<void> {
  const target = to[name] as Database<unknown, string | number>;
  let old = openToRead(from);
  try {
    const mapped = mappedMemory();
    for (let after: string | number | undefined, copied = 0; ; ) {
      const source = old[name] as Database<unknown, string | number> | undefined;
      if (source === undefined) return;
      const page = readPage(source, after, PAGE);
      if (page.length === 0) {
        const all = source.getCount();
        if (copied !== all) throw new Error(`${copied} of ${all} ${name} could be read`);
        return;
      }
      to.root.transactionSync(() => {
        for (const { key, value } of page) void target.put(key, value);
      });
      copied += page.length;
      after = page.at(-1)?.key;
      if (mappedMemory() - mapped < MAP_LIMIT) continue;
      await old.root.close();
      old = openToRead(from);
    }
  } finally {
    await old.root.close();
  }
}
