/** A company whose setup is right: its DNS, its certificates, its two servers and its settings; a test spoils one thing of it. */
import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Diagnosis, DoctorQuery } from '../../../../src/checks/doctor/doctor.ts';
import type { FetchedPolicy, FileSystem, Machine } from '../../../../src/checks/doctor/ports.ts';
import { openOffline } from '../../../../src/offline.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { loadSettings } from '../../../../src/settings/load.ts';
import type { TestCertificate } from '../../../support/certificates.ts';
import { DnsServer, type TestRecords } from '../../../support/dns-server.ts';
import { chainOf, issue } from '../../../support/issued-certificates.ts';
import { type PeerScript, ScriptedPeer } from '../../../support/scripted-peer.ts';

export const HOST = 'mx1.contoso.test';
export const DOMAIN = 'contoso.test';
export const ROUTING = 'contoso.mail.onmicrosoft.test';
const CLOUD_HOST = 'mail.cloud.test';
const GIBI = 2 ** 30;

/** What a test may spoil. */
export interface Setup {
  /** As the settings file has them. */
  settings: Settings;
  readonly records: Record<string, TestRecords>;
  policy: FetchedPolicy;
  cloud: PeerScript;
  home: PeerScript;
  /** By their name in the folder, with the certificates that the settings name. */
  readonly files: Record<string, { text: string; mode: number }>;
  dataMode: number;
  wasStarted: boolean;
  readonly machineAddresses: string[];
  fileSystem: FileSystem;
}

export type Settings = Record<string, unknown> & {
  listeners: { address: string; port: number }[];
  domains: Record<string, unknown>[];
  connectors: (Record<string, unknown> & { name: string })[];
};

/** Made once: keys take their time. */
export interface Authorities {
  readonly root: TestCertificate;
  readonly intermediate: TestCertificate;
  readonly listener: TestCertificate;
  readonly cloud: TestCertificate;
}

export async function makeAuthorities(): Promise<Authorities> {
  const root = await issue({ name: 'Contoso Test Root' });
  const intermediate = await issue({ name: 'Contoso Test Intermediate', by: root });
  const listener = chainOf(await issue({ names: [HOST], by: intermediate }), intermediate);
  const cloud = chainOf(await issue({ names: [CLOUD_HOST], by: intermediate }), intermediate);
  return { root, intermediate, listener, cloud };
}

export const keyDigest = ({ cert }: TestCertificate): string =>
  createHash('sha256')
    .update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

export class Company implements AsyncDisposable {
  readonly authorities: Authorities;
  readonly #dns: DnsServer;
  readonly #cloud: ScriptedPeer;
  readonly #home: ScriptedPeer;

  private constructor(authorities: Authorities, dns: DnsServer, cloud: ScriptedPeer, home: ScriptedPeer) {
    this.authorities = authorities;
    this.#dns = dns;
    this.#cloud = cloud;
    this.#home = home;
  }

