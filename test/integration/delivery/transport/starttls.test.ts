import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clientCertificate, otherName, selfSigned, signed, signedRsa } from '../../../support/certificates.ts';
import { hang, type PeerScript, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { deliverOne, SHORT, to, transport } from './setup.ts';

const garbage: PeerScript = { starttls: '220 Ready', insteadOfHandshake: 'this is no handshake\r\n' };
const oldTls: PeerScript = {
  certificate: signedRsa,
  tls: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' },
};

const ladderOf = (tls: { readonly ladder?: readonly { offer: string; result: string }[] }) =>
  tls.ladder?.map(({ offer, result }) => `${offer} ${result}`);

describe('the ladder', () => {
  it('waits for the answer to STARTTLS no longer than for a handshake', async () => {
    await using peer = await ScriptedPeer.start({ starttls: hang });
    await using relay = transport({ deadlines: { ...SHORT, command: 60_000 } });
    const { outcome, tls } = await deliverOne(relay, to(peer.port));
    expect(outcome.kind).toBe('relayed');
    expect(ladderOf(tls)).toEqual(['STARTTLS intermediate timed-out', 'clear plain-after-failure']);
  });

  it('is not climbed again for an hour, and says so in each record', async () => {
    await using peer = await ScriptedPeer.start({ ...oldTls, quit: '221 Bye' });
    let now = 1_000_000;
    const clock = { now: () => now, monotonic: () => performance.now() };
    await using relay = transport({ clock, pool: { transactions: 1 } });
    await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(2);
    const second = await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(3);
    expect(ladderOf(second.tls)).toEqual(['STARTTLS intermediate handshake-failed', 'STARTTLS legacy verified']);
    expect(second.tls.ladder?.[0]?.error).toMatch(/remembered since 1970-01-01T00:16:40/);
    now += 3_600_001;
    peer.script = { certificate: signedRsa };
    const third = await deliverOne(relay, to(peer.port));
    expect(ladderOf(third.tls)).toEqual(['STARTTLS intermediate verified']);
    expect(peer.messages).toHaveLength(3);
  });

  it('shows the certificate of a peer that was not trusted', async () => {
    await using peer = await ScriptedPeer.start({ certificate: selfSigned });
    await using relay = transport();
    const { outcome, tls } = await deliverOne(relay, to(peer.port, { mode: 'verified' }));
    expect(outcome.reply.text).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(tls).toMatchObject({
      result: 'handshake-failed',
      verified: false,
      'verification-error': 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    expect(tls['peer-certificate']?.names).toContain('mx.test');
  });

  it('is verified by the names of the policy, where there are some', async () => {
    await using peer = await ScriptedPeer.start({ certificate: otherName });
    await using relay = transport();
    const { tls } = await deliverOne(relay, to(peer.port, { mode: 'verified', names: ['mail.test', 'elsewhere.test'] }));
    expect(tls).toMatchObject({ result: 'verified', verified: true });
  });

  it('does not take a resumed session for a verified one', async () => {
    const reused: boolean[] = [];
    await using peer = await ScriptedPeer.start({
      certificate: otherName,
      mail: ({ socket }) => {
        if ('isSessionReused' in socket) reused.push(socket.isSessionReused());
        return '250 Ok';
      },
    });
    await using relay = transport({ pool: { transactions: 1 } });
    const first = await deliverOne(relay, to(peer.port));
    const second = await deliverOne(relay, to(peer.port));
    expect(first.tls).toMatchObject({
      result: 'encrypted',
      verified: false,
      'verification-error': 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect(second.tls).toEqual(first.tls);
    expect(reused).toEqual([false, true]);
  });

  it('does nothing in mode none, even where STARTTLS is offered', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed });
    await using relay = transport();
    const { tls } = await deliverOne(relay, to(peer.port, { mode: 'none' }));
    expect(tls).toEqual({ result: 'not-tried', ladder: [{ offer: 'clear', result: 'not-tried' }] });
    expect(peer.messages[0]?.secure).toBe(false);
  });

  it('R4: executes nothing that was slipped in behind the answer to STARTTLS', async () => {
    await using peer = await ScriptedPeer.start({
      certificate: signed,
      starttls: '220 Ready\r\n250-mx.test\r\n250 SIZE 1',
    });
    await using relay = transport({ deadlines: SHORT });
    const { outcome } = await deliverOne(relay, to(peer.port));
    expect(outcome.kind).toBe('relayed'); // a SIZE of 1 would have failed it
  });
});

describe('C12: a connector with a client certificate', () => {
  async function files(): Promise<{ certificate: string; key: string } & AsyncDisposable> {
    const folder = await mkdtemp(join(tmpdir(), 'bridgehead-'));
    const certificate = join(folder, 'relay.pem');
    const key = join(folder, 'relay.key');
    await writeFile(certificate, clientCertificate.cert);
    await writeFile(key, clientCertificate.key);
    return { certificate, key, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
  }

  it('R14: shows it', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed, tls: { requestCert: true } });
    await using own = await files();
    await using relay = transport();
    const subjects: unknown[] = [];
    peer.script = {
      ...peer.script,
      mail: ({ socket }) => {
        if ('getPeerCertificate' in socket) subjects.push(socket.getPeerCertificate().subject.CN);
        return '250 Ok';
      },
    };
    await deliverOne(relay, to(peer.port, { mode: 'required', certificate: own.certificate, key: own.key }));
    expect(subjects).toEqual(['relay.test']);
  });

  for (const script of [{}, garbage, { starttls: '454 no' }] satisfies PeerScript[]) {
    it(`never falls back to clear, whatever the mode (${JSON.stringify(script)})`, async () => {
      await using peer = await ScriptedPeer.start(script);
      await using own = await files();
      await using relay = transport({ deadlines: SHORT });
      const { outcome } = await deliverOne(relay, to(peer.port, { certificate: own.certificate, key: own.key }));
      expect(outcome.kind).toBe('deferred');
      expect(peer.commands.filter((command) => command.startsWith('MAIL'))).toEqual([]);
    });
  }

  it('says so when its file cannot be read', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed });
    await using relay = transport();
    const { outcome } = await deliverOne(relay, to(peer.port, { mode: 'required', certificate: '/nonexistent/relay.pem' }));
    expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.7.5' } });
    expect(outcome.reply.text).toContain('ENOENT');
  });
});
