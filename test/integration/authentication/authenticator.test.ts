/** SPF, DKIM and DMARC of spooled mail against a DNS server of our own; the thread is the real one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authenticator } from '../../../src/authentication/authenticator.ts';
import type { AuthenticationSettings } from '../../../src/authentication/ports.ts';
import { parseMailbox } from '../../../src/mail/address.ts';
import type { SenderAuthentication } from '../../../src/mail/authentication.ts';
import type { Origin, SpooledBody, SpooledMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { dkimField, dkimKey } from '../../support/dkim.ts';
import { DnsServer } from '../../support/dns-server.ts';

const ours = dkimKey('example.com');
const strangers = dkimKey('evil.example');
let dns: DnsServer;
let authenticator: Authenticator;
let settings: AuthenticationSettings;

beforeAll(async () => {
  dns = await DnsServer.start({
    'example.com': { txt: ['v=spf1 ip4:192.0.2.1 -all'], mx: [[10, 'mx.example.com']] },
    '_dmarc.example.com': { txt: ['v=DMARC1; p=reject'] },
    'evil.example': { txt: ['v=spf1 ip4:198.51.100.9 -all'] },
    'broken.example': { fail: 'servfail' },
    'silent.example': { fail: 'silent' },
    '_dmarc.silent.example': { fail: 'silent' },
    [ours.record[0]]: { txt: [ours.record[1]] },
    [strangers.record[0]]: { txt: [strangers.record[1]] },
  });
  settings = {
    hostname: 'relay.example.com',
    dnsServers: [dns.server],
    deadline: 5_000,
    claims: true,
    addResults: [],
    ownDomains: ['example.com', 'silent.example', 'broken.example'],
  };
  authenticator = new Authenticator(settings, { clock: systemClock, log: silentLog });
});
afterAll(async () => {
  await authenticator[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
});

interface Case {
  readonly from: string;
  readonly sender?: string;
  readonly ip?: string;
  readonly origin?: Partial<Origin>;
  readonly text?: string;
  readonly signedBy?: typeof ours;
  /** Octets in a piece. */
  readonly pieces?: number;
}

function spooled({ sender = 'writer@evil.example', ip = '198.51.100.9', origin }: Case): SpooledMessage {
  const path = sender === '' ? null : (parseMailbox(sender) ?? null);
  return {
    id: '01TEST' as SpoolId,
    receivedAt: Date.now(),
    sender: path,
    eightBit: false,
    smtputf8: false,
    origin: {
      peer: 'external',
      address: ip,
      name: 'client.evil.example',
      ownHops: 0,
      tenantProof: false,
      claims: ['example.com'],
      ...origin,
    },
    size: 0,
    wireSize: 0,
    recipients: [],
  };
}

async function ask(one: Case, by = authenticator): Promise<SenderAuthentication> {
  const message = `From: ${one.from}\r\nSubject: test\r\n\r\n${one.text ?? 'Hello\r\n'}`;
  const field = one.signedBy === undefined ? '' : await dkimField(one.signedBy, message);
  const header = message.indexOf('\r\n\r\n') + 4;
  const wire = Buffer.from(field + message.slice(0, header) + message.slice(header).replace(/^\./gm, '..'));
  const body: SpooledBody = {
    length: wire.length,
    async *chunks() {
      for (let at = 0; at < wire.length; at += one.pieces ?? wire.length)
        yield wire.subarray(at, at + (one.pieces ?? wire.length));
    },
  };
  return by.authenticate(spooled(one), body);
}

