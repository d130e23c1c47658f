/**
 * R3, P5, C12: the TLS decision over real sockets. Every mode meets every kind of peer, with and without a client
 * certificate; a tap on the wire says what went in clear, the peer what arrived, the attempt what the record will say.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { TlsMode } from '../../../../src/mail/route.ts';
import { chainedServer, chainRoot, insideIdentity, serverWithoutIntermediate } from '../../../support/certificate-chains.ts';
import { expired, otherName, selfSigned, signedRsa, testCa } from '../../../support/certificates.ts';
import { drop, hang, type PeerScript, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { Wiretap } from '../../../support/wiretap.ts';
import { deliverOne, SHORT, to, transport } from './setup.ts';

const MODES: readonly TlsMode[] = ['none', 'opportunistic', 'required', 'verified'];

interface Peer {
  readonly peer: string;
  readonly script: PeerScript;
  /** The results of the ladder, by mode, without a client certificate. */
  readonly opportunistic: readonly string[];
  readonly required: readonly string[];
  readonly verified: readonly string[];
  /** With one, where it makes a difference. */
  readonly withCertificate?: { readonly required: readonly string[]; readonly verified: readonly string[] };
  /** What the record says of a certificate that is not trusted. */
  readonly error?: string;
  readonly protocol?: string;
}

const CLEAR_AFTER_FAILURE = 'clear plain-after-failure';
const FAILED = 'STARTTLS intermediate handshake-failed';
const TIMED_OUT = 'STARTTLS intermediate timed-out';
const NOT_OFFERED = 'STARTTLS intermediate not-offered';
const REFUSED = 'STARTTLS intermediate refused';
const ENCRYPTED = 'STARTTLS intermediate encrypted';
const VERIFIED = 'STARTTLS intermediate verified';

const all = (one: string) => ({ opportunistic: [one], required: [one], verified: [one] });
const brokenBy = (one: string) => ({ opportunistic: [one, CLEAR_AFTER_FAILURE], required: [one], verified: [one] });
const untrusted = (error: string) => ({
  opportunistic: [ENCRYPTED],
  required: [ENCRYPTED],
  verified: [FAILED],
  error,
  protocol: 'TLSv1.3',
});

const PEERS: readonly Peer[] = [
  { peer: 'offers no STARTTLS', script: {}, ...all(NOT_OFFERED) },
  { peer: 'refuses STARTTLS with 454', script: { starttls: '454 4.7.0 TLS not available' }, ...all(REFUSED) },
  { peer: 'does not know STARTTLS after all (502)', script: { starttls: '502 5.5.1 What?' }, ...all(REFUSED) },
  { peer: 'answers STARTTLS with 421', script: { starttls: '421 4.3.2 not now' }, ...brokenBy(REFUSED) },
  {
    peer: 'answers 220 and then garbage',
    script: { starttls: '220 Ready', insteadOfHandshake: 'this is no handshake\r\n' },
    ...brokenBy(FAILED),
  },
  {
    peer: 'answers 220 and goes on in clear as if nothing had been',
    script: { starttls: '220 Ready', insteadOfHandshake: '250-mx.test\r\n250 SIZE 1000000\r\n' },
    ...brokenBy(FAILED),
  },
  { peer: 'hangs in the handshake', script: { starttls: '220 Ready' }, ...brokenBy(TIMED_OUT) },
  { peer: 'never answers STARTTLS', script: { starttls: hang }, ...brokenBy(TIMED_OUT) },
  { peer: 'drops the connection after STARTTLS', script: { starttls: drop }, ...brokenBy(FAILED) },
  {
    peer: 'speaks TLS 1.0 only',
    script: { certificate: signedRsa, tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } },
    opportunistic: [FAILED, 'STARTTLS legacy verified'],
    required: [FAILED],
    verified: [FAILED],
    protocol: 'TLSv1',
  },
  { peer: 'has a self-signed certificate', script: { certificate: selfSigned }, ...untrusted('DEPTH_ZERO_SELF_SIGNED_CERT') },
  { peer: 'has an expired certificate', script: { certificate: expired }, ...untrusted('CERT_HAS_EXPIRED') },
  { peer: "has another host's certificate", script: { certificate: otherName }, ...untrusted('ERR_TLS_CERT_ALTNAME_INVALID') },
  {
    peer: 'forgot the intermediate',
    script: { certificate: serverWithoutIntermediate },
    ...untrusted('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
  },
  { peer: 'has a good certificate', script: { certificate: chainedServer }, ...all(VERIFIED), protocol: 'TLSv1.3' },
  {
    peer: 'has a good certificate and TLS 1.2',
    script: { certificate: chainedServer, tls: { maxVersion: 'TLSv1.2' } },
    ...all(VERIFIED),
    protocol: 'TLSv1.2',
  },
  {
    peer: 'slips replies in behind its 220',
    script: { certificate: chainedServer, starttls: '220 Ready\r\n250-mx.test\r\n250 SIZE 1' },
    ...all(VERIFIED),
    protocol: 'TLSv1.3',
  },
  {
    peer: 'wants a client certificate',
    script: { certificate: chainedServer, tls: { demandCert: true, ca: chainRoot } },
    ...brokenBy(FAILED),
    withCertificate: { required: [VERIFIED], verified: [VERIFIED] },
    protocol: 'TLSv1.3',
  },
];

