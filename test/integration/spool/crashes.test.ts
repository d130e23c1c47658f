import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { HandsFile } from '../../../src/spool/hands.ts';
import { NoRoom, Reserve } from '../../../src/spool/reserve.ts';
import type { Spool } from '../../../src/spool/spool.ts';
import { Store } from '../../../src/spool/store.ts';
import { accept, LogLines, open, START, temporaryDirectory } from './harness.ts';

/** Claims a message and begins an attempt at it, as delivery does. */
function attempt(spool: Spool): string[] {
  const ids = spool.due(START, 9);
  for (const id of ids) spool.hands.begin({ id, index: 0, tries: 0 });
  return ids;
}

/** What the process would leave behind, were it killed now: the next start finds it. */
async function die(directory: string, spool: Spool, note = false): Promise<void> {
  if (note) spool.noteFault();
  const left = readFileSync(join(directory, 'hands'));
  await spool.close();
  writeFileSync(join(directory, 'hands'), left);
}

describe('a message over which the process dies', () => {
  it('is tried alone after the first death, so that those beside it are not blamed', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const ids = [await accept(first.spool), await accept(first.spool), await accept(first.spool)];
    expect(attempt(first.spool)).toEqual(ids);
    await die(directory, first.spool);
    const { spool } = await open(directory);
    onTestFinished(() => spool.close());
    const later = await accept(spool);
    expect(spool.due(START, 9)).toEqual([ids[0], later]);
    expect(spool.due(START, 9)).toEqual([]);
    spool.hands.end(spool.hands.begin({ id: ids[0]!, index: 0, tries: 0 }));
    spool.release(ids[0]!);
    expect(spool.due(START, 9)).toContain(ids[1]);
  });

  it('is marked where its attempt was cut off, for the next hop may have it; what was not in hands, or was settled, is not', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const [cut, settled, waiting] = [await accept(first.spool), await accept(first.spool), await accept(first.spool)];
    for (const id of [cut, settled]) first.spool.hands.begin({ id, index: 0, tries: 0 });
    await first.spool.settle({ id: settled, changes: [{ index: 0, state: 'deferred', attempts: 1 }], events: [] });
    await die(directory, first.spool);
    const { spool } = await open(directory);
    onTestFinished(() => spool.close());
    const marks = [cut, settled, waiting].map((id) => spool.load(id)?.recipients[0]?.possibleDuplicate);
    expect(marks).toEqual([true, undefined, undefined]);
  });

  it('is held after two deaths, says so in status, and is given out again when it is released', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 2; death++) {
      expect(attempt(spool)).toEqual([id]);
      await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(spool.due(START, 9)).toEqual([]);
    expect(spool.load(id)?.recipients[0]).toMatchObject({ state: 'held', heldBy: 'crash' });
    expect(spool.stats()).toMatchObject({ culprits: [id], onTrialSoon: [id] });
    await spool.steer({ id }, { kind: 'release' });
    expect(spool.stats().culprits).toEqual([]);
    expect(attempt(spool)).toEqual([id]);
    // what was released begins anew
    await die(directory, spool);
    ({ spool } = await open(directory));
    expect(attempt(spool)).toEqual([id]);
  });

  it('is tried once more where the deaths were perhaps kills: an attempt that ends clears it', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 2; death++) {
      attempt(spool);
      await die(directory, spool);
      ({ spool } = await open(directory, { lastTrial: death === 1 ? 5 : 60_000 }));
    }
    await vi.waitFor(() => expect(spool.load(id)?.recipients[0]?.state).toBe('queued'));
    expect(spool.stats()).toMatchObject({ culprits: [], onTrialSoon: [] });
    spool.hands.end(spool.hands.begin({ id: spool.due(START, 9)[0]!, index: 0, tries: 0 }));
    spool.release(id);
    for (let death = 0; death < 2; death++) {
      expect(spool.load(id)?.recipients[0]?.state).toBe('queued');
      attempt(spool);
      await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(spool.stats()).toMatchObject({ culprits: [id], onTrialSoon: [id] });
  });

  it('is held for good when the process dies over it once more, and not for deaths without it', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 2; death++) {
      attempt(spool);
      await die(directory, spool);
      ({ spool } = await open(directory, { lastTrial: death === 1 ? 5 : 60_000 }));
    }
    await vi.waitFor(() => expect(spool.load(id)?.recipients[0]?.state).toBe('queued'));
    await die(directory, spool);
    ({ spool } = await open(directory, { lastTrial: 5 }));
    const other = await accept(spool);
    expect(attempt(spool)).toEqual([id, other]);
    await die(directory, spool);
    ({ spool } = await open(directory, { lastTrial: 5 }));
    onTestFinished(() => spool.close());
    expect(spool.stats()).toMatchObject({ culprits: [id], onTrialSoon: [] });
    expect(spool.load(other)?.recipients[0]?.state).toBe('queued');
  });

  it('is held alone: recipients of it that an operator holds stay his', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool, 'x\r\n', ['user@example.com', 'other@example.com']);
    await spool.steer({ id, recipient: 'other@example.com' }, { kind: 'hold' });
    for (let death = 0; death < 2; death++) {
      attempt(spool);
      await die(directory, spool);
      ({ spool } = await open(directory, { lastTrial: death === 1 ? 5 : 60_000 }));
    }
    onTestFinished(() => spool.close());
    await vi.waitFor(() => expect(spool.load(id)?.recipients[0]?.state).toBe('queued'));
    expect(spool.load(id)?.recipients[1]).toMatchObject({ state: 'held', heldBy: 'operator' });
  });

  it('is not blamed for a kill behind the beginning of a stop', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 3; death++) {
      expect(attempt(spool)).toEqual([id]);
      spool.ending();
      await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(attempt(spool)).toEqual([id]);
  });

  it('is held after two uncaught errors, also where its attempts were cut off and put off at the stop', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 2; death++) {
      expect(attempt(spool)).toEqual([id]);
      spool.noteFault();
      await spool.settle({ id, changes: [{ index: 0, attempts: death + 1 }], events: [] });
      await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(spool.load(id)?.recipients[0]?.heldBy).toBe('crash');
    expect(spool.stats()).toMatchObject({ culprits: [id], onTrialSoon: [] });
  });

  it('is cleared by an attempt that ends, by an orderly stop, and by a start of the machine', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 4; death++) {
      const slot = spool.hands.begin({ id: spool.due(START, 1)[0]!, index: 0, tries: 0 });
      if (death % 2 === 1) {
        spool.hands.end(slot);
        await spool.close();
      } else await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(spool.load(id)?.recipients[0]?.state).toBe('queued');
    const path = join(temporaryDirectory(), 'hands');
    new HandsFile(path, 'one boot').begin({ id, index: 0, tries: 0 });
    expect(readFileSync(path, 'latin1')).toContain(id);
    expect(new HandsFile(path, 'another boot').leftBehind.grips).toEqual([]);
  });

  it('lets a fault go on to its end where the word of it cannot be written', () => {
    const path = join(temporaryDirectory(), 'hands');
    mkdirSync(`${path}.note`);
    const hands = new HandsFile(path);
    hands.begin({ id: '01JD0000000000000000000001' as SpoolId, index: 0, tries: 0 });
    expect(() => hands.note()).not.toThrow();
  });

  it('does not count an attempt whose outcome is on disk', async () => {
    const directory = temporaryDirectory();
    let { spool } = await open(directory);
    const id = await accept(spool);
    for (let death = 0; death < 4; death++) {
      expect(attempt(spool)).toEqual([id]);
      await spool.settle({ id, changes: [{ index: 0, attempts: death + 1 }], events: [] });
      await die(directory, spool);
      ({ spool } = await open(directory));
    }
    onTestFinished(() => spool.close());
    expect(spool.load(id)?.recipients[0]?.state).toBe('queued');
  });
});

