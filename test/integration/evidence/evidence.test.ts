import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Evidence, openEvidence, readEvidence } from '../../../src/evidence/evidence.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { MemoryOutbox, NOON, received, sent, spoolId } from './records.ts';

let directory: string;
let now: number;
const clock: Clock = { now: () => now, monotonic: () => performance.now() };
const open = (outbox: MemoryOutbox, keepDays = 90): Promise<Evidence> =>
  openEvidence(directory, { outbox, clock, log: silentLog, keepDays });
const count = (day: string): number => {
  using db = new DatabaseSync(join(directory, 'evidence', `${day}.sqlite`), { readOnly: true });
  return Number(db.prepare('SELECT count(*) AS n FROM records').get()?.['n']);
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'evidence-'));
  now = NOON;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the evidence store', () => {
  it('acknowledges a batch only after it is in the file of its day', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1), sent(1));
    expect(outbox.acknowledged).toEqual([]);
    await evidence.drain();
    expect(outbox.acknowledged).toEqual([1]);
    expect(count('2026-11-22')).toBe(2);
  });

  it('counts a batch once that a crash left in the outbox although it was written', async () => {
    const outbox = new MemoryOutbox();
    outbox.forgetful = true;
    for (let run = 0; run < 3; run++) {
      await using evidence = await open(outbox);
      outbox.commit(received(run), sent(run));
      await evidence.drain();
    }
    expect(count('2026-11-22')).toBe(6);
  });

  it('writes records of a new outbox that counts from the start again', async () => {
    for (const n of [1, 2]) {
      const outbox = new MemoryOutbox();
      if (n === 2) outbox.kept.set(1, JSON.stringify(received(2)));
      await using evidence = await open(outbox);
      if (n === 1) outbox.commit(received(1));
      await evidence.drain();
    }
    expect(count('2026-11-22')).toBe(2);
  });

  it('takes over at the start what a crash left in the outbox', async () => {
    const outbox = new MemoryOutbox();
    outbox.commit(received(1));
    await using evidence = await open(outbox);
    await evidence.drain();
    expect(outbox.kept.size).toBe(0);
  });

  it('waits for an outbox that cannot be read, and goes on when it can', async () => {
    const outbox = new MemoryOutbox();
    outbox.commit(received(1));
    const pending = outbox.pending.bind(outbox);
    outbox.pending = () => {
      throw new Error('the spool cannot be read: EIO');
    };
    await using evidence = await open(outbox);
    await evidence.drain();
    expect(evidence.state.failing).toContain('EIO');
    outbox.pending = pending;
    await evidence.drain();
    expect(evidence.state.failing).toBeUndefined();
    expect(outbox.kept.size).toBe(0);
  });

  it('writes everything before it closes', async () => {
    const outbox = new MemoryOutbox();
    {
      await using _ = await open(outbox);
      for (let n = 0; n < 5000; n++) outbox.commit(received(n), sent(n));
    }
    expect(outbox.kept.size).toBe(0);
    expect(count('2026-11-22')).toBe(10_000);
  });

  it('leaves a plain file and the note of its chain a day when it closes, also after questions', async () => {
    const outbox = new MemoryOutbox();
    {
      await using evidence = await open(outbox);
      outbox.commit(received(1));
      await evidence.query({ sender: 'sender1@example.net' });
    }
    expect(readdirSync(join(directory, 'evidence'))).toEqual(['2026-11-22.chain', '2026-11-22.sqlite']);
  });

  it('holds a bounded part of a burst in memory and reads the rest from the outbox', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    let most = 0;
    for (let n = 0; n < 20_000; n++) {
      outbox.commit(received(n));
      most = Math.max(most, evidence.state.waiting);
    }
    expect(most).toBeLessThan(18_000);
    await evidence.drain();
    expect(outbox.kept.size).toBe(0);
    expect(count('2026-11-22')).toBe(20_000);
  });

  it('puts a record into the file of its own UTC day, also when one batch spans midnight', async () => {
    const outbox = new MemoryOutbox();
    now = Date.parse('2026-11-23T00:00:01Z');
    await using evidence = await open(outbox);
    outbox.commit(received(1, { time: '2026-11-22T23:59:59.999Z' }), sent(1, { time: '2026-11-23T00:00:00.000Z' }));
    await evidence.drain();
    expect([count('2026-11-22'), count('2026-11-23')]).toEqual([1, 1]);
    const { records } = await evidence.query({ sender: 'sender1@example.net' });
    expect(records.map((r) => r.event)).toEqual(['RECEIVE', 'SEND']);
  });

  it('keeps as many days as it shall, and deletes older ones when a new day begins', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox, 2);
    for (const day of ['22', '23', '24', '25']) {
      now = Date.parse(`2026-11-${day}T08:00:00Z`);
      outbox.commit(received(1, { time: `2026-11-${day}T08:00:00.000Z` }));
      await evidence.drain();
    }
    expect(readdirSync(join(directory, 'evidence')).filter((name) => name.endsWith('.sqlite'))).toEqual([
      '2026-11-23.sqlite',
      '2026-11-24.sqlite',
      '2026-11-25.sqlite',
    ]);
  });

  it('leaves records in the outbox while the store fails, and writes them when it can again', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    now = Date.parse('2026-11-23T00:00:00Z');
    const file = join(directory, 'evidence', '2026-11-23.sqlite');
    // a directory where the day's file should be
    mkdirSync(file);
    outbox.commit(received(1, { time: '2026-11-23T00:00:00.000Z' }));
    await evidence.drain();
    expect(evidence.state.failing).toContain('open');
    expect(outbox.kept.size).toBe(1);
    rmSync(file, { recursive: true });
    while (evidence.state.failing !== undefined) await evidence.drain();
    expect(outbox.kept.size).toBe(0);
    expect(count('2026-11-23')).toBe(1);
  });
});

