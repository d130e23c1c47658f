/** G5, G6, R7, R8 and the header firewall (coexistence.md 1.3): who leaves by which identity, each by real sessions. */
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '../../../src/mail/event.ts';
import { clientCertificate, signed } from '../../support/certificates.ts';
import { dkimField, dkimKey } from '../../support/dkim.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { type PeerScript, ScriptedPeer } from '../../support/scripted-peer.ts';
import { arrived, Coexistence, DAY, OUR_TENANT, rcpts, STRICT_DOMAIN, text } from './harness.ts';

const key = dkimKey('example.com');
const at = (name: string) => `${name}@${STRICT_DOMAIN}`;
/** Names in the client certificates that came with mail at the server that asks for them. */
const shown: (string | undefined)[] = [];
const asksForCertificate: PeerScript = {
  certificate: signed,
  tls: { requestCert: true },
  mail: ({ socket }) => {
    shown.push((socket as TLSSocket).getPeerCertificate().subject?.CN?.toString());
    return '250 2.1.0 Ok';
  },
};

let dns: DnsServer;
let trusted: ScriptedPeer;
let untrusted: ScriptedPeer;
let world: Coexistence;

const hop = (port: number, more: string): string => `next-hop: { smart-hosts: ["127.0.0.1:${port}"] }, ${more}`;
const CERTIFICATE = 'tls: { mode: required, certificate: client.pem, key: client.key }';

async function start(more: readonly string[] = []): Promise<Coexistence> {
  const made = await Coexistence.prepare({
    connectors: [
      `  - { name: ours, address-spaces: [${STRICT_DOMAIN}], origin: internal, ${hop(trusted.port, CERTIFICATE)} }`,
      `  - { name: theirs, address-spaces: [${STRICT_DOMAIN}], origin: external, ${hop(untrusted.port, 'tls: { mode: none }')} }`,
      `  - { name: both, address-spaces: [both.example], origin: any, ${hop(trusted.port, CERTIFICATE)} }`,
    ],
    recipients: [
      ...['moved', 'waits', 'signed', 'named', 'walled'].map((name) => `${name}@example.com,cloud,${at(name)}`),
      'anna@example.com,on-premises',
      `lent@example.com,cloud,${at('lent')},,,ours,`,
    ],
    more: [
      'queue: { retry: [1s] }',
      `dns: { servers: ["${dns.server}"] }`,
      'rules:',
      '  - { when: { recipient: "only@example.com" }, then: { connector: both } }',
      '  - { when: { recipient: "forced@example.com" }, then: { connector: ours } }',
      ...more,
    ],
  });
  made.file('client.pem', clientCertificate.cert);
  made.file('client.key', clientCertificate.key);
  await made.start();
  return made;
}

beforeAll(async () => {
  dns = await DnsServer.start({
    'example.com': { txt: ['v=spf1 ip4:127.0.0.3 -all'] },
    '_dmarc.example.com': { txt: ['v=DMARC1; p=quarantine'] },
    [key.record[0]]: { txt: [key.record[1]] },
  });
  trusted = await ScriptedPeer.start(asksForCertificate);
  untrusted = await ScriptedPeer.start();
  world = await start();
});
afterEach(() => {
  world.forget();
  shown.length = 0;
  dns.questions.length = 0;
  trusted.script = asksForCertificate;
  untrusted.script = {};
  trusted.messages.length = 0;
  untrusted.messages.length = 0;
});
afterAll(async () => {
  for (const one of [world, trusted, untrusted, dns]) await one[Symbol.asyncDispose]();
});

const last = (records: readonly EventRecord[], event: EventRecord['event']): EventRecord | undefined =>
  records.findLast((one) => one.event === event);

