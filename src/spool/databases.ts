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

export function openDatabases(path: string): Databases {
  const root = open<string, string>(path, {
    maxDbs: 8,
    noSubdir: false,
    // LMDB's own order: pages, fdatasync, then the meta page by O_DSYNC; the put's promise resolves after that (seen
    // with strace). With lmdb's overlapping syncs, its default, the meta page goes first: a record whose sync failed
    // stays visible, and it was no faster here (11,600 against 12,200 messages a second).
    overlappingSync: false,
  });
  try {
    return {
      root,
      messages: root.openDB('messages', { encoding: 'string' }),
      bodies: root.openDB('bodies', { encoding: 'binary' }),
      outbox: root.openDB('outbox', { encoding: 'string' }),
      controls: root.openDB('controls', { encoding: 'string' }),
      aside: root.openDB('aside', { encoding: 'string' }),
    };
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
export function readPage<K extends string | number>(
  db: Database<string, K>,
  after: K | undefined,
  limit: number,
): { key: K; value: string }[] {
  return [...db.getRange({ limit, ...(after !== undefined && { start: after, exclusiveStart: true }) })];
}
