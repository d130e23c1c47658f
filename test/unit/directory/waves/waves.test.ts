import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Waves } from '../../../../src/directory/waves/waves.ts';
import { box, HOUR, listOf, MINUTE, Organisation } from './organisation.ts';

let here: Organisation;
let waves: Waves;
const BY = { who: 'olga' };
const ALL = ['anna@example.com', 'bert@example.com', 'carl@example.com'];

beforeEach(async () => {
  here = new Organisation();
  waves = await Waves.open(here.deps());
});
afterEach(async () => {
  await waves[Symbol.asyncDispose]();
  here[Symbol.dispose]();
});

const stateOf = (name: string): string[] => waves.show(name).mailboxes.map(({ state }) => state);
const begin = () => waves.create('pilot', listOf(...ALL), BY);

describe('wave create', () => {
  it('makes a wave of a list, changes no route, and counts nobody as migrated yet', async () => {
    const before = here.directory.version;
    const created = await begin();
    expect(created).toMatchObject({
      created: true,
      wave: { name: 'pilot', 'created-by': 'olga', counts: { mailboxes: 3, 'on-premises': 3 } },
    });
    expect(here.directory.version).toBe(before);
    expect(waves.list().map(({ name }) => name)).toEqual(['pilot']);
  });

  it('takes an alias for its owner, and a mailbox that is named twice once', async () => {
    here.directory.add('dora@example.com', 'on-premises', { aliases: ['d@example.com'] });
    const created = await waves.create('w', listOf('D@Example.com', 'dora@example.com'), BY);
    expect(created).toMatchObject({ created: true, wave: { counts: { mailboxes: 1 } } });
    expect(created.findings.map(({ severity, line, problem }) => `${severity} ${line} ${problem}`)).toEqual([
      'warning 3 dora@example.com stands in the list already',
    ]);
    expect(waves.mailboxes('w').map(({ address }) => address)).toEqual(['dora@example.com']);
  });

  it('refuses a list with a group in it, as a whole, and names the line', async () => {
    here.directory.add('all@example.com', 'on-premises', { kind: 'group' });
    const refused = await waves.create('w', listOf('anna@example.com', 'all@example.com'), BY);
    expect(refused).toMatchObject({ created: false, findings: [{ severity: 'error', line: 3, address: 'all@example.com' }] });
    expect(waves.list()).toEqual([]);
  });

  it('refuses what the list itself has wrong', async () => {
    const wrong = { severity: 'error', file: 'l', line: 1, address: 'x', problem: 'p', remedy: 'r' } as const;
    expect(await waves.create('w', { ...listOf('anna@example.com'), findings: [wrong] }, BY)).toEqual({
      created: false,
      findings: [wrong],
    });
  });

  it('leaves out whoever is in the cloud already, and says so', async () => {
    here.directory.add('moved@example.com', 'cloud');
    const created = await waves.create('w', listOf('anna@example.com', 'moved@example.com'), BY);
    expect(created).toMatchObject({ created: true, wave: { counts: { mailboxes: 1 } }, findings: [{ severity: 'warning' }] });
  });

  it('takes an address that the directory does not know with a warning, and one of a foreign domain not at all (C2)', async () => {
    const mine = await Waves.open(here.deps({ isOurs: ({ domain }) => domain === 'example.com' }));
    const created = await mine.create('w', listOf('unlisted@example.com'), BY);
    expect(created).toMatchObject({ created: true, findings: [{ severity: 'warning' }] });
    await mine.switch('w', BY);
    expect(here.directory.routeOf('unlisted@example.com')).toBe('cloud');
    expect(await mine.create('x', listOf('typo@exmaple.com'), BY)).toMatchObject({ created: false });
    await mine[Symbol.asyncDispose]();
  });

  it('refuses a mailbox that is on its way in another wave, and takes over one that is at home there', async () => {
    await begin();
    await waves.switch('pilot', { ...BY, except: ['carl@example.com'] });
    expect(await waves.create('second', listOf('anna@example.com'), BY)).toMatchObject({
      created: false,
      findings: [{ problem: 'it is cloud in wave pilot' }],
    });
    expect(await waves.create('second', listOf('carl@example.com'), BY)).toMatchObject({ created: true });
    expect(waves.mailboxes('pilot').map(({ localPart }) => localPart)).toEqual(['anna', 'bert']);
    await waves.switch('second', BY);
    expect(ALL.map((address) => here.directory.routeOf(address))).toEqual(['cloud', 'cloud', 'cloud']);
  });

  it('keeps the route of a mailbox that was taken back while another wave takes it over', async () => {
    await begin();
    await waves.switch('pilot', BY);
    await waves.rollback('pilot', { ...BY, only: ['carl@example.com'] });
    // the source says by now that it moved; the rollback's word stands
    here.directory.add('carl@example.com', 'cloud');
    const routes: string[] = [];
    here.directory.behind = () => routes.push(here.directory.routeOf('carl@example.com'));
    await waves.create('second', listOf('carl@example.com'), BY);
    expect(routes).toEqual(['on-premises', 'on-premises']);
    expect(here.directory.find('carl@example.com')?.source).toBe('wave second');
  });

  it('refuses names that are no names, and a second wave of a name once the first has begun', async () => {
    for (const name of ['', '../x', 'a b', '.hidden'])
      await expect(waves.create(name, listOf(...ALL), BY)).rejects.toThrow('cannot name a wave');
    await begin();
    expect(await waves.create('pilot', listOf('anna@example.com'), BY)).toMatchObject({
      created: true,
      wave: { counts: { mailboxes: 1 } },
    });
    await waves.hold('pilot', BY);
    await expect(begin()).rejects.toThrow('has begun');
  });
});