describe('R8 no spoof laundering', () => {
  it('R8: a forged sender of ours leaves by the other identity, and its record says why', async () => {
    await world.deliver({ sender: 'ceo@example.com', to: 'moved@example.com' });
    await arrived(untrusted, at('moved'));
    expect(rcpts(trusted)).toEqual([]);
    const sent = last(await world.records('moved@example.com', 'SEND'), 'SEND');
    expect(sent).toMatchObject({
      connector: 'theirs',
      authentication: { spf: { result: 'fail', domain: 'example.com' }, claims: ['example.com'], 'own-domain': 'spoofed' },
    });
    expect(sent?.reason).toContain('(G5)');
  });

  it('R8: the same mail from our own server leaves by the trusted identity, with its certificate', async () => {
    await world.deliver({ from: 'on-premises', sender: 'ceo@example.com', to: 'moved@example.com' });
    await arrived(trusted, at('moved'));
    expect([shown, rcpts(untrusted)]).toEqual([['relay.test'], []]);
    expect(dns.questions).toEqual([]);
  });

  it('R8: a forged author counts like a forged sender', async () => {
    await world.deliver({ sender: 'a@evil.example', to: 'named@example.com', header: 'From: "The boss" <ceo@example.com>\r\n' });
    await arrived(untrusted, at('named'));
    const sent = last(await world.records('named@example.com', 'SEND'), 'SEND');
    expect(sent?.authentication).toMatchObject({ claims: ['example.com'], 'own-domain': 'spoofed' });
    expect(shown).toEqual([]);
  });

  it('R8: one that proves it stays mail from outside: nothing external uses an identity of origin internal', async () => {
    const field = await dkimField(key, 'From: writer@partner.example\r\nSubject: a word\r\n\r\nHello\r\n');
    await world.deliver({ sender: 'news@example.com', to: 'signed@example.com', header: field });
    await arrived(untrusted, at('signed'));
    const sent = last(await world.records('signed@example.com', 'SEND'), 'SEND');
    expect(sent?.authentication).toMatchObject({ dkim: [{ result: 'pass', domain: 'example.com' }], 'own-domain': 'authentic' });
    expect(rcpts(trusted)).toEqual([]);
  });

  it('costs nobody else anything: mail that claims no domain of ours asks no DNS and has no result', async () => {
    await world.deliver({ to: 'moved@example.com' });
    await arrived(untrusted, at('moved'));
    expect(dns.questions).toEqual([]);
    expect(last(await world.records('moved@example.com', 'SEND'), 'SEND')?.authentication).toBeUndefined();
  });

  it('R8: no rule and no directory entry lends the trusted identity to outsiders', async () => {
    const said = await world.send({ sender: 'ceo@example.com', to: 'forced@example.com' });
    expect(said.rcpt).toEqual(['550 5.7.1 Connector ours is for mail of our own servers alone']);
    await world.deliver({ to: 'lent@example.com' });
    await arrived(untrusted, at('lent'));
    expect(shown).toEqual([]);
  });

  it('R8: where the only way shows our certificate, a forged sender is refused, an honest one is not', async () => {
    await world.deliver({ to: 'only@example.com', sender: 'writer@partner.example' });
    await arrived(trusted, 'only@example.com');
    expect(shown).toEqual(['relay.test']);
    trusted.messages.length = 0;
    await world.deliver({ to: 'only@example.com', sender: 'anna@example.com' });
    const records = await world.records('only@example.com', 'FAIL');
    expect(last(records, 'FAIL')).toMatchObject({ reply: { code: 550, enhanced: '5.7.26' } });
    expect(rcpts(trusted)).toEqual([]);
    // C11: nothing is lost in silence
    await arrived(world.home, 'anna@example.com');
  });

  it('P6: nobody is told of a refused forgery whose MAIL FROM is forged as well, and the record says why', async () => {
    dns.records.set('victim.example', { txt: ['v=spf1 -all'] });
    const header = 'From: "The boss" <ceo@example.com>\r\n';
    await world.deliver({ to: 'only@example.com', sender: 'somebody@victim.example', header });
    const failed = (await world.records('only@example.com', 'FAIL', 2)).filter(
      ({ sender }) => sender === 'somebody@victim.example',
    );
    expect(last(failed, 'FAIL')).toMatchObject({
      reply: { code: 550, enhanced: '5.7.26' },
      authentication: { spf: { result: 'fail', domain: 'victim.example' }, claims: ['example.com'], 'own-domain': 'spoofed' },
    });
    // a notification is recorded in the same write as the failure that it tells of
    expect((await world.operations.trace({ recipient: 'somebody@victim.example' })).records).toEqual([]);
  });

  it('R8: where DNS fails it waits, and is decided once DNS tells', async () => {
    dns.records.set('example.com', { fail: 'servfail' });
    await world.deliver({ to: 'only@example.com', sender: 'boss@example.com' });
    const deferred = last(await world.records('only@example.com', 'DEFER'), 'DEFER');
    expect(deferred).toMatchObject({ reply: { code: 451, enhanced: '4.7.26' }, authentication: { 'own-domain': 'unknown' } });
    dns.records.set('example.com', { txt: ['v=spf1 ip4:127.0.0.9 -all'] });
    world.later += 120_000;
    await world.retry('only@example.com');
    await arrived(trusted, 'only@example.com');
    dns.records.set('example.com', { txt: ['v=spf1 ip4:127.0.0.3 -all'] });
  });

  it('decides once a message: a day later DNS is not asked again', async () => {
    untrusted.script = { rcpt: '451 4.2.1 later' };
    await world.deliver({ sender: 'ceo@example.com', to: 'waits@example.com' });
    await world.records('waits@example.com', 'DEFER');
    const asked = dns.questions.length;
    expect(asked).toBeGreaterThan(0);
    dns.records.set('example.com', { txt: ['v=spf1 +all'] });
    world.later += DAY;
    untrusted.script = {};
    await world.retry('waits@example.com');
    await arrived(untrusted, at('waits'));
    expect(dns.questions).toHaveLength(asked);
    dns.records.set('example.com', { txt: ['v=spf1 ip4:127.0.0.3 -all'] });
  });
});

