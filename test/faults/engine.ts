/**
 * The engine under the spool alone, with the load of a queue and no fault: transactions add and remove bodies of all sizes
 * while the backlog rises to thousands and falls to none. To be run before lmdb is upgraded: 3.5.6 filed free pages twice
 * within 47,000 transactions (src/spool/README.md).
 *
 *   node test/faults/engine.ts [SECONDS=30] [SEED]
 *
 * Each body has a content of its own, so that a page given to two of them is found: by one read in each transaction, and
 * by reading all whenever the environment is opened anew.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SpoolId } from '../../src/mail/spooled.ts';
import { openDatabases, readPage } from '../../src/spool/databases.ts';
import { seeded } from '../e2e/support/messages.ts';
import { say, verdict } from './report.ts';

const seconds = Number(process.argv[2] ?? 30);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
say(`engine: ${seconds} s, seed ${seed}`);
const chance = seeded(seed);
const below = (limit: number): number => Math.floor(chance() * limit);

/** Transactions with the same kind of load; between two environments. */
const PHASE = 500;
const LIFE = 5_000;
const BACKLOGS = [0, 5, 20, 200, 2000, 5000];

const directory = mkdtempSync(join(tmpdir(), 'bridgehead-engine-'));
const broken: string[] = [];
/** What must be there, oldest first. */
const sizes = new Map<SpoolId, number>();
const ids: SpoolId[] = [];
let db = openDatabases(directory);
let transactions = 0;
let largest = 0;
let mebibytes = 0;

try {
  await run();
} finally {
  await db.root.close();
  mebibytes = Math.round(statSync(join(directory, 'data.mdb')).size / 2 ** 20);
  rmSync(directory, { recursive: true, force: true });
}
say(`${transactions} transactions, ${largest} messages at most, a file of ${mebibytes} MiB`);
process.exitCode = verdict('engine', broken);

async function run(): Promise<void> {
  const end = performance.now() + seconds * 1000;
  let sequence = Date.now() * 1000;
  let backlog = 200;
  let isLarge = true;
  while (performance.now() < end && broken.length === 0) {
    if (transactions % PHASE === 0) {
      backlog = BACKLOGS[below(BACKLOGS.length)] ?? 0;
      isLarge = chance() < 0.7;
    }
    let promise: Promise<unknown> = Promise.resolve();
    for (let n = below(40); n > 0; n--) {
      const id = String(sequence++).padStart(26, '0') as SpoolId;
      const size = isLarge && chance() < 0.2 ? below(130_000) : below(isLarge ? 8_000 : 1_500);
      sizes.set(id, size);
      ids.push(id);
      void db.bodies.put(id, contentOf(id, size));
      promise = db.messages.put(id, `${id} ${size}`);
    }
    largest = Math.max(largest, sizes.size);
    for (const id of taken(ids.length > backlog ? below(80) : below(10))) {
      sizes.delete(id);
      void db.bodies.remove(id);
      promise = db.messages.remove(id);
    }
    // as the outbox: written each time, and taken out a few transactions later
    void db.outbox.put(transactions, 'e'.repeat(below(20_000)));
    promise = transactions < 5 ? promise : db.outbox.remove(transactions - 5);
    await promise.catch(async (error: Error & { commitError?: Promise<unknown> }) => {
      broken.push(`transaction ${transactions} failed: ${error.message}`);
      await error.commitError?.catch((why: Error) => broken.push(why.message));
    });
    transactions += 1;
    const some = ids[below(ids.length)];
    if (some !== undefined) compare(some, db.bodies.get(some));
    if (transactions % LIFE === 0) await openAnew();
  }
  await openAnew();
}

/** Takes some out, most of them among the oldest, the others anywhere: so what is free lies in many small pieces. */
function taken(count: number): SpoolId[] {
  return Array.from({ length: Math.min(count, ids.length) }, (_, n) => {
    const [id] = ids.splice(chance() < 0.8 ? Math.min(n, ids.length - 1) : below(ids.length), 1);
    return id as SpoolId;
  });
}

async function openAnew(): Promise<void> {
  await db.root.close();
  db = openDatabases(directory);
  let found = 0;
  for (let after: SpoolId | undefined; ; ) {
    const page = readPage(db.bodies, after, 200);
    for (const { key, value } of page) {
      compare(key, value);
      if (db.messages.get(key) !== `${key} ${sizes.get(key)}`) broken.push(`the record of ${key} is another`);
    }
    found += page.length;
    after = page.at(-1)?.key;
    if (page.length === 0) break;
  }
  if (found !== sizes.size) broken.push(`${found} bodies behind ${transactions} transactions, not ${sizes.size}`);
}

function compare(id: SpoolId, found: Buffer | undefined): void {
  const size = sizes.get(id);
  if (size === undefined) broken.push(`${id} is there, and was removed`);
  else if (found === undefined || !found.equals(contentOf(id, size)))
    broken.push(`${id}: another content, ${found?.length} octets`);
}

function contentOf(id: SpoolId, size: number): Buffer {
  return Buffer.alloc(size, createHash('sha256').update(id).digest('hex'));
}