describe('wave hold and switch', () => {
  beforeEach(begin);

  it('hold and switch are one version of the directory each, for all of the wave', async () => {
    const held = await waves.hold('pilot', { ...BY, reason: 'PST move' });
    expect(held).toMatchObject({ version: here.directory.version, moved: ALL });
    expect(stateOf('pilot')).toEqual(['hold', 'hold', 'hold']);
    const done = await waves.switch('pilot', BY);
    expect(done).toMatchObject({ switched: true, version: here.directory.version, moved: ALL });
    expect(here.directory.changes.map(({ keys, reason }) => [keys.length, reason])).toEqual([
      [3, 'PST move'],
      [3, 'switch'],
    ]);
    expect(here.rechecks).toBe(2);
    expect(here.directory.find('anna@example.com')?.source).toBe('wave pilot');
    expect(
      waves.show('pilot').mailboxes[0]?.steps.map(({ state, who, 'directory-version': version }) => [state, who, version]),
    ).toEqual([
      ['on-premises', 'olga', null],
      ['hold', 'olga', held.version],
      ['cloud', 'olga', here.directory.version],
    ]);
  });

  it('a second hold moves nobody and makes no version', async () => {
    await waves.hold('pilot', BY);
    const { version } = here.directory;
    expect(await waves.hold('pilot', BY)).toEqual({ name: 'pilot', version: null, moved: [] });
    expect(here.directory.version).toBe(version);
  });

  it('refuses the wave where one mailbox is unsafe, changes nothing, and names it with its remedy', async () => {
    here.unsafe = [{ address: 'bert@example.com', why: 'not in the cloud export', remedy: 'license it' }];
    expect(await waves.switch('pilot', BY)).toEqual({ switched: false, name: 'pilot', unsafe: here.unsafe });
    expect(stateOf('pilot')).toEqual(['on-premises', 'on-premises', 'on-premises']);
    expect(here.directory.changes).toEqual([]);
  });

  it('switches the rest with --except; who was held and is left out gets its mail where it was', async () => {
    here.unsafe = [{ address: 'bert@example.com', why: 'not in the cloud export', remedy: 'license it' }];
    await waves.hold('pilot', BY);
    const done = await waves.switch('pilot', { ...BY, except: ['Bert@example.com'] });
    expect(done).toMatchObject({ switched: true, except: ['bert@example.com'], forced: [] });
    expect(stateOf('pilot')).toEqual(['cloud', 'on-premises', 'cloud']);
    expect(here.directory.changes).toHaveLength(2);
  });

  it('switches by force with a reason alone, which stands in the history', async () => {
    here.unsafe = [{ address: 'bert@example.com', why: 'w', remedy: 'r' }];
    await expect(waves.switch('pilot', { ...BY, force: true })).rejects.toThrow('a reason is needed');
    const done = await waves.switch('pilot', { ...BY, force: true, reason: 'the export is old' });
    expect(done).toMatchObject({ switched: true, forced: here.unsafe });
    expect(here.directory.changes[0]?.reason).toBe('the export is old (by force: 1 mailboxes were found unsafe)');
  });

  it('switches nobody where the check cannot tell', async () => {
    const blind = await Waves.open(here.deps({ unsafe: () => Promise.reject(new Error('Graph does not answer')) }));
    await expect(blind.switch('pilot', BY)).rejects.toThrow('Graph does not answer');
    expect(here.directory.changes).toEqual([]);
  });

  it('changes nothing where the directory refuses the version', async () => {
    here.directory.before = () => {
      throw new Error('ENOSPC');
    };
    await expect(waves.switch('pilot', BY)).rejects.toThrow('ENOSPC');
    expect(stateOf('pilot')).toEqual(['on-premises', 'on-premises', 'on-premises']);
    expect(here.grace.until(box('anna@example.com'))).toBeUndefined();
    const again = await Waves.open(here.deps());
    expect(again.show('pilot').counts['on-premises']).toBe(3);
  });

  it('both is a state of its own, and a way back to it is the home of who began there', async () => {
    await waves.both('pilot', BY);
    expect(stateOf('pilot')).toEqual(['both', 'both', 'both']);
    here.directory.add('dual@example.com', 'both', { primary: 'cloud' });
    await waves.create('duals', listOf('dual@example.com'), BY);
    await waves.switch('duals', BY);
    await waves.rollback('duals', BY);
    expect(here.directory.find('dual@example.com')).toMatchObject({ route: 'both', primary: 'cloud' });
  });

  it('refuses a mailbox that is not in the wave, and a wave that is not there', async () => {
    await expect(waves.switch('pilot', { ...BY, except: ['x@example.com'] })).rejects.toThrow(
      'x@example.com is not in wave pilot',
    );
    await expect(waves.hold('none', BY)).rejects.toMatchObject({ refusal: 'not-found' });
    expect(() => waves.show('none')).toThrow('there is pilot');
  });

  it('shows where an administrator said otherwise for one mailbox (C6)', async () => {
    await waves.switch('pilot', BY);
    here.directory.set.set('bert@example.com', {
      address: box('bert@example.com'),
      route: 'on-premises',
      source: 'set by olga, 2026-11-22: stays',
    });
    here.directory.version += 1;
    await waves.follow();
    expect(waves.show('pilot').mailboxes.map((one) => one['overruled-by'])).toEqual([
      null,
      'set by olga, 2026-11-22: stays',
      null,
    ]);
    expect(stateOf('pilot')).toEqual(['cloud', 'cloud', 'cloud']);
  });

  it('follows a rollback of the directory, whose version is the truth', async () => {
    const before = here.directory.waves;
    await waves.switch('pilot', BY);
    here.directory.waves = before;
    here.directory.version += 1;
    await waves.follow();
    expect(stateOf('pilot')).toEqual(['on-premises', 'on-premises', 'on-premises']);
    expect(waves.show('pilot').mailboxes[0]?.steps.at(-1)).toMatchObject({
      who: 'directory',
      'directory-version': here.directory.version,
    });
  });
});

