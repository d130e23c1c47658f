import { describe, expect, it } from 'vitest';
import { isBackscatter, isOwed } from '../../../src/bounce/policy.ts';
import { box, message, recipient } from './samples.ts';

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

describe('whether word to MAIL FROM would be backscatter (P6, R8)', () => {
  const found = (spf: 'fail' | 'softfail' | 'none' | 'pass', ownDomain: 'spoofed' | 'unknown' | 'authentic' = 'spoofed') =>
    ({
      time: '',
      spf: { result: spf },
      dkim: [],
      dmarc: { result: 'none' },
      claims: ['example.com'],
      'own-domain': ownDomain,
    }) as const;

  it('only where it claims a domain of ours without proof and SPF says fail', () => {
    expect(isBackscatter(message({ authentication: found('fail') }))).toBe(true);
    for (const spf of ['softfail', 'none', 'pass'] as const)
      expect(isBackscatter(message({ authentication: found(spf) }))).toBe(false);
    expect(isBackscatter(message({ authentication: found('fail', 'unknown') }))).toBe(false);
    expect(isBackscatter(message({ authentication: found('fail', 'authentic') }))).toBe(false);
    expect(isBackscatter(message())).toBe(false);
  });

  it('not where MAIL FROM is ours: our own people hear of it (C11)', () => {
    expect(isBackscatter(message({ authentication: found('fail'), sender: box('anna@example.com') }))).toBe(false);
  });

  it('not behind a filter or the cloud, whose addresses are not the sender’s', () => {
    for (const peer of ['gateway', 'cloud'] as const) {
      const { origin } = message();
      expect(isBackscatter(message({ authentication: found('fail'), origin: { ...origin, peer } }))).toBe(false);
    }
  });
});
