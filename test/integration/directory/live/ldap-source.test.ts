/** The directory server as a source, over real sockets (coexistence.md 4.3 e). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ldapSource } from '../../../../src/directory/live/ldap-source.ts';
import type { Fetched, LdapSettings, LiveChecks } from '../../../../src/directory/live/ports.ts';
import type { DirectoryRecord } from '../../../../src/directory/ports.ts';
import { type Domain, parseDomain } from '../../../../src/mail/address.ts';
import { testCa } from '../../../support/certificates.ts';
import { type LdapOptions, LdapServer, type TestObject } from '../../../support/ldap-server.ts';

const domain = (text: string): Domain => parseDomain(text) as Domain;
const CHECKS: LiveChecks = {
  domains: [{ name: domain('contoso.com'), includeSubdomains: false }],
  routingDomains: [domain('contoso.mail.onmicrosoft.com')],
};

const user = (name: string, more: Record<string, string | readonly string[]> = {}): TestObject => ({
  dn: `CN=${name},OU=Sales,DC=contoso,DC=com`,
  objectClass: ['top', 'person', 'user'],
  mail: `${name}@contoso.com`,
  proxyAddresses: [`SMTP:${name}@contoso.com`],
  homeMDB: 'CN=DB1,DC=contoso,DC=com',
  msExchRecipientTypeDetails: '1',
  ...more,
});
const MOVED = user('pilarp', {
  proxyAddresses: [
    'SMTP:pilarp@contoso.com',
    'smtp:pp@contoso.com',
    'smtp:pilarp@contoso.mail.onmicrosoft.com',
    'X500:/o=Old/cn=pilarp',
    'SIP:pilarp@contoso.com',
  ],
  homeMDB: [],
  targetAddress: 'SMTP:pilarp@contoso.mail.onmicrosoft.com',
  legacyExchangeDN: '/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=pilarp',
  msExchRecipientTypeDetails: '2147483648',
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-ldap-'));
  await writeFile(join(folder, 'ca.pem'), testCa);
  await writeFile(join(folder, 'password'), 'not a secret\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const settings = (urls: readonly string[], more: Partial<LdapSettings> = {}): LdapSettings => ({
  kind: 'ldap',
  name: 'ad',
  urls,
  startTls: true,
  caFile: join(folder, 'ca.pem'),
  filter: '(proxyAddresses=*)',
  bindDn: 'CN=relay,DC=contoso,DC=com',
  passwordFile: join(folder, 'password'),
  pageSize: 2,
  refresh: 300_000,
  deadline: 2_000,
  ...more,
});

const LOGIN = ['CN=relay,DC=contoso,DC=com', 'not a secret'] as const;
const fetch = (urls: readonly string[], more?: Partial<LdapSettings>): Promise<Fetched> =>
  ldapSource(settings(urls, more), CHECKS).fetch(new AbortController().signal);
const brief = ({ address, route, routingAddress, kind }: DirectoryRecord): string =>
  `${address.address} ${kind} ${route}${routingAddress === undefined ? '' : ` ${routingAddress.address}`}`;
const got = (fetched: Fetched): string[] => (fetched.ok ? fetched.records.map(brief) : [fetched.problem]);

async function fetchFrom(options: LdapOptions, more?: Partial<LdapSettings>): Promise<{ fetched: Fetched; log: string[] }> {
  await using server = await LdapServer.start({ login: LOGIN, ...options });
  return { fetched: await fetch([server.url], more), log: server.log };
}

describe('an LDAP source', () => {
  it('reads every page, over StartTLS, and nothing is said in clear', async () => {
    const names = ['anna', 'ben', 'carla', 'dan', 'eva'];
    const { fetched, log } = await fetchFrom({ objects: names.map((name) => user(name)) }, { base: 'DC=contoso,DC=com' });
    expect(got(fetched)).toEqual(names.map((name) => `${name}@contoso.com mailbox on-premises`));
    expect(log).toEqual([
      'bind CN=relay,DC=contoso,DC=com tls',
      ...Array.from({ length: 3 }, () => 'search DC=contoso,DC=com tls'),
    ]);
  });

  it('reads over TLS from the first octet', async () => {
    const { fetched, log } = await fetchFrom({ secure: true, objects: [user('anna')] });
    expect(got(fetched)).toEqual(['anna@contoso.com mailbox on-premises']);
    expect(log[0]).toBe('bind CN=relay,DC=contoso,DC=com tls');
  });

  it('asks the server for its base where none is set', async () => {
    const { log } = await fetchFrom({ objects: [user('anna')] });
    expect(log.slice(1)).toEqual(['search  tls', 'search DC=example,DC=com tls']);
  });

  it('routes by the table of Exchange, with aliases and X500 keys (R9, R10)', async () => {
    const objects = [
      MOVED,
      user('room', { msExchRecipientTypeDetails: '8589934592', targetAddress: 'smtp:room@contoso.mail.onmicrosoft.com' }),
      user('mu', { msExchRecipientTypeDetails: '128', targetAddress: 'SMTP:mu@elsewhere.example', homeMDB: [] }),
      {
        dn: 'CN=Old,DC=contoso,DC=com',
        objectClass: 'user',
        proxyAddresses: 'SMTP:old@contoso.com',
        msExchHomeServerName: '/o=C/cn=EX03',
      },
      { dn: 'CN=No,DC=contoso,DC=com', objectClass: 'user', mail: 'nomailbox@contoso.com' },
    ];
    const { fetched } = await fetchFrom({ objects });
    expect(got(fetched)).toEqual([
      'pilarp@contoso.com remote-mailbox cloud pilarp@contoso.mail.onmicrosoft.com',
      'room@contoso.com room cloud room@contoso.mail.onmicrosoft.com',
      'mu@contoso.com mail-user on-premises',
      'old@contoso.com mailbox on-premises',
    ]);
    const moved = fetched.ok ? fetched.records[0] : undefined;
    expect(moved?.aliases.map(({ address }) => address)).toEqual(['pp@contoso.com']);
    expect(moved?.x500).toEqual(['/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=pilarp', '/o=Old/cn=pilarp']);
  });

  it('names what is odd and goes on', async () => {
    const staged = user('staged', { targetAddress: 'SMTP:staged@contoso.mail.onmicrosoft.com' });
    const broken = user('broken', { proxyAddresses: ['SMTP:broken@contoso.com', 'smtp:not an address'] });
    const { fetched } = await fetchFrom({ objects: [staged, broken] });
    expect(got(fetched)).toHaveLength(2);
    expect(fetched.ok && fetched.findings.map(({ severity, address, problem }) => `${severity} ${address}: ${problem}`)).toEqual([
      'warning staged@contoso.com: its mailbox is on-premises, and its targetAddress sends on to staged@contoso.mail.onmicrosoft.com (a staged migration)',
      'warning broken@contoso.com: the address "not an address" is no e-mail address',
    ]);
  });

  it('leaves out contacts of the world that nobody here can write to', async () => {
    const contact = (name: string, ...proxyAddresses: string[]): TestObject => ({
      dn: `CN=${name},DC=contoso,DC=com`,
      objectClass: 'contact',
      msExchRecipientTypeDetails: '64',
      proxyAddresses,
    });
    const objects = [
      contact('partner', 'SMTP:partner@elsewhere.example'),
      contact('known', 'SMTP:known@elsewhere.example', 'smtp:known@contoso.com'),
    ];
    expect(got((await fetchFrom({ objects })).fetched)).toEqual(['known@elsewhere.example contact on-premises']);
  });

  it('knows the members of a group, also where the server cuts the list', async () => {
    const people = ['anna', 'ben', 'carla', 'dan', 'eva'].map((name) => user(name));
    const group: TestObject = {
      dn: 'CN=Team,DC=contoso,DC=com',
      objectClass: 'group',
      msExchRecipientTypeDetails: '256',
      proxyAddresses: 'SMTP:team@contoso.com',
      member: people.map(({ dn }) => dn),
    };
    for (const range of [undefined, 2]) {
      const { fetched } = await fetchFrom({ objects: [group, ...people], ...(range === undefined ? {} : { range }) });
      const team = fetched.ok ? fetched.records.find(({ kind }) => kind === 'group') : undefined;
      expect(team?.members?.map(({ localPart }) => localPart)).toEqual(['anna', 'ben', 'carla', 'dan', 'eva']);
    }
  });
});

describe('a directory server in trouble', () => {
  it('is left for the next one in the list', async () => {
    await using gone = await LdapServer.start();
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    await using server = await LdapServer.start({ login: LOGIN, objects: [user('anna')] });
    expect(got(await fetch([url, server.url]))).toEqual(['anna@contoso.com mailbox on-premises']);
    const both = await fetch([url, url]);
    expect(both).toMatchObject({ ok: false, problem: expect.stringMatching(/ECONNREFUSED.*; ldap:.*ECONNREFUSED/) });
  });

  it('that closes in the middle gives nothing, rather than a part; the next one gives all', async () => {
    const objects = ['anna', 'ben', 'carla', 'dan', 'eva'].map((name) => user(name));
    await using first = await LdapServer.start({ login: LOGIN, objects, closesAfterPages: 1 });
    await using second = await LdapServer.start({ login: LOGIN, objects });
    expect(await fetch([first.url])).toMatchObject({ ok: false });
    expect(got(await fetch([first.url, second.url]))).toHaveLength(5);
  });

  it('that does not answer is not waited for longer than the deadline, nor in its handshake', async () => {
    const objects = ['anna', 'ben', 'carla'].map((name) => user(name));
    expect((await fetchFrom({ objects, hangs: 'page' }, { deadline: 200 })).fetched).toMatchObject({
      ok: false,
      problem: expect.stringContaining('timed out'),
    });
    expect((await fetchFrom({ objects, hangs: 'handshake' }, { deadline: 200 })).fetched).toMatchObject({
      ok: false,
      problem: expect.stringContaining('the TLS handshake timed out'),
    });
  });

  it('that refuses the password is the last one asked, so that the account is not locked', async () => {
    await writeFile(join(folder, 'wrong'), 'something else');
    await using first = await LdapServer.start({ login: LOGIN });
    await using second = await LdapServer.start({ login: LOGIN });
    const fetched = await fetch([first.url, second.url], { passwordFile: join(folder, 'wrong') });
    expect(fetched).toMatchObject({ ok: false, remedy: expect.stringContaining('not locked') });
    expect(JSON.stringify(fetched)).not.toContain('something else');
    expect(second.log).toEqual([]);
  });

  it('whose certificate nobody knows hears no password', async () => {
    await using server = await LdapServer.start({ login: LOGIN });
    const { caFile: _none, ...rest } = settings([server.url]);
    const fetched = await ldapSource(rest, CHECKS).fetch(new AbortController().signal);
    expect(fetched).toMatchObject({ ok: false, remedy: 'Name its issuer in ldap.ca-file' });
    expect(server.log).toEqual([]);
  });

  it('with an empty or unreadable password file is not asked at all', async () => {
    await writeFile(join(folder, 'empty'), '\n');
    await using server = await LdapServer.start();
    expect(await fetch([server.url], { passwordFile: join(folder, 'empty') })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('is empty'),
    });
    expect(await fetch([server.url], { passwordFile: join(folder, 'nowhere') })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('ENOENT'),
    });
    expect(server.log).toEqual([]);
  });

  it('is let go when the relay stops', async () => {
    await using server = await LdapServer.start({
      login: LOGIN,
      objects: ['a', 'b', 'c'].map((name) => user(name)),
      hangs: 'page',
    });
    const stopping = new AbortController();
    const fetching = ldapSource(settings([server.url], { deadline: 60_000 }), CHECKS).fetch(stopping.signal);
    await expect.poll(() => server.log.length).toBeGreaterThan(2);
    stopping.abort();
    expect(await fetching).toMatchObject({ ok: false, problem: expect.stringContaining('the reading was ended') });
  });
});
