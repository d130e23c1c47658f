/**
 * How long the spool takes to start with many messages waiting, and the memory it has then.
 *
 *   node test/bench/spool-start.ts [messages] [octets]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMailbox } from '../../src/mail/address.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { openSpool } from '../../src/spool/open.ts';

const [first, second, given] = process.argv.slice(2);
const settings = (directory: string) => ({ directory, messageSize: 50 << 20, freeSpace: () => 2 ** 40 });
const parts = { clock: systemClock, log: silentLog };

if (first === 'start' && given !== undefined) {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const spool = await openSpool(settings(given), parts);
  const ms = performance.now() - started;
  const rss = process.memoryUsage.rss();
  const asked = performance.now();
  const { messages } = spool.stats();
  const statsMs = performance.now() - asked;
  const mb = (octets: number) => `${Math.round(octets / 1048576)} MiB`;
  process.stdout.write(
    `${messages} messages: started in ${Math.round(ms)} ms, RSS ${mb(rss)} (${mb(before)} before), ` +
      `heap ${mb(process.memoryUsage().heapUsed)}, stats() ${statsMs.toFixed(1)} ms\n`,
  );
  await spool.close();
} else {
  const messages = Number(first ?? 100_000);
  const octets = Number(second ?? 5120);
  const directory = mkdtempSync(join(process.env['SPOOL_BENCH_DIR'] ?? tmpdir(), 'spool-start-'));
  const spool = await openSpool(settings(directory), parts);
  spool.onCommitted(({ sequence }) => spool.acknowledge([sequence]));
  const box = parseMailbox('someone@example.com');
  if (box === undefined) throw new Error('address');
  const body = Buffer.alloc(octets, 'x');
  let accepted = 0;
  const accept = async (): Promise<void> => {
    while (accepted++ < messages) {
      const id = spool.newId();
      const draft = spool.draft(id);
      await draft.write(body);
      const envelope = { sender: box, recipients: [{ address: box }], eightBit: false, smtputf8: false };
      const origin = { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false } as const;
      await draft.commit({ id, receivedAt: Date.now(), envelope, origin, messageId: `<${id}@example.net>`, size: octets }, [
        { time: new Date().toISOString(), event: 'RECEIVE', 'spool-id': id },
      ]);
    }
  };
  await Promise.all(Array.from({ length: 100 }, accept));
  await spool.close();
  // A process of its own, so that its memory is that of a start.
  spawnSync(process.execPath, [import.meta.filename, 'start', '-', directory], { stdio: 'inherit' });
  rmSync(directory, { recursive: true });
}
