import { rootCertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { smtpCheck } from '../../../src/checks/smtp-check.ts';
import type { SmtpCheckQuestion, SmtpCheckReport } from '../../../src/checks/smtp-check-report.ts';
import { runSmtpChecks } from '../../../src/checks/smtp-check-run.ts';
import { renderSmtpCheck } from '../../../src/checks/smtp-check-text.ts';
import { nameError } from '../../../src/delivery/certificate-names.ts';
import { firstRung, judge, profileOptions } from '../../../src/delivery/starttls.ts';
import type { TlsMode } from '../../../src/mail/route.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { expired, otherName, selfSigned, signed, signedRsa, testCa } from '../../support/certificates.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { drop, hang, type PeerScript, ScriptedPeer } from '../../support/scripted-peer.ts';
import { deliverOne, SHORT, to, transport } from '../delivery/transport/setup.ts';

const ladder = { firstRung, judge, options: profileOptions, nameError };
const deps = { clock: systemClock, ladder, roots: [testCa], pause: 0 };

const question = (port: number, more: Partial<SmtpCheckQuestion> = {}): SmtpCheckQuestion => ({
  host: '127.0.0.1',
  port,
  names: [],
  helo: 'relay.test',
  implicitTls: false,
  patience: 500,
  ip: 'any',
  dnsServers: [],
  ...more,
});

async function checked(
  script: PeerScript,
  more: Partial<SmtpCheckQuestion> = {},
): Promise<SmtpCheckReport & { readonly peer: ScriptedPeer }> {
  await using peer = await ScriptedPeer.start(script);
  return { ...(await smtpCheck(question(peer.port, more), deps)), peer };
}

const problems = ({ findings }: SmtpCheckReport): string[] => findings.map(({ severity, problem }) => `${severity}: ${problem}`);
const acceptedBy = ({ protocols, profiles }: SmtpCheckReport): string[] =>
  [...protocols, ...profiles].filter(({ accepted }) => accepted).map(({ offer }) => offer);

const OLD = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
const garbage: PeerScript = { starttls: '220 Ready', insteadOfHandshake: 'this is no handshake\r\n' };

describe('smtp-check', () => {
  it('tells banner, keywords before and after TLS, certificate and timings of a good server, and is content', async () => {
    const report = await checked({ certificate: signed });
    expect(report.ok).toBe(true);
    expect(report.findings).toEqual([]);
    expect(report.banner).toBe('220 mx.test ESMTP');
    expect(report.ehlo?.keywords).toContain('STARTTLS');
    expect(report['ehlo-after-tls']?.keywords).not.toContain('STARTTLS');
    expect(report.tls).toMatchObject({ protocol: 'TLSv1.3', verified: true, 'name-matches': true });
    expect(report.chain?.certificates).toMatchObject([{ subject: 'CN=mx.test', key: 'EC prime256v1', 'self-signed': false }]);
    expect(report['client-certificate-asked']).toBe(false);
    expect(Object.keys(report['timings-ms'])).toEqual([
      'dns',
      'connect',
      'banner',
      'ehlo',
      'starttls',
      'handshake',
      'ehlo-after-tls',
    ]);
    expect(acceptedBy(report)).toEqual(['TLSv1.2', 'TLSv1.3', 'modern', 'intermediate', 'legacy']);
    expect(report.peer.sessions).toHaveLength(7);
  });

  it('never sends mail: MAIL and RCPT are asked once and taken back', async () => {
    const report = await checked(
      { certificate: signed, rcpt: '550 5.1.1 unknown' },
      { envelope: { from: 'a@example.net', to: 'b@example.com' } },
    );
    expect(report.envelope.map(({ reply }) => reply)).toEqual(['250 2.1.0 Ok', '550 5.1.1 unknown', '250 2.0.0 Ok']);
    expect(report.ok).toBe(false);
    expect(report.peer.commands.filter((command) => command.startsWith('MAIL'))).toHaveLength(1);
    expect(report.peer.commands).not.toContain('DATA');
    expect(report.peer.messages).toEqual([]);
  });

  it.each([
    ['TLSv1.2', 'sees that a client certificate is asked for'],
    ['TLSv1.3', 'sees it in TLS 1.3 as well, where it is encrypted'],
  ] as const)('in %s %s, and the chain as it was sent', async (version, _what) => {
    const cert = `${signed.cert}\n${testCa}`;
    const report = await checked({
      certificate: { ...signed, cert },
      tls: { requestCert: true, minVersion: version, maxVersion: version },
    });
    expect(report['client-certificate-asked']).toBe(true);
    expect(report.chain).toMatchObject({ complete: true, 'root-sent': true, missing: null });
    expect(report.chain?.certificates.map(({ subject }) => subject)).toEqual(['CN=mx.test', 'CN=Bridgehead Test CA']);
    expect(problems(report)).toContain('info: the root is sent as well: every client has its own, so it only costs octets');
  });

  it('names the certificate that a chain lacks', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed });
    const report = await smtpCheck(question(peer.port), { ...deps, roots: rootCertificates.slice(0, 3) });
    expect(report.chain).toMatchObject({ complete: false, missing: 'CN=Bridgehead Test CA' });
    expect(report.ok).toBe(true); // opportunistic mail goes all the same
    expect(problems(report)).toEqual([expect.stringMatching(/^warning: the chain is incomplete: .*Bridgehead Test CA/)]);
  });

  it.each([
    ['signed by itself', selfSigned, /signed by itself/],
    ['ended', expired, /ended on 2021-01-01/],
    ['for another name', otherName, /is for elsewhere.test, not for 127.0.0.1/],
  ])('tells of a certificate that is %s; an error where a name was asked for', async (_, certificate, expected) => {
    const warned = await checked({ certificate });
    expect(problems(warned)).toContainEqual(expect.stringMatching(new RegExp(`^warning: .*${expected.source}`)));
    expect(warned.ok).toBe(true);
    const refused = await checked({ certificate }, { names: ['127.0.0.1'] });
    expect(refused.ok).toBe(false);
  });

  it('tells which versions a server accepts, and the cipher of each', async () => {
    const report = await checked({ certificate: signedRsa, tls: { ...OLD, maxVersion: 'TLSv1.1' } });
    expect(acceptedBy(report)).toEqual(['TLSv1', 'TLSv1.1', 'legacy']);
    expect(report.protocols[1]).toMatchObject({ offer: 'TLSv1.1', protocol: 'TLSv1.1', cipher: 'ECDHE-RSA-AES256-SHA' });
    expect(report.ok).toBe(false);
    expect(problems(report)).toContainEqual(expect.stringMatching(/^error: TLS fails with the profile intermediate/));
    expect(problems(report)).toContainEqual(expect.stringMatching(/^warning: neither TLS 1.2 nor TLS 1.3/));
    // the certificate is shown by the offer that works
    expect(report.tls?.protocol).toBe('TLSv1.1');
  });

  it('finds a server that executes in TLS what was sent in clear behind STARTTLS, and clears one that does not', async () => {
    expect((await checked({ certificate: signed })).injection).toBe('discarded');
    // what such a server does: the answer to NOOP comes first in the session that only said QUIT
    const report = await checked({ certificate: signed, quit: '250 2.0.0 Ok\r\n221 2.0.0 Bye' });
    expect(report.injection).toBe('executed');
    expect(report.ok).toBe(false);
  });

  it.each<[string, PeerScript, RegExp]>([
    ['offers no STARTTLS', {}, /STARTTLS is not offered/],
    ['refuses STARTTLS', { starttls: '454 4.7.0 not now' }, /refused: 454 4.7.0 not now/],
    ['speaks garbage in place of TLS', garbage, /TLS fails with every offer/],
    ['hangs in the handshake', { starttls: '220 Ready' }, /TLS fails with every offer: ETIMEDOUT/],
    ['refuses us in its greeting', { greeting: '554 5.7.1 blocked' }, /takes no mail from us now: 554 5.7.1 blocked/],
    ['drops the connection', { greeting: drop }, /gives no SMTP greeting/],
    ['is silent', { greeting: hang }, /gives no SMTP greeting \(no answer in time\)/],
    ['refuses EHLO and HELO', { ehlo: '550 no', helo: '550 5.7.1 who?' }, /EHLO relay.test failed/],
    ['answers without end', { greeting: `220-${'x'.repeat(70_000)}` }, /more than 65536 octets/],
  ])('says it where a server %s', async (_, script, expected) => {
    const report = await checked(script, { patience: 150 });
    expect(report.ok).toBe(false);
    expect(problems(report)[0]).toMatch(/^error: /);
    expect(problems(report).join()).toMatch(expected);
    expect(renderSmtpCheck(report)).toContain('NOT ok');
  });

  it('ends in time whatever a server does', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed, starttls: hang });
    const began = performance.now();
    const report = await smtpCheck(question(peer.port, { patience: 60_000 }), { ...deps, total: 300 });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(problems(report).join()).toMatch(/not everything could be looked at/);
  });

  it('looks at each exchanger of a domain, and at the hosts of a connector', async () => {
    await using dns = await DnsServer.start({
      'example.com': {
        mx: [
          [20, 'b.example.com'],
          [10, 'a.example.com'],
        ],
      },
      'a.example.com': {},
      'b.example.com': {},
    });
    const ours = { hostname: 'relay.test', connectors: [], dnsServers: [dns.server] };
    const request = { names: [], implicitTls: false, patience: 500 };
    const all = await runSmtpChecks(ours, { ...request, target: { mx: 'example.com' } }, deps);
    expect(all.map(({ report }) => report.host)).toEqual(['a.example.com', 'b.example.com']);
    await using peer = await ScriptedPeer.start({ certificate: signed });
    const connectors = [to(peer.port, { mode: 'verified', names: ['mx.test'] }, { helo: 'other.test' })];
    const [one] = await runSmtpChecks({ ...ours, connectors }, { ...request, connector: 'cloud' }, deps);
    expect(one?.ok).toBe(true);
    expect(one?.report.modes.at(-1)).toMatchObject({ mode: 'connector cloud', sends: 'encrypted' });
    expect(peer.commands[0]).toBe('EHLO other.test');
  });

  it('prints nothing that could steer a terminal', async () => {
    const report = await checked({ greeting: '220 mx.test \u001b[31mred', certificate: signed });
    expect(renderSmtpCheck(report)).not.toContain('\u001b');
  });
});