describe('a crash of the process', () => {
  it('loses no record and doubles none, at whatever moment it comes', async () => {
    const batches = 400;
    for (const killAfter of [0, 1, 2, 3]) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), directory, String(batches)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let acknowledgements = 0;
      const gone = once(child, 'exit');
      // Each line says that a transaction was acknowledged; the kill comes amid the next ones
      createInterface({ input: child.stdout }).on('line', () => {
        if (acknowledgements++ >= killAfter) child.kill('SIGKILL');
      });
      await gone;
    }
    const outbox = new MemoryOutbox();
    for (let n = 0; n < batches; n++) outbox.commit(received(n), sent(n));
    await using evidence = await open(outbox);
    await evidence.drain();
    expect(count('2026-11-22')).toBe(2 * batches);
  });
});

describe('damaged evidence', () => {
  it('is set aside, kept, and stops neither the start nor new records', async () => {
    const evidenceDirectory = join(directory, 'evidence');
    mkdirSync(evidenceDirectory);
    writeFileSync(join(evidenceDirectory, '2026-11-22.sqlite'), 'no database at all '.repeat(1000));
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1));
    await evidence.drain();
    expect(count('2026-11-22')).toBe(1);
    expect(readdirSync(evidenceDirectory)).toContain(`2026-11-22.sqlite.damaged-${NOON}`);
  });

  it('of a day gone by is named by every question that touches the day', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1));
    writeFileSync(join(directory, 'evidence', '2026-11-20.sqlite'), 'no database at all '.repeat(1000));
    await expect(evidence.query({ sender: 'sender1@example.net' })).rejects.toThrow('2026-11-20.sqlite cannot be read');
    expect((await evidence.query({ sender: 'sender1@example.net', since: NOON })).records).toHaveLength(1);
  });
});

