import { describe, expect, it } from 'vitest';
import { kindOf, type Refusal } from '../../../src/delivery/outcome-table.ts';
import { type EnhancedStatus, reply } from '../../../src/mail/reply.ts';

function kind(code: number, enhanced: EnhancedStatus | undefined, more: Partial<Refusal> = {}): string {
  const answer = enhanced === undefined ? { code, text: 'no' } : reply(code, enhanced, 'no');
  return kindOf({ reply: answer, side: 'cloud', byMx: false, stage: 'answer', inGrace: false, ...more });
}

describe('R18, C5: what a refusal means', () => {
  it.each([
    [451, '4.7.500'],
    [451, '4.7.599'],
    [451, '4.7.650'],
    [451, '4.7.699'],
    [451, '4.3.2'],
    [421, '4.3.2'],
    [451, '4.5.3'],
    [450, '4.7.230'],
  ] as const)('%i %s throttles', (code, enhanced) => {
    expect(kind(code, enhanced)).toBe('throttle');
  });

  it.each(['5.7.64', '5.7.68', '5.7.230', '5.7.511', '5.7.606', '5.7.620', '5.7.649'] as const)(
    '550 %s told to everybody stops the connector',
    (enhanced) => {
      expect(kind(550, enhanced)).toBe('stop');
      expect(kind(550, enhanced, { side: 'on-premises' })).toBe('stop');
      // C5: grace is for who is not there
      expect(kind(550, enhanced, { inGrace: true })).toBe('stop');
    },
  );

  it('550 5.7.64 of a server found by MX speaks for its own domain alone', () => {
    expect(kind(550, '5.7.64', { side: 'internet', byMx: true })).toBe('permanent');
    expect(kind(550, '5.7.64', { side: 'internet' })).toBe('stop');
  });

  it('550 5.7.606 before MAIL leaves the mail in its lane, which is down', () => {
    expect(kind(550, '5.7.606', { stage: 'connection' })).toBe('transient');
  });

  it.each(['5.1.1', '5.1.10', '5.4.1'] as const)(
    'R5, C4: 550 %s is put off in grace alone, and never on the Internet',
    (enhanced) => {
      expect(kind(550, enhanced)).toBe('permanent');
      expect(kind(550, enhanced, { inGrace: true })).toBe('grace');
      expect(kind(550, enhanced, { inGrace: true, side: 'on-premises' })).toBe('grace');
      expect(kind(550, enhanced, { inGrace: true, side: 'internet' })).toBe('permanent');
    },
  );

  it.each([
    [550, '5.7.1'],
    [550, '5.7.605'],
    [550, '5.7.650'],
    [550, '5.7.6060'],
    [552, '5.3.4'],
    [554, undefined],
  ] as const)('%i %s is the last word about this mail', (code, enhanced) => {
    expect(kind(code, enhanced, { inGrace: true })).toBe('permanent');
  });

  it.each([
    [451, '4.7.1'],
    [451, '4.7.499'],
    [451, '4.7.700'],
    [452, '4.5.3'], // RFC 5321 §4.5.3.1.10: too many recipients
    [452, '4.2.2'],
    [450, undefined],
  ] as const)('%i %s is tried again, no more', (code, enhanced) => {
    expect(kind(code, enhanced)).toBe('transient');
  });
});