describe('an outcome', () => {
  it('waits a moment for company, unless somebody waits for it', async () => {
    const store = new Store({ path: temporaryDirectory(), commitDeadline: 10_000, reopenDelay: 20 }, new LogLines().log);
    onTestFinished(() => store.close());
    await store.setControl('x', 'y');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const durable = vi.fn<() => void>();
    void store.setControl('outcome', 'told').then(durable);
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(durable).not.toHaveBeenCalled();
    store.hurry();
    while (durable.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    void store.setControl('outcome', 'told again').then(durable);
    store.hurry();
    while (durable.mock.calls.length === 1) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('the store on a full disk', () => {
  it('gives lmdb nothing that does not fit, keeps outcomes, and writes them when there is room', async () => {
    let free = 1e9;
    const log = new LogLines();
    const directory = temporaryDirectory();
    const reserve = new Reserve(directory, log.log, () => free);
    const settings = { path: directory, commitDeadline: 10_000, reopenDelay: 20 };
    const store = new Store({ ...settings, claimRoom: (octets) => reserve.claim(octets) }, log.log);
    onTestFinished(() => store.close());
    await store.setControl('x', 'y');
    free = 1000;
    const outcome = store.setControl('outcome', 'kept');
    const refused = store.write({ writes: [], events: [{ time: '', event: 'RECEIVE' }], keep: false });
    await expect(refused).rejects.toThrow(NoRoom);
    expect(store.failure?.reason).toContain('no space left');
    await expect(store.write({ writes: [], events: [], keep: false })).rejects.toThrow('the spool failed');
    free = 1e9;
    await outcome;
    expect(store.failure).toBeUndefined();
  });

  it('gives up its reserve before it refuses, and takes it back when there is plenty', () => {
    const directory = temporaryDirectory();
    const size = () => readFileSync(join(directory, 'reserve')).length;
    let free = 1e9;
    const reserve = new Reserve(directory, new LogLines().log, () => free);
    expect(size()).toBe(4 * 1024 * 1024);
    free = 1000;
    expect(() => reserve.claim(10)).toThrow(NoRoom); // what it gave up, others took
    expect(size).toThrow('ENOENT');
    free = 1e9;
    reserve.claim(10);
    expect(size()).toBe(4 * 1024 * 1024);
  });
});
