import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linkOf } from '../../../src/evidence/chain.ts';
import { type Evidence, openEvidence, readReports } from '../../../src/evidence/evidence.ts';
import type { Verification } from '../../../src/evidence/verify.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { Clock } from '../../../src/platform/clock.ts';
import { type Log, silentLog } from '../../../src/platform/logger.ts';
import { MemoryOutbox, NOON, received, sent, spoolId } from './records.ts';

const DAY = 86_400_000;
let directory: string;
let now: number;
const clock: Clock = { now: () => now, monotonic: () => performance.now() };
const open = (outbox: MemoryOutbox, log: Log = silentLog): Promise<Evidence> =>
  openEvidence(directory, { outbox, clock, log, keepDays: 90 });
const file = (day = '2026-11-22'): string => join(directory, 'evidence', `${day}.sqlite`);
const verify = (): Promise<Verification> =>
  readReports(directory, { pending: () => [] }).verify({ since: -Infinity, until: Infinity });

async function record(...records: EventRecord[]): Promise<void> {
  const outbox = new MemoryOutbox();
  await using evidence = await open(outbox);
  for (const one of records) outbox.commit(one);
  await evidence.drain();
}

/** What somebody does who has the files. */
function tamper(sql: string, day?: string): void {
  using db = new DatabaseSync(file(day));
  db.exec(sql);
}

