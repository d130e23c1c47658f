/** C6-C8, R9-R11, R16 and R17 (coexistence.md 0 and 5): who lives where, and that mail goes there, by real sessions. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { NamedFile } from '../../../src/admin/directory-contract.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { LdapServer, type TestObject } from '../../support/ldap-server.ts';
import * as samples from '../../unit/directory/readers/samples.ts';
import { arrived, Coexistence, ROUTING_DOMAIN, rcpts } from './harness.ts';

const exo = (name: string) => `${name}@${ROUTING_DOMAIN}`;
const PILAR = 'pilarp@contoso.mail.onmicrosoft.com';
const IMCEAEX = 'IMCEAEX-_o=Contoso_ou=First+20Administrative+20Group_cn=Recipients_cn=pilarp@contoso.com';
const HEADER = 'address,route,routing-address,aliases,kind';

let dns: DnsServer;
let world: Coexistence;

beforeAll(async () => {
  dns = await DnsServer.start({});
  world = await Coexistence.start({
    domains: [
      '{ name: example.com, unknown-recipients: reject }',
      '{ name: contoso.com, unknown-recipients: reject }',
      '{ name: proved.example, unknown-recipients: reject, verification: { txt: "MS=ms1" } }',
    ],
    more: [`dns: { servers: ["${dns.server}"] }`, 'queue: { retry: [1s] }'],
    recipients: [
      'free@example.com,cloud',
      'gated@proved.example,cloud',
      'a@example.com,cloud',
      'a+b@example.com,on-premises',
      'word@example.com,on-premises',
      'strong@example.com,on-premises',
    ],
    second: ['strong@example.com,cloud', 'weaker@example.com,cloud'],
  });
});
afterEach(() => world.forget());
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
});

const plain = (name: string, ...rows: readonly string[]): NamedFile => world.file(name, HEADER, ...rows);
const take = async (file: NamedFile, options: Record<string, string | boolean> = {}) =>
  await world.operations.importDirectory([file], { 'yes-shrink': true, ...options });
const refusedAt = async (to: string): Promise<string> => (await world.send({ to })).rcpt[0] ?? '';
const activeVersion = async (): Promise<number> => (await world.operations.listDirectory()).version;

/** Sends a message; the side that has it then, and for whom. */
async function where(to: string): Promise<string> {
  world.forget();
  await world.deliver({ to });
  return await vi.waitFor(
    () => {
      const found = [...rcpts(world.cloud).map((one) => `cloud ${one}`), ...rcpts(world.home).map((one) => `on-premises ${one}`)];
      if (found.length === 0) throw new Error(`nothing for ${to}`);
      return found.join(', ');
    },
    { timeout: 8_000, interval: 10 },
  );
}

describe('C8 domain proof', () => {
  it('C8: what vanishes later only warns, and a domain without the setting has no gate', async () => {
    expect(await where('free@example.com')).toBe(`cloud ${exo('free')}`);
    await world.operations.verifyDomain('proved.example', {});
    expect(await refusedAt('gated@proved.example')).toMatch(/^451 4\.7\.1 /);
    dns.records.set('proved.example', { txt: ['MS=ms1'] });
    expect(await world.operations.verifyDomain('proved.example', {})).toMatchObject({ proof: { state: 'verified' } });
    expect(await where('gated@proved.example')).toBe(`cloud ${exo('gated')}`);
    dns.records.delete('proved.example');
    expect(await world.operations.verifyDomain('proved.example', {})).toMatchObject({ proof: { state: 'lost' } });
    expect(await where('gated@proved.example')).toBe(`cloud ${exo('gated')}`);
    const { findings } = await world.operations.status();
    expect(findings.filter(({ problem }) => problem.includes('proved.example'))).toMatchObject([{ severity: 'warning' }]);
  });
});

