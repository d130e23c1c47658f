/** Versions of the directory: imported, guarded, overlaid, kept, gone back to. */
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDirectory } from '../../../src/directory/directory.ts';
import type { Overlay } from '../../../src/directory/ports.ts';
import type { Domain } from '../../../src/mail/address.ts';
import { compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { RoutingSettings } from '../../../src/routing/ports.ts';
import { ANNA, box, Company, clock, crowd, problems, routes, server } from './company.ts';

let company: Company;
beforeEach(async () => {
  company = new Company(await mkdtemp(join(tmpdir(), 'bridgehead-versions-')));
});
afterEach(() => rm(company.folder, { recursive: true }));

const half = (lines: readonly string[]): string[] => lines.slice(0, lines.length / 2);

describe('import', () => {
  it('answers what contract.md says, and each difference on demand', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,on-premises', 'bob@example.com,cloud', 'cid@example.com,cloud']);
    const { report, diff } = await company.import(directory, [
      'ann@example.com,cloud,ann9@t.example',
      'bob@example.com,cloud,,robert@example.com',
      'dan@example.com,on-premises',
    ]);
    expect(report).toEqual({
      version: 3,
      recipients: 3,
      cloud: 2,
      'on-premises': 1,
      added: 1,
      removed: 1,
      changed: 2,
      findings: [],
      applied: true,
    });
    expect(diff?.moves).toEqual({ 'on-premises → cloud': 1, 'as before': 1, 'new → on-premises': 1, 'cloud → unknown': 1 });
    expect(diff?.page(0, 1)).toEqual([
      {
        address: 'cid@example.com',
        from: { route: 'cloud', 'routing-address': null, source: 'imported import.csv:4' },
        to: null,
      },
    ]);
    expect(diff?.page(1, 10)).toMatchObject([
      { address: 'ann@example.com', from: { route: 'on-premises' }, to: { route: 'cloud', 'routing-address': 'ann9@t.example' } },
      { address: 'bob@example.com' },
      { address: 'dan@example.com', from: null },
    ]);
    expect(directory.history()[0]).toMatchObject({
      version: 3,
      who: 'anna',
      what: 'import imported',
      from: [{ file: 'import.csv' }],
    });
  });

  it('replaces what its source held, and leaves the other sources alone', async () => {
    await company.write('plain', ['ann@example.com,on-premises', 'eve@example.com,on-premises']);
    const directory = await company.open('plain');
    await company.import(directory, ['ann@example.com,cloud']);
    await company.import(directory, ['bob@example.com,cloud'], { source: 'second' });
    // an import goes before the files of the settings
    expect(routes(directory, 'ann@example.com', 'bob@example.com', 'eve@example.com')).toEqual(['cloud', 'cloud', 'on-premises']);
    await company.import(directory, ['zoe@example.com,cloud'], { yesShrink: true });
    expect(routes(directory, 'ann@example.com', 'bob@example.com', 'zoe@example.com')).toEqual(['on-premises', 'cloud', 'cloud']);
  });

  it('has what was imported after a restart, though the file is gone', async () => {
    await company.import(await company.open(), ['ann@example.com,cloud,,a@example.com']);
    await rm(company.file('import'));
    const directory = await company.open();
    expect(directory.active()).toMatchObject({ version: 2, recipients: 1 });
    expect(directory.active().find('a@example.com')).toMatchObject({ route: 'cloud', source: 'imported import.csv:2' });
    // also where another source makes it be built anew
    await company.write('plain', ['bob@example.com,cloud']);
    await directory.reload('SIGHUP', company.settings('plain'));
    expect(routes(directory, 'ann@example.com', 'bob@example.com')).toEqual(['cloud', 'cloud']);
  });

  it('changes nothing in a dry run, and says what would', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,on-premises']);
    const before = await company.kept();
    const { report, diff, version } = await company.import(directory, ['ann@example.com,cloud'], { dryRun: true });
    expect(report).toMatchObject({ version: 3, cloud: 1, changed: 1, applied: false });
    expect(diff?.size).toBe(1);
    // explain --with
    expect(version?.find('ann@example.com')?.route).toBe('cloud');
    expect(routes(directory, 'ann@example.com')).toEqual(['on-premises']);
    expect(await company.kept()).toEqual(before);
  });

  it('over the source of a settings file holds until that file changes', async () => {
    await company.write('plain', ['ann@example.com,on-premises']);
    const directory = await company.open('plain');
    await company.import(directory, ['ann@example.com,cloud'], { source: 'plain' });
    await directory.reload('SIGHUP');
    expect(routes(directory, 'ann@example.com')).toEqual(['cloud']);
    await company.write('plain', ['ann@example.com,hold']);
    await directory.reload('SIGHUP');
    expect(routes(directory, 'ann@example.com')).toEqual(['hold']);
  });

  it('of a large set is built in a thread of its own, with the same result', async () => {
    const directory = await company.open();
    const lines = crowd(8_000, (n) => (n % 2 === 0 ? 'cloud' : 'on-premises'));
    const { report } = await company.import(directory, lines);
    expect(report).toMatchObject({ version: 2, recipients: 8_000, cloud: 4_000, added: 8_000, applied: true });
    expect(directory.active().find('alias7999@example.com')).toMatchObject({
      route: 'on-premises',
      source: 'imported import.csv:8001',
    });
    expect(directory.active().find('user4000@t.example')?.address.address).toBe('user4000@example.com');
    expect(await company.import(directory, [...lines, 'user1@example.com,cloud'])).toMatchObject({
      report: { version: 2, applied: false, findings: [{ severity: 'error', line: 8_002 }] },
    });
  });
});

