import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LearnedTls } from '../../../../src/delivery/learned-tls.ts';
import type { TlsPolicy } from '../../../../src/mail/route.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { otherName, selfSigned, signed, signedRsa } from '../../../support/certificates.ts';
import { type PeerScript, ScriptedPeer } from '../../../support/scripted-peer.ts';
import { deliverOne, SHORT, to, transport } from './setup.ts';

const DAY = 86_400_000;

/** A transport that remembers, and a clock that the test moves by whole days. */
class Remembering implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'learned-'));
  readonly file = join(this.folder, 'learned-tls.json');
  readonly peer: ScriptedPeer;
  ahead = 0;
  #learned: LearnedTls | undefined;
  readonly #clock = { now: () => Date.now() + this.ahead, monotonic: () => performance.now() + this.ahead };

  private constructor(peer: ScriptedPeer) {
    this.peer = peer;
  }

  static async start(script: PeerScript): Promise<Remembering> {
    return new Remembering(await ScriptedPeer.start(script));
  }

  async learned(): Promise<LearnedTls> {
    this.#learned ??= await LearnedTls.open({ file: this.file, clock: this.#clock, log: silentLog });
    return this.#learned;
  }

  /** As at a restart. */
  async forgetAll(): Promise<void> {
    await this.#learned?.[Symbol.asyncDispose]();
    this.#learned = undefined;
  }

  /** A delivery on each of so many days, each by a connection of its own. */
  async deliver(times: number, policy: Partial<TlsPolicy> = {}) {
    const learned = await this.learned();
    await using relay = transport({ clock: this.#clock, learned, deadlines: SHORT, pool: { transactions: 1 } });
    let last = await deliverOne(relay, to(this.peer.port, policy));
    for (let i = 1; i < times; i++) {
      this.ahead += DAY;
      last = await deliverOne(relay, to(this.peer.port, policy));
    }
    return last;
  }

  async findings(policy: Partial<TlsPolicy> = {}) {
    return (await this.learned()).findings([to(this.peer.port, policy)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forgetAll();
    await this.peer[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe('a next hop that had TLS on three days', () => {
  it('and offers none now gets the mail in clear, with a finding that names the last good evidence', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    await hop.deliver(3);
    hop.peer.script = {};
    expect((await hop.deliver(1)).outcome.kind).toBe('relayed');
    const [finding] = await hop.findings();
    expect(finding).toMatchObject({ connector: 'cloud', host: `127.0.0.1:${hop.peer.port}`, kind: 'clear', severity: 'warning' });
    expect(finding?.problem).toMatch(
      /has no TLS any more \(STARTTLS is not offered\) since .*mail goes in clear\. Good before: TLSv1\.3, certificate CN=mx\.test of CN=Bridgehead Test CA, on 3 days/,
    );
    expect(finding?.remedy).toContain(`bridgehead connector accept-tls cloud 127.0.0.1:${hop.peer.port}`);
    hop.peer.script = { certificate: signed };
    await hop.deliver(1);
    expect(await hop.findings()).toEqual([]);
  });

  it('and offers none now gets nothing where it says on-downgrade: defer, until an operator takes it', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    const policy = { onDowngrade: 'defer' } as const;
    await hop.deliver(3, policy);
    hop.peer.script = {};
    const { outcome, tls } = await hop.deliver(1, policy);
    expect(outcome).toMatchObject({ kind: 'deferred', cause: 'connection', reply: { code: 451, enhanced: '4.7.4' } });
    expect(outcome.reply.text).toMatch(/has no TLS any more \(STARTTLS is not offered\); on-downgrade: defer/);
    expect(tls).toMatchObject({ result: 'not-offered' });
    expect(hop.peer.messages).toHaveLength(3);
    expect((await hop.findings(policy))[0]?.problem).toContain('its mail waits');
    const learned = await hop.learned();
    expect(await learned.accept('cloud', 'another.example')).toEqual([]);
    expect(await learned.accept('cloud', '127.0.0.1')).toMatchObject([{ worse: { kind: 'clear' } }]);
    expect((await hop.deliver(1, policy)).outcome.kind).toBe('relayed');
    expect(await hop.findings(policy)).toEqual([]);
  });

  it('and breaks the handshake now: its record says that nothing went, not that it went in clear (P9)', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    await hop.deliver(3, { onDowngrade: 'defer' });
    hop.peer.script = { starttls: '220 Ready', insteadOfHandshake: 'garbage\r\n' };
    const { outcome, tls } = await hop.deliver(1, { onDowngrade: 'defer' });
    expect(outcome.kind).toBe('deferred');
    expect(tls.ladder?.map(({ result }) => result)).toEqual(['handshake-failed']);
    expect(tls.result).toBe('handshake-failed');
    expect(hop.peer.commands.filter((line) => line.startsWith('MAIL'))).toHaveLength(3);
  });

  it('and shows a self-signed certificate now gets nothing where it says defer, and no session of it is resumed', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    const policy = { onDowngrade: 'defer' } as const;
    await hop.deliver(3, policy);
    hop.peer.script = { certificate: selfSigned };
    for (let i = 0; i < 2; i++) {
      const { outcome, tls } = await hop.deliver(1, policy);
      expect(outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.7.5' } });
      expect(tls).toMatchObject({ result: 'handshake-failed', verified: false });
    }
    expect(hop.peer.messages).toHaveLength(3);
    expect((await hop.findings(policy))[0]).toMatchObject({ kind: 'unverified', severity: 'warning' });
    await (await hop.learned()).accept('cloud');
    expect((await hop.deliver(1, policy)).tls.result).toBe('encrypted');
  });

  it('and renews its certificate, trusted as before: nothing to say', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    await hop.deliver(3);
    hop.peer.script = { certificate: signedRsa };
    await hop.deliver(1);
    expect(await hop.findings()).toEqual([]);
  });

  it('is known by its first certificate where the policy is verified, and the refused one is told', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    const policy = { mode: 'verified' } as const;
    await hop.deliver(3, policy);
    hop.peer.script = { certificate: otherName };
    expect((await hop.deliver(1, policy)).outcome.reply.text).toContain(
      'the certificate is for elsewhere.test, not for 127.0.0.1',
    );
    expect((await hop.findings(policy))[0]).toMatchObject({ kind: 'unverified' });
  });

  it('is remembered over a restart, with what was found of it', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    await hop.deliver(2);
    await hop.forgetAll();
    hop.ahead += DAY;
    await hop.deliver(1);
    hop.peer.script = {};
    await hop.deliver(1);
    const before = await hop.findings();
    expect(before).toHaveLength(1);
    await hop.forgetAll();
    expect(await hop.findings()).toEqual(before);
    expect(JSON.parse(readFileSync(hop.file, 'utf8'))).toMatchObject({ version: 1, hops: [{ days: 3 }] });
  });

  it('has findings as long as its connector uses TLS', async () => {
    await using hop = await Remembering.start({ certificate: signed });
    await hop.deliver(3);
    hop.peer.script = {};
    await hop.deliver(1);
    expect(await hop.findings({ mode: 'none' })).toEqual([]);
    expect((await hop.learned()).findings([])).toEqual([]);
  });
});

describe('what was learned', () => {
  it.each(['{', '{"version":1,"hops":[{"connector":"x"}]}', '{"version":2,"hops":[]}'])(
    'is set aside and begun anew where its file is damaged: %s',
    async (text) => {
      await using hop = await Remembering.start({ certificate: signed });
      writeFileSync(hop.file, text);
      expect((await hop.deliver(1)).outcome.kind).toBe('relayed');
      await hop.forgetAll();
      expect(readdirSync(hop.folder).sort()).toEqual(['learned-tls.json', 'learned-tls.json.damaged']);
    },
  );
});
