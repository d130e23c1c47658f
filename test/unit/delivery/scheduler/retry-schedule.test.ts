import { describe, expect, it } from 'vitest';
import { giveUpAt, nextAttemptAt, nextStep, retryDelay } from '../../../../src/delivery/retry-schedule.ts';
import { DAY, deferred, failed, HOUR, MINUTE, message, relayed, SETTINGS } from './samples.ts';

const at = Date.UTC(2026, 10, 22);
const about = message(['user@example.com'], { receivedAt: at });
const [recipient] = about.recipients;
if (recipient === undefined) throw new Error('no recipient');

describe('the retry schedule', () => {
  it('repeats its last step', () => {
    expect([1, 2, 7, 8, 50].map((n) => retryDelay(SETTINGS.retry, n, 0))).toEqual([
      MINUTE,
      5 * MINUTE,
      4 * HOUR,
      4 * HOUR,
      4 * HOUR,
    ]);
  });

  it('spreads retries later, never earlier, by a tenth at most', () => {
    expect(retryDelay(SETTINGS.retry, 1, 1)).toBe(MINUTE * 1.1);
    expect(retryDelay(SETTINGS.retry, 1, 0)).toBe(MINUTE);
  });

  it('comes back when the warning and when the end are due', () => {
    const soon = at + 4 * HOUR - MINUTE;
    expect(nextAttemptAt(about, recipient, SETTINGS, 7, soon, 0)).toBe(at + 4 * HOUR);
    const warned = { ...recipient, delayWarned: true };
    expect(nextAttemptAt(about, warned, SETTINGS, 7, at + 5 * DAY - HOUR, 0)).toBe(at + 5 * DAY);
  });

  it('leaves at least a second between two attempts', () => {
    const warned = { ...recipient, delayWarned: true };
    expect(nextAttemptAt(about, warned, SETTINGS, 7, at + 5 * DAY - 10, 0)).toBe(at + 5 * DAY - 10 + 4 * HOUR);
  });

  it('does not count held time (C9)', () => {
    expect(giveUpAt(about, { ...recipient, heldFor: DAY }, SETTINGS)).toBe(at + 6 * DAY);
  });
});

describe('the next step', () => {
  it('follows from the outcome', () => {
    expect(nextStep(relayed, 1, at, at + 1)).toBe('done');
    expect(nextStep(failed, 1, at, at + 1)).toBe('bounce');
    expect(nextStep(deferred, 1, at, at + 1)).toBe('retry');
  });

  it('is expiry only after two tries', () => {
    expect(nextStep(deferred, 1, at + DAY, at)).toBe('retry');
    expect(nextStep(deferred, 2, at + DAY, at)).toBe('expire');
  });
});