describe('an address that no session would take', () => {
  it('is told with the file that has it', async () => {
    const directory = await company.open();
    const { report } = await company.import(directory, ['zoë@example.com,cloud,,zoe@example.com']);
    expect(report.applied).toBe(true);
    expect(problems(report.findings)).toEqual([
      'warning: zoë@example.com has letters beyond ASCII before the @, and mail for it is refused with 553 5.6.7 (SMTPUTF8 is not offered)',
    ]);
  });
});

describe('guards', () => {
  it('R16 a truncated CSV is refused, the version before stays, and --yes-shrink takes it', async () => {
    const directory = await company.open();
    await company.import(
      directory,
      crowd(20, (n) => (n < 10 ? 'cloud' : 'on-premises')),
    );
    const { report } = await company.import(directory, half(crowd(20, (n) => (n < 10 ? 'cloud' : 'on-premises'))));
    expect(report).toMatchObject({ version: 2, recipients: 20, removed: 10, applied: false });
    expect(problems(report.findings)).toEqual(['error: imported lost 10 of 10 with route on-premises (100 %)']);
    expect(report.findings[0]?.remedy).toBe('If they are meant to go: bridgehead directory import FILE... --yes-shrink');
    expect(routes(directory, 'user19@example.com')).toEqual(['on-premises']);
    expect(await company.import(directory, crowd(10), { yesShrink: true })).toMatchObject({
      report: { recipients: 10, applied: true },
    });
  });

  it.each([
    ['C6 an empty file', [], 'had 40 recipients, and none of them is there any more'],
    ['C6 one side of two', crowd(40, 'cloud').slice(0, 20), 'lost 20 of 20 with route on-premises (100 %)'],
    [
      'C6 cloud users that came back to on-premises all at once',
      crowd(40, 'on-premises'),
      'lost 20 of 20 with route cloud (100 %)',
    ],
    [
      'C6 an export without the aliases',
      crowd(40, (n) => (n < 20 ? 'cloud' : 'on-premises')).map((line) => line.replace(/,[^,]*$/, '')),
      '40 of 40 recipients would lose 40 of their other addresses',
    ],
  ])('%s is refused', async (_, lines, problem) => {
    const directory = await company.open();
    await company.import(
      directory,
      crowd(40, (n) => (n < 20 ? 'cloud' : 'on-premises')),
    );
    const { report } = await company.import(directory, lines);
    expect(report.applied).toBe(false);
    expect(problems(report.findings).join('\n')).toContain(problem);
    expect(directory.active().version).toBe(2);
  });

  it('C6 cloud users whom another source would call on-premises are no small matter either', async () => {
    await company.write('plain', crowd(40));
    const directory = await company.open('plain');
    const { report } = await company.import(directory, crowd(20, 'on-premises'));
    expect(report).toMatchObject({ version: 1, applied: false, changed: 20 });
    expect(report.findings).toMatchObject([
      {
        problem: '20 of 40 with route cloud (50 %) would be on-premises again',
        remedy: 'If they are meant to go back: bridgehead directory import FILE... --yes-shrink',
      },
    ]);
    expect((await company.import(directory, crowd(4, 'on-premises'))).report).toMatchObject({ applied: true });
    expect((await company.import(directory, crowd(20, 'on-premises'), { yesShrink: true })).report).toMatchObject({
      applied: true,
      cloud: 20,
    });
  });

  it('rooms that are missing are seen among many mailboxes', async () => {
    const directory = await company.open();
    const rooms = Array.from({ length: 5 }, (_, n) => `room${n}@example.com,on-premises,,,room`);
    await company.import(directory, [...crowd(100, 'on-premises'), ...rooms]);
    const { report } = await company.import(directory, crowd(100, 'on-premises'));
    expect(problems(report.findings)).toEqual(['error: imported lost 5 of 5 of kind room (100 %)']);
  });

  it('a migration is no shrunken set: everybody may go to the cloud, and a few may leave', async () => {
    const directory = await company.open();
    await company.import(directory, crowd(40, 'on-premises'));
    expect((await company.import(directory, crowd(40, 'cloud').slice(0, 37))).report).toMatchObject({ applied: true, cloud: 37 });
  });

  it('a first version may be empty, and one of a few people may leave', async () => {
    const directory = await company.open();
    expect((await company.import(directory, [])).report.applied).toBe(true);
    await company.import(directory, ['ann@example.com,cloud', 'bob@example.com,cloud']);
    expect((await company.import(directory, ['ann@example.com,cloud'])).report.applied).toBe(true);
  });

  it('--yes-shrink is said of one source: another one that shrank as well is refused all the same', async () => {
    await company.write('plain', crowd(40, 'on-premises'));
    const directory = await company.open('plain');
    await company.import(directory, ['zoe@example.com,cloud', 'yan@example.com,cloud', 'xia@example.com,cloud']);
    await company.write('plain', crowd(10, 'on-premises'));
    const { report } = await company.import(directory, ['zoe@example.com,cloud'], { yesShrink: true });
    expect(problems(report.findings)).toEqual(['error: plain lost 30 of 40 with route on-premises (75 %)']);
    expect(report.findings[0]?.remedy).toBe('If they are meant to go: bridgehead directory refresh plain --yes-shrink');
    expect(await directory.reload('anna', undefined, { yesShrink: 'plain' })).toMatchObject({ ok: true });
    expect((await company.import(directory, ['zoe@example.com,cloud'], { yesShrink: true })).report).toMatchObject({
      applied: true,
      recipients: 11,
    });
  });

  it('C6 a source that the settings do not name any more takes nobody with it, unless it is called retired', async () => {
    await company.write('plain', crowd(400, 'on-premises'));
    await company.write('site', ['zoe@example.com,cloud', 'yan@example.com,cloud', 'xia@example.com,on-premises']);
    const directory = await company.open('plain', 'site');
    const without = company.settings('plain');
    const refused = await directory.reload('SIGHUP', without);
    expect(refused.ok).toBe(false);
    expect(refused.findings).toMatchObject([
      {
        file: 'site',
        problem: 'the settings do not name the source site any more: nobody would know 2 of 2 with route cloud (100 %)',
        remedy: 'If they are meant to go: write retired: [site] under directory in the settings',
      },
    ]);
    expect(directory.active()).toMatchObject({ version: 1, recipients: 403 });
    // the same at a start, and where another source shrank on purpose at the same time
    const opened = await openDirectory(without, { clock });
    expect(opened.ok && opened.directory.active()).toMatchObject({ version: 1, recipients: 403 });
    await company.write('plain', crowd(395, 'on-premises'));
    expect((await directory.reload('anna', without, { yesShrink: 'plain' })).ok).toBe(false);
    expect(await directory.reload('SIGHUP', { ...without, retired: ['site'] })).toMatchObject({ ok: true });
    expect(directory.active()).toMatchObject({ version: 2, recipients: 395 });
    expect(await directory.reload('SIGHUP', without)).toMatchObject({ ok: true, changed: false });
  });

  it('C6 a source under a new name, or whose people others know as well, may go; not where they would be on-premises again', async () => {
    await company.write('plain', crowd(40, 'cloud'));
    await company.write('people', crowd(40, 'cloud'));
    await company.write('old', crowd(40, 'on-premises'));
    const directory = await company.open('plain', 'old');
    const refused = await directory.reload('SIGHUP', company.settings('old'));
    expect(problems(refused.findings)).toEqual([
      'error: the settings do not name the source plain any more: 40 of 40 with route cloud (100 %) would be on-premises again',
    ]);
    expect(await directory.reload('SIGHUP', company.settings('people', 'old'))).toMatchObject({ ok: true });
    expect(directory.active().recipients).toBe(40);
  });

  it('at a start leave the last version active, and say so', async () => {
    await company.write('plain', crowd(40));
    await company.open('plain');
    await company.write('plain', crowd(10));
    const opened = await openDirectory(company.settings('plain'), { clock });
    expect(opened.ok && opened.directory.active()).toMatchObject({ version: 1, recipients: 40 });
    expect(problems(opened.findings).join()).toContain('plain lost 30 of 40');
    expect(opened.ok && (await opened.directory.reload('SIGHUP', undefined, { yesShrink: 'plain' }))).toMatchObject({ ok: true });
    expect(opened.ok && opened.directory.active()).toMatchObject({ version: 2, recipients: 10 });
  });
});