describe('R7 the cloud needs proof of our tenant', () => {
  const foreign = 'X-OriginatorOrg: other.onmicrosoft.com\r\n';

  it('R7: a foreign tenant may relay nowhere, whatever its address', async () => {
    const said = await world.send({ from: 'cloud', to: ['x@gmail.example', at('moved')], header: foreign });
    expect(said.rcpt.map((one) => one.slice(0, 9))).toEqual(['550 5.7.1', '550 5.7.1']);
  });

  it('G6: a foreign tenant that forges a sender of ours is not believed for the addresses it shares with us', async () => {
    await world.deliver({ from: 'cloud', sender: 'ceo@example.com', to: 'anna@example.com', header: foreign });
    await arrived(world.home, 'anna@example.com');
    expect(last(await world.records('anna@example.com', 'SEND'), 'SEND')?.authentication).toMatchObject({
      spf: { result: 'pass' },
      'own-domain': 'spoofed',
    });
  });

  it('C1: our own tenant is believed', async () => {
    await world.deliver({ from: 'cloud', sender: 'ceo@example.com', to: 'anna@example.com', header: OUR_TENANT });
    await arrived(world.home, 'anna@example.com');
    expect(dns.questions).toEqual([]);
  });
});

describe('the header firewall', () => {
  const forged =
    'X-MS-Exchange-Organization-SCL: -1\r\nX-Mailer: x\r\nx-ms-exchange-crosspremises-authas : Internal\r\n\tfolded: twice\r\n more\r\nX-MS-Exchange-CrossTenant-Id: kept\r\n';
  const kept = 'X-Mailer: x\r\nX-MS-Exchange-CrossTenant-Id: kept\r\n';

  for (const [who, from, header] of [
    ['an outsider', 'external', ''],
    ['a foreign tenant', 'cloud', 'X-OriginatorOrg: other.onmicrosoft.com\r\n'],
  ] as const) {
    it(`removes from mail of ${who} what only our own servers may write, and not an octet more`, async () => {
      await world.deliver({ from, to: 'anna@example.com', header: `${forged}${header}` });
      const message = text(await arrived(world.home, 'anna@example.com'));
      expect(message).toMatch(new RegExp(`\\d{4}\\r\\n${kept}${header}Message-ID: `));
      expect(message.endsWith('\r\nSubject: a word\r\n\r\nHello\r\n')).toBe(true);
      const records = await world.records('anna@example.com', 'SEND');
      expect(last(records, 'RECEIVE')?.['removed-fields']).toEqual([
        'x-ms-exchange-organization-scl',
        'x-ms-exchange-crosspremises-authas',
      ]);
      expect(last(records, 'SEND')?.['body-sha256']).toBe(last(records, 'RECEIVE')?.['body-sha256']);
      const size = /SIZE=(\d+)/.exec(world.home.commands.findLast((line) => line.startsWith('MAIL')) ?? '')?.[1];
      expect(Number(size)).toBe(message.length);
    });
  }

  for (const [who, from, header] of [
    ['our own server', 'on-premises', ''],
    ['our own tenant', 'cloud', OUR_TENANT],
  ] as const) {
    it(`keeps everything in mail of ${who}`, async () => {
      const to = from === 'cloud' ? 'anna@example.com' : 'walled@example.com';
      await world.deliver({ from, to, header: `${forged}${header}` });
      const message = await (from === 'cloud' ? arrived(world.home, to) : arrived(trusted, at('walled')));
      expect(text(message)).toContain(`${forged}${header}Message-ID: `);
      expect(last(await world.records(to, 'SEND'), 'RECEIVE')?.['removed-fields']).toBeUndefined();
    });
  }
});

