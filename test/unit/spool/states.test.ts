import { describe, expect, it } from 'vitest';
import type { RecipientState, SpooledRecipient } from '../../../src/mail/spooled.ts';
import { accepted, change, dueAt, expire, hold, isDone, release, reroute, retry, settled } from '../../../src/spool/states.ts';
import { box, id, newMessage, spooled } from './messages.ts';

const NOW = 1_000_000;
const STATES: readonly RecipientState[] = ['queued', 'deferred', 'held', 'relayed', 'failed', 'expired'];
const FINAL = new Set<RecipientState>(['relayed', 'failed', 'expired']);

function recipient(state: RecipientState, more: Partial<SpooledRecipient> = {}): SpooledRecipient {
  const held = state === 'held' ? { heldBy: 'directory: wave pilot', heldSince: NOW - 500 } : {};
  return { index: 0, address: box('user@example.com'), state, attempts: 1, nextAttemptAt: NOW + 60_000, ...held, ...more };
}

describe('states of a spooled recipient', () => {
  it.each(STATES.flatMap((from) => STATES.map((to) => [from, to] as const)))('a change from %s to %s', (from, to) => {
    const after = change(recipient(from), { index: 0, state: to, attempts: 2 }, NOW);
    expect(after.state).toBe(FINAL.has(from) ? from : to);
    expect(after.attempts).toBe(FINAL.has(from) ? 1 : 2);
    expect(after.heldSince !== undefined).toBe(after.state === 'held');
  });

  const steered: readonly [string, (r: SpooledRecipient) => SpooledRecipient, Partial<Record<RecipientState, RecipientState>>][] =
    [
      ['hold', (r) => hold(r, NOW), { queued: 'held', deferred: 'held', held: 'held' }],
      ['release', (r) => release(r, NOW), { held: 'queued' }],
      ['retry', (r) => retry(r, NOW), { deferred: 'queued' }],
      ['expire', (r) => expire(r, NOW), { queued: 'queued', deferred: 'queued', held: 'queued' }],
      ['reroute', (r) => reroute(r, 'site-b', NOW), { deferred: 'queued' }],
    ];
  it.each(steered.flatMap(([name, steer, ways]) => STATES.map((from) => [name, from, ways[from] ?? from, steer] as const)))(
    '%s takes %s to %s',
    (_name, from, to, steer) => {
      const before = recipient(from);
      const after = steer(before);
      expect(after.state).toBe(to);
      expect(after === before || !FINAL.has(from)).toBe(true); // a final one is left as it is
    },
  );

  it("keeps an operator's hold over an attempt that was under way, and what the attempt learned", () => {
    const held = hold(recipient('queued'), NOW);
    const after = change(held, { index: 0, state: 'deferred', attempts: 2, lastConnector: 'cloud' }, NOW + 10);
    expect(after).toMatchObject({ state: 'held', heldBy: 'operator', heldSince: NOW, attempts: 2, lastConnector: 'cloud' });
    expect(change(held, { index: 0, state: 'relayed' }, NOW).state).toBe('relayed');
  });

  it('C9: counts held time apart, over several holds', () => {
    const once = release(hold(recipient('queued'), NOW), NOW + 100);
    expect(once).toMatchObject({ state: 'queued', heldFor: 100, nextAttemptAt: NOW + 100 });
    expect(once).not.toHaveProperty('heldSince');
    expect(once).not.toHaveProperty('heldBy');
    expect(release(hold(once, NOW + 200), NOW + 250).heldFor).toBe(150);
    expect(change(recipient('held'), { index: 0, state: 'queued' }, NOW).heldFor).toBe(500);
  });

  it('gives a recipient to expire to delivery, due at once, also out of a hold', () => {
    expect(expire(recipient('held'), NOW)).toMatchObject({ state: 'queued', expireNow: true, nextAttemptAt: NOW, heldFor: 500 });
  });

  it('changes neither index nor address', () => {
    const sly = { index: 3, address: box('other@example.com'), state: 'failed' } as const;
    expect(change(recipient('queued'), sly, NOW)).toMatchObject({ index: 0, address: { address: 'user@example.com' } });
  });

  it('accepts with every recipient queued and due at once, as the sender wrote them', () => {
    const message = accepted(newMessage(id(1), NOW, ['a@example.com', 'B@example.com']), 120);
    expect(message.recipients.map((r) => [r.index, r.address.address, r.state, r.nextAttemptAt])).toEqual([
      [0, 'a@example.com', 'queued', NOW],
      [1, 'B@example.com', 'queued', NOW],
    ]);
    expect(message.wireSize).toBe(120);
  });

  it('numbers copies behind the last recipient and is done when the last is final', () => {
    const message = spooled(1, NOW, ['a@example.com', 'b@example.com']);
    const copy = { ...recipient('queued'), index: 99, copyTo: 'archive' };
    const after = settled(message, [{ index: 0, state: 'relayed', copiesMade: true }], [copy], NOW);
    expect(after.recipients.map((r) => [r.index, r.state, r.copyTo])).toEqual([
      [0, 'relayed', undefined],
      [1, 'queued', undefined],
      [2, 'queued', 'archive'],
    ]);
    expect(isDone(after)).toBe(false);
    expect(
      isDone(
        settled(
          after,
          [
            { index: 1, state: 'failed' },
            { index: 2, state: 'expired' },
          ],
          undefined,
          NOW,
        ),
      ),
    ).toBe(true);
  });

  it('is due with its earliest waiting recipient, and never while all are held', () => {
    const message = spooled(1, NOW, ['a@example.com', 'b@example.com']);
    const later = settled(
      message,
      [
        { index: 0, state: 'deferred', nextAttemptAt: NOW + 5 },
        { index: 1, state: 'held' },
      ],
      undefined,
      NOW,
    );
    expect(dueAt(later)).toBe(NOW + 5);
    expect(dueAt(settled(later, [{ index: 0, state: 'held' }], undefined, NOW))).toBe(Number.POSITIVE_INFINITY);
  });
});