  static async open(): Promise<Company> {
    return new Company(
      await makeAuthorities(),
      await DnsServer.start({}),
      await ScriptedPeer.start(),
      await ScriptedPeer.start(),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dns[Symbol.asyncDispose]();
    await this.#cloud[Symbol.asyncDispose]();
    await this.#home[Symbol.asyncDispose]();
  }

  get homePort(): number {
    return this.#home.port;
  }

  /** All is as it should be. */
  right(): Setup {
    const { listener, cloud } = this.authorities;
    const toCloud = { 'smart-hosts': [`${CLOUD_HOST}:${this.#cloud.port}`] };
    return {
      settings: {
        hostname: HOST,
        'data-directory': 'data',
        listeners: [{ address: '127.0.0.1', port: 25 }],
        tls: { certificate: 'mx.pem', key: 'mx.key' },
        domains: [{ name: DOMAIN, 'unknown-recipients': 'reject', verification: { txt: 'MS=ms12345678' } }],
        cloud: { 'routing-domains': [ROUTING], tenant: { headers: { 'X-OriginatorOrg': 'contoso.onmicrosoft.test' } } },
        peers: { 'on-premises': { networks: ['10.1.0.5/32'] }, cloud: { 'certificate-names': ['mail.protection.outlook.test'] } },
        connectors: [
          {
            name: 'cloud',
            'address-spaces': [ROUTING],
            'next-hop': toCloud,
            tls: { mode: 'verified', certificate: 'mx.pem', key: 'mx.key' },
            origin: 'internal',
            'source-address': '127.0.0.1',
          },
          {
            name: 'cloud-external',
            'address-spaces': [ROUTING],
            'next-hop': toCloud,
            tls: { mode: 'verified' },
            origin: 'external',
          },
          { name: 'on-premises', 'address-spaces': [DOMAIN], 'next-hop': { 'smart-hosts': [`127.0.0.1:${this.#home.port}`] } },
          { name: 'internet', 'address-spaces': ['*'], 'next-hop': { mx: true } },
        ],
        directory: { sources: [{ name: 'plain', file: 'recipients.csv' }] },
        dns: { servers: [this.#dns.server] },
      },
      records: {
        [HOST]: { a: ['127.0.0.1'] },
        '1.0.0.127.in-addr.arpa': { ptr: HOST },
        [DOMAIN]: {
          mx: [[10, HOST]],
          txt: ['v=spf1 ip4:127.0.0.1 include:spf.protection.outlook.com -all', 'MS=ms12345678'],
          ttl: 300,
        },
        'spf.protection.outlook.com': { txt: ['v=spf1 ip4:40.92.0.0/15 -all'] },
        [`_mta-sts.${DOMAIN}`]: { txt: ['v=STSv1; id=1'] },
        [`_smtp._tls.${DOMAIN}`]: { txt: [`v=TLSRPTv1; rua=mailto:tls@${DOMAIN}`] },
        [`_dmarc.${DOMAIN}`]: { txt: [`v=DMARC1; p=none; rua=mailto:dmarc@${DOMAIN}`] },
        [`_25._tcp.${HOST}`]: { tlsa: [`030101${keyDigest(listener)}`] },
        [ROUTING]: { mx: [[10, CLOUD_HOST]] },
        [CLOUD_HOST]: { a: ['127.0.0.1'] },
      },
      policy: { status: 200, body: `version: STSv1\r\nmode: enforce\r\nmx: ${HOST}\r\nmax_age: 604800\r\n` },
      cloud: { certificate: cloud },
      home: { certificate: cloud },
      files: {
        'mx.pem': { text: listener.cert, mode: 0o644 },
        'mx.key': { text: listener.key, mode: 0o600 },
        'recipients.csv': {
          text: [
            'address,route',
            ...['postmaster', 'abuse', 'bert'].map((name) => `${name}@${DOMAIN},on-premises`),
            `anna@${DOMAIN},cloud`,
            '',
          ].join('\n'),
          mode: 0o644,
        },
      },
      dataMode: 0o700,
      wasStarted: true,
      machineAddresses: ['127.0.0.1', '::1'],
      fileSystem: { type: 0xef53, free: 100 * GIBI, inodes: 1_000_000, inodesFree: 900_000 },
    };
  }

  /** Brings the servers and DNS into this state and writes the files; the folder is the caller's to remove. */
  write(setup: Setup): string {
    const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
    this.#cloud.script = setup.cloud;
    this.#home.script = setup.home;
    this.#dns.records.clear();
    for (const [name, records] of Object.entries(setup.records)) this.#dns.records.set(name, records);
    mkdirSync(join(folder, 'data'));
    for (const [name, { text, mode }] of Object.entries(setup.files)) {
      writeFileSync(join(folder, name), text);
      chmodSync(join(folder, name), mode);
    }
    chmodSync(join(folder, 'data'), setup.dataMode);
    writeFileSync(join(folder, 'bridgehead.yaml'), JSON.stringify(setup.settings)); // JSON is YAML
    return folder;
  }

  /** What `doctor` says of a setup, without a relay. */
  async examine(setup: Setup, query: DoctorQuery = {}): Promise<Diagnosis> {
    const folder = this.write(setup);
    try {
      const loaded = await loadSettings(join(folder, 'bridgehead.yaml'));
      if (!loaded.ok) throw new Error(loaded.mistakes.map(({ path, problem }) => `${path}: ${problem}`).join('\n'));
      const machine: Machine = {
        addresses: () => setup.machineAddresses,
        fileSystem: () => Promise.resolve(setup.fileSystem),
        openFiles: () => Promise.resolve(undefined),
        userId: () => undefined,
        nodeVersion: () => process.versions.node,
      };
      await using relay = await openOffline(loaded.settings, {
        log: silentLog,
        clock: systemClock,
        version: '0.0.0',
        doctor: { trusted: [this.authorities.root.cert], machine, fetchPolicy: () => Promise.resolve(setup.policy) },
      });
      // as the first start of a relay does
      if (setup.wasStarted) await relay.verifyDomain(DOMAIN, { who: 'test' });
      return await relay.doctor(query);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