describe('wave rollback, report and replay', () => {
  beforeEach(async () => {
    here.directory.add('anna@example.com', 'on-premises', {
      aliases: ['a@example.com', 'anna@tenant.onmicrosoft.com'],
      routingAddress: box('anna@tenant.onmicrosoft.com'),
    });
    await begin();
    await waves.switch('pilot', BY);
  });

  const deliver = (...given: Parameters<Organisation['sent']>): void => {
    here.clock.time += MINUTE;
    waves.onEvent(here.sent(...given));
  };

  it('is confirmed by the first delivery to the cloud, with its TLS, by whatever address of the mailbox', async () => {
    deliver('anna@tenant.onmicrosoft.com', 'cloud', {
      'original-recipient': 'A@example.com',
      'remote-mta': { name: 'mx.cloud' },
    });
    expect(stateOf('pilot')).toEqual(['confirmed', 'cloud', 'cloud']);
    const { mailboxes, counts } = await waves.report('pilot');
    expect(counts).toMatchObject({ mailboxes: 3, cloud: 2, confirmed: 1 });
    expect(mailboxes[0]?.confirmed).toMatchObject({
      'remote-mta': { name: 'mx.cloud' },
      tls: { result: 'encrypted', protocol: 'TLSv1.3' },
    });
    expect(mailboxes[1]?.confirmed).toBeNull();
  });

  it('is confirmed neither by a copy, nor by a delivery on-premises', () => {
    deliver('bert@example.com', 'on-premises');
    deliver('bert@example.com', 'cloud', { copy: true });
    expect(stateOf('pilot')).toEqual(['cloud', 'cloud', 'cloud']);
  });

  it('finds a confirmation that a crash lost in the records', async () => {
    here.clock.time += MINUTE;
    here.sent('bert@example.com', 'cloud');
    const { mailboxes } = await waves.report('pilot');
    expect(mailboxes[1]).toMatchObject({ state: 'confirmed', delivered: { cloud: 1, 'on-premises': 0 } });
  });

  it('test users never count as migrated', async () => {
    here.directory.add('test@example.com', 'on-premises', { kind: 'probe' });
    await waves.create('probes', listOf('test@example.com', 'carl2@example.com'), BY);
    await waves.switch('probes', BY);
    deliver('test@example.com', 'cloud');
    expect((await waves.report('probes')).counts).toMatchObject({ mailboxes: 1, probes: 1, cloud: 1, confirmed: 0 });
  });

  it('reports what was held, what waits still and what bounced', async () => {
    await waves.create('w', listOf('dora@example.com'), BY);
    await waves.hold('w', BY);
    const reason = `directory: hold (version ${here.directory.version}, wave w)`;
    waves.onEvent(here.record('HOLD', 'dora@example.com', { reason, size: 1000, 'spool-id': 'A' }));
    waves.onEvent(here.record('HOLD', 'dora@example.com', { reason, size: 500, 'spool-id': 'B' }));
    expect(waves.show('w').held).toEqual({ messages: 2, octets: 1500 });
    waves.onEvent(here.record('RELEASE', 'dora@example.com', { 'spool-id': 'A' }));
    here.record('FAIL', 'dora@example.com', { 'spool-id': 'A', reply: { code: 550, enhanced: '5.1.1', text: 'no' } });
    const report = await waves.report('w');
    expect(report.held).toEqual({ messages: 1, octets: 500 });
    expect(report.mailboxes[0]).toMatchObject({ held: 2, 'held-now': 1, bounced: [{ event: 'FAIL', reply: '550 5.1.1 no' }] });
  });

  it('rollback is one version, names what the cloud has already, and how to reset the directory', async () => {
    deliver('anna@tenant.onmicrosoft.com', 'cloud', {
      'original-recipient': 'anna@example.com',
      'message-id': "<it's@example.net>",
    });
    deliver('bert@example.com', 'cloud', { 'original-recipient': 'bert+tag@example.com' });
    const changes = here.directory.changes.length;
    const back = await waves.rollback('pilot', { ...BY, reason: 'wrong tenant' });
    expect(here.directory.changes).toHaveLength(changes + 1);
    expect(ALL.map((address) => here.directory.routeOf(address))).toEqual(['on-premises', 'on-premises', 'on-premises']);
    expect(back).toMatchObject({
      moved: ALL,
      incomplete: [],
      messages: [
        { address: 'anna@example.com', from: 'cloud', to: 'on-premises', 'message-id': "<it's@example.net>" },
        { address: 'bert@example.com', from: 'cloud', to: 'on-premises' },
      ],
    });
    expect(decodeURIComponent(back.messages[0]?.search ?? '')).toContain("$filter=internetMessageId eq '<it''s@example.net>'");
    expect(back.powershell.join('\n')).toContain("'anna@example.com',\n  'bert@example.com'");
    expect(
      back.powershell.filter((line) => line.includes('Disable-')).every((line) => line.includes('-WhatIf') || line.includes('#')),
    ).toBe(true);
  });

  it('single mailboxes can be taken back; the rest stays', async () => {
    const back = await waves.rollback('pilot', { ...BY, only: ['bert@example.com'] });
    expect(back.moved).toEqual(['bert@example.com']);
    expect(stateOf('pilot')).toEqual(['cloud', 'on-premises', 'cloud']);
    expect(back.powershell.join()).not.toContain('anna');
  });

  it('replay names later what was still on its way when the mailbox came back', async () => {
    await waves.rollback('pilot', BY);
    deliver('carl@example.com', 'cloud', { 'message-id': '<late@example.net>' });
    const replay = await waves.replay('pilot');
    expect(replay.messages.map((one) => one['message-id'])).toEqual(['<late@example.net>']);
    expect(replay.instructions[0]).toContain('The relay keeps no copy');
  });

  it('replay names behind a switch what went on-premises, from the time that is asked for', async () => {
    here.clock.time -= HOUR;
    here.sent('anna@example.com', 'on-premises', { 'message-id': '<before@example.net>' });
    here.clock.time += 2 * HOUR;
    deliver('anna@example.com', 'on-premises', { 'message-id': '<on-its-way@example.net>' });
    expect((await waves.replay('pilot')).messages).toMatchObject([
      {
        from: 'on-premises',
        to: 'cloud',
        'message-id': '<on-its-way@example.net>',
        search: 'anna@example.com: UID SEARCH HEADER Message-ID "<on-its-way@example.net>"',
      },
    ]);
    const since = here.clock.time - 4 * HOUR;
    expect((await waves.replay('pilot', { since })).messages.map((one) => one['message-id'])).toEqual([
      '<before@example.net>',
      '<on-its-way@example.net>',
    ]);
  });

  it('asks once for a hundred mailboxes, and each alone where there is too much, naming whose records are not all there', async () => {
    const crowd = Array.from({ length: 250 }, (_, n) => `p${n}@example.com`);
    for (const address of crowd) here.directory.add(address);
    await waves.create('crowd', listOf(...crowd), BY);
    await waves.switch('crowd', BY);
    here.clock.time += MINUTE;
    for (const address of crowd) here.sent(address, 'cloud');
    here.questions = 0;
    const back = await waves.rollback('crowd', BY);
    expect([back.messages.length, back.incomplete, here.questions]).toEqual([250, [], 3]);
    for (let n = 0; n < 40_000; n++) here.sent('p7@example.com', 'cloud');
    here.questions = 0;
    const again = await waves.replay('crowd');
    expect([again.messages.length, again.incomplete]).toEqual([10_000 + 249, ['p7@example.com']]);
    expect(here.questions).toBe(3 + 100);
    expect(again.messages.map(({ address }) => address).filter((address, n, all) => address !== all[n - 1])).toEqual(crowd);
  });

  it('rollback waits for what is on its way to the side it left, and says how many had not ended', async () => {
    const asked: unknown[] = [];
    const known = await Waves.open(
      here.deps({
        attemptsEnd: async (isMeant, deadline) => {
          const meant = (address: string, side: 'cloud' | 'on-premises') => isMeant({ recipient: box(address), side });
          asked.push(deadline, meant('anna+tag@example.com', 'cloud'), meant('anna@example.com', 'on-premises'));
          asked.push(meant('carl@example.com', 'cloud'));
          here.sent('anna@example.com', 'cloud');
          return 2;
        },
      }),
    );
    await known.switch('pilot', BY).catch(() => undefined);
    const back = await known.rollback('pilot', { ...BY, only: ['anna@example.com'] });
    expect(asked).toEqual([5000, true, false, false]);
    expect(back['under-way']).toBe(2);
    expect(back.messages.at(-1)).toMatchObject({ address: 'anna@example.com', from: 'cloud' });
  });

  it('asks for every address of a mailbox where the directory tells them', async () => {
    const known = await Waves.open(here.deps({ addressesOf: ({ address }) => [box(`alias-of-${address}`)] }));
    here.clock.time += MINUTE;
    here.sent('alias-of-bert@example.com', 'on-premises');
    expect((await known.replay('pilot')).messages).toHaveLength(1);
  });

  it('hold of a wave that is all in the cloud keeps its mail before the way back', async () => {
    await waves.hold('pilot', BY);
    expect(stateOf('pilot')).toEqual(['hold', 'hold', 'hold']);
    await waves.rollback('pilot', BY);
    expect(stateOf('pilot')).toEqual(['on-premises', 'on-premises', 'on-premises']);
  });
});

it('without a relay waves can be looked at and not changed', async () => {
  await begin();
  const looking = await Waves.open(here.deps({ readOnly: true }));
  expect(looking.list()).toHaveLength(1);
  await expect(looking.switch('pilot', BY)).rejects.toMatchObject({ refusal: 'unavailable' });
});