describe('conflicts', () => {
  const refusal = async (...lines: readonly string[]): Promise<string[]> =>
    problems((await company.import(await company.open(), lines)).report.findings);

  it('R10 C7 one address with two owners refuses the import and names both', async () => {
    const directory = await company.open();
    await company.import(directory, ['pilarp@example.com,cloud,,pp@example.com']);
    const { report } = await company.import(directory, [
      'pilarp@example.com,cloud,,pp@example.com',
      'paul@example.com,cloud,,PP@Example.COM',
    ]);
    expect(report).toMatchObject({
      version: 2,
      applied: false,
      findings: [{ severity: 'error', line: 3, address: 'paul@example.com' }],
    });
    expect(report.findings[0]?.problem).toContain('PP@example.com belongs to pilarp@example.com already (imported import.csv:2');
    expect(directory.active().find('paul@example.com')).toBeUndefined();
  });

  it('C7 where a contact stands beside a mailbox, the mailbox has the address, whatever the order', async () => {
    for (const lines of [
      ['ann@example.com,cloud,ann9@t.example,,contact', 'ann@example.com,on-premises,,a@example.com,mailbox'],
      ['ann@example.com,on-premises,,a@example.com,mailbox', 'ann@example.com,cloud,ann9@t.example,,contact'],
    ]) {
      const directory = await company.open();
      const { report } = await company.import(directory, lines, { yesShrink: true });
      expect(report).toMatchObject({ applied: true, recipients: 1, findings: [{ severity: 'warning' }] });
      expect(directory.active().find('a@example.com')).toMatchObject({ route: 'on-premises', kind: 'mailbox' });
      expect(directory.active().find('ann@example.com')?.kind).toBe('mailbox');
      expect(directory.active().find('ann9@t.example')).toBeUndefined();
      expect(directory.namesOf('a@example.com').map(({ key }) => key)).toEqual([
        'ann@example.com',
        'a@example.com',
        'ann@t.example',
      ]);
    }
  });

  it('routing addresses that belong to others, or to each other, are refused', async () => {
    expect(await refusal('ann@example.com,cloud,bob@t.example', 'bob@example.com,cloud,bob2@t.example,bob@t.example')).toEqual([
      'error: bob@t.example belongs to ann@example.com already (imported import.csv:2, its routing address)',
    ]);
    expect(await refusal('ann@t.example,cloud,bob@t.example', 'bob@t.example,cloud,ann@t.example')).toContainEqual(
      expect.stringContaining('belongs to'),
    );
  });

  it('addresses that look like others are refused', async () => {
    const found = await refusal('paul@example.com,cloud', 'р\u0430ul@example.com,cloud', 'ann\u200d@example.com,cloud');
    expect(found).toHaveLength(2);
  });
});

