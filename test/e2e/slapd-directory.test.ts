/** A directory server as a live source: what is changed there is routed by after the next refresh, and its death changes nothing. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Directory, openDirectory } from '../../src/directory/directory.ts';
import { ldapSource } from '../../src/directory/live/ldap-source.ts';
import type { LdapSettings } from '../../src/directory/live/ports.ts';
import { Refresher } from '../../src/directory/live/refresher.ts';
import { type Domain, parseDomain } from '../../src/mail/address.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { type AdObject, hasSlapd, Slapd } from './support/slapd.ts';
import { Workspace } from './support/workspace.ts';

if (!hasSlapd)
  process.stderr.write('\n*** slapd-directory.test.ts is SKIPPED: slapd is not installed (apt-get install slapd) ***\n\n');

const domain = (text: string): Domain => parseDomain(text) as Domain;
const CLOUD = 'contoso.mail.onmicrosoft.com';
const COUNT = 1_200; // more than slapd and Active Directory give in one answer

const dnOf = (name: string): string => `cn=${name},dc=contoso,dc=com`;
const person = (name: string): AdObject => ({
  dn: dnOf(name),
  objectClass: 'user',
  cn: name,
  mail: `${name}@contoso.com`,
  proxyAddresses: [`SMTP:${name}@contoso.com`, `smtp:${name}.alias@contoso.com`],
  legacyExchangeDN: `/o=Contoso/ou=First Administrative Group/cn=Recipients/cn=${name}`,
  homeMDB: 'CN=DB1,DC=contoso,DC=com',
  msExchRecipientTypeDetails: '1',
});

describe.skipIf(!hasSlapd)('slapd as a live source', () => {
  const workspace = new Workspace('slapd');
  const names = Array.from({ length: COUNT }, (_, index) => `user${index}`);
  let slapd: Slapd;
  let directory: Directory;
  let refresher: Refresher;
  let settings: LdapSettings;

  const checks = {
    domains: [{ name: domain('contoso.com'), includeSubdomains: false }],
    routingDomains: [domain(CLOUD)],
    connectors: [
      { name: 'cloud', side: 'cloud' as const, byMx: false },
      { name: 'on-premises', side: 'on-premises' as const, byMx: false },
    ],
  };
  const find = (address: string): string | undefined => {
    const entry = directory.active().find(address);
    return entry === undefined ? undefined : `${entry.route} ${entry.routingAddress?.address ?? ''}`.trim();
  };
  const state = () => refresher.states()[0];

  beforeAll(async () => {
    slapd = await Slapd.start(workspace);
    await slapd.add(...names.map(person));
    await slapd.add({
      dn: dnOf('team'),
      objectClass: 'group',
      cn: 'team',
      msExchRecipientTypeDetails: '256',
      proxyAddresses: 'SMTP:team@contoso.com',
      member: [dnOf('user1'), dnOf('user2')],
    });
    writeFileSync(workspace.path('password'), `${slapd.reader.password}\n`);
    settings = {
      kind: 'ldap',
      name: 'ad',
      urls: ['ldap://localhost:1', slapd.url],
      startTls: true,
      caFile: slapd.caFile,
      base: slapd.base,
      filter: '(proxyAddresses=*)',
      bindDn: slapd.reader.dn,
      passwordFile: workspace.path('password'),
      pageSize: 500,
      refresh: 300_000,
      deadline: 10_000,
    };
    const opened = await openDirectory(
      { ...checks, sources: [], live: [{ name: 'ad' }], precedence: ['ad'], folder: workspace.folder('directory') },
      { clock: systemClock },
    );
    if (!opened.ok) throw new Error(JSON.stringify(opened.findings));
    directory = opened.directory;
    refresher = new Refresher([{ source: ldapSource(settings, checks), refresh: settings.refresh, fingerprint: '' }], {
      updates: directory,
      clock: systemClock,
      log: silentLog,
      random: Math.random,
    });
  });
  afterAll(async () => {
    await refresher[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  it('reads all of it by pages over StartTLS, the server that is away passed over', async () => {
    expect(await refresher.refresh('ad')).toMatchObject({ ok: true, recipients: COUNT + 1 });
    expect(directory.active().recipients).toBe(COUNT + 1);
    expect(find('user7@contoso.com')).toBe('on-premises');
    expect(find('user7.alias@contoso.com')).toBe('on-premises');
    expect(state()).toMatchObject({ state: 'good', recipients: COUNT + 1, error: null, age: 0 });
  });

  it('an entry that is changed there is followed after a refresh, and only that one', async () => {
    await slapd.set(dnOf('user7'), {
      msExchRecipientTypeDetails: ['2147483648'],
      targetAddress: [`SMTP:user7@${CLOUD}`],
      homeMDB: [],
    });
    const before = directory.active().version;
    expect(find('user7@contoso.com')).toBe('on-premises');
    await refresher.refresh('ad');
    expect(find('user7@contoso.com')).toBe(`cloud user7@${CLOUD}`);
    expect(find('user7.alias@contoso.com')).toBe(`cloud user7@${CLOUD}`);
    expect(find('user8@contoso.com')).toBe('on-premises');
    expect(directory.active().version).toBe(before + 1);
  });

  it('nothing changed is no new version', async () => {
    const before = directory.active().version;
    expect(await refresher.refresh('ad')).toMatchObject({ ok: true });
    expect(directory.active().version).toBe(before);
  });

  it('a filter with escapes of RFC 4515 finds what it names', async () => {
    await slapd.add(person('odd (name)*'));
    const only = ldapSource({ ...settings, filter: '(cn=odd \\28name\\29\\2a)' }, checks);
    await slapd.set(dnOf('odd (name)*'), { proxyAddresses: ['SMTP:odd@contoso.com'] });
    const fetched = await only.fetch(new AbortController().signal);
    expect(fetched.ok && fetched.records.map(({ address }) => address.address)).toEqual(['odd@contoso.com']);
    await slapd.remove(dnOf('odd (name)*'));
  });

  it('slapd killed: nothing changes, and the state says why', async () => {
    const before = directory.active();
    await slapd.kill();
    expect(await refresher.refresh('ad')).toMatchObject({ ok: false, problem: expect.stringContaining('ECONNREFUSED') });
    expect(directory.active()).toBe(before);
    expect(find('user7@contoso.com')).toBe(`cloud user7@${CLOUD}`);
    expect(state()).toMatchObject({
      state: 'stale',
      recipients: COUNT + 1,
      error: { problem: expect.stringContaining('ECONNREFUSED') },
    });
    await slapd.start();
    expect(await refresher.refresh('ad')).toMatchObject({ ok: true });
    expect(state()).toMatchObject({ state: 'good', error: null });
  });

  it('a wrong password is named, without the password', async () => {
    writeFileSync(workspace.path('password'), 'something else');
    const refreshed = await refresher.refresh('ad');
    expect(refreshed).toMatchObject({ ok: false, problem: expect.stringMatching(/credentials/i) });
    expect(JSON.stringify(refreshed)).not.toContain('something else');
    writeFileSync(workspace.path('password'), slapd.reader.password);
  });

  it('slapd empty: the guard refuses it (C6, R16), until somebody says yes', async () => {
    const before = directory.active();
    await slapd.remove(dnOf('team'), ...names.map(dnOf));
    const refreshed = await refresher.refresh('ad');
    expect(refreshed).toMatchObject({ ok: false, problem: expect.stringContaining('refused') });
    expect(directory.active()).toBe(before);
    expect(find('user7@contoso.com')).toBe(`cloud user7@${CLOUD}`);
    expect(state()).toMatchObject({ state: 'stale', recipients: COUNT + 1 });
    expect(await refresher.refresh('ad', { yesShrink: true })).toMatchObject({ ok: true, recipients: 0 });
    expect(find('user7@contoso.com')).toBeUndefined();
  });
});
