/** Must hold 6: nothing is found in a right setup; each planted mistake is found by its code, and no other one with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../../../src/checks/doctor/doctor.ts';
import { chainOf, issue } from '../../../support/issued-certificates.ts';
import { Company, DOMAIN, HOST, keyDigest, ROUTING, type Setup } from './company.ts';

let company: Company;
beforeAll(async () => {
  company = await Company.open();
});
afterAll(() => company[Symbol.asyncDispose]());

const serious = ({ findings }: Diagnosis): string[] => [
  ...new Set(findings.filter(({ severity }) => severity !== 'note').map(({ code }) => code)),
];

/** One change to the right setup. `also`: what follows from the same mistake. */
interface Planted {
  readonly mistake: string;
  readonly code: string;
  readonly also?: readonly string[];
  plant(setup: Setup): void | Promise<void>;
}

const domainRecords = (setup: Setup, change: object): void => {
  setup.records[DOMAIN] = { ...setup.records[DOMAIN], ...change };
};
const spf = (setup: Setup, text: string): void => domainRecords(setup, { txt: [text, 'MS=ms12345678'] });
const connector = (setup: Setup, name: string): Record<string, unknown> => {
  const found = setup.settings.connectors.find((one) => one.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};
const firstDomain = (setup: Setup): Record<string, unknown> => setup.settings.domains[0] ?? {};
const certificate = async (setup: Setup, more: Parameters<typeof issue>[0]): Promise<void> => {
  const { intermediate } = company.authorities;
  const made = chainOf(await issue({ names: [HOST], by: intermediate, ...more }), intermediate);
  setup.files['mx.pem'] = { text: made.cert, mode: 0o644 };
  setup.files['mx.key'] = { text: made.key, mode: 0o600 };
  setup.records[`_25._tcp.${HOST}`] = { tlsa: [`030101${keyDigest(made)}`] };
};

const PLANTED: readonly Planted[] = [
  // dns
  {
    mistake: 'the hostname is nowhere in DNS',
    code: 'hostname-no-address',
    also: ['mx-no-address', 'ptr-not-confirmed'],
    plant: (setup) => void delete setup.records[HOST],
  },
  {
    mistake: 'the hostname is another machine',
    code: 'hostname-elsewhere',
    also: ['ptr-not-confirmed', 'spf-without-relay', 'ptr-missing', 'listener-loopback'],
    plant: (setup) => void (setup.records[HOST] = { a: ['127.9.9.9', '203.0.113.99'] }),
  },
  {
    mistake: 'the hostname has an IPv6 address that nobody listens on',
    code: 'hostname-ipv6-unheard',
    plant(setup) {
      setup.records[HOST] = { a: ['127.0.0.1'], aaaa: ['::1'] };
    },
  },
  {
    mistake: 'our address has no PTR record',
    code: 'ptr-missing',
    plant: (setup) => void delete setup.records['1.0.0.127.in-addr.arpa'],
  },
  {
    mistake: 'the PTR record names a host that is not at our address',
    code: 'ptr-not-confirmed',
    plant(setup) {
      setup.records['1.0.0.127.in-addr.arpa'] = { ptr: 'pool-1.provider.test' };
      setup.records['pool-1.provider.test'] = { a: ['203.0.113.1'] };
    },
  },
  {
    mistake: 'a connector greets with a name that is not in DNS',
    code: 'helo-no-address',
    also: ['helo-not-in-certificate'],
    plant: (setup) => void (connector(setup, 'internet')['helo'] = `out.${DOMAIN}`),
  },
  {
    mistake: 'a connector greets with a name that its certificate does not have',
    code: 'helo-not-in-certificate',
    plant(setup) {
      connector(setup, 'cloud')['helo'] = `out.${DOMAIN}`;
      setup.records[`out.${DOMAIN}`] = { a: ['127.0.0.1'] };
    },
  },
  {
    mistake: 'a connector greets the server with its own name',
    code: 'helo-of-target',
    also: ['helo-not-in-certificate', 'connector-loop', 'connector-unreachable'],
    plant(setup) {
      const cloud = connector(setup, 'cloud-external');
      cloud['helo'] = 'mx.cloud.test';
      cloud['next-hop'] = { mx: true };
      setup.records[ROUTING] = { mx: [[10, 'mx.cloud.test']] };
      setup.records['mx.cloud.test'] = { a: ['127.0.0.1'] };
    },
  },
  {
    mistake: 'IPv6 to the cloud without a name for the address',
    code: 'ipv6-without-name',
    plant(setup) {
      connector(setup, 'cloud-external')['ip'] = 'any';
      setup.records['mail.cloud.test'] = { a: ['127.0.0.1'], aaaa: ['::1'] };
    },
  },

  // domains
  { mistake: 'the domain has no MX', code: 'mx-missing', plant: (setup) => domainRecords(setup, { mx: [] }) },
  { mistake: 'the domain has a null MX', code: 'mx-null', plant: (setup) => domainRecords(setup, { mx: [[0, '.']] }) },
  {
    mistake: 'the MX is another server',
    code: 'mx-not-here',
    also: ['mta-sts-mx'],
    plant(setup) {
      domainRecords(setup, { mx: [[10, 'mail.elsewhere.test']] });
      setup.records['mail.elsewhere.test'] = { a: ['203.0.113.7'] };
    },
  },
  {
    mistake: 'the MX should be the cloud, and is still here',
    code: 'mx-not-cloud',
    plant: (setup) => void (firstDomain(setup)['mx'] = 'cloud'),
  },
  {
    mistake: 'a backup MX that is not ours',
    code: 'mx-also-elsewhere',
    also: ['mta-sts-mx'],
    plant(setup) {
      domainRecords(setup, {
        mx: [
          [10, HOST],
          [20, 'backup.provider.test'],
        ],
      });
      setup.records['backup.provider.test'] = { a: ['203.0.113.8'] };
    },
  },
  {
    mistake: 'the MX is a CNAME',
    code: 'mx-is-alias',
    also: ['mta-sts-mx', 'mta-sts-certificate', 'certificate-name'],
    plant(setup) {
      domainRecords(setup, { mx: [[10, `mail.${DOMAIN}`]] });
      setup.records[`mail.${DOMAIN}`] = { cname: HOST };
    },
  },
  {
    mistake: 'one MX host has no address',
    code: 'mx-no-address',
    also: ['mx-also-elsewhere', 'mta-sts-mx'],
    plant: (setup) =>
      domainRecords(setup, {
        mx: [
          [10, HOST],
          [20, `old.${DOMAIN}`],
        ],
      }),
  },
  {
    mistake: 'the record that proves the domain is gone',
    code: 'proof-missing',
    also: ['sides-disagree'],
    plant: (setup) => domainRecords(setup, { txt: ['v=spf1 ip4:127.0.0.1 include:spf.protection.outlook.com -all'] }),
  },
  {
    mistake: 'the relay has not looked for the proof',
    code: 'proof-not-seen',
    also: ['sides-disagree'],
    plant: (setup) => void (setup.wasStarted = false),
  },
  { mistake: 'no SPF', code: 'spf-missing', plant: (setup) => domainRecords(setup, { txt: ['MS=ms12345678'] }) },
  {
    mistake: 'two SPF records',
    code: 'spf-several',
    plant: (setup) =>
      domainRecords(setup, {
        txt: ['v=spf1 ip4:127.0.0.1 -all', 'v=spf1 include:spf.protection.outlook.com -all', 'MS=ms12345678'],
      }),
  },
  {
    mistake: 'a word in SPF that there is not',
    code: 'spf-broken',
    plant: (setup) => spf(setup, 'v=spf1 ipv4:127.0.0.1 include:spf.protection.outlook.com -all'),
  },
  {
    mistake: 'SPF with more than ten look-ups',
    code: 'spf-too-many-lookups',
    plant(setup) {
      const many = Array.from({ length: 10 }, (_, i) => `include:s${i}.provider.test`);
      for (let i = 0; i < 10; i++) setup.records[`s${i}.provider.test`] = { txt: ['v=spf1 ip4:203.0.113.4 -all'] };
      spf(setup, `v=spf1 ip4:127.0.0.1 include:spf.protection.outlook.com ${many.join(' ')} -all`);
    },
  },
  {
    mistake: 'SPF lets everybody send',
    code: 'spf-everybody',
    plant: (setup) => spf(setup, 'v=spf1 include:spf.protection.outlook.com +all'),
  },
  {
    mistake: 'SPF does not have our address',
    code: 'spf-without-relay',
    plant: (setup) => spf(setup, 'v=spf1 ip4:203.0.113.5 include:spf.protection.outlook.com -all'),
  },
  { mistake: 'SPF does not have the cloud', code: 'spf-without-cloud', plant: (setup) => spf(setup, 'v=spf1 mx -all') },
  {
    mistake: 'the MTA-STS policy names other hosts',
    code: 'mta-sts-mx',
    plant: (setup) =>
      void (setup.policy = {
        status: 200,
        body: 'version: STSv1\nmode: enforce\nmx: *.mail.protection.outlook.com\nmax_age: 86400\n',
      }),
  },
  {
    mistake: 'the MTA-STS policy is not served',
    code: 'mta-sts-no-policy',
    plant: (setup) => void (setup.policy = { error: 'ECONNREFUSED' }),
  },
  {
    mistake: 'the TLSA record is of the certificate before',
    code: 'tlsa-mismatch',
    plant: (setup) => void (setup.records[`_25._tcp.${HOST}`] = { tlsa: [`030101${'ab'.repeat(32)}`] }),
  },
  {
    mistake: 'nobody reads mail to abuse',
    code: 'abuse-refused',
    plant: (setup) =>
      void (setup.files['recipients.csv'] = {
        text: `address,route\nanna@${DOMAIN},cloud\npostmaster@${DOMAIN},on-premises\n`,
        mode: 0o644,
      }),
  },

  // certificates
  {
    mistake: 'the certificate is self-signed',
    code: 'certificate-self-signed',
    also: ['mta-sts-certificate', 'client-certificate-self-signed'],
    async plant(setup) {
      const made = await issue({ names: [HOST] });
      setup.files['mx.pem'] = { text: made.cert, mode: 0o644 };
      setup.files['mx.key'] = { text: made.key, mode: 0o600 };
      setup.records[`_25._tcp.${HOST}`] = { tlsa: [`030101${keyDigest(made)}`] };
    },
  },
  {
    mistake: 'the intermediate is not in the file',
    code: 'certificate-chain',
    also: ['mta-sts-certificate'],
    plant(setup) {
      const [leaf = ''] = company.authorities.listener.cert.split(/(?<=-----END CERTIFICATE-----)/);
      setup.files['mx.pem'] = { text: leaf, mode: 0o644 };
    },
  },
  {
    mistake: 'the certificate is of an authority that nobody has',
    code: 'certificate-private',
    also: ['mta-sts-certificate'],
    async plant(setup) {
      const inHouse = await issue({ name: 'In-house Authority' });
      const made = chainOf(await issue({ names: [HOST], by: inHouse }), inHouse);
      setup.files['mx.pem'] = { text: made.cert, mode: 0o644 };
      setup.files['mx.key'] = { text: made.key, mode: 0o600 };
      setup.records[`_25._tcp.${HOST}`] = { tlsa: [`030101${keyDigest(made)}`] };
    },
  },
  {
    mistake: 'the certificate has another name',
    code: 'certificate-name',
    also: ['mta-sts-certificate', 'helo-not-in-certificate'],
    plant: (setup) => certificate(setup, { names: [`mail.${DOMAIN}`] }),
  },
  {
    mistake: 'the certificate has ended',
    code: 'certificate-expired',
    plant: (setup) => certificate(setup, { from: -90, to: -1 }),
  },
  { mistake: 'the certificate ends soon', code: 'certificate-expiring', plant: (setup) => certificate(setup, { to: 12 }) },
  { mistake: 'the certificate begins next week', code: 'certificate-not-yet', plant: (setup) => certificate(setup, { from: 7 }) },
  {
    mistake: 'the certificate has a small key',
    code: 'certificate-weak',
    also: ['connector-unreachable'], // OpenSSL does not use it
    plant: (setup) => certificate(setup, { bits: 1024 }),
  },
  {
    mistake: 'everybody can read the key',
    code: 'secret-readable',
    plant: (setup) => void (setup.files['mx.key'] = { text: company.authorities.listener.key, mode: 0o644 }),
  },
  { mistake: 'everybody can enter the data directory', code: 'directory-open', plant: (setup) => void (setup.dataMode = 0o755) },
  {
    mistake: "the cloud connector's certificate may not be a client's",
    code: 'client-certificate-usage',
    plant: (setup) => certificate(setup, { usage: { serverAuth: true } }),
  },
  {
    mistake: "the cloud connector's certificate has no name of ours",
    code: 'client-certificate-name',
    also: ['helo-not-in-certificate'],
    async plant(setup) {
      const { intermediate } = company.authorities;
      const made = chainOf(await issue({ names: ['relay.provider.test'], by: intermediate }), intermediate);
      setup.files['client.pem'] = { text: made.cert, mode: 0o644 };
      setup.files['client.key'] = { text: made.key, mode: 0o600 };
      connector(setup, 'cloud')['tls'] = { mode: 'verified', certificate: 'client.pem', key: 'client.key' };
    },
  },

  // connectors
  {
    mistake: 'the on-premises server does not answer',
    code: 'connector-unreachable',
    plant: (setup) => void (setup.home = { greeting: '554 5.3.2 not today' }),
  },
  {
    mistake: "the cloud's certificate is not what the connector asks for",
    code: 'connector-tls',
    plant: (setup) =>
      void (connector(setup, 'cloud-external')['tls'] = { mode: 'verified', names: ['mail.protection.outlook.com'] }),
  },
  { mistake: 'the on-premises server has no TLS', code: 'connector-clear', plant: (setup) => void (setup.home = {}) },
  {
    mistake: 'the on-premises server has old TLS alone',
    code: 'connector-old-tls',
    plant: (setup) =>
      void (setup.home = {
        certificate: company.authorities.cloud,
        tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
      }),
  },
  {
    mistake: "the next hop's certificate is about to end",
    code: 'peer-certificate-expiring',
    async plant(setup) {
      const { intermediate } = company.authorities;
      setup.cloud = { certificate: chainOf(await issue({ names: ['mail.cloud.test'], by: intermediate, to: 5 }), intermediate) };
    },
  },
  {
    mistake: 'the next hop takes smaller messages than we do',
    code: 'size-smaller',
    plant: (setup) => void (setup.home = { ...setup.home, keywords: ['PIPELINING', '8BITMIME', 'DSN', 'SIZE 10485760'] }),
  },
  {
    mistake: 'no way to the Internet',
    code: 'internet-connector-missing',
    plant: (setup) => void (setup.settings.connectors = setup.settings.connectors.filter(({ name }) => name !== 'internet')),
  },
  {
    mistake: 'outsiders leave under the identity of the organisation',
    code: 'origin-unset',
    plant(setup) {
      setup.settings.connectors = setup.settings.connectors.filter(({ name }) => name !== 'cloud-external');
      delete connector(setup, 'cloud')['origin'];
    },
  },
  {
    mistake: 'the smart host is the relay itself',
    code: 'connector-loop',
    plant(setup) {
      setup.settings.listeners.push({ address: '127.0.0.1', port: company.homePort });
      connector(setup, 'on-premises')['next-hop'] = { 'smart-hosts': [`exchange.${DOMAIN}:${company.homePort}`] };
      setup.records[`exchange.${DOMAIN}`] = { a: ['127.0.0.1'] };
    },
  },
  {
    mistake: 'the clock of the next hop is an hour off',
    code: 'clock-differs',
    plant: (setup) =>
      void (setup.home = {
        ...setup.home,
        greeting: `220 exchange Microsoft ESMTP MAIL Service ready at ${new Date(Date.now() - 3_600_000).toUTCString()}`,
      }),
  },

  // access
  {
    mistake: 'no listener on port 25',
    code: 'listener-port',
    plant: (setup) => void (setup.settings.listeners = [{ address: '127.0.0.1', port: 2525 }]),
  },
  {
    mistake: 'the MX leads to an address of the machine, and the relay listens on loopback',
    code: 'listener-loopback',
    plant(setup) {
      setup.machineAddresses.push('203.0.113.5');
      setup.records[HOST] = { a: ['127.0.0.1', '203.0.113.5'] };
      setup.records['5.113.0.203.in-addr.arpa'] = { ptr: HOST };
      spf(setup, 'v=spf1 ip4:127.0.0.1 ip4:203.0.113.5 include:spf.protection.outlook.com -all');
    },
  },
  {
    mistake: 'a network of strangers counts as on-premises',
    code: 'peer-network-wide',
    plant: (setup) => void (setup.settings['peers'] = { 'on-premises': { networks: ['198.51.0.0/16'] } }),
  },
  {
    mistake: 'the routing domain is mistyped',
    code: 'routing-domain-unknown',
    plant: (setup) => void delete setup.records[ROUTING],
  },
  {
    mistake: 'unknown recipients are taken unasked',
    code: 'unknown-not-asked',
    plant: (setup) => Object.assign(firstDomain(setup), { 'unknown-recipients': 'on-premises', 'verify-recipients': 'off' }),
  },
  {
    mistake: 'the directory is empty, and unknown recipients are refused',
    code: 'reject-without-directory',
    also: ['directory-empty', 'abuse-refused'],
    plant(setup) {
      setup.settings['directory'] = { sources: [] };
      setup.settings['postmaster'] = `postmaster@${DOMAIN}`;
    },
  },

  // machine
  {
    mistake: 'the data directory is in memory',
    code: 'data-volatile',
    plant: (setup) => void (setup.fileSystem = { ...setup.fileSystem, type: 0x01021994 }),
  },
  {
    mistake: 'the data directory is on NFS',
    code: 'data-remote',
    plant: (setup) => void (setup.fileSystem = { ...setup.fileSystem, type: 0x6969 }),
  },
  {
    mistake: 'the disk is nearly full',
    code: 'disk-low',
    plant: (setup) => void (setup.fileSystem = { ...setup.fileSystem, free: 50 * 2 ** 20 }),
  },
  {
    mistake: 'no inodes are left',
    code: 'inodes-low',
    plant: (setup) => void (setup.fileSystem = { ...setup.fileSystem, inodesFree: 12 }),
  },
];

/** Worth knowing; nothing has to be done. */
const NOTED: readonly Planted[] = [
  { mistake: 'the MX stays in caches for a day', code: 'mx-ttl-long', plant: (setup) => domainRecords(setup, { ttl: 86_400 }) },
  {
    mistake: 'the MX is the filter in front',
    code: 'mx-in-front',
    plant(setup) {
      setup.settings['peers'] = { gateway: { networks: ['198.51.100.0/28'] } };
      domainRecords(setup, { mx: [[10, 'filter.provider.test']] });
      setup.records['filter.provider.test'] = { a: ['203.0.113.30'] };
      delete setup.records[`_mta-sts.${DOMAIN}`];
    },
  },
  { mistake: 'no DMARC', code: 'dmarc-missing', plant: (setup) => void delete setup.records[`_dmarc.${DOMAIN}`] },
  {
    mistake: 'DMARC that refuses',
    code: 'dmarc-strict',
    plant: (setup) => void (setup.records[`_dmarc.${DOMAIN}`] = { txt: ['v=DMARC1; p=reject'] }),
  },
  { mistake: 'no TLS reports', code: 'tls-rpt-missing', plant: (setup) => void delete setup.records[`_smtp._tls.${DOMAIN}`] },
  {
    mistake: 'a next hop without pipelining',
    code: 'extensions-missing',
    plant: (setup) => void (setup.home = { ...setup.home, keywords: ['8BITMIME', 'DSN', 'SIZE'] }),
  },
  {
    mistake: 'nothing proves our tenant',
    code: 'tenant-proof-missing',
    plant: (setup) => void (setup.settings['cloud'] = { 'routing-domains': [ROUTING] }),
  },
  {
    mistake: 'a whole private network is trusted',
    code: 'peer-network-wide',
    plant: (setup) => void (setup.settings['peers'] = { 'on-premises': { networks: ['10.0.0.0/8'] } }),
  },
];

describe('doctor', () => {
  it('finds nothing to do in a right setup', async () => {
    const answer = await company.examine(company.right());
    expect(answer.findings.filter(({ severity }) => severity !== 'note')).toEqual([]);
    expect(answer.findings.map(({ code }) => code).toSorted()).toEqual(['alerts-unset', 'cloud-side-unknown']);
    expect({ errors: answer.errors, warnings: answer.warnings }).toEqual({ errors: 0, warnings: 0 });
  });

  it.for(PLANTED)('finds $code: $mistake', async (planted) => {
    const { code, also = [] } = planted;
    const setup = company.right();
    await planted.plant(setup);
    const answer = await company.examine(setup);
    expect(serious(answer).toSorted().join(' ')).toBe([code, ...also].toSorted().join(' '));
    const found = answer.findings.find((one) => one.code === code);
    expect(found?.what).toMatch(/\S/);
    expect(found?.why).toMatch(/\S/);
    expect(found?.remedy.length).toBeGreaterThan(0);
  });

  it('finds nothing wrong with a second relay of ours, which has its own certificate', async () => {
    const setup = company.right();
    setup.settings['relay-names'] = [HOST, `mx2.${DOMAIN}`];
    setup.records[`mx2.${DOMAIN}`] = { a: ['203.0.113.9'] };
    setup.records[`_25._tcp.mx2.${DOMAIN}`] = { tlsa: [`030101${'cd'.repeat(32)}`] };
    domainRecords(setup, {
      mx: [
        [10, HOST],
        [20, `mx2.${DOMAIN}`],
      ],
    });
    setup.policy = { status: 200, body: `version: STSv1\nmode: enforce\nmx: *.${DOMAIN}\nmax_age: 86400\n` };
    expect(serious(await company.examine(setup))).toEqual([]);
  });

  it('R14: names the intermediate that is missing', async () => {
    const setup = company.right();
    const [leaf = ''] = company.authorities.listener.cert.split(/(?<=-----END CERTIFICATE-----)/);
    setup.files['mx.pem'] = { text: leaf, mode: 0o644 };
    const { findings } = await company.examine(setup);
    expect(findings.find(({ code }) => code === 'certificate-chain')?.what).toContain('CN=Contoso Test Intermediate, is missing');
  });

  it('R14: warns of the certificate that the relay made for itself', async () => {
    const setup = company.right();
    const made = await issue({ names: [HOST] });
    setup.settings['tls'] = {};
    setup.files['data/self-signed.pem'] = { text: made.cert, mode: 0o600 };
    setup.files['data/self-signed.key'] = { text: made.key, mode: 0o600 };
    const { findings } = await company.examine(setup);
    expect(findings.find(({ code }) => code === 'certificate-self-signed')?.why).toContain('inbound connector by certificate');
  });

  it.for(NOTED)('notes $code: $mistake', async (noted) => {
    const setup = company.right();
    await noted.plant(setup);
    const answer = await company.examine(setup);
    expect(serious(answer)).toEqual([]);
    expect(answer.findings.map(({ code }) => code)).toContain(noted.code);
  });

  it('knows at least 25 mistakes apart', () => {
    expect(new Set(PLANTED.map(({ code }) => code)).size).toBeGreaterThanOrEqual(25);
  });
});
