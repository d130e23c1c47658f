import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { NoRoom } from '../../../src/spool/reserve.ts';
import { CommitTooLate, Store } from '../../../src/spool/store.ts';
import { newMessage } from '../../unit/spool/messages.ts';
import { accept, event, LogLines, open, START, temporaryDirectory } from './harness.ts';

/** So much that no disk writes it within a millisecond. */
const HEAVY = Buffer.alloc(64 * 1024 * 1024, 'x');
const ID = '01JD0000000000000000000001' as SpoolId;

describe('the store when the disk does not keep up', () => {
  it('P1, P8: refuses what is not durable by the deadline, and removes it when it came through after all', async () => {
    const log = new LogLines();
    const store = new Store({ path: temporaryDirectory(), commitDeadline: 5, reopenDelay: 1 }, log.log);
    onTestFinished(() => store.close());
    const records: string[] = [];
    store.committed = ({ lines }) => void records.push(lines);

    const refused = store.write({
      writes: [{ id: ID, record: 'a record', body: HEAVY }],
      events: [{ time: '', event: 'RECEIVE' }],
      keep: false,
    });
    const outcome = store.write({ writes: [], events: [{ time: '', event: 'SEND' }], keep: true });
    await expect(refused).rejects.toThrow(CommitTooLate);
    expect(store.failure?.reason).toContain('longer than 5 ms');
    await expect(store.write({ writes: [], events: [], keep: false })).rejects.toThrow('the spool failed');

    const recovered = new Promise<void>((resolve) => {
      store.recovered = resolve;
    });
    await outcome; // durable with the late transaction, or said again
    await recovered;
    await store.setControl('after', 'it');
    expect(store.record(ID)).toBeUndefined();
    expect(store.body(ID)).toBeUndefined();
    expect(records).toEqual(['{"time":"","event":"SEND"}']);
    expect(log.messages('error').length).toBeGreaterThan(0); // on a busy machine the removal is late as well
  });

  it('P1: answers 451 when a body file cannot be made, gives out nothing meanwhile, and goes on when it can', async () => {
    const directory = temporaryDirectory();
    const { spool } = await open(directory, { reopenDelay: 20 });
    onTestFinished(() => spool.close());
    const waiting = await accept(spool);
    const id = spool.newId();
    const shard = join(directory, 'bodies', id.slice(-1));
    rmSync(shard, { recursive: true });
    const draft = spool.draft(id);
    await draft.write(Buffer.alloc(200_000));
    const recovered = new Promise<void>((resolve) => spool.onDue(resolve));
    await expect(draft.commit(newMessage(id, START), [])).rejects.toThrow('ENOENT');
    expect(spool.refusal()).toMatchObject({ code: 451, enhanced: '4.3.0' });
    expect([spool.due(START, 9), spool.nextDue()]).toEqual([[], undefined]);
    mkdirSync(shard);
    await recovered;
    expect(spool.refusal()).toBeUndefined();
    expect(spool.due(START, 9)).toEqual([waiting]);
  });

  it('sees without any mail that the disk takes nothing more, and that it does again', async () => {
    let isFull = false;
    const claimRoom = () => {
      if (isFull) throw new NoRoom('no space left');
    };
    const settings = { path: temporaryDirectory(), commitDeadline: 10_000, reopenDelay: 20, idleProbe: 30, claimRoom };
    const store = new Store(settings, new LogLines().log);
    onTestFinished(() => store.close());
    await store.setControl('x', 'y');
    isFull = true;
    await vi.waitFor(() => expect(store.failure?.reason).toBe('no space left'));
    isFull = false;
    await vi.waitFor(() => expect(store.failure).toBeUndefined());
    expect(store.control('x')).toBe('y');
  });

  it('says an outcome again that was given while the store failed', async () => {
    const directory = temporaryDirectory();
    const store = new Store({ path: directory, commitDeadline: 10_000, reopenDelay: 20 }, new LogLines().log);
    onTestFinished(() => store.close());
    await store.setControl('x', 'y');
    store.fail(new Error('a sync failed'));
    const refused = store.write({ writes: [], events: [{ time: '', event: 'REJECT' }], keep: false });
    const outcome = store.write({ writes: [{ id: ID, record: 'deferred' }], events: [], keep: true });
    await expect(refused).rejects.toThrow('a sync failed');
    await outcome;
    expect(store.record(ID)).toBe('deferred');
    expect(store.failure).toBeUndefined();
  });

  it('outlives a store that cannot be opened again: says so to readers, keeps outcomes, and goes on when it can', async () => {
    const directory = temporaryDirectory();
    const { spool } = await open(directory, { reopenDelay: 20 });
    onTestFinished(() => spool.close());
    const [id, other] = [await accept(spool), await accept(spool)];
    expect(spool.due(START, 9)).toHaveLength(2);
    await spool.setControl('crash:a', 'held');
    const store = join(directory, 'store');
    const shard = join(directory, 'bodies', spool.newId().slice(-1));
    renameSync(store, `${store}.away`);
    writeFileSync(store, 'in its place');
    rmSync(join(directory, 'bodies'), { recursive: true });
    const draft = spool.draft(spool.newId());
    await draft.write(Buffer.alloc(200_000));
    await expect(draft.commit(newMessage(spool.newId(), START), [])).rejects.toThrow('ENOENT');
    await vi.waitFor(() => expect(() => [...spool.pending()]).toThrow('the spool cannot be read'), 5_000);
    expect(spool.stats()).toMatchObject({ messages: 2, failure: { reason: expect.any(String) as string } });
    const settled = spool.settle({ id, changes: [{ index: 0, state: 'relayed' }], events: [event('SEND', id)] });
    const first = Promise.race([settled.then(() => 'settled'), new Promise((resolve) => setImmediate(resolve, 'waits'))]);
    expect(await first).toBe('waits');

    rmSync(store);
    renameSync(`${store}.away`, store);
    mkdirSync(shard, { recursive: true });
    await settled;
    expect(spool.load(id)).toBeUndefined();
    expect(spool.load(other)).toBeDefined();
    expect(spool.failure).toBeUndefined();
    expect([...spool.pending()].map(({ lines }) => lines).join()).toContain('SEND');
  });
});
