import { describe, expect, it } from 'vitest';
import { seeded } from '../../e2e/support/messages.ts';
import { trend } from '../../faults/trend.ts';

const HOUR = 240;
/** A quarter of an hour, a sample each 15 s, with noise of 1 MiB. */
const samplesOf = (value: (hours: number) => number, life = 0) => {
  const chance = seeded(7 + life);
  return Array.from({ length: HOUR / 4 }, (_, i) => ({ at: i / HOUR, life, value: value(i / HOUR) + chance() - 0.5 }));
};

describe('whether a figure grows', () => {
  it('knows a leak by its slope, and by what it does all the time', () => {
    const { slope, error, steady } = trend(samplesOf((hours) => 50 + 20 * hours));
    expect(Math.abs(slope - 20)).toBeLessThan(2 * error + 1);
    expect(steady).toBeGreaterThan(12);
  });

  it('takes no step for a leak, wherever it is', () => {
    for (const at of [0.05, 0.125, 0.2]) {
      const { steady } = trend(samplesOf((hours) => (hours < at ? 50 : 80)));
      expect(steady, `a step at ${at} h`).toBeLessThan(5);
    }
  });

  it('leaves out what lies between two lives', () => {
    const { slope, steady } = trend([
      ...samplesOf(() => 50),
      ...samplesOf(() => 90, 1).map((one) => ({ ...one, at: one.at + 1 })),
    ]);
    expect(slope).toBeLessThan(4);
    expect(steady).toBeLessThan(4);
  });
});
