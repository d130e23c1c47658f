import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTerm, readSpf, type SpfReading, spfResult } from '../../../../src/checks/doctor/spf.ts';
import { DnsQuery } from '../../../../src/platform/dns-query.ts';
import { DnsServer } from '../../../support/dns-server.ts';

let server: DnsServer;
beforeAll(async () => {
  server = await DnsServer.start({
    'mail.test': { a: ['203.0.113.25'], aaaa: ['2001:db8::25'] },
    'example.test': { mx: [[10, 'mail.test']], a: ['203.0.113.80'] },
    'included.test': { txt: ['v=spf1 ip4:198.51.100.0/24 -all'] },
    'soft.test': { txt: ['v=spf1 ~all'] },
    'loop.test': { txt: ['v=spf1 include:loop.test -all'] },
    'lost.test': { fail: 'servfail' },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

async function read(record: string): Promise<SpfReading> {
  server.records.set('example.test', { ...server.records.get('example.test'), txt: ['other', record] });
  return await readSpf(new DnsQuery({ servers: [server.server], deadline: 500 }), 'example.test');
}

describe('doctor > spf', () => {
  it.each([
    ['v=spf1 ip4:203.0.113.0/24 -all', '203.0.113.9', 'pass'],
    ['v=spf1 ip4:203.0.113.9 -all', '203.0.113.8', 'fail'],
    ['v=spf1 ip6:2001:db8::/32 -all', '2001:db8::1', 'pass'],
    ['v=spf1 mx -all', '203.0.113.25', 'pass'],
    ['v=spf1 mx -all', '2001:db8::25', 'pass'],
    ['v=spf1 a -all', '203.0.113.80', 'pass'],
    ['v=spf1 a/24 -all', '203.0.113.1', 'pass'],
    ['v=spf1 a:mail.test//64 -all', '2001:db8::9', 'pass'],
    ['v=spf1 include:included.test -all', '198.51.100.7', 'pass'],
    ['v=spf1 include:included.test ?all', '192.0.2.1', 'neutral'],
    ['v=spf1 include:soft.test -all', '192.0.2.1', 'fail'], // a soft fail inside is no match (RFC 7208 §5.2)
    ['v=spf1 redirect=included.test', '198.51.100.7', 'pass'],
    ['v=spf1 redirect=included.test ~all', '198.51.100.7', 'softfail'],
    ['v=spf1 -ip4:203.0.113.9 ip4:203.0.113.0/24', '203.0.113.9', 'fail'],
    ['v=spf1', '203.0.113.9', 'neutral'],
    ['v=spf1 exists:%{i}.list.test -all', '203.0.113.9', 'unknown'],
    ['v=spf1 ip4:203.0.113.9 exists:%{i}.list.test -all', '203.0.113.9', 'pass'],
    ['v=spf1 include:lost.test -all', '203.0.113.9', 'unknown'],
  ])('%s says of %s: %s', async (record, address, expected) => {
    const { tree } = await read(record);
    expect(tree === undefined ? undefined : spfResult(tree, address)).toBe(expected);
  });

  it('counts what costs a look-up, at every depth', async () => {
    expect((await read('v=spf1 a mx ip4:203.0.113.1 include:included.test include:soft.test -all')).lookups).toBe(4);
  });

  it('says what cannot be evaluated', async () => {
    expect((await read('v=spf1 ipv4:203.0.113.9 -all')).problems).toHaveLength(1);
    expect((await read('v=spf1 ip4:2001:db8::1 -all')).problems).toHaveLength(1);
    expect((await read('v=spf1 include:nowhere.test -all')).problems).toEqual([
      '"include:nowhere.test": nowhere.test has no SPF records',
    ]);
    expect((await read('v=spf1 include:loop.test -all')).problems).toEqual(['"include:loop.test" leads back to loop.test']);
    expect((await read('v=spf1 include:lost.test -all')).unanswered).toHaveLength(1);
  });

  it('sees a record that lets everybody send', async () => {
    const open = async (record: string): Promise<string | undefined> => {
      const { tree } = await read(record);
      return tree === undefined ? undefined : openTerm(tree);
    };
    expect(await open('v=spf1 +all')).toBe('+all');
    expect(await open('v=spf1 mx all')).toBe('all');
    expect(await open('v=spf1 ip4:0.0.0.0/0 -all')).toBe('ip4:0.0.0.0/0');
    expect(await open('v=spf1 mx ~all')).toBeUndefined();
  });
});
