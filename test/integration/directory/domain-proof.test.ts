/** `domain verify` against a real DNS server over UDP (coexistence.md 1.2 row 2, C8). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DomainProofSettings, DomainProofs } from '../../../src/directory/domain-proof.ts';
import { type Domain, parseDomain } from '../../../src/mail/address.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { DnsServer, type TestRecords } from '../../support/dns-server.ts';

const DAY = 86_400_000;
const domain = (text: string): Domain => parseDomain(text) as Domain;
const EXAMPLE = domain('example.com');
const CNAME = { record: domain('ms12345678.example.com'), target: domain('ps.microsoftonline.com') };

let folder: string;
let now: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridgehead-proof-'));
  now = Date.UTC(2026, 10, 22, 12);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settingsFor = (dns: DnsServer, domains: DomainProofSettings['domains']): DomainProofSettings => ({
  domains,
  dnsServers: [dns.server],
  file: join(folder, 'var', 'domain-proof.json'),
});
const proofsOf = (settings: DomainProofSettings, readOnly = false): DomainProofs =>
  new DomainProofs(settings, { clock: { now: () => now, monotonic: () => now }, log: silentLog, readOnly });
const serve = (records: Record<string, TestRecords>): Promise<DnsServer> => DnsServer.start(records);

describe('the proof in DNS', () => {
  it('is a CNAME, whatever its case', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: 'PS.MicrosoftOnline.com' } });
    using proofs = proofsOf(settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]));
    expect(proofs.isGated(EXAMPLE)).toBe(true);
    expect(await proofs.verify('Example.com')).toMatchObject({
      state: 'verified',
      since: '2026-11-22T12:00:00.000Z',
      gated: false,
      answer: 'ms12345678.example.com is a CNAME for ps.microsoftonline.com',
    });
    expect(proofs.isGated(EXAMPLE)).toBe(false);
  });

  it('or a TXT record among others', async () => {
    await using dns = await serve({ 'example.com': { txt: ['v=spf1 -all', 'MS=ms12345678'] } });
    using proofs = proofsOf(settingsFor(dns, [{ name: EXAMPLE, txt: 'MS=ms12345678' }]));
    expect(await proofs.verify('example.com')).toMatchObject({ state: 'verified' });
  });

  it('is found by either where both are set', async () => {
    await using dns = await serve({ 'example.com': { txt: ['MS=ms12345678'] } });
    using proofs = proofsOf(settingsFor(dns, [{ name: EXAMPLE, cname: CNAME, txt: 'MS=ms12345678' }]));
    expect(await proofs.verify('example.com')).toMatchObject({ state: 'verified' });
  });

  it('that is another one does not count, and is shown', async () => {
    await using dns = await serve({
      [CNAME.record]: { cname: 'elsewhere.example' },
      'two.example': { txt: ['MS=ms99999999'] },
    });
    const domains = [
      { name: EXAMPLE, cname: CNAME },
      { name: domain('two.example'), txt: 'MS=ms12345678' },
    ];
    using proofs = proofsOf(settingsFor(dns, domains));
    expect((await proofs.verify('example.com'))?.message).toContain(
      'is a CNAME for elsewhere.example, not for ps.microsoftonline.com',
    );
    expect((await proofs.verify('two.example'))?.message).toContain('has 1 TXT records, and none is MS=ms12345678');
    expect(proofs.list().map(({ gated }) => gated)).toEqual([true, true]);
  });

  it('is waited for, found later, kept over a restart, and its loss only warns (C8)', async () => {
    await using dns = await serve({});
    const settings = settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]);
    using proofs = proofsOf(settings);
    expect(await proofs.verify('example.com')).toMatchObject({
      state: 'unverified',
      gated: true,
      message: expect.stringContaining('up to 48 hours (until 2026-11-24T12:00:00.000Z)'),
    });
    now += 900_000;
    dns.records.set(CNAME.record, { cname: CNAME.target });
    await proofs.verify('example.com');
    using restarted = proofsOf(settings);
    expect(restarted.isGated(EXAMPLE)).toBe(false);
    expect(restarted.list()[0]).toMatchObject({ state: 'verified', since: '2026-11-22T12:15:00.000Z' });
    now += DAY;
    dns.records.delete(CNAME.record);
    expect(await restarted.verify('example.com')).toMatchObject({ state: 'lost', gated: false, severity: 'warning' });
    expect(restarted.isGated(EXAMPLE)).toBe(false);
  });

  it('says nothing of a domain while DNS fails', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: CNAME.target } });
    using proofs = proofsOf(settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]));
    await proofs.verify('example.com');
    dns.records.set(CNAME.record, { fail: 'servfail' });
    expect(await proofs.verify('example.com')).toMatchObject({ state: 'verified', answer: expect.stringContaining('ESERVFAIL') });
  });

  it('is looked up at the start by itself', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: CNAME.target } });
    using proofs = proofsOf(settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]));
    proofs.start();
    await expect.poll(() => proofs.isGated(EXAMPLE)).toBe(false);
  });
});

describe('the gate', () => {
  it('is there for domains with a verification setting alone (C8)', async () => {
    await using dns = await serve({});
    using proofs = proofsOf(settingsFor(dns, []));
    expect(proofs.isGated(EXAMPLE)).toBe(false);
    expect(await proofs.verify('example.com')).toBeUndefined();
    expect(proofs.override('example.com', { who: 'anna', reason: 'why not' })).toBeUndefined();
  });

  it('is opened by an administrator with a reason, also over a restart, and closed again', async () => {
    await using dns = await serve({});
    const settings = settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]);
    using proofs = proofsOf(settings);
    expect(proofs.override('example.com', { who: 'anna', reason: 'verified at another provider' })).toMatchObject({
      state: 'unverified',
      gated: false,
      override: { who: 'anna', at: '2026-11-22T12:00:00.000Z', reason: 'verified at another provider' },
    });
    using restarted = proofsOf(settings);
    await restarted.verify('example.com');
    expect(restarted.isGated(EXAMPLE)).toBe(false);
    expect(restarted.override('example.com', undefined)).toMatchObject({ gated: true, override: null });
  });

  it('of new settings: a changed record keeps what was proven, a new domain waits', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: CNAME.target } });
    const settings = settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]);
    using proofs = proofsOf(settings);
    await proofs.verify('example.com');
    proofs.reconfigure({
      ...settings,
      domains: [
        { name: EXAMPLE, txt: 'MS=ms1' },
        { name: domain('new.example'), txt: 'MS=ms2' },
      ],
    });
    expect(proofs.list().map(({ domain: name, gated }) => `${name} ${gated}`)).toEqual(['example.com false', 'new.example true']);
  });

  it('stands on what is on disk: a broken file counts as none, and a reader beside the relay writes nothing', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: CNAME.target } });
    const settings = { ...settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]), file: join(folder, 'proof.json') };
    await writeFile(settings.file, '{"example.com":{"state":"fine"},"other.example":null}');
    using proofs = proofsOf(settings, true);
    expect(proofs.isGated(EXAMPLE)).toBe(true);
    expect(await proofs.verify('example.com')).toMatchObject({ state: 'verified' });
    expect(await readFile(settings.file, 'utf8')).toContain('fine');
    await writeFile(settings.file, 'no json');
    using broken = proofsOf(settings, true);
    expect(broken.isGated(EXAMPLE)).toBe(true);
  });

  it('stays as it was where the state cannot be written', async () => {
    await using dns = await serve({ [CNAME.record]: { cname: CNAME.target } });
    await writeFile(join(folder, 'taken'), '');
    const settings = { ...settingsFor(dns, [{ name: EXAMPLE, cname: CNAME }]), file: join(folder, 'taken', 'proof.json') };
    using proofs = proofsOf(settings);
    await expect(proofs.verify('example.com')).rejects.toThrow(/ENOTDIR|EEXIST/);
    expect(proofs.isGated(EXAMPLE)).toBe(true);
  });
});
