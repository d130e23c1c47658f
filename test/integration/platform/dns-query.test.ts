import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DnsQuery, reverseName } from '../../../src/platform/dns-query.ts';
import { DnsServer } from '../../support/dns-server.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** A server that answers as the function says. */
async function answering(answer: (query: Buffer) => Buffer[]): Promise<{ port: number; asked: () => number }> {
  const socket: Socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (query, { address, port }) => {
    asked += 1;
    for (const packet of answer(query)) socket.send(packet, port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  open.push({
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  });
  return { port: socket.address().port, asked: () => asked };
}

const dnsOf = (...ports: number[]): DnsQuery =>
  new DnsQuery({ servers: ports.map((port) => `127.0.0.1:${port}`), deadline: 300 });

/** The query as an answer, with records of the name in the question. */
function reply(
  query: Buffer,
  { flags = 0x8180, records = [] }: { flags?: number; records?: [type: number, data: Buffer][] },
): Buffer {
  const head = Buffer.from(query);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(records.length, 6);
  const written = records.map(([type, data]) =>
    Buffer.concat([Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 255]), data]),
  );
  return Buffer.concat([head, ...written]);
}

const address = Buffer.from([203, 0, 113, 5]);

describe('dns query', () => {
  it('tells records with their TTL, and the aliases on the way', async () => {
    const server = await DnsServer.start({
      'www.example.test': { cname: 'host.example.test', ttl: 60 },
      'host.example.test': { a: ['203.0.113.5'], aaaa: ['2001:db8::5'], ttl: 7200 },
      'example.test': { mx: [[10, 'host.example.test']], txt: ['x'.repeat(300)], ttl: 300 },
    });
    open.push(server);
    const dns = new DnsQuery({ servers: [server.server] });
    expect(await dns.ask('WWW.example.test.', 'A')).toEqual({
      kind: 'found',
      records: [{ name: 'host.example.test', ttl: 7200, value: '203.0.113.5' }],
      aliases: ['host.example.test'],
      authenticated: false,
    });
    expect(await dns.ask('host.example.test', 'AAAA')).toMatchObject({ records: [{ value: '2001:db8::5' }] });
    expect(await dns.ask('example.test', 'MX')).toMatchObject({
      records: [{ value: 'host.example.test', preference: 10, ttl: 300 }],
    });
    expect(await dns.ask('example.test', 'TXT')).toMatchObject({ records: [{ value: 'x'.repeat(300) }] });
    expect(await dns.ask('www.example.test', 'CNAME')).toMatchObject({ records: [{ value: 'host.example.test' }], aliases: [] });
  });

  it('tells a name that is not there from one without such a record, and both from no answer', async () => {
    const server = await DnsServer.start({ 'example.test': { a: ['203.0.113.5'] }, 'sick.test': { fail: 'servfail' } });
    open.push(server);
    const dns = new DnsQuery({ servers: [server.server] });
    expect(await dns.ask('nowhere.test', 'A')).toMatchObject({ kind: 'absent', nameExists: false });
    expect(await dns.ask('example.test', 'AAAA')).toMatchObject({ kind: 'absent', nameExists: true });
    expect(await dns.ask('sick.test', 'A')).toMatchObject({ kind: 'unanswered', why: expect.stringContaining('SERVFAIL') });
    expect(await dns.ask('a..b', 'A')).toMatchObject({ kind: 'unanswered' });
  });

  it('asks each thing once', async () => {
    const server = await DnsServer.start({ 'example.test': { a: ['203.0.113.5'] } });
    open.push(server);
    const dns = new DnsQuery({ servers: [server.server] });
    await Promise.all([dns.ask('example.test', 'A'), dns.ask('example.test', 'A'), dns.ask('EXAMPLE.test', 'A')]);
    expect(server.questions).toEqual(['A example.test']);
  });

  it('goes on to the next server where one is silent, and says so where all are', async () => {
    const silent = await answering(() => []);
    const good = await answering((query) => [reply(query, { records: [[1, address]] })]);
    expect(await dnsOf(silent.port, good.port).ask('example.test', 'A')).toMatchObject({ records: [{ value: '203.0.113.5' }] });
    expect(await dnsOf(silent.port).ask('example.test', 'A')).toMatchObject({
      kind: 'unanswered',
      why: expect.stringContaining('300 ms'),
    });
  });

  it('takes no answer to another question', async () => {
    const forged = await answering((query) => {
      const other = reply(query, { records: [[1, Buffer.from([6, 6, 6, 6])]] });
      other.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
      return [other, reply(query, { records: [[1, address]] })];
    });
    expect(await dnsOf(forged.port).ask('example.test', 'A')).toMatchObject({ records: [{ value: '203.0.113.5' }] });
  });

  it('asks again over TCP where the answer does not fit', async () => {
    const server = await answering((query) => [reply(query, { flags: 0x8380 })]);
    const tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data: Buffer) => {
        const packet = reply(data.subarray(2), { records: [[1, address]] });
        const length = Buffer.alloc(2);
        length.writeUInt16BE(packet.length);
        socket.write(length);
        socket.end(packet);
      });
    });
    tcp.listen(server.port, '127.0.0.1');
    await once(tcp, 'listening');
    open.push({
      async [Symbol.asyncDispose]() {
        const closed = once(tcp, 'close');
        tcp.close();
        await closed;
      },
    });
    expect(await dnsOf(server.port).ask('example.test', 'A')).toMatchObject({ records: [{ value: '203.0.113.5' }] });
  });

  it('reads no packet to its death', async () => {
    const packets: ((query: Buffer) => Buffer)[] = [
      (query) => reply(query, { records: [[1, address]] }).subarray(0, -2), // cut short
      (query) => Buffer.concat([reply(query, { records: [] }).fill(1, 6, 8), Buffer.from([0xc0, 0x40])]), // a pointer to nowhere
      (query) => reply(query, { records: [[5, Buffer.from([0xc0, query.length + 12])]] }), // a pointer to itself
      (query) => reply(query, { records: [[16, Buffer.from([255, 65])]] }), // a string longer than its record
    ];
    for (const packet of packets) {
      const server = await answering((query) => [packet(query)]);
      const answer = await dnsOf(server.port).ask('example.test', 'TXT');
      expect(['unanswered', 'found']).toContain(answer.kind);
    }
  });

  it('ends where aliases do not', async () => {
    const server = await DnsServer.start({ 'a.test': { cname: 'b.test' }, 'b.test': { cname: 'a.test' } });
    open.push(server);
    expect(await new DnsQuery({ servers: [server.server] }).ask('a.test', 'A')).toMatchObject({
      kind: 'unanswered',
      why: 'the aliases of a.test have no end',
    });
  });

  it('writes reverse names', () => {
    expect(reverseName([203, 0, 113, 5])).toBe('5.113.0.203.in-addr.arpa');
  });
});
