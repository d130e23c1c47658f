/**
 * What proof costs: 100,000 messages (RECEIVE and SEND, one in fifty an exception) are recorded through the evidence store,
 * then `report tls`, its exceptions one by one and `report verify` are timed in the store's own worker.
 * Run: node test/bench/report.ts [messages]
 */
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEvidence } from '../../src/evidence/evidence.ts';
import type { EventRecord } from '../../src/mail/event.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { MemoryOutbox, NOON, received, sent } from '../integration/evidence/records.ts';

const MESSAGES = Number(process.argv[2] ?? 100_000);
const directory = mkdtempSync(join(tmpdir(), 'report-bench-'));
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
  const start = performance.now();
  const result = await work();
  say(`${name}: ${(performance.now() - start).toFixed(0)} ms`);
  return result;
};
const inClear = {
  tls: { result: 'not-offered' as const, ladder: [{ offer: 'STARTTLS intermediate', result: 'not-offered' as const }] },
};
const verified = (record: EventRecord): EventRecord =>
  record.tls === undefined ? record : { ...record, tls: { ...record.tls, result: 'verified', verified: true } };

try {
  const line = JSON.stringify(sent(1));
  let link = hash('sha256', '');
  const began = performance.now();
  for (let i = 0; i < 100_000; i++) link = hash('sha256', link + line);
  say(`one link of the chain: ${((performance.now() - began) / 100).toFixed(2)} µs for a record of ${line.length} octets`);

  const outbox = new MemoryOutbox();
  await using evidence = await openEvidence(directory, { outbox, clock: systemClock, log: silentLog, keepDays: 36_500 });
  await timed(`recording ${MESSAGES} messages, ${2 * MESSAGES} records`, async () => {
    for (let n = 0; n < MESSAGES; n++) {
      outbox.commit(received(n), n % 50 === 0 ? sent(n, inClear) : verified(sent(n)));
      if (n % 2000 === 0) await evidence.drain();
    }
    await evidence.drain();
  });
  const span = { since: NOON - 86_400_000, until: NOON + 1000 * MESSAGES + 86_400_000 };
  const report = await timed('report tls', () => evidence.reports.tls(span));
  say(
    `  ${report.messages.all} messages, ${report.records} records, ${report.exceptions.length} kinds of exceptions, ${report.chain.length} days`,
  );
  await timed('report tls --domain', () => evidence.reports.tls({ ...span, domain: 'example.com' }));
  await timed('its exceptions, one by one', async () => {
    let rows = 0;
    for (let after: string | undefined; ; ) {
      const page = await evidence.reports.exceptions(span, after, 5000);
      rows += page.rows.length;
      if (page.next === null) break;
      after = page.next;
    }
    say(`  ${rows} rows`);
  });
  const verification = await timed('report verify', () => evidence.reports.verify(span));
  say(`  ${verification.ok ? 'whole' : 'BROKEN'}, ${verification.days.length} days`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
