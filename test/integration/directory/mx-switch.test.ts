import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookUpMailDns } from '../../../src/directory/mail-dns.ts';
import { MxSwitches, type MxSwitchSettings } from '../../../src/directory/mx-switch.ts';
import type { DirectoryEntry } from '../../../src/directory/ports.ts';
import { type Domain, parseMailbox } from '../../../src/mail/address.ts';
import { DnsServer, type TestRecords } from '../../support/dns-server.ts';

const EXAMPLE = 'example.com' as Domain;
const ROUTING = 'tenant.mail.onmicrosoft.com' as Domain;
const CLOUD_HOST = 'example-com.mail.protection.outlook.com';
const NOW = Date.parse('2026-11-22T12:00:00Z');

const RECORDS: Record<string, TestRecords> = {
  'example.com': { mx: [[10, 'mx1.example.com']], txt: ['v=spf1 mx ip4:203.0.113.5 -all', 'MS=ms1'] },
  '_mta-sts.example.com': { txt: ['v=STSv1; id=20260101'] },
  [ROUTING]: { mx: [[0, `tenant-mail-onmicrosoft-com.mail.protection.outlook.com`]] },
  [CLOUD_HOST]: { a: ['198.51.100.40'] },
};

let folder: string;
let dns: DnsServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mx-switch-'));
  dns = await DnsServer.start(RECORDS);
});
afterEach(async () => {
  await dns[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const entry = (address: string, route: DirectoryEntry['route'], kind?: string): DirectoryEntry => {
  const box = parseMailbox(address);
  if (box === undefined) throw new Error(address);
  return { address: box, route, primary: 'on-premises', source: 'plain recipients.csv:2', ...(kind && { kind }) };
};

function switches(entries: readonly DirectoryEntry[], more: Partial<MxSwitchSettings> = {}): MxSwitches {
  return new MxSwitches(
    {
      domains: [{ name: EXAMPLE, includeSubdomains: false, unknownRecipients: 'reject', mx: 'relay' }],
      routingDomains: [ROUTING],
      relayNames: ['mx1.example.com'],
      dnsServers: [dns.server],
      file: join(folder, 'directory', 'mx.json'),
      ...more,
    },
    { clock: { now: () => NOW, monotonic: () => 0 }, directory: { active: () => ({ entries: () => entries }) } },
  );
}

const MIGRATED = [
  entry('anna@example.com', 'cloud'),
  entry('probe@example.com', 'on-premises', 'probe'),
  entry('x@other.example', 'on-premises'),
];
const STRAGGLERS = [
  ...MIGRATED,
  entry('bert@example.com', 'on-premises'),
  entry('sales@example.com', 'on-premises', 'group'),
  entry('carl@example.com', 'hold'),
];

describe('domain mx', () => {
  it('refuses while recipients remain on-premises, and names them', async () => {
    const mx = switches(STRAGGLERS);
    const answer = await mx.switch({ domain: 'Example.com', to: 'cloud', who: 'anna' });
    expect(answer).toMatchObject({ domain: 'example.com', mx: 'relay', done: false, since: null, steps: [] });
    expect(answer?.refused).toMatch(/^3 recipients are not in the cloud yet/);
    expect(answer?.remaining).toEqual({
      count: 3,
      kinds: { mailbox: 2, group: 1 },
      list: [
        'bert@example.com (mailbox, on-premises)',
        'sales@example.com (group, on-premises)',
        'carl@example.com (mailbox, hold)',
      ],
    });
    expect(mx.state('example.com')).toEqual({ mx: 'relay', since: null });
  });

  it('tells what to change in DNS, with the values of the domain, in the order in which it is done', async () => {
    const answer = await switches(MIGRATED).switch({ domain: 'example.com', to: 'cloud', who: 'anna' });
    expect(answer).toMatchObject({ done: true, mx: 'cloud', refused: null, since: '2026-11-22T12:00:00.000Z' });
    expect(answer?.steps.map(({ about }) => about)).toEqual(['ttl', 'mta-sts', 'spf', 'cloud', 'mx', 'afterwards']);
    const lines = new Map(answer?.steps.map(({ about, lines: typed }) => [about, typed]));
    expect(lines.get('ttl')).toEqual(['dig MX example.com', 'example.com. 300 IN MX 10 mx1.example.com.']);
    expect(lines.get('mx')).toEqual([
      `example.com. 300 IN MX 10 ${CLOUD_HOST}.`,
      'remove: example.com. IN MX 10 mx1.example.com.',
    ]);
    expect(lines.get('spf')).toEqual([
      'example.com. IN TXT "v=spf1 include:spf.protection.outlook.com mx ip4:203.0.113.5 -all"',
      'remove: example.com. IN TXT "v=spf1 mx ip4:203.0.113.5 -all"',
    ]);
    expect(lines.get('mta-sts')?.[0]).toBe(
      'https://mta-sts.example.com/.well-known/mta-sts.txt: mx: *.mail.protection.outlook.com',
    );
    expect(lines.get('cloud')).toEqual(["Set-AcceptedDomain -Identity 'example.com' -DomainType Authoritative"]);
    expect(lines.get('afterwards')).toEqual(['bridgehead report clients --domain example.com']);
  });

  it('lets stragglers stay where that is said, and has the cloud send their mail here', async () => {
    const answer = await switches(STRAGGLERS).switch({ domain: 'example.com', to: 'cloud', withRemaining: true, who: 'anna' });
    expect(answer).toMatchObject({ done: true, remaining: { count: 3 } });
    const cloud = answer?.steps.find(({ about }) => about === 'cloud');
    expect(cloud?.lines[0]).toContain('InternalRelay');
    expect(cloud?.lines[1]).toContain("-SmartHosts 'mx1.example.com'");
  });

  it('remembers over a restart, and keeps the time of the first switch', async () => {
    await switches(MIGRATED).switch({ domain: 'example.com', to: 'cloud', who: 'anna' });
    expect(JSON.parse(readFileSync(join(folder, 'directory', 'mx.json'), 'utf8'))).toEqual({
      'example.com': { mx: 'cloud', since: '2026-11-22T12:00:00.000Z', who: 'anna', remaining: 0 },
    });
    const again = switches(MIGRATED);
    expect(again.state('example.com')).toEqual({ mx: 'cloud', since: '2026-11-22T12:00:00.000Z' });
    const back = await again.switch({ domain: 'example.com', to: 'relay', who: 'anna' });
    expect(back?.steps.find(({ about }) => about === 'mx')?.lines).toEqual(['example.com. 300 IN MX 10 mx1.example.com.']);
    expect(again.state('example.com')?.mx).toBe('relay');
  });

  it('warns of recipients that only the on-premises server knows, and of DNS that does not answer', async () => {
    dns.records.set('example.com', { fail: 'servfail' });
    const answer = await switches(MIGRATED, {
      domains: [{ name: EXAMPLE, includeSubdomains: false, unknownRecipients: 'on-premises', mx: 'relay' }],
    }).switch({ domain: 'example.com', to: 'cloud', who: 'anna' });
    expect(answer?.done).toBe(true);
    expect(answer?.notes).toHaveLength(2);
    expect(answer?.notes[0]).toContain('DNS does not answer');
  });

  it('knows no domain that is not ours', async () => {
    expect(await switches(MIGRATED).switch({ domain: 'other.example', to: 'cloud', who: 'anna' })).toBeUndefined();
    expect(switches(MIGRATED).state('other.example')).toBeUndefined();
  });
});

describe('the mail of a domain in DNS', () => {
  it('does not invent the host of the cloud where DNS does not have it', async () => {
    dns.records.delete(CLOUD_HOST);
    expect((await lookUpMailDns(EXAMPLE, ROUTING, [dns.server])).cloudHosts).toEqual([]);
  });

  it('takes the hosts of the routing domain where the cloud is an older service', async () => {
    dns.records.set(ROUTING, { mx: [[10, 'mail.global.frontbridge.com']] });
    expect((await lookUpMailDns(EXAMPLE, ROUTING, [dns.server])).cloudHosts).toEqual(['mail.global.frontbridge.com']);
  });
});
