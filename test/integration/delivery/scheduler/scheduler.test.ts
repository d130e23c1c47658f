import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createScheduler, type Scheduler } from '../../../../src/delivery/scheduler.ts';
import { reply } from '../../../../src/mail/reply.ts';
import type { SpooledMessage } from '../../../../src/mail/spooled.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import {
  box,
  CLOUD,
  connector,
  DAY,
  deferred,
  deliverBy,
  FakeControl,
  FakeNotifying,
  FakeRouting,
  FakeSpool,
  FakeTransport,
  failed,
  HOUR,
  holdFor,
  legBy,
  MINUTE,
  message,
  ON_PREMISES,
  refusedConnection,
  relayed,
  SETTINGS,
} from '../../../unit/delivery/scheduler/samples.ts';

let spool: FakeSpool;
let transport: FakeTransport;
let routing: FakeRouting;
let control: FakeControl;
let notifying: FakeNotifying;
let scheduler: Scheduler;

const START = Date.UTC(2026, 10, 22, 10);
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const many = (count: number, to: string, more: Partial<SpooledMessage> = {}) =>
  Array.from({ length: count }, () => message([to], more));

beforeEach(() => {
  vi.useFakeTimers({
    now: START,
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });
  spool = new FakeSpool();
  transport = new FakeTransport();
  routing = new FakeRouting();
  control = new FakeControl();
  notifying = new FakeNotifying();
  scheduler = createScheduler(SETTINGS, {
    due: spool,
    routing,
    notifying,
    control,
    transport,
    clock: systemClock,
    log: silentLog,
    random: () => 0.5,
  });
  scheduler.start();
});

afterEach(async () => {
  await Promise.all([scheduler.stop(0), pass(1)]);
  vi.useRealTimers();
});

describe('a fresh message', () => {
  it('goes straight to its next hop, decided once, settled once, its claim ended', async () => {
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(1);
    expect(transport.deliveries).toHaveLength(1);
    expect(routing.decisions).toBe(1);
    expect(spool.settlements).toBe(1);
    expect(spool.eventsOf(one.id)).toEqual(['SEND']);
    expect(spool.claimed.size).toBe(0);
  });

  it('carries the recipient as the sender wrote it in ORCPT, and all that MAIL FROM said', async () => {
    routing.route = (_, recipient) => deliverBy(CLOUD, box(`${recipient.address.localPart}@domain1.microsoftonline.com`));
    spool.add(message(['User@Example.com'], { ret: 'HDRS', envid: 'e1', eightBit: true }));
    await pass(1);
    const transaction = transport.deliveries[0]?.transaction;
    expect(transaction).toMatchObject({ ret: 'HDRS', envid: 'e1', eightBit: true, size: 100 });
    expect(transaction?.recipients).toEqual([
      { address: box('User@domain1.microsoftonline.com'), orcpt: 'rfc822;User@example.com' },
    ]);
  });

  it('writes a SEND record in the form of the contract', async () => {
    transport.extra = { remoteMta: { name: 'mail.example', address: '203.0.113.9', port: 25 } };
    const one = message(['user@example.com'], { messageId: '<a@b>' });
    spool.add(one);
    await pass(1);
    expect(spool.events[0]).toEqual({
      time: '2026-11-22T10:00:00.000Z',
      event: 'SEND',
      'spool-id': one.id,
      'message-id': '<a@b>',
      sender: 'sender@example.net',
      recipient: 'user@example.com',
      'original-recipient': 'user@example.com',
      peer: 'external',
      client: { address: '198.51.100.7', name: 'client.example.net' },
      route: 'on-premises',
      connector: 'on-premises',
      reason: 'to on-premises',
      'directory-version': 1,
      'remote-mta': { name: 'mail.example', address: '203.0.113.9', port: 25 },
      reply: { code: 250, enhanced: '2.0.0', text: 'Ok' },
      size: 100,
      attempt: 1,
      'duration-ms': 1,
      tls: { result: 'not-tried' },
    });
  });
});

