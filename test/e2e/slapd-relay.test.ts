/** A directory server behind the whole relay: what is queued follows what changes there, and its death changes nothing (P3, C6, R16). */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DirectoryList } from '../../src/admin/directory-contract.ts';
import { seeded, testMessage } from './support/messages.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { type AdObject, hasSlapd, Slapd } from './support/slapd.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { until, Workspace } from './support/workspace.ts';

if (!hasSlapd)
  process.stderr.write('\n*** slapd-relay.test.ts is SKIPPED: slapd is not installed (apt-get install slapd) ***\n\n');

const CLOUD = 'tenant.mail.example.net';
const COUNT = 40;

const dnOf = (name: string): string => `cn=${name},dc=contoso,dc=com`;
const person = (name: string): AdObject => ({
  dn: dnOf(name),
  objectClass: 'user',
  cn: name,
  mail: `${name}@example.com`,
  proxyAddresses: [`SMTP:${name}@example.com`, `smtp:${name}.alias@example.com`],
  homeMDB: 'CN=DB1,DC=contoso,DC=com',
  msExchRecipientTypeDetails: '1',
});

describe.skipIf(!hasSlapd)('slapd as a live source of the relay', () => {
  const workspace = new Workspace('slapd-relay');
  const names = Array.from({ length: COUNT }, (_, index) => `user${index}`);
  const onPremises = new SmtpSink();
  const cloud = new SmtpSink();
  let slapd: Slapd;
  let relay: Relay;

  // commands run beside this process, for the sides are in it and must answer an attempt that is under way meanwhile
  const said = async (...args: string[]): Promise<unknown> => JSON.parse((await relay.cliBeside(...args, '--json')).stdout);
  const list = async (): Promise<DirectoryList> => (await said('directory', 'list')) as DirectoryList;
  const routeOf = async (address: string): Promise<string> => ((await said('explain', address)) as { route: string }).route;
  const refresh = () => relay.cliBeside('directory', 'refresh', 'ad');
  const send = async (token: string, to: string): Promise<void> => {
    const opened = await SmtpClient.open(relay.port);
    await opened?.client.command('EHLO sender.example');
    const sent = await opened?.client.send('sender@source.example', [to], testMessage(token, 2_000, seeded(1)).bytes);
    expect(sent).toMatchObject({ kind: 'acked' });
    await opened?.client.quit();
  };
  /** Puts off `to` on both sides, sends it a message and waits until its attempt was refused for the time being. */
  const queue = async (token: string, to: string, mailboxes: readonly string[]): Promise<void> => {
    let asked = 0;
    const answer = (stage: string, argument: string) => {
      if (stage !== 'rcpt' || !mailboxes.some((mailbox) => argument.includes(`<${mailbox}@`))) return undefined;
      asked += 1;
      return '451 4.2.1 Moving house';
    };
    onPremises.answer = answer;
    cloud.answer = answer;
    await send(token, to);
    await until(`${token} was put off`, () => asked > 0);
  };
  const open = (): void => {
    onPremises.answer = () => undefined;
    cloud.answer = () => undefined;
  };
  const arrived = (sink: SmtpSink, token: string) =>
    sink.deliveries.filter((delivery) => delivery.token === token).map(({ recipients }) => recipients);

  beforeAll(async () => {
    await Promise.all([onPremises.listen(), cloud.listen()]);
    slapd = await Slapd.start(workspace);
    await slapd.add(...names.map(person));
    writeFileSync(workspace.path('password'), `${slapd.reader.password}\n`);
    const ldap = [
      `url: "${slapd.url}"`,
      `ca-file: ${slapd.caFile}`,
      `base: "${slapd.base}"`,
      `bind-dn: "${slapd.reader.dn}"`,
      `password-file: ${workspace.path('password')}`,
    ].join(', ');
    relay = await Relay.prepare(workspace, {
      settings: twoSides({
        onPremises: smartHost(onPremises.port),
        cloud: smartHost(cloud.port),
        more: 'queue: { retry: [2s], expire-after: 1h }',
      }),
      sources: [`{ name: ad, ldap: { ${ldap} }, refresh: 1h }`],
      recipients: [],
    });
    await relay.start();
    await until('the relay has read slapd', async () => (await list()).live[0]?.state === 'good', 30_000, 200);
  });
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]();
    await Promise.all([onPremises.down(), cloud.down()]);
  });

  it('an entry that is changed there: after the refresh, the next attempt of queued mail goes to the other side', async () => {
    expect(await list()).toMatchObject({ recipients: COUNT, live: [{ name: 'ad', recipients: COUNT, error: null }] });
    await queue('follows', 'user7.alias@example.com', ['user7', 'user7.alias']);
    await send('stays', 'user8@example.com');
    await slapd.set(dnOf('user7'), {
      msExchRecipientTypeDetails: ['2147483648'],
      targetAddress: [`SMTP:user7@${CLOUD}`],
      homeMDB: [],
    });
    const before = (await list()).version;
    expect(await routeOf('user7@example.com')).toBe('on-premises'); // nobody asked slapd yet
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ status: 0, stdout: `ad: ${COUNT} recipients\n` });
    expect((await list()).version).toBe(before + 1);
    open();
    await until('the message arrives', () => arrived(onPremises, 'follows').length + arrived(cloud, 'follows').length > 0);
    expect(arrived(cloud, 'follows')).toEqual([[`user7@${CLOUD}`]]);
    expect(arrived(onPremises, 'follows')).toEqual([]);
    expect(arrived(onPremises, 'stays')).toEqual([['user8@example.com']]);
    const records = relay.trace('--recipient', 'user7.alias@example.com');
    expect(records[0]).toMatchObject({ event: 'RECEIVE', route: 'on-premises', 'directory-version': before });
    expect(records).toContainEqual(
      expect.objectContaining({ event: 'DEFER', route: 'on-premises', 'directory-version': before }),
    );
    expect(records).toContainEqual(
      expect.objectContaining({ event: 'REDIRECT', route: 'cloud', 'directory-version': before + 1 }),
    );
    expect(records.at(-1)).toMatchObject({ event: 'SEND', route: 'cloud', 'directory-version': before + 1 });
  });

  it('slapd killed: the refresh fails, nothing changes for queued or new mail, and the state says why', async () => {
    const before = (await list()).version;
    await queue('waits', 'user9@example.com', ['user9']);
    await slapd.kill();
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ status: 1, stdout: expect.stringMatching(/^ad was not refreshed: .*ECONNREFUSED/) });
    expect(await list()).toMatchObject({
      version: before,
      recipients: COUNT,
      live: [{ state: 'stale', recipients: COUNT, error: { problem: expect.stringContaining('ECONNREFUSED') } }],
    });
    expect((await relay.cliBeside('directory', 'list')).stdout).toMatch(/ad: .*ECONNREFUSED/);
    expect(await routeOf('user7@example.com')).toBe('cloud');
    open();
    await send('new', 'user7@example.com');
    await until('both arrive', () => arrived(onPremises, 'waits').length > 0 && arrived(cloud, 'new').length > 0);
  });

  it('started again without slapd, the relay routes by what it knew last', async () => {
    const before = (await list()).version;
    await relay.kill();
    await relay.start();
    expect(await list()).toMatchObject({ version: before, recipients: COUNT });
    expect(await routeOf('user7@example.com')).toBe('cloud');
    expect(await routeOf('user8@example.com')).toBe('on-premises');
    await slapd.start();
    expect((await refresh()).status).toBe(0);
    expect(await list()).toMatchObject({ version: before, live: [{ state: 'good', error: null }] });
  });

  it('slapd emptied: the guard refuses it (C6, R16), and mail goes where it went', async () => {
    const before = (await list()).version;
    await queue('guarded', 'user7@example.com', ['user7']);
    await slapd.remove(...names.map(dnOf));
    const refreshed = await refresh();
    expect(refreshed).toMatchObject({ status: 1, stdout: expect.stringContaining('refused') });
    expect(await list()).toMatchObject({
      version: before,
      recipients: COUNT,
      live: [{ state: 'stale', recipients: COUNT, error: { problem: expect.stringContaining('refused') } }],
    });
    open();
    await until('the message arrives', () => arrived(cloud, 'guarded').length > 0);
    await send('after', 'user8@example.com');
    await until('the message arrives', () => arrived(onPremises, 'after').length > 0);
    expect(relay.trace().filter(({ event }) => ['DSN', 'FAIL', 'EXPIRE', 'REJECT'].includes(event))).toEqual([]);
  });
});