describe('R17 files as they come', () => {
  const cloudCsv = samples.CLOUD_CSV;
  it.each([
    ['an export with #TYPE, in UTF-16LE', Buffer.from(`\ufeff${samples.csv(samples.REMOTE_MAILBOXES)}`, 'utf16le'), 'pp', PILAR],
    ['an export with ; between its cells', Buffer.from(samples.csv(samples.REMOTE_MAILBOXES, ';')), 'pp', PILAR],
    ['an export with addresses joined by +', Buffer.from(joined('+')), 'pp', PILAR],
    [
      'cloud.csv with commas in LegacyExchangeDN',
      Buffer.from(cloudCsv, 'utf16le'),
      'pilarp',
      'pilarp@domain1.microsoftonline.com',
    ],
    ['LDIF, folded and in base64', Buffer.from(samples.LDIF.replaceAll('changetype: add\n', '')), 'pp', PILAR],
    ['Graph with a space behind SMTP:', Buffer.from(JSON.stringify({ value: samples.GRAPH_USERS.value })), 'pilarp', PILAR],
  ])('R17: %s, and mail goes by it', async (_what, content, name, routed) => {
    const done = await take(world.file('export.txt', content));
    expect(done.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(done.applied).toBe(true);
    expect(await where(`${name}@contoso.com`)).toBe(`cloud ${routed}`);
  });

  it('R17: cells that lost their data are refused with the command that keeps it, and nothing changes', async () => {
    await take(world.file('good.csv', Buffer.from(samples.csv(samples.REMOTE_MAILBOXES))));
    const lost = samples
      .csv(samples.REMOTE_MAILBOXES)
      .replace(/"SMTP:pilarp@contoso\.com;[^"]*"/, '"System.Collections.ArrayList"');
    const done = await take(world.file('lost.csv', Buffer.from(lost)));
    expect(done.applied).toBe(false);
    expect(done.findings.map(({ remedy }) => remedy).join('\n')).toContain("-join ';'");
    expect(await where('pp@contoso.com')).toBe(`cloud ${PILAR}`);
  });

  it('R17: the passwords of a migration batch file reach no disk and no record', async () => {
    const batch = world.file('batch.csv', Buffer.from(samples.BATCH));
    const said = await take(batch).then(
      (done) => JSON.stringify(done),
      (error: unknown) => String(error),
    );
    expect(said).toContain('wave create');
    expect(said).not.toMatch(samples.PASSWORDS);
    for (const file of filesUnder(join(world.folder, 'var'))) expect(readFileSync(file, 'latin1')).not.toMatch(samples.PASSWORDS);
  });
});

describe('R9 X500 replies', () => {
  it('R9: IMCEAEX goes to the side where its owner lives now', async () => {
    await take(world.file('export.csv', Buffer.from(samples.csv(samples.REMOTE_MAILBOXES))));
    expect(await where(IMCEAEX)).toBe(`cloud ${PILAR}`);
    const word = { address: 'pilarp@contoso.com', reason: 'back for a while' };
    await world.operations.setRecipient({ ...word, route: 'on-premises' });
    expect(await where(IMCEAEX)).toBe(`on-premises ${IMCEAEX}`);
    await world.operations.setRecipient({ address: word.address, lift: true, reason: 'as the sources say' });
  });
});

describe('R10 C7 one owner of an address', () => {
  it('R10: an alias, in whatever case, goes to the routing address of its owner', async () => {
    await take(world.file('export.csv', Buffer.from(samples.csv(samples.REMOTE_MAILBOXES))));
    expect(await where('PP@Contoso.COM')).toBe(`cloud ${PILAR}`);
  });

  it('R10 C7: a second object that claims it refuses the file with both names, and the active version stays', async () => {
    const version = await activeVersion();
    const rows = ['pilarp@contoso.com,cloud,,pp@contoso.com,', 'peter@contoso.com,on-premises,,pp@contoso.com,'];
    const done = await take(plain('two.csv', ...rows));
    expect(done.applied).toBe(false);
    const told = JSON.stringify(done.findings);
    expect(told).toContain('pilarp@contoso.com');
    expect(told).toContain('peter@contoso.com');
    expect(await activeVersion()).toBe(version);
    expect(await where('pp@contoso.com')).toBe(`cloud ${PILAR}`);
  });

  it('C7: a contact beside a mailbox is legitimate, and the stronger kind owns the address', async () => {
    const rows = ['pair@contoso.com,cloud,,,contact', 'pair@contoso.com,on-premises,,,mailbox'];
    expect(await take(plain('pair.csv', ...rows))).toMatchObject({ applied: true });
    expect(await where('pair@contoso.com')).toBe('on-premises pair@contoso.com');
  });
});

describe('C7 two owners in a live source', () => {
  const user = (name: string, more: readonly string[] = []): TestObject => ({
    dn: `CN=${name},DC=example,DC=com`,
    objectClass: ['top', 'person', 'user'],
    mail: `${name}@example.com`,
    proxyAddresses: [`SMTP:${name}@example.com`, ...more],
    homeMDB: 'CN=DB1,DC=example,DC=com',
    msExchRecipientTypeDetails: '1',
  });
  const moved = (name: string): TestObject => ({
    ...user(name, [`smtp:${exo(name)}`]),
    homeMDB: [],
    targetAddress: `SMTP:${exo(name)}`,
    msExchRecipientTypeDetails: '2147483648',
  });

  it('C7: who has the address in the active version keeps it, the finding is told, and the rest goes on', async () => {
    await using server = await LdapServer.start({ objects: [user('ada', ['smtp:info@example.com']), user('ben'), user('cleo')] });
    await using live = await Coexistence.start({
      domains: ['{ name: example.com, unknown-recipients: reject }'],
      sources: [`{ name: ad, ldap: { url: "${server.url}", start-tls: false, base: "DC=example,DC=com", refresh: 1h } }`],
      recipients: [],
    });
    const said = async (to: string) => (await live.send({ to })).rcpt[0]?.slice(0, 9);
    await vi.waitFor(async () => expect(await said('info@example.com')).toBe('250 2.1.5'), { timeout: 8_000, interval: 50 });
    await arrived(live.home, 'info@example.com');

    // Ben claims Ada's alias, Cleo has moved, and Dora is new
    server.options.objects = [
      user('ada', ['smtp:info@example.com']),
      user('ben', ['smtp:info@example.com', 'smtp:bernard@example.com']),
      moved('cleo'),
      user('dora'),
    ];
    const { ok, findings } = await live.operations.refreshSource({ source: 'ad' });
    expect(ok).toBe(true);
    expect(findings.map(({ severity, problem }) => `${severity}: ${problem}`).join()).toMatch(
      /warning: info@example\.com belongs to ada@example\.com already/,
    );
    expect((await live.operations.showRecipient('info@example.com')).address).toBe('ada@example.com');
    const { addresses } = await live.operations.showRecipient('ben@example.com');
    expect(addresses.map(({ address }) => address)).not.toContain('bernard@example.com');
    expect((await live.operations.status()).findings.map(({ problem }) => problem).join()).toContain(
      'info@example.com belongs to',
    );
    live.forget();
    for (const to of ['info@example.com', 'ben@example.com', 'dora@example.com']) {
      await live.deliver({ to });
      await arrived(live.home, to);
    }
    await live.deliver({ to: 'cleo@example.com' });
    await arrived(live.cloud, exo('cleo'));
    expect(await said('bernard@example.com')).toBe('550 5.1.1');

    // a server that is away changes nothing, and somebody hears of it
    await server[Symbol.asyncDispose]();
    expect(await live.operations.refreshSource({ source: 'ad' })).toMatchObject({ ok: false });
    const { findings: told } = await live.operations.status();
    expect(told.find(({ code }) => code === 'source-failing:ad')).toMatchObject({ severity: 'warning' });
    expect((await live.operations.listDirectory()).sources).toContainEqual(
      expect.objectContaining({ name: 'ad', state: 'failing' }),
    );
    expect(await said('dora@example.com')).toBe('250 2.1.5');
  });
});

describe('R11 sub-addresses', () => {
  it('R11: exact before base; a + in a legitimate local part wins', async () => {
    expect(await where('a+b@example.com')).toBe('on-premises a+b@example.com');
    expect(await where('a+x@example.com')).toBe(`cloud ${exo('a+x')}`);
    expect(await where('A+X.y@Example.com')).toBe(`cloud ${exo('a+X.y')}`);
  });
});

describe('R16 C6 versions with guards', () => {
  const people = Array.from({ length: 1000 }, (_, i) => `user${i}@example.com,${i % 2 === 0 ? 'cloud' : 'on-premises'},,,`);
  const routes = async (): Promise<string> => {
    const all: string[] = [];
    for (let start = 0; start < people.length; start += 50) {
      const part = people.slice(start, start + 50).map(async (row) => {
        const {
          reason: _,
          'directory-version': __,
          steps: ___,
          ...decided
        } = await world.operations.explain({
          recipient: row.slice(0, row.indexOf(',')),
        });
        return JSON.stringify(decided);
      });
      all.push(...(await Promise.all(part)));
    }
    return all.join('\n');
  };

  it('R16 C6: half a file is refused, on both sides; --yes-shrink takes it, and a rollback restores 1000 routes byte for byte', async () => {
    const source = { source: 'people' };
    const whole = await take(plain('people.csv', ...people), source);
    expect(whole.applied).toBe(true);
    const before = await routes();
    for (const fewer of [people.slice(0, 500), people.filter((_, i) => i % 2 === 1), people.filter((_, i) => i % 2 === 0)]) {
      const cut = plain('people.csv', ...fewer);
      expect(await world.operations.importDirectory([cut], source)).toMatchObject({ applied: false, version: whole.version });
    }
    expect(await activeVersion()).toBe(whole.version);
    expect(await where('user998@example.com')).toBe(`cloud ${exo('user998')}`);
    const moved = plain('people.csv', ...people.slice(0, 500).map((row) => row.replace('on-premises', 'cloud')));
    const diff = await world.operations.diffDirectory([moved], source);
    expect(diff.moves).toMatchObject({ 'on-premises → cloud': 250, 'cloud → unknown': 250 });
    expect(await take(moved, source)).toMatchObject({ applied: true });
    expect(await refusedAt('user998@example.com')).toMatch(/^550 5\.1\.1 /);
    expect(await where('user1@example.com')).toBe(`cloud ${exo('user1')}`);
    await world.operations.rollbackDirectory({ version: whole.version });
    expect(await routes()).toBe(before);
    expect(await where('user1@example.com')).toBe('on-premises user1@example.com');
  });

  it('C6: a rollback pins what it restored until the next explicit import', async () => {
    expect((await world.operations.listDirectory()).pinned).not.toBeNull();
    const now = readFileSync(join(world.folder, 'recipients.csv'), 'utf8');
    world.file('recipients.csv', `${now.trimEnd().replace('word@example.com,on-premises', 'word@example.com,cloud')}`);
    await world.operations.reload();
    expect(await where('word@example.com')).toBe('on-premises word@example.com');
    await take(plain('more.csv', 'more@example.com,on-premises,,,'), { source: 'more' });
    expect((await world.operations.listDirectory()).pinned).toBeNull();
  });

  it('C6: a file of the settings that shrank is refused at a reload, and taken where somebody says so of this source', async () => {
    const { operations } = world;
    const second = (...rows: string[]) => world.file('second.csv', 'address,route', ...rows);
    const people = Array.from({ length: 20 }, (_, n) => `of-second${n}@example.com,on-premises`);
    second('strong@example.com,cloud', 'weaker@example.com,cloud', ...people);
    expect(await operations.reload()).toMatchObject({ ok: true });
    second('strong@example.com,cloud', 'weaker@example.com,cloud', ...people.slice(0, 5));
    const refused = await operations.reload();
    expect(refused.mistakes).toMatchObject([
      {
        problem: 'second lost 15 of 20 with route on-premises (75 %)',
        remedy: 'If they are meant to go: bridgehead directory refresh second --yes-shrink',
      },
    ]);
    expect(await operations.refreshSource({ source: 'second' })).toMatchObject({ ok: false, recipients: null });
    expect(await operations.refreshSource({ source: 'second', 'yes-shrink': true, who: 'anna' })).toMatchObject({
      ok: true,
      recipients: 7,
    });
    expect((await operations.directoryHistory({ limit: 1 })).versions[0]).toMatchObject({ who: 'anna', what: 'reload' });
    expect(await refusedAt('of-second19@example.com')).toMatch(/^550 5\.1\.1 /);
    expect(await operations.reload()).toMatchObject({ ok: true, mistakes: [] });
    await expect(operations.refreshSource({ source: 'people' })).rejects.toThrow('people was imported');
  });

  it('C6: directory set wins over waves, waves over sources, earlier sources over later', async () => {
    const { operations } = world;
    expect(await where('strong@example.com')).toBe('on-premises strong@example.com');
    expect(await where('weaker@example.com')).toBe(`cloud ${exo('weaker')}`);
    const { created } = await operations.createWave('pilot', { addresses: [{ address: 'strong@example.com', line: 1 }] });
    expect(created).toBe(true);
    await operations.holdWave('pilot', {});
    await world.deliver({ to: 'strong@example.com' });
    await world.records('strong@example.com', 'HOLD');
    await operations.setRecipient({ address: 'strong@example.com', route: 'cloud', reason: 'as the chief says' });
    // what was held follows
    await arrived(world.cloud, exo('strong'));
    expect(await where('strong@example.com')).toBe(`cloud ${exo('strong')}`);
  });
});

function joined(joiner: string): string {
  return samples.csv(
    samples.REMOTE_MAILBOXES.map((row, i) => row.map((cell, j) => (i > 0 && j === 4 ? cell.replaceAll(';', joiner) : cell))),
  );
}

function* filesUnder(path: string): Iterable<string> {
  for (const entry of readdirSync(path, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) yield join(entry.parentPath, entry.name);
}