describe('overlays', () => {
  const wave = (...lines: readonly [string, Overlay['route']][]): Map<string, Overlay> =>
    new Map(lines.map(([address, route]) => [address, { address: box(address), route, source: 'wave pilot' }]));

  it('an administrator goes before waves, waves before sources, and what is lifted shows what lay below', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,on-premises,,a@example.com', 'bob@example.com,on-premises']);
    await directory.applyWave('pilot', wave(['ann@example.com', 'hold'], ['bob@example.com', 'hold']), ANNA);
    expect(routes(directory, 'a@example.com', 'bob@example.com')).toEqual(['hold', 'hold']);
    expect(directory.active().counts).toEqual({ 'on-premises': 0, cloud: 0, hold: 2, both: 0 });
    expect(await directory.set({ address: box('A@example.com'), route: 'cloud' }, ANNA)).toMatchObject({ ok: true, version: 4 });
    expect(directory.active().find('ann@example.com')).toMatchObject({
      address: { address: 'ann@example.com' },
      route: 'cloud',
      source: expect.stringMatching(/^set by anna, \d{4}-\d\d-\d\d: ticket 7$/),
    });
    expect(await directory.unset(box('ann@example.com'), ANNA)).toMatchObject({ ok: true, version: 5 });
    expect(await directory.unset(box('ann@example.com'), ANNA)).toMatchObject({ ok: false });
    expect(routes(directory, 'ann@example.com')).toEqual(['hold']);
    await directory.applyWave('pilot', new Map([['ann@example.com', undefined]]), ANNA);
    expect(routes(directory, 'ann@example.com', 'bob@example.com')).toEqual(['on-premises', 'hold']);
  });

  it('are still there after an import and after a restart, and are listed with their age', async () => {
    let directory = await company.open();
    await company.import(directory, ['ann@example.com,on-premises', 'bob@example.com,on-premises']);
    await directory.set({ address: box('ann@example.com'), route: 'cloud', routingAddress: box('ann9@t.example') }, ANNA);
    await directory.applyWave('pilot', wave(['bob@example.com', 'both']), ANNA);
    await company.import(directory, ['ann@example.com,on-premises', 'bob@example.com,on-premises', 'cid@example.com,cloud']);
    const { digest } = directory.active();
    directory = await company.open();
    expect(directory.active()).toMatchObject({ version: 5, digest });
    expect(routes(directory, 'ann9@t.example', 'bob@example.com')).toEqual(['cloud', 'both']);
    expect(directory.list()).toMatchObject({
      set: [{ address: 'ann@example.com', who: 'anna', reason: 'ticket 7', 'sources-say': 'on-premises' }],
      waves: [{ wave: 'pilot', mailboxes: 1 }],
    });
    expect(directory.list().set[0]?.age).toBeLessThan(60);
    expect(directory.show(box('ann9@t.example'))).toMatchObject({
      address: 'ann@example.com',
      entry: { route: 'cloud' },
      'of-sources': { route: 'on-premises', source: 'imported import.csv:2' },
      set: { who: 'anna' },
      addresses: expect.arrayContaining([
        { address: 'ann@example.com', role: 'primary' },
        { address: 'ann9@t.example', role: 'routing' },
      ]),
    });
  });

  it('can have recipients that no source knows', async () => {
    const directory = await company.open();
    await directory.set({ address: box('new@example.com'), route: 'cloud' }, ANNA);
    expect(directory.active()).toMatchObject({ recipients: 1, counts: { cloud: 1 } });
    expect(directory.active().find('new@t.example')?.address.address).toBe('new@example.com');
    expect([...directory.active().entries()]).toHaveLength(1);
    expect(directory.show(box('new@example.com'))?.['of-sources']).toBeNull();
  });

  it('are refused where mail would go astray', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,cloud,ann9@t.example', 'bob@example.com,cloud']);
    const refused = async (address: string, routingAddress: string) =>
      problems(
        (await directory.set({ address: box(address), route: 'cloud', routingAddress: box(routingAddress) }, ANNA)).findings,
      ).join();
    expect(await refused('bob@example.com', 'ann9@t.example')).toContain('belongs to ann@example.com');
    expect(await refused('bob@example.com', 'bob@elsewhere.example')).toContain('in no routing domain');
    expect(await refused('bob@elsewhere.example', 'bob9@t.example')).toContain('none of our domains');
    expect(directory.active().version).toBe(2);
  });
});