describe('what each tls.mode would do, by smtp-check', () => {
  const MODES: readonly TlsMode[] = ['none', 'opportunistic', 'required', 'verified'];
  it.each<[string, PeerScript]>([
    ['good', { certificate: signed }],
    ['signed by itself', { certificate: selfSigned }],
    ['ended', { certificate: expired }],
    ['another name', { certificate: otherName }],
    ['no STARTTLS', {}],
    ['STARTTLS refused', { starttls: '454 4.7.0 not now' }],
    ['garbage', garbage],
    ['TLS 1.0', { certificate: signedRsa, tls: { ...OLD, maxVersion: 'TLSv1' } }],
    ['silent in the handshake', { starttls: '220 Ready' }],
    ['hangs at STARTTLS', { starttls: hang }],
  ])('agrees with what delivery does: %s', async (_, script) => {
    await using peer = await ScriptedPeer.start(script);
    const { modes } = await smtpCheck(question(peer.port, { patience: 200 }), deps);
    const said = modes.map(({ mode, sends, ladder: steps }) => ({
      mode,
      sends,
      steps: steps.map(({ offer, result }) => `${offer} ${result}`),
    }));
    const done = [];
    for (const mode of MODES) {
      await using relay = transport({ deadlines: SHORT });
      const { outcome, tls } = await deliverOne(relay, to(peer.port, { mode }));
      const isEncrypted = tls.result === 'encrypted' || tls.result === 'verified';
      const sends = outcome.kind !== 'relayed' ? 'nothing' : isEncrypted ? 'encrypted' : 'in clear';
      done.push({ mode, sends, steps: (tls.ladder ?? []).map(({ offer, result }) => `${offer} ${result}`) });
    }
    expect(said).toEqual(done);
  });
});
