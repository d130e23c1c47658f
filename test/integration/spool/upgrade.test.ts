/** A store of format 1: written by lmdb 3.5.6, with pages in its list of free ones, which lmdb 2 must not touch. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openDatabases } from '../../../src/spool/databases.ts';
import { accept, bodyOf, event, open, START, temporaryDirectory } from './harness.ts';

const OLD_STORE = gunzipSync(readFileSync(join(import.meta.dirname, 'data', 'store-of-format-1.mdb.gz')));
/** Of 120 messages each third is left; each tenth of the 120 has 9,000 octets. */
const LEFT = 40;
/** Octets. */
const PAGE = 4096;
const FAR = Number.MAX_SAFE_INTEGER;

function oldSpool(): { directory: string; store: string } {
  const directory = temporaryDirectory();
  const store = join(directory, 'store');
  mkdirSync(store);
  writeFileSync(join(store, 'data.mdb'), OLD_STORE);
  return { directory, store };
}

async function formatOf(store: string): Promise<string | undefined> {
  const db = openDatabases(store);
  const format = db.controls.get('format');
  await db.root.close();
  return format;
}

describe('a store of format 1', () => {
  it('is copied whole: messages, bodies, states, the outbox and controls', async () => {
    const { directory, store } = oldSpool();
    const { spool, log } = await open(directory);
    expect(log.lines.map(({ message, fields }) => [message, fields['messages']])).toEqual([
      ['the store was copied into its new format', LEFT],
    ]);
    const ids = spool.due(FAR, 1000);
    expect(ids).toHaveLength(LEFT);
    const bodies = await Promise.all(ids.map((id) => bodyOf(spool, id)));
    const subjects = bodies.map((body) => /^Subject: message (\d+)\r\n/.exec(body.toString())?.[1]);
    expect(subjects.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: LEFT }, (_, n) => String(n * 3)));
    expect(bodies.filter((body) => body.length > 9000)).toHaveLength(4);
    const states = ids.flatMap((id) => spool.load(id)?.recipients.map(({ state, attempts }) => `${state} ${attempts}`) ?? []);
    expect(states.filter((state) => state === 'deferred 1')).toHaveLength(1);
    expect([...spool.pending()]).toHaveLength(3);
    expect(spool.control('hold:cloud')).toBe('for a test');
    await spool.close();
    expect(await formatOf(store)).toBe('2');
    expect(existsSync(`${store}.new`)).toBe(false);
  });

  it('takes mail and lets it go as any other, and is not copied again', async () => {
    const { directory } = oldSpool();
    const first = await open(directory);
    for (let round = 0; round < 20; round++) {
      const id = await accept(first.spool, Buffer.alloc(20_000, 'y'));
      for (const due of first.spool.due(FAR, 3).filter((other) => other !== id)) {
        await first.spool.settle({ id: due, changes: [{ index: 0, state: 'relayed' }], events: [event('SEND', due)] });
      }
    }
    const left = first.spool.stats();
    await first.spool.close();
    const { spool, log } = await open(directory);
    expect(log.lines).toEqual([]);
    expect(spool.stats()).toEqual(left);
    await spool.close();
  });

  it('begins anew where a crash left half a copy', async () => {
    const { directory, store } = oldSpool();
    mkdirSync(`${store}.new`);
    writeFileSync(join(`${store}.new`, 'data.mdb'), OLD_STORE.subarray(0, 20_000));
    const { spool } = await open(directory);
    expect(spool.due(FAR, 1000)).toHaveLength(LEFT);
    await spool.close();
  });

  it('stays as it is where the copy cannot be made, and says what to do', async () => {
    const { directory, store } = oldSpool();
    const broken = Buffer.from(OLD_STORE);
    for (let at = 0; at < broken.length; at += PAGE) {
      const page = broken.subarray(at, at + PAGE);
      if (page.includes('Subject: message 3\r\n')) page.fill(0);
    }
    writeFileSync(join(store, 'data.mdb'), broken);
    await expect(open(directory)).rejects.toThrow(
      /has format 1 and could not be copied to format 2: .*; nothing of it has changed/,
    );
    expect(readFileSync(join(store, 'data.mdb')).equals(broken)).toBe(true);
    expect(existsSync(`${store}.new`)).toBe(false);
  });
});

describe('a new store', () => {
  it('opens where a crash within the very first start left an empty file', async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'store'));
    writeFileSync(join(directory, 'store', 'data.mdb'), '');
    const { spool } = await open(directory);
    const id = await accept(spool);
    expect(spool.due(START, 9)).toEqual([id]);
    await spool.close();
    expect(await formatOf(join(directory, 'store'))).toBe('2');
  });
});
