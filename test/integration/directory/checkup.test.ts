import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Checkup } from '../../../src/directory/checkup.ts';
import { DirectoryDesk } from '../../../src/directory/desk.ts';
import { type Directory, openDirectory } from '../../../src/directory/directory.ts';
import type { DirectorySettings, Finding } from '../../../src/directory/ports.ts';
import { unsafeMailboxes } from '../../../src/directory/reconcile/wave-check.ts';
import type { DirectoryVersion } from '../../../src/directory/version.ts';
import { type Domain, parseMailbox } from '../../../src/mail/address.ts';
import { silentLog } from '../../../src/platform/logger.ts';

const ROUTING = 'tenant.mail.onmicrosoft.com';
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const box = (text: string) => {
  const parsed = parseMailbox(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const isVersion = (trial: DirectoryVersion | readonly Finding[]): trial is DirectoryVersion => 'digest' in trial;

let folder: string;
let settings: DirectorySettings & { readonly live: readonly { readonly name: string; readonly kind: 'ldap' | 'graph' }[] };
let directory: Directory;
let checkup: Checkup;
let changes: number;
let desk: DirectoryDesk;

const file = (name: string, ...lines: readonly string[]): { name: string; path: string } => {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return { name, path };
};
const EXPORT = '"PrimarySmtpAddress","EmailAddresses","RecipientTypeDetails"';
const mailbox = (name: string, type: string, routing = name): string =>
  `"${name}@example.com","SMTP:${name}@example.com;smtp:${routing}@${ROUTING}","${type}"`;

function openCheckup(): Checkup {
  return new Checkup({
    directory,
    settings: () => settings,
    folder: settings.folder,
    domainState: () => 'none',
    learned: () => [],
    clock,
    log: silentLog,
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'checkup-'));
  const { path } = file('recipients.csv', 'address,route', 'anna@example.com,on-premises', 'bert@example.com,on-premises');
  settings = {
    sources: [{ name: 'plain', file: path }],
    live: [],
    folder: join(folder, 'directory'),
    domains: [{ name: 'example.com' as Domain, includeSubdomains: false }],
    routingDomains: [ROUTING as Domain],
    connectors: [],
  };
  const opened = await openDirectory(settings, { clock });
  if (!opened.ok) throw new Error(JSON.stringify(opened.findings));
  directory = opened.directory;
  checkup = openCheckup();
  changes = 0;
  desk = new DirectoryDesk({
    directory,
    checkup,
    queued: () => Promise.resolve({ recipients: 0, moves: 0, changes: {}, list: [] }),
    changed: () => Promise.resolve(void changes++),
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('an export that is given for comparing', () => {
  it('C4: makes a wave safe or unsafe, and routes nobody', async () => {
    const members = [box('anna@example.com'), box('bert@example.com')];
    expect(await checkup.checkMailboxes(members, 'cloud')).toMatchObject({ unknown: 2 });
    const kept = await desk.keepExport(
      [file('exo.csv', EXPORT, mailbox('anna', 'UserMailbox'), mailbox('bert', 'MailUser'))],
      'cloud',
      undefined,
    );
    expect(kept).toMatchObject({ kept: true, recipients: 2, mailboxes: 1 });
    expect(directory.active()).toMatchObject({ version: 1, counts: { cloud: 0 } });
    const checked = await checkup.checkMailboxes(members, 'cloud');
    expect(checked).toMatchObject({ safe: 1, unsafe: 1, unknown: 0 });
    expect(unsafeMailboxes(checked)).toMatchObject([
      { address: 'bert@example.com', why: expect.stringContaining('without a mailbox') },
    ]);
  });

  it('is compared with the other side, and still known after a restart', async () => {
    await desk.keepExport([file('exo.csv', EXPORT, mailbox('anna', 'UserMailbox'))], 'cloud', undefined);
    await desk.keepExport(
      [file('home.csv', EXPORT, mailbox('anna', 'UserMailbox'), mailbox('bert', 'UserMailbox'))],
      'on-premises',
      undefined,
    );
    const { findings, sides } = await openCheckup().check();
    expect(sides).toMatchObject({
      cloud: { origins: ['exo.csv'], mailboxes: 1 },
      'on-premises': { origins: ['home.csv'], mailboxes: 2 },
    });
    expect(findings.map(({ kind, address }) => `${kind} ${address}`)).toEqual(['both-sides anna@example.com']);
  });

  it('that is refused leaves the one before', async () => {
    await desk.keepExport([file('exo.csv', EXPORT, mailbox('anna', 'UserMailbox'))], 'cloud', undefined);
    const broken = await desk.keepExport(
      [file('bad.csv', EXPORT, '"anna@example.com","System.String[]","UserMailbox"')],
      'cloud',
      undefined,
    );
    expect(broken.kept).toBe(false);
    const own = await desk.keepExport([file('own.csv', 'address,route', 'x@example.com,cloud')], 'cloud', undefined);
    expect(own.findings[0]?.problem).toContain('says nothing of what a server has');
    expect((await checkup.check()).sides.cloud).toMatchObject({ origins: ['exo.csv'] });
  });
});

describe('the desk', () => {
  it('imports, and takes an imported export for the word of its side', async () => {
    const home = file('home.csv', EXPORT, mailbox('anna', 'RemoteUserMailbox'), mailbox('bert', 'UserMailbox'));
    const diff = await desk.diff([home], { offset: 0, limit: 10 });
    expect(diff).toMatchObject({ ok: true, moves: { 'on-premises → cloud': 1 }, more: false });
    expect(changes).toBe(0);
    const done = await desk.import([home], {}, { who: 'anna' });
    expect(done).toMatchObject({ applied: true, version: 2, cloud: 1, 'on-premises': 1, hold: 0, both: 0 });
    expect(changes).toBe(1);
    expect((await openCheckup().check()).sides['on-premises']).toMatchObject({ origins: ['home.csv'], recipients: 2 });
    expect(desk.history(10).versions.map(({ version, what }) => [version, what])).toEqual([
      [2, 'import imported'],
      [1, 'start'],
    ]);
  });

  it('R16: tells the difference of a set that the guards would refuse, and says that it is refused', async () => {
    const many = Array.from({ length: 20 }, (_, i) => `user${i}@example.com,cloud`);
    await desk.import([file('all.csv', 'address,route', ...many)], {}, { who: 'anna' });
    const half = [file('half.csv', 'address,route', ...many.slice(0, 10))];
    const diff = await desk.diff(half, { offset: 0, limit: 3 });
    expect(diff).toMatchObject({ ok: false, removed: 10, more: true });
    expect(diff.entries).toHaveLength(3);
    const refused = await desk.import(half, {}, { who: 'anna' });
    expect(refused).toMatchObject({ applied: false, version: 2 });
    expect(changes).toBe(1);
    expect(await desk.import(half, { 'yes-shrink': true }, { who: 'anna' })).toMatchObject({ applied: true, version: 3 });
  });

  it('asks another directory: a version that was, and one that would be', async () => {
    await desk.set({ address: box('anna@example.com'), route: 'cloud' }, { who: 'anna', reason: 'test' });
    const old = await desk.trial({ version: 1 });
    expect(isVersion(old) && old.find('anna@example.com')?.route).toBe('on-premises');
    const next = await desk.trial({ files: [file('next.csv', 'address,route', 'bert@example.com,cloud')], options: {} });
    expect(isVersion(next) && next.find('bert@example.com')?.route).toBe('cloud');
    expect(directory.active().find('bert@example.com')?.route).toBe('on-premises');
    expect(await desk.trial({ version: 99 })).toMatchObject([{ problem: 'version 99 is not kept' }]);
    const bad = await desk.trial({ files: [file('bad.csv', 'address,route', 'nonsense,cloud')], options: {} });
    expect(bad).toMatchObject([{ severity: 'error', address: 'nonsense' }]);
  });
});
