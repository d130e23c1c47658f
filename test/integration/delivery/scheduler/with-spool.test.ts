/** The scheduler on the real spool: claims, settlements and due times as they are on disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createNotifier } from '../../../../src/bounce/notifier.ts';
import { createScheduler, type Scheduler } from '../../../../src/delivery/scheduler.ts';
import type { EventRecord } from '../../../../src/mail/event.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { openSpool } from '../../../../src/spool/open.ts';
import type { Spool } from '../../../../src/spool/spool.ts';
import {
  box,
  FakeControl,
  FakeRouting,
  FakeTransport,
  failed,
  refusedConnection,
  relayed,
  SETTINGS,
} from '../../../unit/delivery/scheduler/samples.ts';

let directory: string;
let spool: Spool;
let transport: FakeTransport;
let scheduler: Scheduler;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'scheduler-test-'));
  spool = await openSpool({ directory, messageSize: 1 << 20 }, { clock: systemClock, log: silentLog });
  transport = new FakeTransport();
  const notifying = createNotifier(
    {
      hostname: 'mx1.example.com',
      postmaster: box('mailops@example.com'),
      excerpt: 50_000,
      perHour: { most: 2, mode: 'enforce' },
    },
    { newId: spool.newId, clock: systemClock },
  );
  scheduler = createScheduler(
    { ...SETTINGS, retry: [50, 100] },
    {
      due: spool,
      routing: new FakeRouting(),
      notifying,
      control: new FakeControl(),
      transport,
      clock: systemClock,
      log: silentLog,
    },
  );
  scheduler.start();
});

afterEach(async () => {
  await scheduler.stop(1000);
  await spool[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

async function accept(...to: string[]): Promise<void> {
  const id = spool.newId();
  const draft = spool.draft(id);
  await draft.write(Buffer.from('Subject: x\r\n\r\nhello\r\n'));
  const recipients = to.map((address) => ({ address: box(address) }));
  const envelope = { sender: box('sender@example.net'), recipients, eightBit: false, smtputf8: false };
  const origin = { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false } as const;
  await draft.commit({ id, receivedAt: Date.now(), envelope, origin, size: 21 }, []);
}

const emptied = () =>
  vi.waitFor(
    () =>
      expect([spool.nextDue(), transport.active, scheduler.stats().map(({ waiting }) => waiting)].flat()).toEqual([
        undefined,
        0,
        0,
        0,
      ]),
    15_000,
  );

it('delivers each of many recipients once, over an outage of one next hop', async () => {
  transport.answer = ({ connector: name }) => (name === 'cloud' ? refusedConnection : relayed);
  await Promise.all(Array.from({ length: 300 }, (_, i) => accept(`a${i}@example.com`, `cloud${i}@example.com`)));
  await vi.waitFor(() => expect(transport.to('on-premises')).toHaveLength(300), 10_000);
  const tried = transport.to('cloud').length;
  expect(tried).toBeLessThan(100);
  transport.answer = () => relayed;
  await emptied();
  const relays = new Set(transport.deliveries.map(({ connector: name, transaction }) => `${name} ${transaction.spoolId}`));
  expect(relays.size).toBe(600);
  expect(transport.to('on-premises')).toHaveLength(300);
}, 20_000);

it('spools a DSN with the failure it tells of, and delivers it to the sender', async () => {
  transport.answer = (_, { domain }) => (domain === 'example.com' ? failed : relayed);
  await accept('a@example.com', 'cloud@example.com');
  await emptied();
  const notices = transport.deliveries.filter(({ transaction }) => transaction.sender === null);
  expect(notices.map(({ transaction }) => transaction.recipients.map(({ address }) => address.address))).toEqual([
    ['sender@example.net'],
    ['sender@example.net'],
  ]);
  expect(notices[0]?.transaction.body.bytes?.toString()).toContain('550 5.1.1 User unknown');
});

it('tells in a record of the DSN that is not sent, for its sender had as many as it may', async () => {
  transport.answer = (_, { domain }) => (domain === 'example.com' ? failed : relayed);
  for (let i = 0; i < 3; i++) await accept(`gone${i}@example.com`);
  const records = () =>
    [...spool.pending()].flatMap(({ lines }) => lines.split('\n').map((line) => JSON.parse(line) as EventRecord));
  const dsns = () => records().filter(({ event }) => event === 'DSN');
  await vi.waitFor(() => expect(dsns()).toHaveLength(3), 10_000);
  expect(dsns().filter(({ reason }) => reason !== undefined)).toMatchObject([
    {
      recipient: 'sender@example.net',
      action: 'failed',
      reason: 'not sent: limits.notifications-per-hour: 3 to this sender, 2 allowed',
      'related-spool-id': expect.stringMatching(/^[0-9A-Z]{26}$/),
    },
  ]);
  expect(records().filter(({ event }) => event === 'FAIL')).toHaveLength(3);
});