const ten = Array.from({ length: 10 }, (_, n) => received(n));
const later = (days: number, n: number): EventRecord => received(n, { time: new Date(NOON + days * DAY).toISOString() });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chain-'));
  now = NOON;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the hash chain of a day', () => {
  it('is whole over restarts, replays and several days', async () => {
    await record(...ten.slice(0, 5));
    await record(...ten.slice(5), sent(3));
    now += DAY;
    await record(later(1, 20));
    const verification = await verify();
    expect(verification).toMatchObject({ ok: true, findings: [] });
    expect(verification.days).toMatchObject([
      { day: '2026-11-22', records: 11, 'not-chained': 0, findings: 0 },
      { day: '2026-11-23', records: 1, 'not-chained': 0, findings: 0 },
    ]);
  });

  it('finds one changed byte, and names the day and the record', async () => {
    await record(...ten);
    tamper(`UPDATE records SET json = replace(json, 'user6@', 'user7@') WHERE id = 6`);
    const { ok, findings } = await verify();
    expect(ok).toBe(false);
    expect(findings).toEqual([
      {
        day: '2026-11-22',
        record: 6,
        time: ten[6]?.time,
        'spool-id': spoolId(6),
        problem: 'it is not as it was written, or a record was taken out or put in before it',
      },
    ]);
  });

  it.each([
    ['taken out', 'DELETE FROM records WHERE id = 4', [4]],
    ['taken out, the others moved up', 'DELETE FROM records WHERE id = 4; UPDATE records SET id = id - 1 WHERE id > 4', [4]],
    [
      'put in',
      'UPDATE records SET id = -id - 1 WHERE id >= 4; UPDATE records SET id = -id WHERE id < 0; INSERT INTO records VALUES (4, (SELECT time FROM records WHERE id = 3), (SELECT json FROM records WHERE id = 3), (SELECT link FROM records WHERE id = 3))',
      [4],
    ],
    ['put in without a link', `INSERT INTO records (id, time, json) SELECT 10, time, json FROM records WHERE id = 3`, [10]],
    ['filed under another time', 'UPDATE records SET time = time - 5000 WHERE id = 2', [2]],
  ])('finds a record that was %s', async (_, sql, numbers) => {
    await record(...ten);
    tamper(sql);
    const { ok, findings } = await verify();
    expect(ok).toBe(false);
    expect(findings.filter(({ record: number }) => number !== null).map(({ record: number }) => number)).toEqual(numbers);
  });

  it('finds records cut off at the end of a day, also after the relay went on', async () => {
    await record(...ten);
    tamper('DELETE FROM records WHERE id > 6');
    const { findings } = await verify();
    expect(findings).toMatchObject([
      { day: '2026-11-22', record: null, problem: expect.stringContaining('10 records were noted') },
    ]);
    await record(received(30));
    const after = await verify();
    expect(after.ok).toBe(false);
    expect(after.findings).toMatchObject([{ day: '2026-11-22', problem: expect.stringContaining('did not have the records') }]);
  });

  it('finds a day that was cut off and whose note was made to fit, by the day behind it', async () => {
    await record(...ten);
    now += DAY;
    await record(later(1, 20));
    tamper('DELETE FROM records WHERE id > 6');
    rmSync(file().replace('.sqlite', '.chain'));
    const { ok, findings } = await verify();
    expect(ok).toBe(false);
    expect(findings).toMatchObject([
      { day: '2026-11-23', problem: expect.stringContaining('began behind record 9 of 2026-11-22') },
    ]);
  });

  it('finds a day that is missing between others', async () => {
    for (const days of [0, 1, 2]) {
      now = NOON + days * DAY;
      await record(later(days, days));
    }
    rmSync(file('2026-11-23'));
    rmSync(file('2026-11-23').replace('.sqlite', '.chain'));
    expect((await verify()).findings).toMatchObject([{ day: '2026-11-24', problem: 'the day 2026-11-23 before it is missing' }]);
    rmSync(file('2026-11-22'));
    rmSync(file('2026-11-22').replace('.sqlite', '.chain'));
    expect((await verify()).ok).toBe(true); // as if it were old: the oldest days go in their time
  });

  it('goes on in a file of an earlier version, and says which records it does not answer for', async () => {
    await record(...ten);
    tamper('ALTER TABLE records DROP COLUMN link; DROP TABLE chain');
    rmSync(file().replace('.sqlite', '.chain'));
    expect((await verify()).days).toMatchObject([{ records: 10, 'not-chained': 10, head: null, findings: 0 }]);
    await record(received(11), received(12));
    const verification = await verify();
    expect(verification).toMatchObject({ ok: true, days: [{ records: 12, 'not-chained': 10, findings: 0 }] });
    tamper(`UPDATE records SET json = replace(json, 'user11@', 'user99@') WHERE id = 10`);
    expect((await verify()).findings).toMatchObject([{ record: 10 }]);
  });

  it('can be followed by hand, and its head goes to the log when the day is over', async () => {
    const lines: unknown[] = [];
    const log: Log = { ...silentLog, info: (fields: unknown) => void lines.push(fields) } as Log;
    const outbox = new MemoryOutbox();
    await using evidence = await open(outbox, log);
    outbox.commit(received(1), received(2));
    await evidence.drain();
    now += DAY;
    outbox.commit(later(1, 3));
    await evidence.drain();
    using db = new DatabaseSync(file(), { readOnly: true });
    const rows = db.prepare('SELECT json, hex(link) AS link FROM records ORDER BY id').all();
    const [first, second] = rows.map((row) => String(row['link']).toLowerCase());
    expect(second).toBe(linkOf(first ?? '', String(rows[1]?.['json'])));
    expect(lines).toContainEqual({ day: '2026-11-22', records: 2, head: second });
  });

  it('leaves its notes with its days when they are dropped', async () => {
    await record(...ten);
    now += 100 * DAY;
    await record(later(100, 1));
    expect(readdirSync(join(directory, 'evidence')).map((name) => name.slice(0, 10))).toEqual(['2027-03-02', '2027-03-02']);
    expect((await verify()).ok).toBe(true);
  });
});

describe('the exceptions of a report, page by page', () => {
  it('are all there once, over days, also where a page ends amid a day', async () => {
    const inClear = (n: number): EventRecord =>
      ({ ...ten[n % 10], ...later(n % 3, n), tls: { result: 'not-used' } }) as EventRecord;
    await record(...Array.from({ length: 25 }, (_, n) => inClear(n)));
    const reports = readReports(directory, { pending: () => [] });
    const seen: (string | null)[] = [];
    let pages = 0;
    for (let after: string | undefined; ; pages++) {
      const { rows, next } = await reports.exceptions({ since: NOON - DAY, until: NOON + 9 * DAY }, after, 4);
      seen.push(...rows.map((row) => row['spool-id']));
      if (next === null) break;
      after = next;
    }
    expect(pages).toBe(6);
    expect(new Set(seen).size).toBe(25);
    expect(seen).toHaveLength(25);
  });
});