describe('several recipients', () => {
  it('go in one transaction for each next hop; a failure on one repeats nothing on the other (G1, R12)', async () => {
    transport.answer = ({ connector: name }) => (name === 'cloud' ? deferred : relayed);
    const one = message(['a@example.com', 'cloud1@example.com', 'b@example.com', 'cloud2@example.com']);
    spool.add(one);
    await pass(1);
    expect(transport.to('on-premises').map(({ transaction }) => transaction.recipients.length)).toEqual([2]);
    expect(transport.to('cloud').map(({ transaction }) => transaction.recipients.length)).toEqual([2]);
    transport.answer = () => relayed;
    await pass(2 * MINUTE);
    expect(transport.to('on-premises')).toHaveLength(1);
    expect(transport.to('cloud')).toHaveLength(2);
    expect(spool.done.has(one.id)).toBe(true);
  });

  it('of one next hop are split at a hundred (G2)', async () => {
    spool.add(message(Array.from({ length: 250 }, (_, i) => `user${i}@example.com`)));
    await pass(1);
    expect(transport.deliveries.map(({ transaction }) => transaction.recipients.length)).toEqual([100, 100, 50]);
    expect(spool.messages.size).toBe(0);
    expect(spool.claimed.size).toBe(0);
  });

  it('by MX go in one lane for each domain', async () => {
    const internet = connector('internet', 'internet', { nextHop: { kind: 'mx' } });
    routing.route = (_, recipient) => deliverBy(internet, recipient.address);
    transport.answer = ({ destination }) => (destination === 'dead.example' ? refusedConnection : relayed);
    spool.add(message(['a@dead.example', 'b@live.example', 'c@live.example']));
    await pass(1);
    expect(transport.deliveries.map(({ destination }) => destination)).toEqual(['dead.example', 'live.example']);
    expect(scheduler.stats().map(({ lane, state }) => [lane, state])).toEqual([
      ['internet dead.example', 'backing-off'],
      ['internet live.example', 'up'],
    ]);
  });

  it('do not wait for each other: one falls due again while the other still waits for a slow hop', async () => {
    transport.takes = (name) => (name === 'on-premises' ? HOUR : 0);
    transport.answer = ({ connector: name, at }) => (name === 'cloud' && at < START + MINUTE ? deferred : relayed);
    spool.add(message(['a@example.com', 'cloud@example.com']));
    await pass(5 * MINUTE);
    expect(transport.to('cloud')).toHaveLength(2);
    await pass(HOUR);
    expect(transport.to('on-premises')).toHaveLength(1);
    expect(spool.messages.size).toBe(0);
    expect(spool.claimed.size).toBe(0);
  });
});

