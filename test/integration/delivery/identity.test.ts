/** Must hold 4, G5, R8, R14: which identity a next hop sees, through a whole relay. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chainedServer, chainRoot, insideIdentity, outsideIdentity } from '../../support/certificate-chains.ts';
import { type PeerSession, ScriptedPeer } from '../../support/scripted-peer.ts';
import { arrived, Coexistence, ROUTING_DOMAIN } from '../coexistence/harness.ts';

/** What one message's connection showed: the common names of the chain, EHLO, and the address it came from. */
interface Shown {
  readonly sender: string;
  readonly chain: readonly string[];
  readonly helo: string;
  readonly from: string | undefined;
  readonly session: PeerSession;
}

class IdentitySink implements AsyncDisposable {
  readonly peer: ScriptedPeer;
  readonly shown: Shown[] = [];
  /** Node hands a chain out once, and a session that is resumed has the leaf alone. */
  readonly #chains = new WeakMap<PeerSession, readonly string[]>();

  private constructor(peer: ScriptedPeer) {
    this.peer = peer;
    peer.script = {
      certificate: chainedServer,
      tls: { requestCert: true },
      mail: (session, line) => {
        const { socket, commands } = session;
        const chain = this.#chains.get(session) ?? chainOf(socket);
        this.#chains.set(session, chain);
        const helo = commands.findLast((command) => command.startsWith('EHLO')) ?? '';
        this.shown.push({ sender: /<(.*?)>/.exec(line)?.[1] ?? '', chain, helo, from: socket.remoteAddress, session });
        return '250 2.1.0 Ok';
      },
    };
  }

  static async start(): Promise<IdentitySink> {
    return new IdentitySink(await ScriptedPeer.start());
  }

  /** What was shown for the mail of a sender. */
  of(sender: string): Shown[] {
    return this.shown.filter((one) => one.sender === sender);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.peer[Symbol.asyncDispose]();
  }
}

function chainOf(socket: PeerSession['socket']): readonly string[] {
  if (!('getPeerX509Certificate' in socket)) return [];
  const chain: string[] = [];
  let one = socket.getPeerX509Certificate();
  for (; one !== undefined; one = one.issuerCertificate) chain.push(/CN=.*/.exec(one.subject)?.[0] ?? '');
  return socket.isSessionReused() ? [...chain, 'CN=Chain Test Intermediate'].slice(0, 2) : chain;
}

const INSIDE = ['CN=inside.relay.test', 'CN=Chain Test Intermediate'];
const OUTSIDE = ['CN=outside.relay.test', 'CN=Chain Test Intermediate'];