describe('going back', () => {
  const ROUTING: RoutingSettings = {
    domains: [
      {
        name: 'example.com' as Domain,
        includeSubdomains: false,
        type: 'internal-relay',
        unknownRecipients: 'on-premises',
        mx: 'relay',
        source: 'b.yaml:1',
      },
    ],
    connectors: [
      { name: 'cloud', side: 'cloud', space: 't.example' },
      { name: 'on-premises', side: 'on-premises', space: 'example.com' },
    ].map(({ name, side, space }) => ({
      name,
      side: side as 'cloud',
      addressSpaces: [{ pattern: space, cost: 1 }],
      nextHop: { kind: 'smart-hosts', hosts: [{ host: '10.1.0.5', port: 25 }], order: 'failover' },
      tls: { mode: 'opportunistic', profile: 'intermediate' },
      origin: 'any',
      ip: 4,
      connections: 20,
    })),
    routingDomains: ['t.example' as Domain],
    rules: [],
    relayTo: { external: ['own'], 'on-premises': ['own', 'cloud'], cloud: ['own'], gateway: ['own'] },
    messageSize: 50_000_000,
  };

  /** What is decided for a thousand addresses; the number of the version is a name, no decision. */
  function decisions(version: Parameters<typeof decideRoute>[1]): string {
    const routing = compileRouting(ROUTING);
    return Array.from({ length: 1_000 }, (_, n) => {
      const recipient = box(`${n % 3 === 0 ? 'alias' : 'user'}${n % 700}${n % 7 === 0 ? '+tag' : ''}@example.com`);
      const origin = { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false } as const;
      const decision = decideRoute(routing, version, {
        recipient,
        sender: box('x@example.net'),
        origin,
        stage: 'rcpt',
        explain: true,
      });
      return JSON.stringify(decision).replaceAll(`version ${version.version},`, '').replaceAll(`:${version.version},`, '');
    }).join('\n');
  }

  it('R16 restores byte-identical routing for 1000 addresses, after a restart too, under a new number', async () => {
    let directory = await company.open();
    await company.import(
      directory,
      crowd(600, (n) => (n % 2 === 0 ? 'cloud' : 'on-premises')),
    );
    await directory.set({ address: box('user5@example.com'), route: 'hold' }, ANNA);
    const good = decisions(directory.active());
    const { version, digest } = directory.active();
    await company.import(
      directory,
      crowd(600, (n) => (n % 3 === 0 ? 'cloud' : 'on-premises')),
      { yesShrink: true },
    );
    await directory.unset(box('user5@example.com'), ANNA);
    const bad = decisions(directory.active());
    expect(bad).not.toBe(good);
    expect(await directory.rollback(version, ANNA)).toMatchObject({ ok: true, version: 6 });
    expect(decisions(directory.active())).toBe(good);
    expect(directory.active().digest).toBe(digest);
    directory = await company.open();
    expect(directory.active().version).toBe(6);
    expect(decisions(directory.active())).toBe(good);
    // what was undone can still be asked: explain --directory-version 5
    const undone = await directory.versionAt(5);
    expect(undone === undefined ? '' : decisions(undone)).toBe(bad);
    expect(await directory.versionAt(99)).toBeUndefined();
    expect((await directory.diff(5, 6))?.moves).toMatchObject({
      'on-premises → cloud': 200,
      'cloud → on-premises': 100,
      'on-premises → hold': 1,
    });
  });

  it('to the version that is active, or that was restored already, makes no new one; else it says what is otherwise', async () => {
    const directory = await company.open();
    await company.import(directory, crowd(5, 'on-premises'));
    await company.import(directory, [...crowd(5, 'cloud'), 'new@example.com,cloud']);
    expect(await directory.rollback(3, ANNA)).toMatchObject({ ok: true, version: 3, restored: 3, diff: { changed: 0 } });
    const back = await directory.rollback(2, ANNA);
    expect(back).toMatchObject({ ok: true, version: 4, restored: 2, diff: { added: 0, removed: 1, changed: 5 } });
    expect(back.ok && back.diff.moves).toEqual({ 'cloud → on-premises': 5, 'cloud → unknown': 1 });
    expect(await directory.rollback(2, ANNA)).toMatchObject({ ok: true, version: 4, restored: 2, diff: { changed: 0 } });
    expect(directory.history().map(({ version }) => version)).toEqual([4, 3, 2, 1]);
  });

  it('without a number goes to the version before, and says when there is none', async () => {
    const directory = await company.open();
    expect(await directory.rollback(undefined, ANNA)).toMatchObject({ ok: false });
    await company.import(directory, ['ann@example.com,cloud']);
    await company.import(directory, ['ann@example.com,hold']);
    await directory.rollback(undefined, ANNA);
    expect(routes(directory, 'ann@example.com')).toEqual(['cloud']);
  });

  it('C6 what was restored stays until the next import, whatever files and servers say', async () => {
    await company.write('plain', ['ann@example.com,on-premises']);
    let directory = await company.open('plain');
    await directory.updateSource('ad', server([{ address: box('bob@example.com'), route: 'on-premises' }]));
    const wanted = directory.active().version;
    await company.write('plain', ['ann@example.com,cloud']);
    await directory.reload('SIGHUP');
    await directory.rollback(wanted, ANNA);
    expect(directory.list().pinned).toBe(wanted);
    const pinned = directory.active().version;
    await company.write('plain', ['ann@example.com,hold']);
    expect(await directory.reload('SIGHUP')).toMatchObject({ ok: true, changed: false });
    expect(await directory.updateSource('ad', server([{ address: box('bob@example.com'), route: 'cloud' }]))).toMatchObject({
      ok: true,
    });
    expect(routes(directory, 'ann@example.com', 'bob@example.com')).toEqual(['on-premises', 'on-premises']);
    directory = await company.open('plain');
    expect(routes(directory, 'ann@example.com', 'bob@example.com')).toEqual(['on-premises', 'on-premises']);
    expect(directory.active().version).toBe(pinned);
    // an administrator's word and a wave's are no refresh
    await directory.set({ address: box('ann@example.com'), route: 'both' }, ANNA);
    expect(routes(directory, 'ann@example.com')).toEqual(['both']);
    await directory.unset(box('ann@example.com'), ANNA);
    await company.import(directory, ['zoe@example.com,cloud']);
    expect(directory.list().pinned).toBeNull();
    expect(routes(directory, 'ann@example.com', 'bob@example.com', 'zoe@example.com')).toEqual(['hold', 'cloud', 'cloud']);
  });
});

