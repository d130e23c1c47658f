/**
 * How fast the spool accepts and settles: 5 KB messages, 20 at a time, each with its records.
 *
 *   node test/bench/spool.ts [messages] [octets] [concurrency]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMailbox } from '../../src/mail/address.ts';
import type { EventRecord } from '../../src/mail/event.ts';
import type { NewMessage, SpoolId } from '../../src/mail/spooled.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { openSpool } from '../../src/spool/open.ts';

const [messages = 20_000, octets = 5120, concurrency = 20] = process.argv.slice(2).map(Number);
const directory = mkdtempSync(join(process.env['SPOOL_BENCH_DIR'] ?? tmpdir(), 'spool-bench-'));
const spool = await openSpool(
  { directory, messageSize: 50 << 20, freeSpace: () => 2 ** 40 },
  { clock: systemClock, log: silentLog },
);

const sender = parseMailbox('sender@example.net');
const recipient = parseMailbox('recipient@example.com');
if (sender === undefined || recipient === undefined) throw new Error('addresses');
const piece = Math.min(octets, 65_536);
const chunk = Buffer.alloc(piece, 'x');
let batches = 0;
spool.onCommitted((batch) => {
  batches += 1;
  spool.acknowledge([batch.sequence]);
});

function event(name: EventRecord['event'], id: SpoolId): EventRecord {
  return {
    time: new Date().toISOString(),
    event: name,
    'spool-id': id,
    'session-id': '01JD0000000000000000000000',
    'message-id': '<a-message-id@example.net>',
    sender: 'sender@example.net',
    recipient: 'recipient@example.com',
    'original-recipient': 'recipient@example.com',
    peer: 'external',
    client: { address: '198.51.100.7', name: 'client.example.net' },
    route: 'on-premises',
    connector: 'on-premises',
    reason: 'directory: not migrated (version 12, plain recipients.csv:3)',
    'directory-version': 12,
    reply: { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 12345' },
    size: octets,
    tls: { result: 'encrypted', protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', bits: 256 },
  };
}

let accepted = 0;
let settled = 0;
const finished = Promise.withResolvers<void>();
let claimed = 0;

async function accept(): Promise<void> {
  while (accepted < messages) {
    accepted += 1;
    const id = spool.newId();
    const draft = spool.draft(id);
    for (let at = 0; at < octets; at += piece) {
      const wait = draft.write(chunk);
      if (wait !== undefined) await wait;
    }
    const message: NewMessage = {
      id,
      receivedAt: Date.now(),
      envelope: {
        sender: sender as NonNullable<typeof sender>,
        recipients: [{ address: recipient as NonNullable<typeof recipient> }],
        eightBit: false,
        smtputf8: false,
      },
      origin: {
        peer: 'external',
        address: '198.51.100.7',
        name: 'client.example.net',
        sessionId: '01JD0000000000000000000000',
        ownHops: 0,
        tenantProof: false,
      },
      messageId: '<a-message-id@example.net>',
      size: octets,
    };
    await draft.commit(message, [event('RECEIVE', id)]);
  }
}

function deliver(): void {
  for (const id of spool.due(Date.now(), 100)) {
    claimed += 1;
    void settle(id);
  }
}

async function settle(id: SpoolId): Promise<void> {
  const message = spool.load(id);
  if (message === undefined) throw new Error('gone');
  const body = spool.body(message);
  let length = 0;
  if (body.bytes !== undefined) length = body.bytes.length;
  else for await (const part of body.chunks()) length += part.length;
  if (length !== message.wireSize) throw new Error('short');
  await spool.settle({ id, changes: [{ index: 0, state: 'relayed', attempts: 1 }], events: [event('SEND', id)] });
  spool.release(id);
  settled += 1;
  if (settled === messages) finished.resolve();
}

spool.onDue(() => queueMicrotask(deliver));
const started = performance.now();
const cpu = process.cpuUsage();
const main = process.threadCpuUsage();
await Promise.all(Array.from({ length: concurrency }, accept));
await finished.promise;
const ms = performance.now() - started;
const all = process.cpuUsage(cpu);
const own = process.threadCpuUsage(main);
const per1000 = (usage: { user: number; system: number }) => ((usage.user + usage.system) / 1e3 / messages).toFixed(3);
process.stdout.write(
  `${messages} x ${octets} octets, ${concurrency} at a time: ${Math.round((messages / ms) * 1000)} messages/s, ` +
    `CPU s per 1000: ${per1000(own)} main thread, ${per1000(all)} process; ${batches} transactions with records\n`,
);
await spool.close();
rmSync(directory, { recursive: true });
