/** Block lists over real DNS: who is on one is refused at RCPT; a list that does not answer lets everybody pass. */
import { describe, expect, it } from 'vitest';
import type { BlockList } from '../../../src/reception/ports.ts';
import { DnsServer, type TestRecords } from '../../support/dns-server.ts';
import { limits } from '../../support/limits.ts';
import { Client, type Perimeter, perimeter } from './perimeter.ts';

const LISTED = '1.0.0.127.bl.example';
const list = (change: Partial<BlockList> = {}): BlockList => ({ zone: 'bl.example', answers: [], mode: 'enforce', ...change });

async function listed(records: Record<string, TestRecords>, lists: readonly BlockList[] = [list()]) {
  const dns = await DnsServer.start(records);
  const relay = await perimeter({ blockLists: { lists, servers: [dns.server] } });
  return {
    dns,
    relay,
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await dns[Symbol.asyncDispose]();
    },
  };
}

async function rcpt(relay: Perimeter, recipient = 'user@example.com', from?: string): Promise<string> {
  const client = await Client.raw(relay.port, from);
  await client.reply();
  await client.command('EHLO client.example');
  await client.command('MAIL FROM:<a@example.net>');
  return client.command(`RCPT TO:<${recipient}>`);
}

describe('a block list', () => {
  it('refuses who is on it, with the words of the list, and leaves a record', async () => {
    await using it = await listed({ [LISTED]: { a: ['127.0.0.2'], txt: ['see http://bl.example/?127.0.0.1\nand more'] } });
    expect(await rcpt(it.relay)).toBe(
      '550 5.7.1 Client [127.0.0.1] is on the block list bl.example; see http://bl.example/?127.0.0.1 and more',
    );
    expect(it.relay.records).toMatchObject([{ event: 'REJECT', reason: 'block list bl.example', reply: { code: 550 } }]);
    expect(it.relay.queries).toEqual([]);
    expect(it.relay.reception.stats().blockLists.get('bl.example')).toEqual({ listed: 1, notListed: 0, failed: 0 });
  });

  it('is asked once for a client, and keeps postmaster reachable', async () => {
    await using it = await listed({ [LISTED]: { a: ['127.0.0.2'] } });
    await rcpt(it.relay);
    expect(await rcpt(it.relay, 'Postmaster@example.com')).toMatch(/^250 /);
    expect(await rcpt(it.relay)).toMatch(/^550 5\.7\.1 /);
    expect(it.dns.questions.filter((one) => one.startsWith('A '))).toEqual([`A ${LISTED}`]);
  });

  it('lets pass who is not on it', async () => {
    await using it = await listed({});
    expect(await rcpt(it.relay)).toMatch(/^250 /);
    expect(it.relay.reception.stats().blockLists.get('bl.example')).toEqual({ listed: 0, notListed: 1, failed: 0 });
  });

  it.each([
    ['is silent', { fail: 'silent' }],
    ['fails', { fail: 'servfail' }],
    ['says that it may not be asked', { a: ['127.255.255.254'] }],
    ['is a parked domain', { a: ['203.0.113.80'] }],
  ] as const)('that %s lets everybody pass', async (_, records) => {
    await using it = await listed({ [LISTED]: records });
    expect(await rcpt(it.relay)).toMatch(/^250 /);
    expect(it.relay.reception.stats().blockLists.get('bl.example')).toEqual({ listed: 0, notListed: 0, failed: 1 });
  });

  it('means what its settings say it means', async () => {
    await using it = await listed({ [LISTED]: { a: ['127.0.0.10'] } }, [list({ answers: ['127.0.0.2'] })]);
    expect(await rcpt(it.relay)).toMatch(/^250 /);
  });

  it('that is only watched is told of in the records', async () => {
    await using it = await listed({ [LISTED]: { a: ['127.0.0.2'] } }, [list({ mode: 'monitor' })]);
    const client = await it.relay.client();
    expect(await client.mail('Subject: x\r\n\r\nx\r\n')).toMatch(/^250 /);
    expect(it.relay.spool.messages[0]?.events[0]?.reason).toMatch(/; on the block list bl\.example \(monitored\)$/);
  });

  it('that is off, and those about listed peers and exempt networks, are not asked', async () => {
    await using dns = await DnsServer.start({ [LISTED]: { a: ['127.0.0.2'] }, '9.0.0.127.bl.example': { a: ['127.0.0.2'] } });
    await using relay = await perimeter({
      blockLists: { lists: [list(), list({ zone: 'off.example', mode: 'off' })], servers: [dns.server] },
      peers: [{ peer: 'cloud', networks: ['127.0.0.1/32'], certificateNames: [], match: 'any' }],
      limits: limits({ exempt: ['127.0.0.9/32'] }),
    });
    expect(await rcpt(relay)).toMatch(/^250 /);
    expect(await rcpt(relay, 'user@example.com', '127.0.0.9')).toMatch(/^250 /);
    expect(dns.questions).toEqual([]);
  });
});
