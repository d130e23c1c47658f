/** Every input in the corpus, and a few made ones, in each test run; `node test/fuzz/run.ts` puts many more through. */
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets/all.ts';

const MADE = 100;

describe('what strangers send', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    '%s: no input breaks a promise, or holds the event loop for a second',
    async (_, target) => {
      const { failures, slowest, lagMost, again } = await fuzz(target, Math.min(MADE, Math.ceil(target.short / 5)), 5);
      expect(failures.map(({ input, error }) => `${JSON.stringify(input.toString('latin1').slice(0, 500))}: ${error}`)).toEqual(
        [],
      );
      expect(slowest).toBeLessThan(1_000);
      expect(target.blocks === true ? 0 : lagMost).toBeLessThan(1_000);
      expect(again.filter(({ held }) => held > 1_000)).toEqual([]);
    },
    // of a machine that is shared by many: it is the thread's time that is judged
    180_000,
  );
});
