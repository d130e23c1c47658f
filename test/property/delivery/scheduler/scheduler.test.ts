import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Lane } from '../../../../src/delivery/lanes.ts';
import { createScheduler } from '../../../../src/delivery/scheduler.ts';
import type { Outcome } from '../../../../src/mail/attempt.ts';
import type { SpoolId } from '../../../../src/mail/spooled.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import {
  box,
  CLOUD,
  DAY,
  deferred,
  FakeControl,
  FakeNotifying,
  FakeRouting,
  FakeSpool,
  FakeTransport,
  failed,
  isFinal,
  MINUTE,
  message,
  refusedConnection,
  relayed,
  SETTINGS,
} from '../../../unit/delivery/scheduler/samples.ts';

const START = Date.UTC(2026, 10, 22, 10);
const OUTCOMES: readonly Outcome[] = [relayed, relayed, deferred, failed, refusedConnection];

beforeEach(() => {
  vi.useFakeTimers({
    now: START,
    toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

function build() {
  const parts = {
    due: new FakeSpool(),
    routing: new FakeRouting(),
    notifying: new FakeNotifying(),
    control: new FakeControl(),
    transport: new FakeTransport(),
    clock: systemClock,
    log: silentLog,
  };
  return { ...parts, scheduler: createScheduler(SETTINGS, parts) };
}

describe('whatever next hops answer', () => {
  it('every recipient ends in exactly one final state, relayed at most once, and no retry comes before its time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom('a', 'b', 'cloud1', 'cloud2'), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.array(fc.nat({ max: OUTCOMES.length - 1 }), { minLength: 1, maxLength: 40 }),
        fc.nat({ max: 3 }),
        async (mails, answers, slowness) => {
          const { due, transport, scheduler } = build();
          let turn = 0;
          const relays = new Map<string, number>();
          const early: string[] = [];
          transport.takes = () => slowness * 700;
          transport.answer = ({ transaction, at }, { address }) => {
            const key = `${transaction.spoolId} ${address}`;
            for (const recipient of due.look(transaction.spoolId).recipients) {
              if (recipient.address.address === address && recipient.nextAttemptAt > at) early.push(key);
            }
            const outcome = OUTCOMES[answers[turn++ % answers.length] ?? 0] ?? relayed;
            if (outcome.kind === 'relayed') relays.set(key, (relays.get(key) ?? 0) + 1);
            return outcome;
          };
          const sent = mails.map((names) => message([...new Set(names)].map((name) => `${name}@example.com`)));
          scheduler.start();
          due.add(...sent);
          await vi.advanceTimersByTimeAsync(5 * DAY + 5 * 60 * MINUTE);
          expect(early).toEqual([]);
          expect([...relays.values()].every((count) => count === 1)).toBe(true);
          for (const one of sent) {
            expect(due.look(one.id).recipients.every(isFinal)).toBe(true);
            const ends = due.eventsOf(one.id).filter((event) => event === 'SEND' || event === 'FAIL' || event === 'EXPIRE');
            expect(ends).toHaveLength(one.recipients.length);
          }
          expect(due.claimed.size).toBe(0);
          await Promise.all([scheduler.stop(0), vi.advanceTimersByTimeAsync(1)]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('a lane that hangs or is down takes nothing from another', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 100 }),
        async (hangs, dead, live) => {
          const { due, transport, scheduler } = build();
          transport.takes = (name) => (name === CLOUD.name ? 1 : hangs ? 10 * MINUTE : 0);
          transport.answer = ({ connector: name }) => (name === CLOUD.name ? relayed : refusedConnection);
          scheduler.start();
          due.add(...Array.from({ length: dead }, () => message(['a@example.com'])));
          due.add(...Array.from({ length: live }, () => message(['cloud@example.com'])));
          await vi.advanceTimersByTimeAsync(200);
          expect(due.done.size).toBe(live);
          await Promise.all([scheduler.stop(0), vi.advanceTimersByTimeAsync(1)]);
        },
      ),
      { numRuns: 20 },
    );
  });
});

it('a hundred thousand messages that wait for a lane, or are parked for it, cost less than 200 octets each', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const lane = new Lane('cloud', CLOUD, box('user@example.com').domain);
  const ids = Array.from({ length: 100_000 }, (_, i) => `01J${String(i).padStart(23, '0')}`);
  for (const put of [(id: SpoolId) => lane.waiting.push(id), (id: SpoolId) => lane.park(id)]) {
    gc();
    const before = process.memoryUsage().heapUsed;
    // a string of its own for each, as the spool would hand it out
    for (const id of ids) put(Buffer.from(id).toString('latin1') as SpoolId);
    gc();
    expect((process.memoryUsage().heapUsed - before) / ids.length).toBeLessThan(200);
  }
  expect(lane.waiting.length + lane.parked.size).toBe(200_000);
});