describe('live sources', () => {
  const ann = { address: box('ann@example.com'), aliases: [box('a@example.com')] };
  const bob = { address: box('bob@example.com') };

  it('C7 two owners: who has it in the active version keeps it, the rest goes on', async () => {
    const directory = await company.open();
    await directory.updateSource('ad', server([ann, bob]));
    const result = await directory.updateSource(
      'ad',
      server([ann, { ...bob, aliases: [box('a@example.com')], route: 'cloud' }, { address: box('cid@example.com') }]),
    );
    expect(result.ok).toBe(true);
    expect(problems(result.findings)).toEqual([
      expect.stringMatching(/^warning: a@example\.com belongs to ann@example\.com already/),
    ]);
    expect(directory.active().find('a@example.com')?.address.address).toBe('ann@example.com');
    expect(routes(directory, 'bob@example.com', 'cid@example.com')).toEqual(['on-premises', 'on-premises']);
  });

  it('a record that cannot be taken stays as it was', async () => {
    const directory = await company.open();
    await directory.updateSource('ad', server([ann, bob]));
    await directory.updateSource('ad', server([{ ...ann, route: 'cloud', routingAddress: box('ann@elsewhere.example') }, bob]));
    expect(routes(directory, 'ann@example.com', 'a@example.com')).toEqual(['on-premises', 'on-premises']);
  });

  it('an empty answer is refused, and a server that is away changes nothing; both are told', async () => {
    const directory = await company.open();
    await directory.updateSource('ad', server([ann, bob]));
    const { version } = directory.active();
    expect(await directory.updateSource('ad', server([]))).toMatchObject({ ok: false });
    expect(directory.list().sources).toMatchObject([{ name: 'ad', kind: 'live', state: 'failing', recipients: 2 }]);
    await directory.updateSource('ad', server([ann, bob]));
    expect(directory.list().sources).toMatchObject([{ state: 'ok', error: null }]);
    directory.sourceFailed('ad', 'dc1 does not answer');
    expect(directory.list().sources).toMatchObject([{ state: 'failing', error: 'dc1 does not answer', recipients: 2 }]);
    const again = await company.open();
    expect(again.active().version).toBe(version);
    expect(again.list().sources).toMatchObject([{ error: 'dc1 does not answer' }]);
    expect(routes(again, 'a@example.com')).toEqual(['on-premises']);
  });
});

