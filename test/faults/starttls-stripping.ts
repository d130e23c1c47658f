/**
 * Must hold 2: `required` and `verified` never send in clear. COUNT deliveries meet a peer that strips STARTTLS, refuses
 * it, injects replies behind its 220, breaks the handshake or shows a certificate of its own, at random; a tap on the wire
 * keeps what was said outside of TLS.
 *
 *   node test/faults/starttls-stripping.ts [COUNT=1000] [SEED=1]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seeded } from '../e2e/support/messages.ts';
import { deliverOne, SHORT, to, transport } from '../integration/delivery/transport/setup.ts';
import { chainedServer, chainRoot, insideIdentity } from '../support/certificate-chains.ts';
import { otherName, selfSigned, signedRsa, testCa } from '../support/certificates.ts';
import { drop, hang, type PeerScript, ScriptedPeer } from '../support/scripted-peer.ts';
import { Wiretap } from '../support/wiretap.ts';
import { say, table, verdict } from './report.ts';

const count = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? 1);
const AT_ONCE = 10;

const ATTACKS: Readonly<Record<string, PeerScript>> = {
  'strips STARTTLS from EHLO': {},
  'strips it, and offers all else': { keywords: ['PIPELINING', '8BITMIME', 'AUTH PLAIN', 'SIZE 1000000'] },
  'no EHLO at all, HELO alone': { ehlo: '502 5.5.1 What?' },
  'refuses with 454': { starttls: '454 4.7.0 TLS not available' },
  'refuses with 500': { starttls: '500 5.5.1 What?' },
  'refuses with a positive reply of another kind': { starttls: '250 2.0.0 Ok, but no' },
  'injects an EHLO reply behind 220, then TLS': {
    certificate: chainedServer,
    starttls: '220 Ready\r\n250-mx.test\r\n250 SIZE 1',
  },
  'injects a whole session behind 220': {
    certificate: chainedServer,
    starttls: '220 Ready\r\n250-mx.test\r\n250 PIPELINING\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n250 2.0.0 Ok',
  },
  'says 220 and goes on in clear': { starttls: '220 Ready', insteadOfHandshake: '250-mx.test\r\n250 PIPELINING\r\n' },
  'says 220 and an HTTP error': { starttls: '220 Ready', insteadOfHandshake: 'HTTP/1.1 400 Bad Request\r\n\r\n' },
  'drops after STARTTLS': { starttls: drop },
  'hangs at STARTTLS': { starttls: hang },
  'hangs in the handshake': { starttls: '220 Ready' },
  'TLS 1.0 alone': {
    certificate: signedRsa,
    tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' },
  },
  'a certificate of its own': { certificate: selfSigned },
  "another host's certificate": { certificate: otherName },
  'no attack': { certificate: chainedServer },
};
/** All that may be said in clear. */
const HARMLESS = /^(?:(?:EHLO|HELO) relay\.test|STARTTLS|QUIT)$/;

interface Ledger {
  deliveries: number;
  underTls: number;
  deferred: number;
  /** Lines in clear that are none of the greeting. */
  inClear: number;
  claimedClear: number;
}

const folder = mkdtempSync(join(tmpdir(), 'stripping-'));
const identity = { certificate: join(folder, 'relay.pem'), key: join(folder, 'relay.key') };
writeFileSync(identity.certificate, insideIdentity.cert);
writeFileSync(identity.key, insideIdentity.key);
const random = seeded(seed);
const broken: string[] = [];
const names = Object.keys(ATTACKS);
const ledgers = new Map<string, Ledger>(
  names.map((name) => [name, { deliveries: 0, underTls: 0, deferred: 0, inClear: 0, claimedClear: 0 }]),
);

async function deliver(): Promise<void> {
  const name = names[Math.floor(random() * names.length)] ?? 'no attack';
  const mode = random() < 0.5 ? 'required' : 'verified';
  const shown = random() < 0.3 ? identity : {};
  const times = random() < 0.3 ? 2 : 1;
  const ledger = ledgers.get(name);
  if (ledger === undefined) throw new Error(name);
  await using peer = await ScriptedPeer.start(ATTACKS[name]);
  await using tap = await Wiretap.start(peer.port);
  // a second delivery comes with what was remembered of the first: a kept connection, a session to resume
  await using relay = transport({ deadlines: SHORT, ca: [testCa, chainRoot], pool: random() < 0.5 ? { transactions: 1 } : {} });
  for (let i = 0; i < times; i++) {
    const { outcome, tls } = await deliverOne(relay, to(tap.port, { mode, ...shown }));
    ledger.deliveries += 1;
    if (outcome.kind === 'relayed') ledger.underTls += 1;
    else ledger.deferred += 1;
    if (outcome.kind === 'failed') broken.push(`${name}, ${mode}: failed, where it should wait: ${outcome.reply.text}`);
    const result = tls.result === 'encrypted' || tls.result === 'verified';
    if (result !== (outcome.kind === 'relayed')) {
      ledger.claimedClear += 1;
      broken.push(`${name}, ${mode}: ${outcome.kind}, and its record says ${tls.result}`);
    }
    if (mode === 'verified' && outcome.kind === 'relayed' && tls.result !== 'verified')
      broken.push(`${name}: mode verified went to an unverified peer`);
  }
  const lines = tap.clear.flatMap((text) => text.split('\r\n')).filter((line) => line !== '' && !HARMLESS.test(line));
  ledger.inClear += lines.length;
  if (lines.length > 0) broken.push(`${name}, ${mode}: in clear: ${JSON.stringify(lines.slice(0, 3))}`);
  const inClear = peer.messages.filter(({ secure }) => !secure).length;
  if (inClear > 0) broken.push(`${name}, ${mode}: ${inClear} messages arrived in clear`);
}

const began = performance.now();
const total = () => [...ledgers.values()].reduce((sum, { deliveries }) => sum + deliveries, 0);
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (total() < count) await deliver();
  }),
);
rmSync(folder, { recursive: true });

const sum = (key: keyof Ledger) => [...ledgers.values()].reduce((all, one) => all + one[key], 0);
say(
  table(
    ['peer', 'deliveries', 'under TLS', 'deferred', 'lines in clear', 'record wrong'],
    [
      ...[...ledgers].map(([name, { deliveries, underTls, deferred, inClear, claimedClear }]) => [
        name,
        deliveries,
        underTls,
        deferred,
        inClear,
        claimedClear,
      ]),
      ['all', sum('deliveries'), sum('underTls'), sum('deferred'), sum('inClear'), sum('claimedClear')],
    ],
  ),
);
say(
  `seed ${seed}, ${((performance.now() - began) / 1000).toFixed(1)} s; sent in clear: ${sum('inClear')} of ${sum('deliveries')}`,
);
process.exitCode = verdict('starttls-stripping', broken.slice(0, 20));
