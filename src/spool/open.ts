/** Opens a spool: the lock, what a crash left, then the store. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDirectory, syncDirectoryNow } from '../platform/files.ts';
import { mappedMemory } from '../platform/memory.ts';
import { BodyFiles } from './body-files.ts';
import { type Databases, openDatabases } from './databases.ts';
import { DueIndex } from './due-index.ts';
import { HandsFile } from './hands.ts';
import { lockSpool } from './lock.ts';
import type { SpoolParts, SpoolSettings } from './ports.ts';
import { recover } from './recovery.ts';
import { Reserve } from './reserve.ts';
import { Spool } from './spool.ts';
import { checkFormat, Store } from './store.ts';
import { type Judged, judge } from './suspects.ts';
import { upgradeStore } from './upgrade.ts';

/** Milliseconds. */
const HOLD_DEADLINE = 5_000;
/** Octets that the map may grow by while the records are read. */
const MAP_LIMIT = 32 * 1024 * 1024;

/** The same databases with a small map, where theirs has grown large. */
async function mapAnew(db: Databases, path: string, before: number): Promise<Databases> {
  if (mappedMemory() - before < MAP_LIMIT) return db;
  await db.root.close();
  return openDatabases(path);
}

/** Opens a spool and repairs what a crash left. Throws `SpoolInUse` where another process has it. */
export async function openSpool(settings: SpoolSettings, parts: SpoolParts): Promise<Spool> {
  makeDirectory(settings.directory);
  const lock = lockSpool(settings.directory);
  try {
    const path = join(settings.directory, 'store');
    makeDirectory(path);
    await upgradeStore(path, parts.log);
    const files = new BodyFiles(join(settings.directory, 'bodies'));
    const index = new DueIndex();
    let aside: number;
    const hands = new HandsFile(join(settings.directory, 'hands'));
    let judged: Judged;
    // Read through an environment of its own: reading every record maps most of the file into memory, and closing
    // gives that back (100,000 messages of 5 KB: 809 MiB resident, then 170); on the way it is closed whenever it has grown.
    const mapped = mappedMemory();
    let db = openDatabases(path);
    try {
      // Each commit syncs the store's file, but nobody its name (D4).
      syncDirectoryNow(path);
      checkFormat(db);
      ({ db, aside } = await recover(db, (current) => mapAnew(current, path, mapped), files, index, parts.log));
      judged = judge(db, hands.leftBehind);
      hands.counted();
    } finally {
      await db.root.close();
    }
    const reserve = new Reserve(settings.directory, parts.log);
    const store = new Store(
      {
        path,
        commitDeadline: settings.commitDeadline ?? 30_000,
        reopenDelay: settings.reopenDelay ?? 1_000,
        claimRoom: (octets) => reserve.claim(octets),
      },
      parts.log,
    );
    const spool = new Spool(settings, parts, { store, files, index, lock, aside, hands, suspects: judged.suspects });
    // on a disk that fails now it is durable later, as every outcome
    await Promise.race([spool.holdCulprits(judged.culprits), delay(HOLD_DEADLINE, undefined, { ref: false })]);
    return spool;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}