const folder = mkdtempSync(join(tmpdir(), 'tls-table-'));
const identity = { certificate: join(folder, 'relay.pem'), key: join(folder, 'relay.key') };
writeFileSync(identity.certificate, insideIdentity.cert);
writeFileSync(identity.key, insideIdentity.key);
afterAll(() => rmSync(folder, { recursive: true }));

function expected(peer: Peer, mode: TlsMode, shown: boolean): readonly string[] {
  if (!shown) return mode === 'none' ? ['clear not-tried'] : peer[mode];
  // C12: with a certificate the weaker modes are `required`
  return (peer.withCertificate ?? peer)[mode === 'verified' ? 'verified' : 'required'];
}

const CASES = PEERS.flatMap((peer) =>
  MODES.flatMap((mode) =>
    [false, true].map((shown) => {
      const ladder = expected(peer, mode, shown);
      const result = ladder.at(-1)?.split(' ').at(-1) ?? '';
      const goes = result === 'encrypted' || result === 'verified';
      const inClear = !goes && !shown && (mode === 'none' || (mode === 'opportunistic' && !/failed|timed/.test(result)));
      const what = goes ? `goes by ${result} TLS` : inClear ? 'goes in clear' : 'waits, and nothing of it is said in clear';
      return { ...peer, mode, shown, ladder, result, goes, inClear, what, identity: shown ? 'with' : 'without' };
    }),
  ),
);

it('has a table of at least 40 cases', () => expect(CASES.length).toBeGreaterThanOrEqual(40));

describe.each(MODES)('R3, P5, C12: mail in mode %s', (ofMode) => {
  it.each(CASES.filter(({ mode }) => mode === ofMode))(
    '$what $identity a client certificate to a peer that $peer',
    async ({ script, mode, shown, ladder, result, goes, inClear, error, protocol }) => {
      await using peer = await ScriptedPeer.start(script);
      const shownTo: string[] = [];
      peer.script = {
        ...script,
        tls: { requestCert: true, ...script.tls },
        mail: ({ socket }) => {
          if ('getPeerX509Certificate' in socket) shownTo.push(...chainOf(socket.getPeerX509Certificate()));
          return '250 2.1.0 Ok';
        },
      };
      await using tap = await Wiretap.start(peer.port);
      await using relay = transport({ deadlines: SHORT, ca: [testCa, chainRoot] });
      const { outcome, tls } = await deliverOne(relay, to(tap.port, { mode, ...(shown ? identity : {}) }));

      // what arrived, and how
      expect(outcome).toMatchObject(goes || inClear ? { kind: 'relayed' } : { kind: 'deferred', cause: 'connection' });
      expect(outcome.reply.enhanced).toMatch(goes || inClear ? /^2\.0\.0$/ : /^4\.7\.[45]$/);
      expect(peer.messages.map(({ secure }) => secure)).toEqual(goes ? [true] : inClear ? [false] : []);
      // what was sent in clear
      const said = tap.clear.flatMap((text) => text.split('\r\n').filter((line) => line !== ''));
      expect(said.filter((line) => /^(?:MAIL|RCPT|DATA|Hello)/.test(line))).toHaveLength(inClear ? 4 : 0);
      expect(inClear || said.every((line) => /^(?:EHLO relay\.test|STARTTLS|QUIT)$/.test(line))).toBe(true);
      // what the record says
      const untrusted = (mode !== 'none' || shown) && error !== undefined;
      expect({
        result: tls.result,
        ladder: tls.ladder?.map((step) => `${step.offer} ${step.result}`),
        unexplained: tls.ladder?.filter((step) => /failed|timed|refused$/.test(step.result) && step.error === undefined),
        protocol: tls.protocol,
        certificate: tls['peer-certificate'] !== undefined,
        verified: tls.verified,
        error: tls['verification-error'],
      }).toEqual({
        result,
        ladder,
        unexplained: [],
        protocol: goes || untrusted ? protocol : undefined,
        certificate: goes || untrusted,
        verified: untrusted ? false : goes ? true : undefined,
        error: untrusted ? error : undefined,
      });
      // who we were
      expect(shownTo).toEqual(goes && shown ? ['CN=inside.relay.test', 'CN=Chain Test Intermediate'] : []);
    },
  );
});

/** The common names of a certificate and of those that came with it. */
function chainOf(leaf: import('node:crypto').X509Certificate | undefined): string[] {
  const names: string[] = [];
  for (let one = leaf; one !== undefined; one = one.issuerCertificate) names.push(/CN=.*/.exec(one.subject)?.[0] ?? '');
  return names;
}