describe('what is kept', () => {
  it('is enough to start from where nothing changed, and the files are not read', async () => {
    const longAgo = new Date('2026-01-01T00:00:00Z');
    await company.write('plain', crowd(5));
    await utimes(company.file('plain'), longAgo, longAgo);
    await company.open('plain');
    // other content, the same size and time: only who reads it can know
    const text = await readFile(company.file('plain'), 'utf8');
    await writeFile(company.file('plain'), text.replaceAll('user', 'xser'));
    await utimes(company.file('plain'), longAgo, longAgo);
    expect(routes(await company.open('plain'), 'user1@example.com', 'xser1@example.com')).toEqual(['cloud', undefined]);
  });

  it('P7 whatever a crash left beside it is removed, and a cut line does not count', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,cloud']);
    const kept = await company.kept();
    const root = join(company.folder, 'directory');
    // before the base's name: a draft; before the journal's line: a base that nobody names; in the line: a part of it
    await writeFile(join(root, 'bases', 'x.draft'), 'cut');
    await writeFile(join(root, 'bases', `${'0'.repeat(32)}.index`), 'unnamed');
    await writeFile(join(root, 'sources', 'y.draft'), 'cut');
    const again = await company.open();
    expect(again.active().version).toBe(2);
    expect(await company.kept()).toEqual(kept);
    await appendFile(join(root, 'history.jsonl'), '\n{"version":3,"digest":"');
    expect((await company.open()).active().version).toBe(2);
  });

  it('damaged, is made anew of the records', async () => {
    const directory = await company.open();
    await company.import(directory, ['ann@example.com,cloud,,a@example.com']);
    const bases = join(company.folder, 'directory', 'bases');
    for (const name of await readdir(bases)) await truncate(join(bases, name), 300);
    const again = await company.open();
    expect(again.active()).toMatchObject({ version: 2, recipients: 1 });
    expect(routes(again, 'a@example.com')).toEqual(['cloud']);
  });

  it('does not grow without end: fifty versions, and the active one', async () => {
    const directory = await company.open();
    for (let n = 0; n < 60; n++) await company.import(directory, [`ann@example.com,cloud,ann${n}@t.example`]);
    const root = join(company.folder, 'directory');
    expect(await readdir(join(root, 'bases'))).toHaveLength(50);
    expect((await readdir(join(root, 'sources'))).length).toBeLessThanOrEqual(50);
    expect(directory.history()).toHaveLength(61);
    expect(await directory.versionAt(5)).toBeUndefined();
    expect((await directory.versionAt(20))?.find('ann18@t.example')).toBeDefined();
  });

  it('does not grow without end: by octets as well, but for the active version and the one before it', async () => {
    const opened = await openDirectory(company.settings(), { clock, keptOctets: 1 });
    if (!opened.ok) throw new Error('refused');
    const { directory } = opened;
    for (const count of [3, 6, 9]) await company.import(directory, crowd(count, 'on-premises'));
    const kept = directory.list().versions.map(({ version }) => version);
    expect(kept).toEqual([4, 3]);
    expect((await company.kept()).filter((one) => one.includes('.index'))).toHaveLength(2);
    expect(await directory.rollback(2, ANNA)).toMatchObject({ ok: false, findings: [{ problem: 'version 2 is not kept' }] });
    expect(await directory.rollback(3, ANNA)).toMatchObject({ ok: true, version: 5 });
  });

  it('is not touched beside a running relay', async () => {
    await company.write('plain', crowd(5));
    await company.open('plain');
    await company.write('plain', crowd(6));
    const before = await company.kept();
    const beside = await openDirectory(company.settings('plain'), { clock, readOnly: true });
    expect(beside.ok && beside.directory.active()).toMatchObject({ version: 2, recipients: 6 });
    expect(await company.kept()).toEqual(before);
  });
});
