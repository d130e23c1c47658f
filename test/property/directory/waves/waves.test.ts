import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayMove, routeOf } from '../../../../src/directory/waves/wave.ts';
import { Waves } from '../../../../src/directory/waves/waves.ts';
import { DAY, HOUR, listOf, Organisation } from '../../../unit/directory/waves/organisation.ts';

const PEOPLE = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.com`);
const NAMES = ['one', 'two'];
const BY = { who: 'olga' };

const some = fc.option(fc.subarray(PEOPLE, { minLength: 1 }), { nil: undefined });
const step = fc.record({
  wave: fc.constantFrom(...NAMES),
  what: fc.constantFrom(
    'create',
    'hold',
    'both',
    'switch',
    'rollback',
    'schedule',
    'tick',
    'deliver',
    'restart',
    'crash',
    'undo',
    'fail',
  ),
  some,
  hours: fc.integer({ min: 0, max: 80 }),
});

/** What an operator may be refused is no fault; anything else is. */
async function tried(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error) || !['WaveRefused', 'Refused'].includes(error.constructor.name)) throw error;
  }
}
class Refused extends Error {}

describe('waves', () => {
  it('under any sequence of operations, failures and crashes no mailbox is in two states, and every change is one version for all it moves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        using here = new Organisation(PEOPLE);
        let waves = await Waves.open(here.deps());
        const past: (typeof here.directory.waves)[] = [here.directory.waves];
        for (const { wave, what, some: part, hours } of steps) {
          const { version } = here.directory;
          let unchanged = true;
          const changes = here.directory.changes.length;
          const only = part === undefined ? {} : { only: part };
          here.clock.time += hours * HOUR + 1;
          switch (what) {
            case 'create':
              await tried(() => waves.create(wave, listOf(...(part ?? PEOPLE)), BY));
              break;
            case 'hold':
              await tried(() => waves.hold(wave, { ...BY, ...only }));
              break;
            case 'both':
              await tried(() => waves.both(wave, { ...BY, ...only }));
              break;
            case 'switch':
              await tried(() => waves.switch(wave, { ...BY, ...(part === undefined ? {} : { except: part }) }));
              break;
            case 'rollback':
              await tried(() => waves.rollback(wave, { ...BY, ...only }));
              break;
            case 'schedule':
              await tried(() => waves.schedule(wave, here.clock.time + hours * HOUR + 1, 'olga'));
              break;
            case 'tick':
              await waves.tick();
              break;
            case 'deliver':
              for (const address of part ?? PEOPLE) {
                const route = here.directory.routeOf(address);
                if (route === 'cloud') waves.onEvent(here.sent(address, 'cloud'));
              }
              break;
            case 'restart':
              await waves[Symbol.asyncDispose]();
              waves = await Waves.open(here.deps());
              break;
            case 'crash':
              // the version is active, and nothing behind it happens any more
              here.directory.behind = () => {
                throw new Refused('killed');
              };
              await tried(() => waves.switch(wave, BY));
              here.directory.behind = () => {};
              waves = await Waves.open(here.deps());
              break;
            case 'undo':
              here.directory.waves = past[Math.floor(past.length / 2)] ?? new Map();
              here.directory.version += 1;
              await waves.follow();
              break;
            case 'fail':
              here.directory.before = () => {
                throw new Refused('disk full');
              };
              await tried(() => waves.switch(wave, BY));
              here.directory.before = () => {};
              unchanged = here.directory.version === version;
              break;
          }
          const made = here.directory.changes.length - changes;
          const isOne = !['hold', 'both', 'switch', 'rollback'].includes(what) || made <= 1;
          expect(isOne, `${made} versions for one ${what}`).toBe(true);
          past.push(here.directory.waves);
          expect(unchanged, 'a change that failed changes nothing').toBe(true);
          await checked(here, waves);
        }
        await waves[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  async function checked(here: Organisation, waves: Waves): Promise<void> {
    const seen = new Map<string, string>();
    // the directory may have been changed behind the waves' back
    await waves.follow();
    for (const { name } of waves.list()) {
      for (const { address, state, steps } of waves.show(name).mailboxes) {
        expect(seen.get(address), `${address} in one wave`).toBeUndefined();
        seen.set(address, name);
        // what the wave says is what mail does
        expect(here.directory.routeOf(address)).toBe(routeOf(state));
        const leaps = steps.filter(({ state: to, who }, i) => {
          const from = steps[i - 1]?.state;
          return from !== undefined && who !== 'directory' && !mayMove(from, to);
        });
        expect(leaps).toEqual([]);
      }
    }
    // an overlay belongs to the wave that has the mailbox, or says what the sources say
    const strangers = PEOPLE.filter((address) => {
      const source = here.directory.find(address)?.source ?? '';
      return seen.has(address) && source.startsWith('wave ') && source !== `wave ${seen.get(address)}`;
    });
    expect(strangers).toEqual([]);
  }

  it('a scheduled switch happens exactly once, wherever restarts and crashes fall', async () => {
    const event = fc.constantFrom('tick', 'restart', 'crash-before', 'crash-behind');
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 12 }), async (events) => {
        using here = new Organisation(PEOPLE);
        let waves = await Waves.open(here.deps());
        await waves.create('one', listOf(...PEOPLE), { ...BY, at: here.clock.time + DAY });
        for (const [i, what] of events.entries()) {
          here.clock.time += (DAY / events.length) * (i === events.length - 1 ? 2 : 1);
          const kill = () => {
            throw new Refused('killed');
          };
          if (what === 'crash-before') here.directory.before = kill;
          if (what === 'crash-behind') here.directory.behind = kill;
          await waves.tick();
          here.directory.before = () => {};
          here.directory.behind = () => {};
          if (what !== 'tick') waves = await Waves.open(here.deps());
        }
        await waves.tick();
        await waves.tick();
        expect(here.directory.changes.filter(({ who }) => who === 'schedule')).toHaveLength(1);
        expect(waves.show('one')).toMatchObject({ counts: { cloud: PEOPLE.length }, schedule: { state: 'done' } });
        await waves[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
