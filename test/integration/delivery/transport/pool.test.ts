import { describe, expect, it } from 'vitest';
import type { TlsMode } from '../../../../src/mail/route.ts';
import { signed } from '../../../support/certificates.ts';
import { drop, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { deliverOne, SHORT, to, transport } from './setup.ts';

/** A clock that a test moves; it runs too, so that deadlines of real sockets end. */
function movable() {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    monotonic: () => performance.now() + ahead,
    advance: (ms: number) => {
      ahead += ms;
    },
  };
}

describe('a kept connection', () => {
  it('carries the next message, under TLS with the facts of its handshake', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed });
    await using relay = transport();
    const first = await deliverOne(relay, to(peer.port));
    const second = await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(1);
    expect(peer.commands.filter((command) => command === 'STARTTLS')).toHaveLength(1);
    expect(second.tls).toBe(first.tls);
    expect(second.tls).toMatchObject({ result: 'verified', protocol: 'TLSv1.3', verified: true });
    expect(second.tls['peer-certificate']?.names).toContain('mx.test');
  });

  it('is not shared with a connector of another identity', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport();
    await deliverOne(relay, to(peer.port));
    await deliverOne(relay, to(peer.port, {}, { name: 'partner' }));
    await deliverOne(relay, to(peer.port, {}, { helo: 'other.test' }));
    await deliverOne(relay, to(peer.port, { mode: 'none' }));
    await deliverOne(relay, to(peer.port, {}, { sourceAddress: '127.0.0.1' }));
    expect(peer.sessions).toHaveLength(5);
    await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(5);
  });

  it('is not shared by domains with different TLS, and each gets its own', async () => {
    await using peer = await ScriptedPeer.start({ certificate: signed });
    await using relay = transport();
    const destination = (pattern: string, mode: TlsMode) => ({
      pattern,
      tls: { mode, profile: 'intermediate' as const },
      source: `settings, ${pattern}`,
    });
    const by = to(
      peer.port,
      {},
      { tlsDestinations: [destination('clear.example', 'none'), destination('*.strict.example', 'verified')] },
    );
    for (const [domain, result] of [
      ['example.com', 'verified'],
      ['clear.example', 'not-tried'],
      ['a.strict.example', 'verified'],
      ['b.strict.example', 'verified'],
      ['example.net', 'verified'],
    ] as const)
      expect((await deliverOne(relay, by, {}, domain)).tls.result).toBe(result);
    expect(peer.sessions).toHaveLength(3);
  });

  it('says QUIT after its share of messages', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport({ pool: { transactions: 2 } });
    for (let i = 0; i < 3; i++) await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(2);
    expect(peer.sessions[0]?.commands.at(-1)).toBe('QUIT');
  });

  it('says QUIT when it was idle for a while, and when it is old', async () => {
    const clock = movable();
    let quit: (() => void) | undefined;
    const said = () => new Promise<void>((resolve) => (quit = resolve));
    await using peer = await ScriptedPeer.start({
      quit: () => {
        quit?.();
        return '221 Bye';
      },
    });
    await using relay = transport({ clock, deadlines: { connect: 40 } });
    await deliverOne(relay, to(peer.port));
    const idle = said();
    clock.advance(30_000);
    await idle;
    await deliverOne(relay, to(peer.port));
    for (let i = 0; i < 14; i++) {
      clock.advance(20_000);
      await deliverOne(relay, to(peer.port));
    }
    expect(peer.sessions).toHaveLength(2);
    const old = said();
    clock.advance(20_000);
    await deliverOne(relay, to(peer.port));
    await old;
    await deliverOne(relay, to(peer.port));
    expect(peer.sessions).toHaveLength(3);
  });

  it('that the peer has closed is not used', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport();
    await deliverOne(relay, to(peer.port));
    peer.disconnectAll();
    expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
    expect(peer.messages).toHaveLength(2);
  });

  for (const [title, mail] of [
    ['drops it at MAIL', drop],
    ['answers MAIL with 421', '421 4.4.2 idle for too long'],
  ] as const) {
    it(`is replaced by a fresh one, once, when the peer ${title}`, async () => {
      await using peer = await ScriptedPeer.start({});
      await using relay = transport({ deadlines: SHORT });
      await deliverOne(relay, to(peer.port));
      let refusals = 1;
      const scripted = (answer: typeof mail) => (typeof answer === 'string' ? () => answer : answer);
      peer.script = { mail: (session, line) => (refusals-- > 0 ? scripted(mail)(session, line) : '250 Ok') };
      expect((await deliverOne(relay, to(peer.port))).outcome.kind).toBe('relayed');
      expect(peer.sessions).toHaveLength(2);
      refusals = 2;
      expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'deferred', cause: 'connection' });
      expect(peer.sessions).toHaveLength(3);
      expect(peer.messages).toHaveLength(2);
    });
  }

  it('dead behind the final dot is never repeated within the attempt', async () => {
    await using peer = await ScriptedPeer.start({});
    await using relay = transport();
    await deliverOne(relay, to(peer.port));
    peer.script = { dot: drop };
    expect((await deliverOne(relay, to(peer.port))).outcome).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
    expect(peer.sessions).toHaveLength(1);
  });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
    it(`leaves a TLS session that the next connection resumes (${maxVersion})`, async () => {
      await using peer = await ScriptedPeer.start({ certificate: signed, tls: { maxVersion } });
      await using relay = transport({ pool: { transactions: 1 } });
      const reused: boolean[] = [];
      peer.script = {
        ...peer.script,
        mail: ({ socket }) => {
          if ('isSessionReused' in socket) reused.push(socket.isSessionReused());
          return '250 Ok';
        },
      };
      const [first, second] = [await deliverOne(relay, to(peer.port)), await deliverOne(relay, to(peer.port))];
      expect(reused).toEqual([false, true]);
      expect(first.tls).toMatchObject({ result: 'verified', verified: true });
      expect(second.tls).toEqual(first.tls);
    });
});

