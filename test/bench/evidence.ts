/**
 * What the evidence store costs: microseconds a record written, milliseconds a question over 100,000 records.
 * Run: node test/bench/evidence.ts [messages]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEvidence } from '../../src/evidence/evidence.ts';
import { Store } from '../../src/evidence/store.ts';
import { NOON, received, sent, spoolId } from '../integration/evidence/records.ts';

const MESSAGES = Number(process.argv[2] ?? 50_000);
const AT_ONCE = 400; // 2,000 messages a second gathered for 200 ms
const directory = mkdtempSync(join(tmpdir(), 'evidence-bench-'));
const say = (text: string): boolean => process.stdout.write(`${text}\n`);
try {
  const batches = Array.from({ length: MESSAGES }, (_, n) => [
    { sequence: 2 * n, lines: JSON.stringify(received(n)) },
    { sequence: 2 * n + 1, lines: JSON.stringify(sent(n)) },
  ]).flat();
  {
    using store = new Store({ directory: join(directory, 'evidence'), keepDays: 90 });
    let slowest = 0;
    const cpu = process.cpuUsage();
    const start = performance.now();
    for (let i = 0; i < batches.length; i += 2 * AT_ONCE) {
      const began = performance.now();
      store.insert(batches.slice(i, i + 2 * AT_ONCE), NOON);
      slowest = Math.max(slowest, performance.now() - began);
    }
    const spent = performance.now() - start;
    const used = process.cpuUsage(cpu);
    const each = (ms: number): string => ((ms * 1000) / batches.length).toFixed(1);
    say(
      `${batches.length} records: ${each(spent)} µs each, ${each((used.user + used.system) / 1000)} µs of CPU; slowest transaction ${slowest.toFixed(0)} ms`,
    );
  }
  say(`${Math.round(statSync(join(directory, 'evidence', '2026-11-22.sqlite')).size / batches.length)} octets a record`);
  const none = { pending: () => [] };
  for (const [name, filter] of Object.entries({
    recipient: { recipient: 'user77@example.com' },
    sender: { sender: 'sender77@example.net' },
    'message-id': { messageId: '<m777@example.net>' },
    id: { id: spoolId(777) },
    client: { client: '198.51.100.77' },
    'one minute': { since: NOON + 60_000, until: NOON + 120_000 },
    'a recipient that is not there': { recipient: 'nobody@example.com' },
    'the newest thousand': {},
  })) {
    const start = performance.now();
    const { records } = readEvidence(directory, none, filter);
    say(`${name}: ${records.length} records in ${(performance.now() - start).toFixed(1)} ms`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