describe('a sender that claims a domain of ours', () => {
  it('R8: is spoofed where SPF fails and nothing is signed', async () => {
    const found = await ask({ from: 'ceo@example.com', sender: 'ceo@example.com' });
    expect(found).toMatchObject({
      spf: { result: 'fail', domain: 'example.com' },
      dkim: [],
      dmarc: { result: 'fail', domain: 'example.com', policy: 'reject' },
      claims: ['example.com'],
      'own-domain': 'spoofed',
    });
  });

  it('is authentic by SPF', async () => {
    const found = await ask({ from: 'ceo@example.com', sender: 'ceo@example.com', ip: '192.0.2.1' });
    expect(found).toMatchObject({ spf: { result: 'pass' }, dmarc: { result: 'pass' }, 'own-domain': 'authentic' });
  });

  it('is authentic by an aligned signature, whatever the address it comes from', async () => {
    const found = await ask({ from: 'news@example.com', signedBy: ours });
    expect(found).toMatchObject({
      dkim: [{ result: 'pass', domain: 'example.com', selector: 'test' }],
      dmarc: { result: 'pass' },
      'own-domain': 'authentic',
    });
  });

  it('is authentic by a signature over a body with stuffed dots, in any pieces', async () => {
    const text = '.\r\n..two\r\n\r\n.end\r\n'.repeat(30);
    for (const pieces of [1, 2, 3, 7, 100]) {
      const found = await ask({ from: 'news@example.com', signedBy: ours, text, pieces });
      expect(found.dkim).toMatchObject([{ result: 'pass' }]);
    }
  });

  it('is spoofed with a good signature and a good SPF of somebody else: neither is aligned', async () => {
    const found = await ask({ from: '"ceo" <ceo@example.com>', sender: 'a@evil.example', signedBy: strangers });
    expect(found).toMatchObject({
      spf: { result: 'pass', domain: 'evil.example' },
      dkim: [{ result: 'pass', domain: 'evil.example' }],
      dmarc: { result: 'fail' },
      'own-domain': 'spoofed',
    });
  });

  it('G6: is not believed for SPF where it comes from the addresses of the cloud, which all tenants share', async () => {
    const cloud = { peer: 'cloud' as const };
    const bySpf = await ask({ from: 'ceo@example.com', sender: 'ceo@example.com', ip: '192.0.2.1', origin: cloud });
    expect(bySpf).toMatchObject({ spf: { result: 'pass' }, 'own-domain': 'spoofed' });
    const signed = await ask({
      from: 'ceo@example.com',
      sender: 'ceo@example.com',
      ip: '192.0.2.1',
      origin: cloud,
      signedBy: ours,
    });
    expect(signed['own-domain']).toBe('authentic');
  });

  it('has no SPF behind a filter, whose address says nothing of the client', async () => {
    const found = await ask({ from: 'ceo@example.com', sender: 'ceo@example.com', ip: '192.0.2.1', origin: { peer: 'gateway' } });
    expect(found).toMatchObject({ spf: { result: 'none' }, 'own-domain': 'spoofed' });
  });

  it('is unknown, not spoofed, where DNS fails', async () => {
    const found = await ask({ from: 'a@broken.example', sender: 'a@broken.example', origin: { claims: ['broken.example'] } });
    expect(found).toMatchObject({ spf: { result: 'temperror' }, 'own-domain': 'unknown' });
  });

  it('is unknown by the deadline where DNS is silent', async () => {
    await using short = new Authenticator({ ...settings, deadline: 300 }, { clock: systemClock, log: silentLog });
    const started = performance.now();
    const found = await ask(
      { from: 'a@silent.example', sender: 'a@silent.example', origin: { claims: ['silent.example'] } },
      short,
    );
    expect(found).toMatchObject({ spf: { result: 'temperror' }, dmarc: { result: 'temperror' }, 'own-domain': 'unknown' });
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('is unknown where the message cannot be read', async () => {
    const body: SpooledBody = {
      length: 10,
      // oxlint-disable-next-line require-yield
      async *chunks(): AsyncGenerator<Buffer> {
        throw new Error('EIO');
      },
    };
    expect(await authenticator.authenticate(spooled({ from: '' }), body)).toMatchObject({ 'own-domain': 'unknown' });
  });

  it('takes SPF of HELO for the null sender', async () => {
    const found = await ask({ from: 'MAILER-DAEMON@example.com', sender: '' });
    expect(found.spf).toMatchObject({ helo: true });
  });
});

describe('what has to be found out', () => {
  const asked = (origin: Partial<Origin>, more: Partial<SpooledMessage> = {}): boolean =>
    authenticator.needs({ ...spooled({ from: '', origin }), ...more });

  it('is the claims of outsiders alone', () => {
    expect(asked({})).toBe(true);
    expect(asked({ peer: 'gateway' })).toBe(true);
    expect(asked({ peer: 'cloud' })).toBe(true);
    expect(asked({ peer: 'cloud', tenantProof: true })).toBe(false);
    expect(asked({ peer: 'on-premises' })).toBe(false);
    const { claims: _, ...unclaimed } = spooled({ from: '' }).origin;
    expect(authenticator.needs({ ...spooled({ from: '' }), origin: unclaimed })).toBe(false);
  });

  it('is found out once; again only where DNS could not tell, and not before a minute', () => {
    const at = (ago: number, verdict: 'spoofed' | 'unknown'): SenderAuthentication => ({
      time: new Date(Date.now() - ago).toISOString(),
      spf: { result: 'fail' },
      dkim: [],
      dmarc: { result: 'fail' },
      'own-domain': verdict,
    });
    expect(asked({}, { authentication: at(3_600_000, 'spoofed') })).toBe(false);
    expect(asked({}, { authentication: at(1_000, 'unknown') })).toBe(false);
    expect(asked({}, { authentication: at(61_000, 'unknown') })).toBe(true);
  });
});