describe('questions to the evidence', () => {
  it('finds every event of a message by any address of the recipient, in any case', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1), received(2));
    outbox.commit(sent(1), sent(2));
    for (const recipient of ['user1@example.com', 'USER1@Example.COM', 'user1@domain1.microsoftonline.com']) {
      const { records } = await evidence.query({ recipient });
      expect(records.map((r) => [r.event, r['spool-id']])).toEqual([
        ['RECEIVE', spoolId(1)],
        ['SEND', spoolId(1)],
      ]);
    }
  });

  it('finds by sender, the null sender too, message id with and without brackets, spool id, client and time', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1), sent(1));
    outbox.commit(received(2, { sender: '' }), sent(2, { sender: '' }));
    outbox.commit(received(700), sent(700));
    const ids = async (filter: Parameters<Evidence['query']>[0]) => [
      ...new Set((await evidence.query(filter)).records.map((r) => r['spool-id'])),
    ];
    expect(await ids({ sender: 'Sender1@example.net' })).toEqual([spoolId(1)]);
    expect(await ids({ sender: '' })).toEqual([spoolId(2)]);
    expect(await ids({ messageId: 'm1@example.net' })).toEqual([spoolId(1)]);
    expect(await ids({ messageId: '<m1@example.net>' })).toEqual([spoolId(1)]);
    expect(await ids({ id: spoolId(700).toLowerCase() })).toEqual([spoolId(700)]);
    expect(await ids({ client: '198.51.100.1' })).toEqual([spoolId(1)]);
    expect(await ids({ since: NOON + 2000, until: NOON + 3000 })).toEqual([spoolId(2)]);
    expect(await ids({ sender: 'sender1@example.net', recipient: 'user2@example.com' })).toEqual([]);
    expect(await ids({ sender: 'sender1@example.net', until: NOON })).toEqual([]);
    expect(await ids({})).toEqual([spoolId(1), spoolId(2), spoolId(700)]);
  });

  it('finds refusals in session', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    const { 'spool-id': _, ...refused } = received(1, {
      event: 'REJECT',
      reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' },
    });
    outbox.commit(refused);
    expect((await evidence.query({ recipient: 'user1@example.com' })).records).toEqual([refused]);
  });

  it('finds a DSN by the message it speaks of', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1));
    outbox.commit(received(5, { event: 'DSN', 'related-spool-id': spoolId(1), action: 'failed' }));
    expect((await evidence.query({ id: spoolId(1) })).records.map((r) => r.event)).toEqual(['RECEIVE', 'DSN']);
  });

  it('finds quoted local parts', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    outbox.commit(received(1, { recipient: '"a \\"b"@example.com' }));
    expect((await evidence.query({ recipient: '"a \\"b"@example.com' })).records).toHaveLength(1);
  });

  it('shows the newest messages where more match than asked for, and says so', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    for (let n = 0; n < 20; n++)
      outbox.commit(received(n, { sender: 'one@example.net' }), sent(n, { sender: 'one@example.net' }));
    const answer = await evidence.query({ sender: 'one@example.net', limit: 4 });
    expect(answer.records.map((r) => r['spool-id'])).toEqual([spoolId(18), spoolId(18), spoolId(19), spoolId(19)]);
    expect(answer.more).toBe(true);
    const byTime = await evidence.query({ limit: 2 });
    expect(byTime.records.map((r) => r['spool-id'])).toEqual([spoolId(19), spoolId(19)]);
    expect(byTime.more).toBe(true);
  });

  it('answers the same without a daemon, with what still waits in the outbox', async () => {
    const outbox = new MemoryOutbox();
    outbox.forgetful = true; // both in the store and in the outbox: counted once
    {
      await using evidence = await open(outbox);
      outbox.commit(received(1), sent(1));
      await evidence.drain();
    }
    outbox.commit(sent(1, { time: '2026-11-22T12:30:00.000Z', event: 'DSN' }));
    const filter = { recipient: 'user1@example.com' };
    expect(readEvidence(directory, outbox, filter).records.map((r) => r.event)).toEqual(['RECEIVE', 'SEND', 'DSN']);
    expect(readEvidence(directory, outbox, {}).records.map((r) => r.event)).toEqual(['RECEIVE', 'SEND', 'DSN']);
    expect(readEvidence(join(directory, 'nothing-here'), { pending: () => [] }, filter)).toEqual({ records: [], more: false });
  });

  it('answers from several segments of one day', async () => {
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox);
    for (let n = 0; n < 10_000; n++)
      outbox.commit(
        received(n % 1000, { 'spool-id': spoolId(n), sender: n % 5000 === 7 ? 'rare@example.net' : 'often@example.net' }),
      );
    await evidence.drain();
    expect((await evidence.query({ sender: 'rare@example.net' })).records.map((r) => r['spool-id'])).toEqual([
      spoolId(7),
      spoolId(5007),
    ]);
  });
});
