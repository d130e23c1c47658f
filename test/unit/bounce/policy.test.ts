import { describe, expect, it } from 'vitest';
import { isOwed } from '../../../src/bounce/policy.ts';
import { box, recipient } from './samples.ts';

const sender = box('sender@example.net');

describe('whether a sender is owed word', () => {
  it('never, of anything, when it is the null sender (RFC 5321 §6.1)', () => {
    for (const action of ['failed', 'delayed', 'relayed', 'delivered'] as const) {
      expect(isOwed(null, recipient('a@b.example', { notify: ['SUCCESS', 'FAILURE', 'DELAY'] }), action)).toBe(false);
    }
  });

  it('of failure and delay, not of success, when it said nothing (RFC 3461 §4.1)', () => {
    expect((['failed', 'delayed', 'relayed', 'delivered'] as const).map((action) => isOwed(sender, recipient(), action))).toEqual(
      [true, true, false, false],
    );
  });

  it('of what it asked for and no more', () => {
    const asked = recipient('a@b.example', { notify: ['SUCCESS', 'DELAY'] });
    expect((['failed', 'delayed', 'relayed', 'delivered'] as const).map((action) => isOwed(sender, asked, action))).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });

  it('of nothing with NOTIFY=NEVER and for best-effort copies (C10, C11)', () => {
    expect(isOwed(sender, recipient('a@b.example', { notify: ['NEVER'] }), 'failed')).toBe(false);
    expect(isOwed(sender, recipient('a@b.example', { copyTo: 'cloud' }), 'failed')).toBe(false);
  });
});
