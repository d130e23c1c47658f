import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { newMessage } from '../../unit/spool/messages.ts';
import { accept, bodyOf, event, type Opened, open, START, temporaryDirectory } from './harness.ts';

const LARGE = randomBytes(700_000);
const HASH = '0'.repeat(64);

function bodyFile(directory: string, id: SpoolId): string {
  return join(directory, 'bodies', id.slice(-1), id);
}

describe('the spool', () => {
  it('P1: gives back after a restart what it accepted, small and large, byte for byte', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const small = await accept(first.spool, 'From: a\r\n\r\n..stuffed\r\n', ['a@example.com', 'b@example.com']);
    const large = await accept(first.spool, LARGE);
    const empty = await accept(first.spool, '');
    await first.spool.close();

    await using spool = (await open(directory)).spool;
    expect(spool.due(START, 10)).toEqual([small, large, empty]);
    expect(spool.load(small)).toMatchObject({ wireSize: 22, recipients: [{ index: 0 }, { index: 1, state: 'queued' }] });
    expect((await bodyOf(spool, small)).toString()).toBe('From: a\r\n\r\n..stuffed\r\n');
    expect((await bodyOf(spool, large)).equals(LARGE)).toBe(true);
    expect((await bodyOf(spool, empty)).length).toBe(0);
  });

  it('hands a fresh small body over in memory, and reads it from the store when memory is full', async () => {
    const directory = temporaryDirectory();
    await using spool = (await open(directory, { memory: 40 })).spool;
    const kept = await accept(spool, 'x'.repeat(30));
    const read = await accept(spool, 'y'.repeat(30));
    for (const [id, letter] of [
      [kept, 'x'],
      [read, 'y'],
    ] as const) {
      const message = spool.load(id);
      expect(message === undefined ? undefined : spool.body(message).bytes?.toString()).toBe(letter.repeat(30));
    }
  });

  it('vouches for the hash of a body that never left memory, small or large, and never for one that was read', async () => {
    const directory = temporaryDirectory();
    const bodies = ['Subject: a\r\n\r\nb\r\n', LARGE];
    const ids: SpoolId[] = [];
    const vouched = ({ spool }: Opened) =>
      ids.map((id) => {
        const message = spool.load(id);
        return message === undefined ? 'gone' : spool.body(message).sha256;
      });
    const first = await open(directory);
    for (const body of bodies) ids.push(await accept(first.spool, body, undefined, undefined, HASH));
    expect(vouched(first)).toEqual([HASH, HASH]);
    await first.spool.close();
    const second = await open(directory);
    expect(vouched(second)).toEqual([undefined, undefined]);
    await second.spool.close();
  });

  it('claims a message as a whole until it is released', async () => {
    const { spool, clock } = await open(temporaryDirectory());
    const id = await accept(spool);
    expect(spool.nextDue()).toBe(START);
    expect(spool.due(clock.now(), 5)).toEqual([id]);
    expect(spool.due(clock.now(), 5)).toEqual([]);
    expect(spool.nextDue()).toBeUndefined();
    spool.release(id);
    expect(spool.due(clock.now(), 5)).toEqual([id]);
    await spool.close();
  });

  it('wakes delivery for a new message', async () => {
    const { spool } = await open(temporaryDirectory());
    let woken = 0;
    spool.onDue(() => {
      woken += 1;
    });
    await accept(spool);
    expect(woken).toBe(1);
    await spool.close();
  });

  it('P4: settles each recipient for itself and removes the message, body and file, with the last', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const id = await accept(first.spool, LARGE, ['a@example.com', 'b@example.com']);
    expect(existsSync(bodyFile(directory, id))).toBe(true);
    first.spool.due(START, 1);
    const next = START + 60_000;
    await first.spool.settle({
      id,
      changes: [
        { index: 0, state: 'relayed', attempts: 1 },
        { index: 1, state: 'deferred', attempts: 1, nextAttemptAt: next, lastConnector: 'cloud' },
      ],
      events: [event('SEND', id), event('DEFER', id)],
    });
    first.spool.release(id);
    expect(first.spool.nextDue()).toBe(next);
    expect(first.spool.stats().connectors).toEqual([{ connector: 'cloud', messages: 1, oldest: START }]);
    await first.spool.close();

    const { spool } = await open(directory);
    expect(spool.load(id)?.recipients.map((r) => r.state)).toEqual(['relayed', 'deferred']);
    expect(spool.due(next, 1)).toEqual([id]);
    await spool.settle({ id, changes: [{ index: 1, state: 'failed' }], events: [] });
    expect(spool.load(id)).toBeUndefined();
    expect(spool.stats().messages).toBe(0);
    await spool.close();
    const again = await open(directory);
    expect(again.spool.stats().messages).toBe(0);
    expect(existsSync(bodyFile(directory, id))).toBe(false);
    await again.spool.close();
  });

  it('shows a change at once while its commit is under way', async () => {
    const { spool } = await open(temporaryDirectory());
    const id = await accept(spool);
    const settled = spool.settle({ id, changes: [{ index: 0, state: 'deferred', attempts: 7 }], events: [] });
    expect(spool.load(id)?.recipients[0]).toMatchObject({ state: 'deferred', attempts: 7 });
    await settled;
    expect(spool.load(id)?.recipients[0]).toMatchObject({ state: 'deferred', attempts: 7 });
    const gone = spool.settle({ id, changes: [{ index: 0, state: 'relayed' }], events: [] });
    expect(spool.load(id)).toBeUndefined();
    await gone;
    await spool.close();
  });

  it('spools a DSN and copies in the same settlement, due at once', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const id = await accept(first.spool);
    first.spool.due(START, 1);
    const notice = first.spool.newId();
    const message = first.spool.load(id);
    if (message?.recipients[0] === undefined) throw new Error('no message');
    await first.spool.settle({
      id,
      changes: [{ index: 0, state: 'failed', copiesMade: true }],
      copies: [{ ...message.recipients[0], copyTo: 'archive' }],
      events: [event('FAIL', id), event('DSN', notice)],
      notifications: [{ message: newMessage(notice, START, ['sender@example.net']), body: Buffer.from('a notice\r\n') }],
    });
    expect(first.spool.due(START, 9)).toEqual([notice]);
    await first.spool.close();
    const { spool } = await open(directory);
    expect(spool.due(START, 9)).toEqual([id, notice]);
    expect(spool.load(id)?.recipients.map((r) => [r.index, r.state, r.copyTo])).toEqual([
      [0, 'failed', undefined],
      [1, 'queued', 'archive'],
    ]);
    expect((await bodyOf(spool, notice)).toString()).toBe('a notice\r\n');
    await spool.close();
  });

  it('leaves nothing of a draft that is discarded', async () => {
    const directory = temporaryDirectory();
    const { spool, log } = await open(directory);
    const id = spool.newId();
    const draft = spool.draft(id);
    await draft.write(LARGE);
    draft.discard();
    await expect(draft.commit(newMessage(id, START), [])).rejects.toThrow('ended');
    const other = await accept(spool, LARGE); // its file operations come after those of the discarded one
    await spool.close();
    const left = readdirSync(join(directory, 'bodies'), { recursive: true }).filter((name) => String(name).length > 2);
    expect(left.map((name) => String(name).slice(2))).toEqual([other]);
    expect(log.messages('error')).toEqual([]);
  });

  it('D6: keeps the records of each transaction until they are acknowledged, over restarts, by growing sequences', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const seen: { sequence: number; lines: string }[] = [];
    first.spool.onCommitted(({ sequence, lines }) => seen.push({ sequence, lines }));
    const a = await accept(first.spool);
    const b = await accept(first.spool);
    first.spool.record(event('REJECT'));
    await first.spool.setControl('x', 'y'); // resolves with or after the transaction of the record
    expect(seen.map((batch) => JSON.parse(batch.lines)['spool-id'])).toEqual([a, b, undefined]);
    first.spool.acknowledge([seen[0]?.sequence ?? 0]);
    await first.spool.close();

    const { spool } = await open(directory);
    expect([...spool.pending()]).toEqual(seen.slice(1));
    let after = 0;
    spool.onCommitted((batch) => {
      after = batch.sequence;
    });
    await accept(spool);
    expect(after).toBeGreaterThan(seen.at(-1)?.sequence ?? 0);
    await spool.close();
  });

  it('refuses with 452 4.3.1 while the disk has less than one and a half of the largest message, and still settles', async () => {
    let free = 10;
    const { spool, clock } = await open(temporaryDirectory(), { messageSize: 1000, freeSpace: () => free });
    expect(spool.refusal()).toMatchObject({ code: 452, enhanced: '4.3.1' });
    const id = await accept(spool); // a transaction that was under way
    await spool.settle({ id, changes: [{ index: 0, state: 'relayed' }], events: [] });
    free = 1500;
    clock.time += 1000;
    expect(spool.refusal()).toBeUndefined();
    await spool.close();
  });

  it('lets one process in at a time and names the one that is there', async () => {
    const directory = temporaryDirectory();
    const { spool } = await open(directory);
    await expect(open(directory)).rejects.toThrow(`in use by process ${process.pid}`);
    await spool.close();
    const again = await open(directory);
    await again.spool.close();
  });

  it('waits for what is under way when it is closed', async () => {
    const directory = temporaryDirectory();
    const { spool } = await open(directory);
    const accepted = Array.from({ length: 20 }, () => accept(spool));
    await Promise.resolve();
    const closed = spool.close();
    const results = await Promise.allSettled(accepted);
    await closed;
    const again = await open(directory);
    const ids = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(again.spool.stats().messages).toBe(ids.length);
    for (const id of ids) expect(again.spool.load(id)).toBeDefined();
    await again.spool.close();
  });
});
