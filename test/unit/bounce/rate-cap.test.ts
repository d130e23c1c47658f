import { describe, expect, it } from 'vitest';
import { createNotifier } from '../../../src/bounce/notifier.ts';
import { RateCap } from '../../../src/bounce/rate-cap.ts';
import type { SpooledMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { box, inMemory, message, NOW, refused, SETTINGS } from './samples.ts';

const HOUR = 3_600_000;
const from = (address: string, more: Partial<SpooledMessage['origin']> = {}): SpooledMessage =>
  message({ sender: box(address), origin: { peer: 'external', ownHops: 0, tenantProof: false, ...more } });
const victim = from('victim@example.net');

function sent(cap: RateCap, about: SpooledMessage, times: number, now = NOW): number {
  let count = 0;
  for (let i = 0; i < times; i++) if (cap.refusal(about, now) === undefined) count += 1;
  return count;
}

describe('the cap on notices to one sender', () => {
  it('lets so many through in an hour, for each sender alone', () => {
    const cap = new RateCap({ most: 3, mode: 'enforce' });
    expect(sent(cap, victim, 10)).toBe(3);
    expect(sent(cap, from('VICTIM@example.net'), 10)).toBe(0);
    expect(sent(cap, from('other@example.net'), 10)).toBe(3);
    expect(sent(cap, victim, 10, NOW + HOUR)).toBe(3);
    expect(cap.counts).toEqual({ enforced: 31, monitored: 0 });
  });

  it('does not hold for mail of our own side, where silence would lose it', () => {
    const cap = new RateCap({ most: 1, mode: 'enforce' });
    expect(sent(cap, from('app@example.com', { peer: 'on-premises' }), 100)).toBe(100);
    expect(sent(cap, from('app@example.com', { peer: 'cloud', tenantProof: true }), 100)).toBe(100);
  });

  it.each([
    ['monitor', { enforced: 0, monitored: 9 }],
    ['off', { enforced: 0, monitored: 0 }],
  ] as const)('in mode %s suppresses nothing', (mode, counts) => {
    const cap = new RateCap({ most: 1, mode });
    expect(sent(cap, victim, 10)).toBe(10);
    expect(cap.counts).toEqual(counts);
  });

  it('remembers a bounded number of senders', () => {
    const cap = new RateCap({ most: 1, mode: 'enforce' });
    for (let i = 0; i < 25_000; i++) cap.refusal(from(`s${i}@example.net`), NOW);
    expect(cap.remembered).toBe(20_000);
    expect(sent(cap, from('s24999@example.net'), 1)).toBe(0);
  });

  it('makes the notifier say what it does not send, and why', async () => {
    const notifier = createNotifier(
      { ...SETTINGS, perHour: { most: 1, mode: 'enforce' } },
      { newId: () => '01JCCCCCCCCCCCCCCCCCCCCCCC' as SpoolId, clock: { now: () => NOW, monotonic: () => 0 } },
    );
    const body = inMemory(Buffer.from('Subject: x\r\n\r\n'));
    expect(await notifier.notify(victim, body, [refused])).toMatchObject({ action: 'failed', message: {} });
    expect(await notifier.notify(victim, body, [refused])).toEqual({
      action: 'failed',
      suppressed: 'not sent: limits.notifications-per-hour: 2 to this sender, 1 allowed',
    });
    expect(notifier.overLimit.enforced).toBe(1);
  });
});
