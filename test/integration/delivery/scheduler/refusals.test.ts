import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createScheduler, type Scheduler } from '../../../../src/delivery/scheduler.ts';
import type { Outcome } from '../../../../src/mail/attempt.ts';
import { reply } from '../../../../src/mail/reply.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { type Log, silentLog } from '../../../../src/platform/logger.ts';
import {
  box,
  DAY,
  FakeControl,
  FakeNotifying,
  FakeRouting,
  FakeSpool,
  FakeTransport,
  HOUR,
  MINUTE,
  message,
  relayed,
  SETTINGS,
} from '../../../unit/delivery/scheduler/samples.ts';

let spool: FakeSpool;
let transport: FakeTransport;
let control: FakeControl;
let scheduler: Scheduler;
let alerts: string[];

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const notOurs: Outcome = {
  kind: 'failed',
  reply: reply(550, '5.7.64', 'TenantAttribution; Relay Access Denied'),
  cause: 'answer',
};
const spoofed: Outcome = { kind: 'failed', reply: reply(550, '5.7.68', 'TenantInboundAttribution'), cause: 'answer' };
const mail = (from: string, to: string) => message([to], { sender: box(from) });
const company = (count: number) =>
  Array.from({ length: count }, (_, i) => mail(`s${i % 20}@example.net`, `cloud${i % 30}@example.com`));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date', 'performance'] });
  spool = new FakeSpool();
  transport = new FakeTransport();
  control = new FakeControl();
  alerts = [];
  const log: Log = Object.assign(Object.create(silentLog) as Log, { error: (_: object, text: string) => void alerts.push(text) });
  scheduler = createScheduler(SETTINGS, {
    due: spool,
    routing: new FakeRouting(),
    notifying: new FakeNotifying(),
    control,
    transport,
    clock: systemClock,
    log,
    random: () => 0.5,
  });
  scheduler.start();
});

afterEach(async () => {
  await Promise.all([scheduler.stop(0), pass(1)]);
  vi.useRealTimers();
});

describe('R18: a next hop that refuses everybody', () => {
  it('stops its connector: no DSN, one alert, and all goes when it is resumed', async () => {
    transport.answer = () => notOurs;
    spool.add(...company(200));
    await pass(3 * HOUR);
    expect(control.pauses).toEqual(['cloud refusals: 550 5.7.64']);
    expect(alerts).toEqual(['next hop refuses everybody, connector stopped']);
    expect(transport.deliveries.length).toBeLessThanOrEqual(30);
    expect(spool.notifications).toHaveLength(0);
    expect(spool.messages.size).toBe(200);
    transport.answer = () => relayed;
    control.paused.clear();
    await pass(HOUR);
    expect(spool.done.size).toBe(200);
    expect(spool.notifications).toHaveLength(0);
  });

  it('stops it again where nothing was mended, and still bounces nothing', async () => {
    transport.answer = () => notOurs;
    spool.add(...company(50));
    await pass(HOUR);
    for (let round = 0; round < 3; round++) {
      control.paused.clear();
      await pass(30 * MINUTE);
    }
    expect(control.pauses).toHaveLength(4);
    expect(spool.notifications).toHaveLength(0);
    expect(spool.messages.size).toBe(50);
  });

  it('keeps its mail also where mail comes slowly', async () => {
    transport.answer = () => notOurs;
    for (const one of company(12)) {
      spool.add(one);
      await pass(4 * MINUTE);
    }
    expect(control.pauses).toHaveLength(1);
    expect(spool.notifications).toHaveLength(0);
    expect(spool.messages.size).toBe(12);
  });

  it('delays no other connector', async () => {
    transport.answer = ({ connector }) => (connector === 'cloud' ? notOurs : relayed);
    spool.add(...company(50), ...Array.from({ length: 50 }, () => message(['user@example.com'])));
    await pass(MINUTE);
    expect(transport.to('on-premises')).toHaveLength(50);
  });
});

describe('C5: what is refused while others get through', () => {
  it('one spoofed sender (5.7.68) fails alone, however much it sends', async () => {
    transport.answer = ({ transaction }) => (transaction.sender?.localPart === 'spoofed' ? spoofed : relayed);
    const bad = Array.from({ length: 40 }, (_, i) => mail('spoofed@example.com', `cloud${i}@example.com`));
    spool.add(...bad);
    await pass(DAY);
    expect(control.pauses).toEqual([]);
    expect(spool.eventsOf(bad[0]?.id ?? message([]).id)).toEqual(['DEFER', 'DEFER', 'FAIL']);
    expect(spool.notifications).toHaveLength(40);
  });

  it('one mistyped address (5.7.64) fails alone, whoever writes to it', async () => {
    transport.answer = (_, { localPart }) => (localPart === 'cloud-typo' ? notOurs : relayed);
    const bad = Array.from({ length: 40 }, (_, i) => mail(`s${i}@example.net`, 'cloud-typo@example.com'));
    spool.add(...bad);
    await pass(10 * MINUTE);
    expect(control.pauses).toEqual([]);
    expect(spool.notifications).toHaveLength(40);
  });

  it('many senders and many addresses fail alone where others get through in between', async () => {
    transport.answer = (_, { localPart }) => (localPart.startsWith('cloud-typo') ? notOurs : relayed);
    for (let i = 0; i < 40; i++) {
      spool.add(mail(`s${i}@example.net`, `cloud-typo${i}@example.com`));
      await pass(1);
      if (i % 5 === 4) spool.add(mail('s@example.net', 'cloud@example.com'));
      await pass(1);
    }
    expect(control.pauses).toEqual([]);
  });

  it('a few of them fail in the end also where nothing else is sent', async () => {
    transport.answer = () => notOurs;
    spool.add(mail('a@example.net', 'cloud1@example.com'), mail('b@example.net', 'cloud2@example.com'));
    await pass(2 * HOUR);
    expect(control.pauses).toEqual([]);
    expect(spool.notifications).toHaveLength(2);
  });
});
