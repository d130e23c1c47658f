import { describe, expect, it } from 'vitest';
import { compileLimits } from '../../../src/settings/compile-limits.ts';
import { limits, parseLimit } from '../../../src/settings/schema-limits.ts';
import { parseDuration } from '../../../src/settings/values.ts';

describe('a limit', () => {
  it('is a value, with its mode beside it where it has one of its own', () => {
    expect(['5m', '5m monitor', '5m enforce', 'off'].map((text) => parseLimit(text, parseDuration))).toEqual([
      { most: 300_000 },
      { most: 300_000, mode: 'monitor' },
      { most: 300_000, mode: 'enforce' },
      { most: 0, mode: 'off' },
    ]);
  });

  it('is nothing else', () => {
    const wrong = ['', 'monitor', '5m off', '5m  monitor', '5m monitor now', '5', 'no'];
    expect(wrong.map((text) => parseLimit(text, parseDuration))).toEqual(wrong.map(() => undefined));
  });
});

describe('limits', () => {
  const compiled = (written: unknown) => compileLimits(limits.parse(written));

  it('take the mode of all where they have none', () => {
    const made = compiled({
      mode: 'monitor',
      connections: 50,
      errors: '30 enforce',
      session: 'off',
      'per-client': { 'connects-per-minute': 7 },
    });
    expect(made).toMatchObject({
      connections: { most: 50, mode: 'monitor' },
      errors: { most: 30, mode: 'enforce' },
      session: { mode: 'off' },
      transaction: { most: 3_600_000, mode: 'monitor' },
      perClient: { connects: { most: 7, mode: 'monitor' }, unknown: { most: 100, mode: 'monitor' } },
      perNetwork: { unknown: { most: 500, mode: 'monitor' } },
      earlyTalkers: 'monitor',
    });
  });

  it.each([
    { connections: 0 },
    { connections: '100 watch' },
    { session: 5 },
    { 'greeting-delay': '0s' },
    { 'peer-reserve': 100 },
    { 'per-client': { messages: 1 } },
  ])('refuse %j', (written) => {
    expect(limits.safeParse(written).success).toBe(false);
  });
});
