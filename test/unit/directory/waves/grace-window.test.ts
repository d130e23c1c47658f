import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DirectoryEntry } from '../../../../src/directory/ports.ts';
import type { ComparedVersion } from '../../../../src/directory/waves/grace-window.ts';
import { Waves } from '../../../../src/directory/waves/waves.ts';
import { box, DAY, HOUR, listOf, Organisation, START } from './organisation.ts';

let here: Organisation;
beforeEach(() => {
  here = new Organisation();
  here.directory.add('anna@example.com', 'on-premises', { aliases: ['a@example.com'] });
});
afterEach(() => here[Symbol.dispose]());

const until = (address: string) => here.grace.until(box(address));

describe('the grace window (R5, C4)', () => {
  it('begins with the switch of a wave, counts for every address of the mailbox, and lasts 24 h', async () => {
    await using waves = await Waves.open(here.deps());
    await waves.create('pilot', listOf('anna@example.com'), { who: 'olga' });
    expect(until('anna@example.com')).toBeUndefined();
    await waves.switch('pilot', { who: 'olga' });
    for (const address of ['anna@example.com', 'A@example.com', 'anna+tag@example.com']) expect(until(address)).toBe(START + DAY);
    expect(until('bert@example.com')).toBeUndefined();
    here.clock.time = START + DAY;
    expect(until('anna@example.com')).toBeUndefined();
  });

  it('is open before the version counts, so that no answer comes too early, and outlives a restart', async () => {
    await using waves = await Waves.open(here.deps());
    await waves.create('pilot', listOf('anna@example.com'), { who: 'olga' });
    let seen: number | undefined;
    here.directory.before = () => {
      seen = until('anna@example.com');
    };
    await waves.switch('pilot', { who: 'olga' });
    expect(seen).toBe(START + DAY);
    here.deps();
    expect(until('anna@example.com')).toBe(START + DAY);
  });

  it('begins anew with the way back', async () => {
    await using waves = await Waves.open(here.deps());
    await waves.create('pilot', listOf('anna@example.com'), { who: 'olga' });
    await waves.switch('pilot', { who: 'olga' });
    here.clock.time += HOUR;
    await waves.rollback('pilot', { who: 'olga' });
    expect(until('anna@example.com')).toBe(START + HOUR + DAY);
  });

  it('begins with an import as well, for those alone who changed sides by it', async () => {
    const version = (number: number, routes: Record<string, DirectoryEntry['route']>): ComparedVersion => {
      const entries = Object.entries(routes).map(([name, route]) => ({
        address: box(`${name}@example.com`),
        route,
        primary: 'on-premises' as const,
        source: 'plain recipients.csv:2',
      }));
      const byKey = new Map(entries.map((entry) => [entry.address.address, entry]));
      return { version: number, recipients: entries.length, find: (key) => byKey.get(key), entries: () => entries };
    };
    const old = version(1, { anna: 'on-premises', bert: 'cloud', carl: 'cloud' });
    const comparing = here.grace.compare(
      old,
      version(2, { anna: 'cloud', bert: 'cloud', carl: 'on-premises', dora: 'cloud', emil: 'on-premises' }),
    );
    await comparing;
    expect(['anna', 'bert', 'carl', 'dora', 'emil'].filter((name) => until(`${name}@example.com`) !== undefined)).toEqual([
      'anna',
      'carl',
      'dora',
    ]);
    await here.grace.compare(version(0, {}), version(3, { zoe: 'cloud' }));
    expect(until('zoe@example.com')).toBeUndefined();
  });

  it('begins anew where its file is damaged', () => {
    writeFileSync(join(here.folder, 'grace.json'), '{"x":');
    here.deps();
    expect(until('anna@example.com')).toBeUndefined();
  });
});
