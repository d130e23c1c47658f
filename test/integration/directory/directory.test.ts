import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Directory, openDirectory } from '../../../src/directory/directory.ts';
import { type DirectorySettings, type Finding } from '../../../src/directory/ports.ts';
import type { Domain } from '../../../src/mail/address.ts';

const clock = { now: () => Date.parse('2026-11-22T10:00:00Z'), monotonic: () => 0 };
const HEADER = 'address,route,routing-address,aliases,kind,connector,primary\n';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-directory-'));
});
afterEach(() => rm(folder, { recursive: true }));

const settings = (...names: readonly string[]): DirectorySettings => ({
  sources: names.map((name) => ({ name, file: join(folder, `${name}.csv`) })),
  folder: join(folder, 'versions'),
  domains: [{ name: 'example.com' as Domain, includeSubdomains: true }],
  routingDomains: ['t.example' as Domain, 'old.example' as Domain],
  connectors: [
    { name: 'on-premises', side: 'on-premises', byMx: false },
    { name: 'site-b', side: 'on-premises', byMx: false },
  ],
});
const write = (text: string, name = 'plain') => writeFile(join(folder, `${name}.csv`), text);
const history = async () =>
  (await readFile(join(folder, 'versions', 'history.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
const short = (findings: readonly Finding[]) =>
  findings.map(({ severity, file, line, address, problem }) => `${severity} ${file}:${line} ${address}: ${problem}`);

async function opened(...names: readonly string[]): Promise<Directory> {
  const result = await openDirectory(settings(...(names.length === 0 ? ['plain'] : names)), { clock });
  if (!result.ok) throw new Error(JSON.stringify(result.findings));
  return result.directory;
}
async function refused(text: string): Promise<string[]> {
  await write(text);
  const result = await openDirectory(settings('plain'), { clock });
  expect(result.ok).toBe(false);
  return short(result.findings);
}

describe('recipients.csv', () => {
  it('is read with comments, empty lines, a byte order mark, any case, and columns in any order', async () => {
    await write(
      '\ufeff# who\nRoute,Address,Aliases\n\ncloud,"Ann.Berg@Example.com",ann@example.com  AB@EXAMPLE.com\n# and\non-premises,bob@example.com,\n,,\n',
    );
    const directory = (await opened()).active();
    expect(directory.recipients).toBe(2);
    expect(directory.find('ab@example.com')).toEqual({
      address: { localPart: 'Ann.Berg', domain: 'example.com', address: 'Ann.Berg@example.com' },
      route: 'cloud',
      primary: 'on-premises',
      source: 'plain plain.csv:4',
    });
    expect(directory.find('bob@example.com')?.source).toBe('plain plain.csv:6');
    expect(directory.find('nobody@example.com')).toBeUndefined();
  });

  it('gives every column to the entry', async () => {
    await write(`${HEADER}room@example.com,both,room1@old.example,r@example.com,room,site-b,cloud\n`);
    expect((await opened()).active().find('r@example.com')).toMatchObject({
      route: 'both',
      routingAddress: { address: 'room1@old.example' },
      kind: 'room',
      connector: 'site-b',
      primary: 'cloud',
    });
  });

  it('finds the owner by the routing address, the written one and the default one', async () => {
    await write(`${HEADER}ann@example.com,cloud,a1@t.example\nbob@example.com,cloud\ncid@example.com,hold\n`);
    const directory = (await opened()).active();
    expect(directory.find('a1@t.example')?.address.address).toBe('ann@example.com');
    expect(directory.find('bob@t.example')?.address.address).toBe('bob@example.com');
    expect(directory.find('cid@t.example')?.route).toBe('hold');
  });

  it('is refused as a whole, with every culprit and its line', async () => {
    const found = await refused(
      `${HEADER}ann@example,cloud\nbad address,cloud\nbob@example.com,clowd\ncid@example.com,cloud,cid@gmail.example\ndan@example.com,on-premises,,,,nowhere\n,cloud\n`.replace(
        'ann@example,',
        'ann@example..com,',
      ),
    );
    expect(found).toEqual([
      'error plain.csv:2 ann@example..com: the address "ann@example..com" is no e-mail address',
      'error plain.csv:3 bad address: the address "bad address" is no e-mail address',
      'error plain.csv:4 bob@example.com: there is no route "clowd"',
      'error plain.csv:5 cid@example.com: the routing address cid@gmail.example is in no routing domain',
      'error plain.csv:6 dan@example.com: there is no connector "nowhere"',
      'error plain.csv:7 : the address is missing',
    ]);
  });

  it('a connector of the other side is refused, and told which would do', async () => {
    const known: DirectorySettings['connectors'] = [
      { name: 'on-premises', side: 'on-premises', byMx: false },
      { name: 'cloud', side: 'cloud', byMx: true },
      { name: 'filter', side: 'internet', byMx: false },
      { name: 'internet', side: 'internet', byMx: true },
    ];
    const lines = (...pairs: readonly string[]) =>
      `${HEADER}${pairs.map((pair, n) => `p${n}@example.com,${pair.replace(' ', ',,,,')}\n`).join('')}`;
    const open = () => openDirectory({ ...settings('plain'), connectors: known }, { clock });

    await write(lines('cloud on-premises', 'on-premises cloud', 'on-premises internet', 'both filter', 'hold internet'));
    const result = await open();
    expect(result.ok).toBe(false);
    expect(short(result.findings)).toEqual([
      'error plain.csv:2 p0@example.com: the route is cloud, and the connector "on-premises" leads to the on-premises side',
      'error plain.csv:3 p1@example.com: the route is on-premises, and the connector "cloud" leads to the cloud',
      'error plain.csv:4 p2@example.com: the route is on-premises, and the connector "internet" goes by MX, which for our own domains is this relay',
      'error plain.csv:5 p3@example.com: the route is both, and the connector "filter" leads to the Internet',
      'error plain.csv:6 p4@example.com: the route is hold, and the connector "internet" goes by MX, which for our own domains is this relay',
    ]);
    expect(result.findings.map(({ remedy }) => remedy).slice(0, 2)).toEqual([
      'Name one that fits (cloud, filter, internet), or leave the column empty',
      'Name one that fits (on-premises, filter), or leave the column empty',
    ]);

    await write(lines('cloud filter', 'on-premises filter', 'both cloud', 'both on-premises', 'hold cloud', 'hold on-premises'));
    expect((await open()).ok).toBe(true);
  });

  it('new settings whose connector is gone, or leads to the other side, are refused: the version and the settings before stay', async () => {
    await write(`${HEADER}ann@example.com,on-premises,,,,site-b\n`);
    const directory = await opened('plain');
    const imported = join(folder, 'import.csv');
    await writeFile(imported, `${HEADER}bob@example.com,on-premises,,,,site-b\n`);
    await directory.import([{ file: imported, origin: 'import.csv' }], { who: 'anna' });
    const [first] = settings().connectors;
    const without = { ...settings('plain'), connectors: first === undefined ? [] : [first] };
    const turned = {
      ...settings('plain'),
      connectors: settings().connectors.map((one) => (one.name === 'site-b' ? { ...one, side: 'cloud' as const } : one)),
    };
    for (const [next, problem] of [
      [without, 'there is no connector "site-b"'],
      [turned, 'the route is on-premises, and the connector "site-b" leads to the cloud'],
    ] as const) {
      const loading = await directory.reload('SIGHUP', next);
      expect(loading.ok).toBe(false);
      expect(short(loading.findings)).toEqual([
        `error import.csv:2 bob@example.com: ${problem}`,
        `error plain.csv:2 ann@example.com: ${problem}`,
      ]);
      expect(directory.active().find('bob@example.com')?.connector).toBe('site-b');
    }
    expect(await directory.reload('SIGHUP')).toMatchObject({ ok: true, changed: false });
  });

  it('R10 C7 an address with two owners refuses the file and names both', async () => {
    expect(
      await refused(
        `${HEADER}ann@example.com,cloud,,shared@example.com\nbob@example.com,cloud,,Shared@Example.com\nann@example.com,hold\n`,
      ),
    ).toEqual([
      'error plain.csv:3 bob@example.com: Shared@example.com belongs to ann@example.com already (plain plain.csv:2, an alias)',
      'error plain.csv:4 ann@example.com: ann@example.com stands here twice (plain plain.csv:2)',
    ]);
    expect(await refused(`${HEADER}info@example.com,cloud\ninfo@sub.example.com,cloud\n`)).toEqual([
      'error plain.csv:3 info@sub.example.com: its default routing address info@t.example belongs to info@example.com already (plain plain.csv:2), and mail for one would reach the other',
    ]);
  });

  it('tells a wrong header, a file of another kind and a missing one', async () => {
    expect(await refused('mail,route\nx@example.com,cloud\n')).toEqual([
      'error plain.csv:1 : there is no column "mail"',
      'error plain.csv:1 : the column "address" is missing',
    ]);
    expect(await refused(`${HEADER}"ann@example.com,cloud\n`)).toEqual([expect.stringContaining('this is no CSV')]);
    expect(await refused('')).toEqual(['error plain.csv:1 : the file is empty']);
    expect(await refused(`${HEADER}ann@example.com,cloud,,a@example.com,b@example.com,,,more\n`)).toContainEqual(
      expect.stringContaining('8 cells under 7 columns'),
    );
    await rm(join(folder, 'plain.csv'));
    expect(await openDirectory(settings('plain'), { clock })).toMatchObject({
      ok: false,
      findings: [{ problem: 'the file cannot be read (ENOENT)' }],
    });
  });

  it('warns of an address in a domain that is not ours', async () => {
    await write(`${HEADER}ann@example.com,cloud,,ann@corp.local\n`);
    const result = await openDirectory(settings('plain'), { clock });
    expect(result.ok).toBe(true);
    expect(short(result.findings)).toEqual([
      'warning plain.csv:2 ann@example.com: ann@corp.local is in none of our domains, so nobody can write to it here',
    ]);
  });
});

describe('sources', () => {
  it('an earlier one wins over a later one, and an address taken from a later one is told', async () => {
    await write(`${HEADER}ann@example.com,cloud,,a@example.com\n`, 'first');
    await write(`${HEADER}ann@example.com,on-premises\nbob@example.com,on-premises,,a@example.com\n`, 'second');
    const result = await openDirectory(settings('first', 'second'), { clock });
    if (!result.ok) throw new Error(JSON.stringify(result.findings));
    const directory = result.directory.active();
    expect(directory.recipients).toBe(2);
    expect(directory.find('ann@example.com')?.source).toBe('first first.csv:2');
    expect(directory.find('a@example.com')?.address.address).toBe('ann@example.com');
    expect(short(result.findings)).toEqual([
      'warning second.csv:3 bob@example.com: a@example.com belongs to ann@example.com already (first first.csv:2, an alias)',
    ]);
  });

  it('none at all is an empty version', async () => {
    const result = await openDirectory(settings(), { clock });
    expect(result.ok && result.directory.active().version).toBe(1);
  });
});

describe('versions', () => {
  it('a changed set is a new version, active at once, and recorded with who, when, from what and how many', async () => {
    await write(`${HEADER}ann@example.com,on-premises\n`);
    const directory = await opened();
    const before = directory.active();
    await write(`${HEADER}ann@example.com,cloud\n`);
    expect(await directory.reload('SIGHUP')).toMatchObject({ ok: true, changed: true });
    expect(directory.active().version).toBe(2);
    expect(directory.active().find('ann@example.com')?.route).toBe('cloud');
    // a version never changes under somebody who still has it
    expect(before.find('ann@example.com')?.route).toBe('on-premises');
    expect(await history()).toMatchObject([
      { version: 1, who: 'start', recipients: 1, counts: { 'on-premises': 1, cloud: 0 } },
      {
        version: 2,
        who: 'SIGHUP',
        time: '2026-11-22T10:00:00.000Z',
        recipients: 1,
        counts: { cloud: 1 },
        from: [{ source: 'plain' }],
      },
    ]);
  });

  it('the number grows only with the content, also over a restart and a cut line in the history', async () => {
    await write(`${HEADER}ann@example.com,cloud\n`);
    expect((await opened()).active().version).toBe(1);
    await appendFile(join(folder, 'versions', 'history.jsonl'), '\n{"version":2,"time":"20');
    await write(`# a comment\n${HEADER}\nann@example.com,cloud\n`);
    const directory = await opened();
    expect(directory.active().version).toBe(1);
    expect(directory.active().find('ann@example.com')?.source).toBe('plain plain.csv:4');
    await write(`${HEADER}ann@example.com,hold\n`);
    await directory.reload('SIGHUP');
    expect((await opened()).active().version).toBe(2);
  });

  it('P7 a set with a mistake changes nothing', async () => {
    await write(`${HEADER}ann@example.com,cloud\n`);
    const directory = await opened();
    await write(`${HEADER}ann@example.com,hold\nbob@example.com,nowhere\n`);
    expect(await directory.reload('SIGHUP')).toMatchObject({ ok: false, findings: [{ line: 3 }] });
    expect(directory.active()).toMatchObject({ version: 1 });
    expect(directory.active().find('ann@example.com')?.route).toBe('cloud');
    await rm(join(folder, 'plain.csv'));
    expect(await directory.reload('SIGHUP')).toMatchObject({ ok: false });
    expect(directory.active().find('ann@example.com')?.route).toBe('cloud');
    expect(await history()).toHaveLength(1);
  });

  it('reloads one after the other, and reads beside a running relay without writing', async () => {
    await write(`${HEADER}ann@example.com,cloud\n`);
    const directory = await opened();
    await write(`${HEADER}ann@example.com,hold\n`);
    const beside = await openDirectory(settings('plain'), { clock, readOnly: true });
    expect(beside.ok && beside.directory.active().version).toBe(2);
    expect(await history()).toHaveLength(1);
    const [first, second] = await Promise.all([directory.reload('one'), directory.reload('two')]);
    expect(first).toMatchObject({ ok: true, changed: true });
    expect(second).toMatchObject({ ok: true, changed: false });
    expect(await history()).toHaveLength(2);
  });
});