describe('a peer whose handshake breaks when a session is resumed', () => {
  for (const mode of ['opportunistic', 'required'] as const)
    it(`gets the next message by a full one, never in clear for it, and no such offer again (${mode})`, async () => {
      // what OpenSSL does in a server that asks for certificates and was given no session id context
      await using peer = await ScriptedPeer.start({ certificate: signed, tls: { requestCert: true, sessionIdContext: '' } });
      await using relay = transport({ pool: { transactions: 1 } });
      await deliverOne(relay, to(peer.port, { mode }));
      const { outcome, tls } = await deliverOne(relay, to(peer.port, { mode }));
      expect(outcome.kind).toBe('relayed');
      expect(tls.ladder).toMatchObject([
        { offer: 'STARTTLS intermediate', result: 'handshake-failed' },
        { offer: 'STARTTLS intermediate', result: 'verified' },
      ]);
      const third = await deliverOne(relay, to(peer.port, { mode }));
      expect(third.tls.ladder).toMatchObject([{ offer: 'STARTTLS intermediate', result: 'verified' }]);
      expect(peer.messages.map(({ secure }) => secure)).toEqual([true, true, true]);
      expect(peer.sessions).toHaveLength(4);
    });
});

describe('close', () => {
  it('says QUIT on idle connections and waits for messages under way', async () => {
    let answer: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let finish: (() => void) | undefined;
    await using peer = await ScriptedPeer.start({
      dot: (session) => {
        finish = () => session.write('250 2.0.0 Ok\r\n');
        answer?.();
        return undefined;
      },
    });
    const relay = transport();
    const under = deliverOne(relay, to(peer.port));
    await asked;
    const closed = relay.close(5_000);
    finish?.();
    expect((await under).outcome.kind).toBe('relayed');
    peer.disconnectAll();
    await closed;
  });

  it('breaks what is left at its deadline', async () => {
    let answer: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await using peer = await ScriptedPeer.start({
      dot: () => {
        answer?.();
        return undefined;
      },
    });
    const relay = transport();
    const under = deliverOne(relay, to(peer.port));
    await asked;
    await relay.close(20);
    expect((await under).outcome).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
  });
});
