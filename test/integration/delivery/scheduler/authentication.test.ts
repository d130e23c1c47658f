/** Finding out about a sender before the first route: it delays that message alone, and is done once. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Authentication } from '../../../../src/delivery/ports.ts';
import { createScheduler, type Scheduler } from '../../../../src/delivery/scheduler.ts';
import type { SenderAuthentication } from '../../../../src/mail/authentication.ts';
import type { SpooledMessage, SpoolId } from '../../../../src/mail/spooled.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import {
  deferred,
  FakeControl,
  FakeNotifying,
  FakeRouting,
  FakeSpool,
  FakeTransport,
  MINUTE,
  message,
  relayed,
  SETTINGS,
} from '../../../unit/delivery/scheduler/samples.ts';

const FOUND: SenderAuthentication = {
  time: '2026-11-22T10:00:00.000Z',
  spf: { result: 'fail' },
  dkim: [],
  dmarc: { result: 'none' },
  claims: ['example.com'],
  'own-domain': 'spoofed',
};

/** Answers when the test says so. */
class SlowAuthentication implements Authentication {
  readonly asked: SpoolId[] = [];
  readonly #answers = new Map<SpoolId, (found: SenderAuthentication) => void>();
  underWay = 0;
  most = 0;
  rejects = false;

  needs({ origin, authentication }: SpooledMessage): boolean {
    return origin.claims !== undefined && authentication === undefined;
  }
  async authenticate({ id }: SpooledMessage): Promise<SenderAuthentication> {
    this.asked.push(id);
    if (this.rejects) throw new Error('broken');
    this.underWay += 1;
    this.most = Math.max(this.most, this.underWay);
    const found = await new Promise<SenderAuthentication>((resolve) => this.#answers.set(id, resolve));
    this.underWay -= 1;
    return found;
  }
  answerAll(): void {
    for (const answer of this.#answers.values()) answer(FOUND);
    this.#answers.clear();
  }
}

let spool: FakeSpool;
let transport: FakeTransport;
let routing: FakeRouting;
let authentication: SlowAuthentication;
let scheduler: Scheduler;
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function claiming(): SpooledMessage {
  const one = message(['user@example.com']);
  return { ...one, origin: { ...one.origin, claims: ['example.com'] } };
}

beforeEach(() => {
  vi.useFakeTimers({
    now: Date.UTC(2026, 10, 22, 10),
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });
  spool = new FakeSpool();
  transport = new FakeTransport();
  routing = new FakeRouting();
  authentication = new SlowAuthentication();
  scheduler = createScheduler(SETTINGS, {
    due: spool,
    routing,
    notifying: new FakeNotifying(),
    control: new FakeControl(),
    authentication,
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

describe('a message whose sender is to be found out about', () => {
  it('waits for the answer, is routed with it, and shows it in its records; no other message waits', async () => {
    const suspect = claiming();
    const other = message(['user@example.com']);
    spool.add(suspect, other);
    await pass(10_000);
    expect(transport.deliveries.map(({ transaction }) => transaction.spoolId)).toEqual([other.id]);
    let seen: SenderAuthentication | undefined;
    const { route } = routing;
    routing.route = (one, recipient) => {
      seen = one.authentication;
      return route(one, recipient);
    };
    authentication.answerAll();
    await pass(1);
    expect(seen).toEqual(FOUND);
    expect(spool.events.find((event) => event['spool-id'] === suspect.id)).toMatchObject({
      event: 'SEND',
      authentication: FOUND,
    });
    expect(spool.claimed.size).toBe(0);
  });

  it('is asked about once: a retry uses what was kept', async () => {
    transport.answer = () => deferred;
    const suspect = claiming();
    spool.add(suspect);
    await pass(1);
    authentication.answerAll();
    await pass(1);
    transport.answer = () => relayed;
    await pass(2 * MINUTE);
    expect(authentication.asked).toEqual([suspect.id]);
    expect(spool.eventsOf(suspect.id)).toEqual(['DEFER', 'SEND']);
  });

  it('is one of a hundred at most at a time, and every one has its turn', async () => {
    const suspects = Array.from({ length: 350 }, claiming);
    spool.add(...suspects);
    await pass(1);
    expect(authentication.underWay).toBe(100);
    for (let round = 0; round < 4; round++) {
      authentication.answerAll();
      await pass(1);
    }
    expect(authentication.most).toBe(100);
    expect(transport.deliveries).toHaveLength(350);
    expect(spool.claimed.size).toBe(0);
  });

  it('is looked at again in a while where the answer broke, and does not spin', async () => {
    authentication.rejects = true;
    spool.add(claiming());
    await pass(30_000);
    expect(authentication.asked).toHaveLength(1);
    authentication.rejects = false;
    await pass(40_000);
    expect(authentication.asked).toHaveLength(2);
    expect(transport.deliveries).toEqual([]);
    authentication.answerAll();
    await pass(1);
    expect(transport.deliveries).toHaveLength(1);
  });
});