describe.each([
  ['two hosts', 2],
  ['one host', 1],
] as const)('R14, G5: two identities for the cloud at %s', (_, hosts) => {
  let setting: Coexistence;
  let sinks: IdentitySink[];

  beforeAll(async () => {
    sinks = await Promise.all(Array.from({ length: hosts }, () => IdentitySink.start()));
    setting = await Coexistence.prepare({ recipients: [`moved@example.com,cloud,moved@${ROUTING_DOMAIN}`] });
    for (const [name, { cert, key }] of [
      ['inside', insideIdentity],
      ['outside', outsideIdentity],
    ] as const) {
      setting.file(`${name}.pem`, Buffer.from(cert));
      setting.file(`${name}.key`, Buffer.from(key));
    }
    setting.file('root.pem', Buffer.from(chainRoot));
    const by = (name: string, origin: string, port: number | undefined, more: string) =>
      `  - { name: ${name}, origin: ${origin}, address-spaces: [${ROUTING_DOMAIN}], next-hop: { smart-hosts: ["127.0.0.1:${port}"] }, ${more} }`;
    setting.file(
      'bridgehead.yaml',
      'hostname: relay.example.com',
      'data-directory: var',
      'listeners: [{ address: 127.0.0.1, port: 0 }]',
      'domains: [{ name: example.com, unknown-recipients: reject }]',
      `cloud: { routing-domains: [${ROUTING_DOMAIN}], tenant: { headers: { X-OriginatorOrg: tenant.onmicrosoft.com } } }`,
      'peers: { on-premises: { networks: [127.0.0.2/32] }, cloud: { networks: [127.0.0.3/32] } }',
      'connectors:',
      by(
        'cloud-inside',
        'internal',
        sinks[0]?.peer.port,
        'helo: inside.relay.test, source-address: 127.0.0.21, tls: { mode: verified, names: [mx.test], ca-file: root.pem, certificate: inside.pem, key: inside.key }',
      ),
      by(
        'cloud-outside',
        'external',
        sinks.at(-1)?.peer.port,
        'helo: outside.relay.test, source-address: 127.0.0.22, tls: { mode: required, certificate: outside.pem, key: outside.key }',
      ),
      setting.hop('on-premises', '"*.example.com"', setting.home),
      setting.hop('internet', '"*"', setting.internet),
      'directory: { sources: [{ name: plain, file: recipients.csv }] }',
      'admin: { address: 127.0.0.1, port: 0 }',
    );
    await setting.start();
  });
  afterAll(async () => {
    await setting[Symbol.asyncDispose]();
    for (const sink of sinks) await sink[Symbol.asyncDispose]();
  });

  it('mail of our own servers shows the one with its whole chain, mail from outside the other, on no shared connection', async () => {
    const [inside, outside] = [sinks[0], sinks.at(-1)];
    for (let i = 0; i < 5; i++) {
      await Promise.all([
        setting.deliver({ from: 'on-premises', sender: `colleague${i}@example.com`, to: 'moved@example.com' }),
        setting.deliver({ from: 'external', sender: `stranger${i}@elsewhere.example`, to: 'moved@example.com' }),
        // another tenant's mail comes from the cloud's addresses too (C1)
        setting.deliver({ from: 'cloud', sender: `tenant${i}@other.example`, to: 'moved@example.com' }),
      ]);
    }
    await setting.records('moved@example.com', 'SEND', 15);
    for (let i = 0; i < 5; i++) {
      expect(inside?.of(`colleague${i}@example.com`)).toMatchObject([
        { chain: INSIDE, helo: 'EHLO inside.relay.test', from: '127.0.0.21' },
      ]);
      for (const sender of [`stranger${i}@elsewhere.example`, `tenant${i}@other.example`])
        expect(outside?.of(sender)).toMatchObject([{ chain: OUTSIDE, helo: 'EHLO outside.relay.test', from: '127.0.0.22' }]);
    }
    const sessionsOf = (who: readonly string[]) =>
      new Set(
        sinks.flatMap((sink) => sink.shown.filter(({ chain }) => chain.join() === who.join()).map(({ session }) => session)),
      );
    expect(sessionsOf(INSIDE).isDisjointFrom(sessionsOf(OUTSIDE))).toBe(true);
    expect(sessionsOf(INSIDE).size + sessionsOf(OUTSIDE).size).toBe(
      sinks.flatMap(({ peer }) => peer.sessions).filter(({ commands }) => commands.some((one) => one.startsWith('MAIL'))).length,
    );
  });

  it('is what the record says, and what explain says beforehand', async () => {
    await setting.deliver({ from: 'on-premises', sender: 'record@example.com', to: 'moved@example.com' });
    await arrived(sinks[0]?.peer ?? setting.cloud, `moved@${ROUTING_DOMAIN}`);
    const records = await setting.records('moved@example.com', 'SEND');
    expect(records.find((one) => one.event === 'SEND' && one.connector === 'cloud-inside')?.tls).toMatchObject({
      result: 'verified',
    });
    const explained = await setting.operations.explain({ recipient: 'moved@example.com', peer: 'on-premises' });
    expect(explained).toMatchObject({ connector: 'cloud-inside', 'tls-mode': 'verified' });
    expect(explained.steps.at(-1)).toEqual({
      step: 'tls',
      result: 'verified by mx.test, with a client certificate',
      source: 'bridgehead.yaml:8',
    });
    expect((await setting.operations.explain({ recipient: 'moved@example.com' })).connector).toBe('cloud-outside');
  });

  it('shows a renewed certificate to the next connection, and resumes no session of the old one', async () => {
    setting.file('outside.pem', Buffer.from(insideIdentity.cert));
    setting.file('outside.key', Buffer.from(insideIdentity.key));
    for (const sink of sinks) sink.peer.disconnectAll();
    await setting.deliver({ from: 'external', sender: 'renewed@elsewhere.example', to: 'moved@example.com' });
    await expect.poll(() => sinks.at(-1)?.of('renewed@elsewhere.example')[0]?.chain, { timeout: 5_000 }).toEqual(INSIDE);
  });

  it('C12: a file with opportunistic TLS beside a client certificate is refused', async () => {
    const { loadSettings } = await import('../../../src/settings/load.ts');
    const { readFileSync } = await import('node:fs');
    const text = readFileSync(setting.settingsFile, 'utf8');
    for (const [from, into] of [
      ['mode: required', 'mode: opportunistic'],
      ['mode: required', 'mode: none'],
      ['mode: required', `mode: required, destinations: [{ domain: ${ROUTING_DOMAIN}, mode: opportunistic }]`],
    ] as const) {
      const { path } = setting.file('weak.yaml', text.replace(from, into).trimEnd());
      const loaded = await loadSettings(join(path));
      expect(loaded.ok).toBe(false);
      expect(JSON.stringify(loaded)).toContain('C12');
    }
  });
});
