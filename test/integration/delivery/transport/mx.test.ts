import { describe, expect, it } from 'vitest';
import { DnsServer, type TestRecords } from '../../../support/dns-server.ts';
import { ScriptedPeer } from '../../../support/scripted-peer.ts';
import { connector, deliverOne, transport } from './setup.ts';

const byMx = connector({ kind: 'mx' });

/** A domain as DNS has it, and a peer that takes its mail at 127.0.0.1. */
async function world(records: Record<string, TestRecords>, listeners: { address: string; port: number }[] = []) {
  const peer = await ScriptedPeer.start();
  const dns = await DnsServer.start(records);
  const relay = transport({ mxPort: peer.port, listeners, random: () => 0 }, [dns.server]);
  return {
    peer,
    dns,
    relay,
    async [Symbol.asyncDispose]() {
      await relay.close(500);
      await dns[Symbol.asyncDispose]();
      await peer[Symbol.asyncDispose]();
    },
  };
}

describe('delivery by MX', () => {
  it('goes to the preferred exchanger, and its record names it', async () => {
    await using w = await world({
      'example.com': {
        mx: [
          [20, 'backup.test'],
          [10, 'MX.test'],
        ],
      },
      'mx.test': { a: ['127.0.0.1'] },
      'backup.test': { a: ['127.0.0.9'] },
    });
    expect(await deliverOne(w.relay, byMx)).toMatchObject({
      outcome: { kind: 'relayed' },
      remoteMta: { name: 'mx.test', address: '127.0.0.1', port: w.peer.port },
    });
    const asked = w.dns.questions.length;
    await deliverOne(w.relay, byMx);
    expect(w.dns.questions).toHaveLength(asked);
    expect(w.peer.sessions).toHaveLength(1);
  });

  it('goes to the next one where the preferred takes no connection or has no address', async () => {
    await using w = await world({
      'example.com': {
        mx: [
          [5, 'gone.test'],
          [10, 'dead.test'],
          [20, 'mx.test'],
        ],
      },
      'dead.test': { a: ['127.0.0.9'] },
      'mx.test': { a: ['127.0.0.1'] },
    });
    expect(await deliverOne(w.relay, byMx)).toMatchObject({ outcome: { kind: 'relayed' }, remoteMta: { name: 'mx.test' } });
  });

  it('goes to the address of the domain itself where there is no MX', async () => {
    await using w = await world({ 'example.com': { a: ['127.0.0.1'] } });
    expect(await deliverOne(w.relay, byMx)).toMatchObject({ outcome: { kind: 'relayed' }, remoteMta: { name: 'example.com' } });
  });

  for (const [title, records, expected] of [
    [
      'a null MX fails at once (RFC 7505)',
      { 'example.com': { mx: [[0, '.']] } },
      { kind: 'failed', reply: { code: 556, enhanced: '5.1.10' } },
    ],
    ['a domain that is not there fails', {}, { kind: 'failed', reply: { enhanced: '5.1.2' } }],
    ['a domain with neither MX nor address fails', { 'example.com': {} }, { kind: 'failed', reply: { enhanced: '5.1.2' } }],
    [
      'an MX with no address anywhere fails',
      { 'example.com': { mx: [[10, 'gone.test']] } },
      { kind: 'failed', reply: { enhanced: '5.4.4' } },
    ],
    ['SERVFAIL defers', { 'example.com': { fail: 'servfail' } }, { kind: 'deferred', reply: { enhanced: '4.4.3' } }],
    [
      'SERVFAIL for the exchanger defers',
      { 'example.com': { mx: [[10, 'mx.test']] }, 'mx.test': { fail: 'servfail' } },
      { kind: 'deferred', reply: { enhanced: '4.4.3' } },
    ],
    [
      'R20: an MX that is one of our names fails',
      { 'example.com': { mx: [[10, 'relay2.test']] }, 'relay2.test': { a: ['127.0.0.1'] } },
      { kind: 'failed', reply: { enhanced: '5.4.6' } },
    ],
    [
      'R20: only exchangers before ourselves are tried',
      {
        'example.com': {
          mx: [
            [10, 'relay.test'],
            [20, 'mx.test'],
          ],
        },
        'relay.test': { a: ['127.0.0.1'] },
        'mx.test': { a: ['127.0.0.1'] },
      },
      { kind: 'failed', reply: { enhanced: '5.4.6' } },
    ],
  ] as const) {
    it(`${title}`, async () => {
      await using w = await world(records);
      const attempt = await deliverOne(w.relay, byMx);
      expect(attempt.outcome).toMatchObject({ ...expected, cause: 'connection' });
      expect(attempt.outcome.reply.text).toMatch(/example\.com/);
      expect(w.peer.sessions).toHaveLength(0);
    });
  }

  it('R20: an exchanger whose address is where we listen is ourselves', async () => {
    await using w = await world({ 'example.com': { mx: [[10, 'mx.test']] }, 'mx.test': { a: ['127.0.0.1'] } });
    await using relay = transport({ mxPort: w.peer.port, listeners: [{ address: '0.0.0.0', port: w.peer.port }] }, [
      w.dns.server,
    ]);
    expect((await deliverOne(relay, byMx)).outcome).toMatchObject({ kind: 'failed', reply: { enhanced: '5.4.6' } });
    expect(w.peer.sessions).toHaveLength(0);
  });

  it('R20: asks for IPv4 alone where the connector says so', async () => {
    await using w = await world({
      'example.com': { mx: [[10, 'mx.test']] },
      'mx.test': { a: ['127.0.0.1'], aaaa: ['2001:db8::1'] },
    });
    await deliverOne(w.relay, byMx);
    expect(w.dns.questions).not.toContain('AAAA mx.test');
    const only6 = connector({ kind: 'mx' }, {}, { ip: 6, name: 'six' });
    await deliverOne(w.relay, only6);
    expect(w.dns.questions).toContain('AAAA mx.test');
  });

  it("goes to no address that is nobody's on the Internet, whoever names it", async () => {
    for (const a of ['0.0.0.0', '0.1.2.3', '169.254.169.254', '224.0.0.1', '255.255.255.255']) {
      await using w = await world({ 'example.com': { mx: [[10, 'mx.test']] }, 'mx.test': { a: [a] } });
      const { outcome } = await deliverOne(w.relay, byMx);
      expect([a, outcome]).toMatchObject([a, { kind: 'failed', reply: { code: 550, enhanced: '5.4.4' } }]);
    }
  });

  it('reads an answer that does not fit into UDP, and looks up 32 exchangers of it at most', async () => {
    const mx = Array.from({ length: 1_500 }, (_, i) => [i, `mx${i}.test`] as const);
    await using w = await world({ 'example.com': { mx }, 'mx0.test': { a: ['127.0.0.1'] } });
    expect((await deliverOne(w.relay, byMx)).outcome.kind).toBe('relayed');
    expect(w.dns.questions.filter((question) => question.startsWith('A '))).toHaveLength(32);
  });

  it('tries many dead exchangers within bounds', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `mx${i}.test`);
    await using w = await world({
      'example.com': { mx: names.map((name) => [10, name] as const) },
      ...Object.fromEntries(names.map((name, i) => [name, { a: [`127.0.1.${i + 1}`] }])),
    });
    expect((await deliverOne(w.relay, byMx)).outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.1' } });
  });
});

describe('a smart host', () => {
  const smart = connector({ kind: 'smart-hosts', hosts: [{ host: 'smart.test', port: 25 }], order: 'failover' });

  it('is looked up by the servers of the settings, and all its addresses are tried', async () => {
    await using w = await world({ 'smart.test': { a: ['127.0.0.9', '127.0.0.1'] } });
    const by = connector({ kind: 'smart-hosts', hosts: [{ host: 'smart.test', port: w.peer.port }], order: 'failover' });
    expect(await deliverOne(w.relay, by)).toMatchObject({
      outcome: { kind: 'relayed' },
      remoteMta: { name: 'smart.test', address: '127.0.0.1' },
    });
  });

  it('that has no address defers, since the mistake is ours', async () => {
    await using w = await world({});
    expect((await deliverOne(w.relay, smart)).outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.4' } });
  });

  it('whose look-up fails defers', async () => {
    await using w = await world({ 'smart.test': { fail: 'servfail' } });
    expect((await deliverOne(w.relay, smart)).outcome).toMatchObject({ kind: 'deferred', reply: { enhanced: '4.4.3' } });
  });
});
