/** The LMDB environment and what is kept in it (design.md D4). The only file that knows how lmdb is opened. */
import { type Database, open, type RootDatabase } from 'lmdb';
import type { SpoolId } from '../mail/spooled.ts';

export interface Databases {
  readonly root: RootDatabase<string, string>;
  /** The record of each message (codec.ts). */
  readonly messages: Database<string, SpoolId>;
  /** Small bodies, in wire form. */
  readonly bodies: Database<Buffer, SpoolId>;
  /** Event records by a growing sequence, until the evidence store has them (D6). */
  readonly outbox: Database<string, number>;
  /** Small settings that outlive a restart. */
  readonly controls: Database<string, string>;
  /** Records that start-up could not make a message of, with the reason; for a person to look at. */
  readonly aside: Database<string, SpoolId>;
}

const ENCODINGS = { messages: 'string', bodies: 'binary', outbox: 'string', controls: 'string', aside: 'string' } as const;

export type DatabaseName = keyof typeof ENCODINGS;

export const DATABASE_NAMES = Object.keys(ENCODINGS) as DatabaseName[];

export function openDatabases(path: string): Databases {
  return openAll(path, false) as Databases;
}

/** Without one write, be it of a list of free pages; a database that was never made is missing. */
export function openToRead(path: string): Partial<Databases> & Pick<Databases, 'root'> {
  return openAll(path, true);
}

/**
 * Not in lmdb's types: a turn's writes are given to the writing thread when the turn is over, however many they are. By
 * default it begins behind a thousand of them, and reads while we write, by stores that ARM may reorder.
 */
const WHOLE_TURNS = { batchStartThreshold: Number.POSITIVE_INFINITY };

function openAll(path: string, readOnly: boolean): Partial<Databases> & Pick<Databases, 'root'> {
  const root = open<string, string>(path, {
    maxDbs: 8,
    noSubdir: false,
    readOnly,
    ...WHOLE_TURNS,
    // LMDB's own order: pages, fdatasync, then the meta page by O_DSYNC; the put's promise resolves after that (seen
    // with strace). With lmdb's overlapping syncs, its default, the meta page goes first: a record whose sync failed
    // stays visible, and it was no faster here (11,600 against 12,200 messages a second).
    overlappingSync: false,
  });
  try {
    const opened = DATABASE_NAMES.map((name) => [name, root.openDB(name, { encoding: ENCODINGS[name] })]);
    return { root, ...(Object.fromEntries(opened) as Partial<Databases>) };
  } catch (error) {
    void root.close();
    throw error;
  }
}

const PAGE = 1000;

/** Every entry in the order of keys, in pages, each with a short read transaction: a held one makes the file grow. */
export function* entries<K extends string | number>(db: Database<string, K>): Generator<{ key: K; value: string }> {
  let page = readPage(db, undefined, PAGE);
  for (;;) {
    yield* page;
    if (page.length < PAGE) return;
    page = readPage(db, page.at(-1)?.key, PAGE);
  }
}

/** Up to `limit` entries behind `after`, in the order of keys. */
export function readPage<V, K extends string | number>(
  db: Database<V, K>,
  after: K | undefined,
  limit: number,
): { key: K; value: V }[] {
  return [...db.getRange({ limit, ...(after !== undefined && { start: after, exclusiveStart: true }) })];
}