describe('retrying', () => {
  it('follows the schedule, later by jitter but never early, and counts attempts', async () => {
    transport.answer = () => deferred;
    spool.add(message(['user@example.com']));
    await pass(HOUR);
    const waits = transport.deliveries.map(({ at }, i, all) => at - (all[i - 1]?.at ?? START));
    expect(waits[0]).toBe(0);
    for (const [i, step] of [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE].entries()) {
      expect(waits[i + 1]).toBeGreaterThanOrEqual(step);
      expect(waits[i + 1]).toBeLessThan(step * 1.1 + 1000);
    }
    expect(spool.events.map((event) => event.attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(spool.events[0]?.['next-attempt']).toBe(new Date(START + MINUTE * 1.05).toISOString());
  });

  it('tells the sender once that it is late, and then that it was given up', async () => {
    transport.answer = () => deferred;
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(4 * HOUR + MINUTE);
    expect(notifying.told.map(({ action }) => action)).toEqual(['delayed']);
    expect(notifying.told[0]?.willRetryUntil).toBe(START + 5 * DAY);
    await pass(5 * DAY);
    expect(notifying.told.map(({ action }) => action)).toEqual(['delayed', 'failed']);
    expect(spool.look(one.id).recipients[0]?.state).toBe('expired');
    expect(spool.eventsOf(one.id).at(-1)).toBe('EXPIRE');
    const last = transport.deliveries.at(-1)?.at ?? 0;
    expect(last - START).toBeGreaterThanOrEqual(5 * DAY);
    expect(last - START).toBeLessThan(5 * DAY + MINUTE);
  });

  it('never expires mail that was not tried twice, whatever the clock says', async () => {
    transport.answer = () => deferred;
    const old = message(['user@example.com'], { receivedAt: START - 10 * DAY });
    spool.add(old);
    await pass(1);
    expect(spool.look(old.id).recipients[0]?.state).toBe('deferred');
    await pass(2 * MINUTE);
    expect(spool.look(old.id).recipients[0]?.state).toBe('expired');
    expect(transport.deliveries).toHaveLength(2);
  });

  it('records a possible duplicate and leaves the lane open (R13)', async () => {
    transport.answer = ({ at }) => (at === START ? { ...deferred, cause: 'connection', possibleDuplicate: true } : relayed);
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(2 * MINUTE);
    expect(spool.events[0]).toMatchObject({ event: 'DEFER', 'possible-duplicate': true });
    expect(spool.events[1]).toMatchObject({ event: 'SEND', 'possible-duplicate': true });
    expect(scheduler.stats()[0]?.state).toBe('up');
    expect(spool.done.has(one.id)).toBe(true);
  });

  it('sends a DSN at once for a 5xx, none for the null sender or a copy', async () => {
    transport.answer = () => failed;
    const one = message(['user@example.com']);
    const bounce = message(['user@example.com'], { sender: null });
    spool.add(one, bounce, message([{ copyTo: 'on-premises', notify: ['NEVER'] }]));
    await pass(1);
    expect(spool.notifications).toHaveLength(1);
    expect(spool.eventsOf(one.id)).toEqual(['FAIL']);
    const dsn = spool.events.find(({ event }) => event === 'DSN');
    expect(dsn).toMatchObject({ 'related-spool-id': one.id, action: 'failed', sender: '', recipient: 'sender@example.net' });
    expect(spool.messages.size).toBe(0);
  });

  it('puts the failures of one settlement in one DSN', async () => {
    transport.answer = (_, { localPart }) => (localPart === 'good' ? relayed : failed);
    spool.add(message(['a@example.com', 'good@example.com', 'b@example.com']));
    await pass(1);
    expect(spool.notifications).toHaveLength(1);
    expect(notifying.told).toHaveLength(2);
  });

  it('tells of a delivery and a failure in one DSN, named for the failure', async () => {
    transport.answer = (_, { localPart }) => (localPart === 'good' ? relayed : failed);
    transport.extra = { finalDelivery: true };
    const good = { address: box('good@example.com'), notify: ['SUCCESS'] } as const;
    spool.add(message([good, 'bad@example.com']));
    await pass(1);
    expect(notifying.told.map(({ action }) => action)).toEqual(['delivered', 'failed']);
    expect(spool.notifications).toHaveLength(1);
    expect(spool.events.filter(({ event }) => event === 'DSN').map(({ action }) => action)).toEqual(['failed']);
  });

  it('reports success where it was asked for and the next hop takes no DSN parameters', async () => {
    const asked = { notify: ['SUCCESS'] } as const;
    spool.add(message([asked]), message(['plain@example.com']));
    await pass(1);
    expect(notifying.told.map(({ action }) => action)).toEqual(['relayed']);
    transport.extra = { dsnPassedOn: true };
    spool.add(message([asked]));
    await pass(1);
    expect(notifying.told).toHaveLength(1);
    transport.extra = { finalDelivery: true };
    spool.add(message([asked]));
    await pass(1);
    expect(notifying.told.map(({ action }) => action)).toEqual(['relayed', 'delivered']);
  });
});

it('a store that is slow to keep outcomes lets one final dot a connection go: a crash repeats what is behind its dot', async () => {
  spool.add(message(['cloud@example.com'])); // the hop is known to work
  await pass(10);
  const settled: (() => void)[] = [];
  const usual = spool.settle.bind(spool);
  spool.settle = async (settlement) => {
    await new Promise<void>((resolve) => settled.push(resolve));
    await usual(settlement);
  };
  const hurry = vi.fn<() => void>();
  Object.assign(spool, { hurry });
  spool.add(...many(200, 'cloud@example.com'));
  await pass(1_000);
  expect(transport.dots).toBe(1 + CLOUD.connections);
  // the envelopes of the next ones are under way
  expect(transport.to('cloud')).toHaveLength(1 + 2 * CLOUD.connections);
  expect(hurry).toHaveBeenCalled();
  settled.shift()?.();
  settled.shift()?.();
  await pass(10);
  expect(transport.dots).toBe(3 + CLOUD.connections);
  while (spool.messages.size > 0) {
    for (const resolve of settled.splice(0)) resolve();
    await pass(10);
  }
  expect(transport.dots).toBe(201);
});

describe('a next hop that is down', () => {
  const down = () => {
    transport.answer = ({ connector: name }) => (name === 'on-premises' ? refusedConnection : relayed);
  };

  it('outlives a spool that cannot be read when the hop is back: what is parked waits on', async () => {
    down();
    spool.add(...many(100, 'user@example.com'));
    await pass(2_000);
    transport.answer = () => relayed;
    const load = spool.load.bind(spool);
    spool.load = () => {
      throw new Error('the spool cannot be read: EIO');
    };
    await pass(30 * MINUTE); // probes in vain; an unhandled rejection would end this test
    expect(spool.done.size).toBe(0);
    expect(scheduler.stats()[0]?.waiting).toBeGreaterThan(0);
    spool.load = load;
    await pass(30 * MINUTE);
    expect(spool.done.size).toBe(100);
  });

  it('costs a few connections, not one for each message; the rest is put off with the reason', async () => {
    down();
    spool.add(...many(1000, 'user@example.com'));
    await pass(10);
    expect(spool.events.length).toBeLessThan(300); // a batch; five hundred a second at most leave time for the others
    await pass(2_000);
    expect(transport.to('on-premises').length).toBeLessThanOrEqual(5);
    expect(spool.events).toHaveLength(1000);
    const away = spool.events.at(-1);
    expect(away?.event).toBe('DEFER');
    expect(away?.reason).toBe('next hop down since 2026-11-22T10:00:00.000Z: 451 4.4.1 connection refused');
    expect(away?.reply).toEqual(refusedConnection.reply);
    expect(away?.attempt).toBeUndefined();
    expect(spool.claimed.size).toBe(0);
    expect(scheduler.stats()[0]).toMatchObject({ state: 'backing-off', active: 0, oldest: START });
  });

  it('is tried again after a minute, at most 70 minutes apart, for five days; the sender is told after four hours', async () => {
    down();
    spool.add(message(['user@example.com']));
    await pass(5 * DAY + 2 * HOUR);
    const times = transport.to('on-premises').map(({ at }) => at);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(gaps[0]).toBeGreaterThanOrEqual(MINUTE);
    expect(gaps[0]).toBeLessThanOrEqual(5 * MINUTE);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(70 * MINUTE);
    expect(spool.events.map(({ event }) => event).filter((event) => event !== 'DEFER')).toEqual(['DSN', 'EXPIRE', 'DSN']);
    const [delayed, , failure] = spool.events
      .filter(({ event }) => event !== 'DEFER')
      .map(({ time }) => Date.parse(time) - START);
    expect([delayed, failure].map((at = 0) => Math.round(at / HOUR))).toEqual([4, 5 * 24]);
  });

  it('delays no other lane', async () => {
    down();
    transport.takes = (name) => (name === 'on-premises' ? 30_000 : 0);
    spool.add(...many(500, 'user@example.com'));
    await pass(10);
    spool.add(...many(500, 'cloud@example.com'));
    await pass(10);
    expect(transport.to('cloud')).toHaveLength(500);
  });

  it('is probed by one message; when it is back, all that waited follows without waiting for its own time', async () => {
    down();
    spool.add(...many(1000, 'user@example.com'));
    await pass(HOUR);
    const before = transport.to('on-premises').length;
    expect(before).toBeLessThan(5 + 12);
    transport.answer = () => relayed;
    await pass(11 * MINUTE);
    expect(spool.messages.size).toBe(0);
    expect(transport.to('on-premises').length - before).toBe(1000);
    expect(scheduler.stats()[0]).toMatchObject({ state: 'up', waiting: 0 });
  });

  it('is tried at once when an operator says so', async () => {
    down();
    spool.add(...many(50, 'user@example.com'));
    await pass(HOUR);
    transport.answer = () => relayed;
    scheduler.retryNow('on-premises');
    await pass(1000);
    expect(spool.messages.size).toBe(0);
  });

  it('keeps the record of the last success and failure', async () => {
    spool.add(message(['user@example.com']));
    await pass(MINUTE);
    down();
    spool.add(message(['user@example.com']));
    await pass(1);
    expect(scheduler.stats()[0]).toMatchObject({
      connector: 'on-premises',
      state: 'backing-off',
      downSince: expect.closeTo(START + MINUTE, -1),
      lastSuccess: { at: START, reply: { code: 250 }, tls: { result: 'not-tried' } },
      lastFailure: { reply: { code: 451 } },
    });
  });

  it('expires what waits for it in the end, with a DSN', async () => {
    down();
    spool.add(...many(20, 'user@example.com'));
    await pass(5 * DAY + 2 * HOUR);
    expect(spool.messages.size).toBe(0);
    expect(notifying.told.filter(({ action }) => action === 'failed')).toHaveLength(20);
  });

  it('that only refuses further connections stays open with fewer', async () => {
    transport.takes = () => 100;
    transport.answer = () => (transport.active >= 10 ? refusedConnection : relayed);
    spool.add(...many(300, 'user@example.com'));
    await pass(HOUR);
    expect(spool.messages.size).toBe(0);
    expect(spool.events.some(({ reason }) => reason?.startsWith('next hop down'))).toBe(false);
  });

  it('lets mail go elsewhere that was switched meanwhile (R1), with a REDIRECT', async () => {
    down();
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(HOUR);
    routing.route = (_, recipient) => deliverBy(CLOUD, recipient.address);
    await Promise.all([scheduler.recheckHeld(), pass(1)]);
    await pass(1);
    expect(transport.to('cloud')).toHaveLength(1);
    expect(spool.eventsOf(one.id).slice(-2)).toEqual(['REDIRECT', 'SEND']);
    transport.answer = () => relayed;
    await pass(DAY);
    expect(transport.to('on-premises').every(({ at }) => at < START + HOUR)).toBe(true);
  });
});

describe('a lane', () => {
  it('uses no more connections than its connector allows', async () => {
    transport.takes = () => 50;
    routing.route = (_, recipient) => deliverBy(connector('small', 'on-premises', { connections: 3 }), recipient.address);
    spool.add(...many(100, 'user@example.com'));
    await pass(10_000);
    expect(transport.mostActive).toBe(3);
    expect(spool.messages.size).toBe(0);
  });

  it('decides anew for mail that had to wait for a connection (P3)', async () => {
    transport.takes = () => 1000;
    spool.add(...many(30, 'user@example.com'));
    await pass(10);
    routing.route = (_, recipient) => deliverBy(CLOUD, recipient.address);
    await pass(60_000);
    expect(transport.to('on-premises')).toHaveLength(5);
    expect(transport.to('cloud')).toHaveLength(25);
    expect(spool.events.filter(({ event }) => event === 'REDIRECT')).toHaveLength(25);
  });

  it('that an operator paused keeps its mail, without expiry, and lets it go when resumed', async () => {
    scheduler.reconfigure({ ...SETTINGS, expireAfter: HOUR });
    control.paused.add('on-premises');
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(3 * HOUR);
    expect(transport.deliveries).toHaveLength(0);
    expect(spool.look(one.id).recipients[0]?.state).toBe('deferred');
    expect(spool.events[0]?.reason).toBe('connector paused');
    expect(scheduler.stats()[0]).toMatchObject({ state: 'paused', waiting: 1 });
    control.paused.clear();
    await pass(2000);
    expect(spool.done.has(one.id)).toBe(true);
  });
});

describe('decisions that are no delivery', () => {
  it('hold, and release when the directory no longer holds (C9); held time does not count', async () => {
    routing.route = (_, recipient) => holdFor('wave pilot', recipient.address);
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(3 * DAY);
    expect(spool.look(one.id).recipients[0]).toMatchObject({ state: 'held', heldBy: 'wave pilot', heldSince: START });
    expect(notifying.told).toHaveLength(0);
    routing.route = (_, recipient) => deliverBy(CLOUD, recipient.address);
    transport.answer = () => deferred;
    await Promise.all([scheduler.recheckHeld(), pass(1)]);
    await pass(3 * DAY);
    expect(spool.eventsOf(one.id).slice(0, 3)).toEqual(['HOLD', 'RELEASE', 'DEFER']);
    expect(spool.look(one.id).recipients[0]).toMatchObject({ state: 'deferred', heldFor: 3 * DAY });
    await pass(3 * DAY);
    expect(spool.look(one.id).recipients[0]?.state).toBe('expired');
  });

  it('leave to the operator what the operator holds', async () => {
    const one = message([{ state: 'held', heldBy: 'operator', heldSince: START }]);
    spool.add(one);
    await Promise.all([scheduler.recheckHeld(), pass(1)]);
    expect(spool.look(one.id).recipients[0]?.state).toBe('held');
  });

  it('refuse with the reply of routing, and a DSN', async () => {
    const refusal = reply(550, '5.4.6', 'Routing loop detected');
    routing.route = (_, { address }) => ({
      kind: 'reject',
      route: 'reject',
      reply: refusal,
      reason: 'came from there (R6)',
      directoryVersion: 1,
      canonical: address,
      steps: [],
    });
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(1);
    expect(spool.events[0]).toMatchObject({ event: 'FAIL', reply: refusal, reason: 'came from there (R6)' });
    expect(notifying.told[0]?.attempt?.outcome.reply).toEqual(refusal);
    expect(spool.done.has(one.id)).toBe(true);
  });

  it("expire at an operator's word, with a DSN", async () => {
    const one = message([{ expireNow: true }]);
    spool.add(one);
    await pass(1);
    expect(spool.look(one.id).recipients[0]?.state).toBe('expired');
    expect(spool.events[0]).toMatchObject({ event: 'EXPIRE', reason: 'expired by an operator' });
    expect(notifying.told.map(({ action }) => action)).toEqual(['failed']);
  });
});

describe('copies (C10)', () => {
  it('are made durable before the first delivery, go by their own connector, and tell nobody of their failure', async () => {
    routing.route = (_, { address, copyTo }) =>
      copyTo === undefined
        ? deliverBy(ON_PREMISES, address, [legBy(CLOUD, box('user@domain1.microsoftonline.com'))])
        : deliverBy(CLOUD, box('user@domain1.microsoftonline.com'));
    transport.answer = ({ connector: name }) => (name === 'cloud' ? failed : relayed);
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(1);
    const { recipients } = spool.look(one.id);
    expect(recipients[0]).toMatchObject({ state: 'relayed', copiesMade: true });
    expect(recipients[1]).toMatchObject({ index: 1, state: 'failed', copyTo: 'cloud', notify: ['NEVER'] });
    expect(spool.events.find(({ event }) => event === 'FAIL')?.copy).toBe(true);
    expect(spool.events.find(({ event }) => event === 'SEND')?.copy).toBeUndefined();
    expect(notifying.told).toHaveLength(0);
    expect(spool.claimed.size).toBe(0);
  });

  it('are made once, however often the message is tried', async () => {
    routing.route = (_, { address }) => deliverBy(ON_PREMISES, address, [legBy(CLOUD, address)]);
    transport.answer = ({ connector: name }) => (name === 'cloud' ? relayed : deferred);
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(HOUR);
    expect(spool.look(one.id).recipients).toHaveLength(2);
    expect(transport.to('cloud')).toHaveLength(1);
  });
});

describe('when things break', () => {
  it('an outcome that cannot be made durable is tried again, not delivered again', async () => {
    spool.failing = true;
    const one = message(['user@example.com']);
    spool.add(one);
    await pass(10 * MINUTE);
    expect(transport.deliveries).toHaveLength(1);
    spool.failing = false;
    await pass(MINUTE);
    expect(spool.done.has(one.id)).toBe(true);
    expect(transport.deliveries).toHaveLength(1);
  });

  it('a routing bug keeps one message back for a while, and no other', async () => {
    let broken = true;
    const { route } = routing;
    routing.route = (about, recipient) => {
      if (broken && recipient.address.localPart === 'bad') throw new Error('bug');
      return route(about, recipient);
    };
    spool.add(message(['bad@example.com']), message(['good@example.com']));
    await pass(30_000);
    expect(spool.done.size).toBe(1);
    broken = false;
    await pass(MINUTE);
    expect(spool.done.size).toBe(2);
  });

  it('stop lets what is under way finish, and starts nothing', async () => {
    transport.takes = () => 1000;
    spool.add(...many(20, 'user@example.com'));
    await pass(10);
    const stopped = scheduler.stop(5000);
    await pass(1001);
    await stopped;
    expect(transport.deliveries).toHaveLength(5);
    expect(spool.done.size).toBe(5);
  });
});