describe('what an administrator may choose', () => {
  it('Authentication-Results in front of what outsiders send, without those that claim to be ours', async () => {
    await using other = await start(['authentication: { add-results: [external] }']);
    const forged = 'Authentication-Results: (x) relay.example.com;\r\n\tspf=pass smtp.mailfrom=example.com\r\n';
    const honest = 'Authentication-Results: mx.partner.example; dkim=pass\r\n';
    await other.deliver({ sender: 'ceo@example.com', to: 'anna@example.com', header: forged + honest });
    const message = text(await arrived(other.home, 'anna@example.com'));
    expect(message.slice(0, message.indexOf('Received:'))).toBe(
      'Authentication-Results: relay.example.com;\r\n\tspf=fail smtp.mailfrom=example.com;\r\n\tdkim=none;\r\n\tdmarc=none header.from=partner.example\r\n',
    );
    expect(message).not.toContain('spf=pass');
    expect(message).toContain(honest);
    const records = await other.records('anna@example.com', 'SEND');
    expect(last(records, 'RECEIVE')?.['removed-fields']).toEqual(['authentication-results']);
    await other.deliver({ from: 'on-premises', to: 'moved@example.com', header: forged });
    expect(text(await arrived(trusted, at('moved')))).toContain(forged);
  });

  it('spoofed-own-domain: reject refuses it whatever its way, and header-firewall: off keeps all fields', async () => {
    await using other = await start(['authentication: { spoofed-own-domain: reject }', 'header-firewall: off']);
    await other.deliver({ sender: 'ceo@example.com', to: 'anna@example.com' });
    expect(last(await other.records('anna@example.com', 'FAIL'), 'FAIL')).toMatchObject({
      reply: { code: 550, enhanced: '5.7.26' },
      reason: 'claims a domain of ours without proof (spoofed-own-domain: reject)',
    });
    await other.deliver({ to: 'anna@example.com', header: 'X-MS-Exchange-Organization-SCL: -1\r\n' });
    expect(text(await arrived(other.home, 'anna@example.com'))).toContain('X-MS-Exchange-Organization-SCL: -1\r\n');
  });
});
