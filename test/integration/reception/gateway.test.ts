import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ReceptionSettings } from '../../../src/reception/ports.ts';
import { signed, testCa } from '../../support/certificates.ts';
import { limits, most } from '../../support/limits.ts';
import { Client, type Perimeter, perimeter } from './perimeter.ts';

const FILTER = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';
const peers: ReceptionSettings['peers'] = [
  { peer: 'on-premises', networks: ['10.1.0.0/16'], certificateNames: [], match: 'any' },
  { peer: 'gateway', networks: [`${FILTER}/32`, '10.9.0.0/24'], certificateNames: [], match: 'any' },
];
const OFFER = 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR';

describe('XCLIENT', () => {
  const behindFilter = (change: Partial<ReceptionSettings> = {}) => perimeter({ peers, originalClient: 'xclient', ...change });
  async function named(relay: Perimeter, attributes: string): Promise<Client> {
    const client = await relay.client();
    expect(await client.command(`XCLIENT ${attributes}`)).toMatch(/^220 mx1\.example\.com ESMTP/);
    return client;
  }

  it('is offered to the filter, in clear and in TLS, and to nobody else', async () => {
    await using relay = await behindFilter();
    const filter = await relay.client();
    expect(await filter.command('EHLO filter.example')).toContain(`\n250 ${OFFER}`);
    await filter.startTls();
    expect(await filter.command('EHLO filter.example')).toContain(`\n250 ${OFFER}`);
    const other = await Client.raw(relay.port, ELSEWHERE);
    await other.reply();
    expect(await other.command('EHLO other.example')).not.toContain('XCLIENT');
    await using plain = await perimeter({ peers, originalClient: 'received' });
    expect(await (await plain.client()).command('EHLO filter.example')).not.toContain('XCLIENT');
  });

  it('starts the session over with the client that it names: in queries, records and Received', async () => {
    await using relay = await behindFilter();
    const client = await relay.client();
    await client.command('EHLO filter.example');
    expect(await client.command('XCLIENT ADDR=198.51.100.7 NAME=rdns.example LOGIN=boss')).toMatch(/^220 /);
    expect(await client.command('MAIL FROM:<a@example.net>')).toMatch(/^503 /);
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    const [spooled] = relay.spool.messages;
    expect(spooled?.events[0]).toMatchObject({
      peer: 'external',
      client: { address: '198.51.100.7', name: 'client.example.net', via: FILTER },
    });
    expect(spooled?.body).toContain('Received: from client.example.net (rdns.example [198.51.100.7])\r\n');
  });

  it('with HELO says the name as well; an EHLO behind it counts instead', async () => {
    await using relay = await behindFilter();
    const client = await named(relay, 'ADDR=198.51.100.7 HELO=c.example PROTO=ESMTP');
    await client.command('MAIL FROM:<a@example.net>');
    await client.command('RCPT TO:<user@example.com>');
    await client.command('DATA');
    expect(await client.command('Subject: x\r\n\r\n.')).toMatch(/^250 /);
    await client.mail('Subject: y\r\n\r\n');
    expect(relay.spool.messages.map(({ body }) => body.split('\r\n', 2)[0])).toEqual([
      'Received: from c.example (unknown [198.51.100.7])',
      'Received: from client.example.net (unknown [198.51.100.7])',
    ]);
    expect(relay.spool.messages[0]?.body).toContain(' with ESMTP id ');
  });

  it('may come in pieces, and again for the next client of a kept connection', async () => {
    await using relay = await behindFilter();
    const client = await named(relay, 'ADDR=198.51.100.7');
    expect(await client.command('XCLIENT NAME=rdns.example')).toMatch(/^220 /);
    await client.mail('Subject: x\r\n\r\n');
    expect(await client.command('XCLIENT ADDR=IPV6:2001:db8::8 NAME=[UNAVAILABLE]')).toMatch(/^220 /);
    await client.mail('Subject: y\r\n\r\n');
    expect(await client.command('XCLIENT ADDR=[UNAVAILABLE]')).toMatch(/^220 /);
    await client.mail('Subject: z\r\n\r\n');
    expect(relay.spool.messages.map(({ events }) => events[0]?.client)).toEqual([
      { address: '198.51.100.7', name: 'client.example.net', via: FILTER },
      { address: '2001:db8::8', name: 'client.example.net', via: FILTER },
      { address: FILTER, name: 'client.example.net', via: FILTER },
    ]);
  });

  it('makes nobody more than an outsider, not with the address of our own server, and not behind STARTTLS', async () => {
    await using relay = await behindFilter();
    const client = await named(relay, 'ADDR=10.1.0.5 LOGIN=admin');
    await client.upToData();
    expect(relay.queries.at(-1)?.client).toMatchObject({ peer: 'external', address: '10.1.0.5' });
    const other = await named(relay, 'ADDR=10.1.0.5');
    await other.startTls();
    await other.upToData();
    // RFC 3207 §4.2: forgotten; the filter is the filter again
    expect(relay.queries.at(-1)?.client).toMatchObject({ peer: 'gateway', address: FILTER });
  });

  it.each(['XCLIENT ADDR=10.1.0.5', 'XCLIENT', 'XFORWARD ADDR=10.1.0.5'])(
    '%s is no command for others, and none for a filter that was not asked to use it',
    async (line) => {
      await using relay = await behindFilter();
      const other = await Client.raw(relay.port, ELSEWHERE);
      await other.reply();
      expect(await other.command(line)).toMatch(/^500 5\.5\.2 /);
      await other.upToData();
      expect(relay.queries[0]?.client).toMatchObject({ peer: 'external', address: ELSEWHERE });
      await using plain = await perimeter({ peers });
      expect(await (await plain.client()).command(line)).toMatch(/^500 5\.5\.2 /);
    },
  );

  it('is not for who has but the certificate of a filter: addresses alone count', async () => {
    const clientCaFile = join(await mkdtemp(join(tmpdir(), 'ca-')), 'ca.pem');
    await writeFile(clientCaFile, testCa);
    await using relay = await behindFilter({
      listeners: [{ address: '127.0.0.1', port: 0, tls: 'starttls', clientCaFile }],
      peers: [{ peer: 'gateway', networks: ['10.9.0.0/24'], certificateNames: ['mx.test'], match: 'any' }],
    });
    const client = await relay.client();
    await client.startTls(signed);
    expect(await client.command('EHLO c.example')).not.toContain('XCLIENT');
    expect(await client.command('XCLIENT ADDR=10.1.0.5')).toMatch(/^500 /);
    await client.upToData();
    expect(relay.queries[0]?.client.peer).toBe('gateway');
  });

  it('is refused in a transaction, and whole where a part of it is wrong', async () => {
    await using relay = await behindFilter();
    const client = await relay.client();
    expect(await client.command('XCLIENT ADDR=198.51.100.7 RIGHTS=all')).toMatch(/^501 5\.5\.4 /);
    await client.command('EHLO filter.example');
    await client.command('MAIL FROM:<a@example.net>');
    expect(await client.command('XCLIENT ADDR=198.51.100.7')).toMatch(/^503 5\.5\.1 /);
    await client.command('RCPT TO:<user@example.com>');
    expect(relay.queries[0]?.client).toMatchObject({ peer: 'gateway', address: FILTER });
  });

  it('brings the limits of the client that it names, and leaves the count of connections right', async () => {
    await using relay = await behindFilter({ limits: limits({ errors: most(2) }) });
    const client = await named(relay, 'ADDR=198.51.100.7');
    for (let i = 0; i < 2; i++) expect(await client.command('NONSENSE')).toMatch(/^500 /);
    expect(await client.command('NONSENSE')).toMatch(/^421 /);
    await client.close();
    const other = await relay.client();
    await expect.poll(() => relay.reception.stats().connections).toBe(1);
    await other.command('QUIT');
    await other.close();
    await expect.poll(() => relay.reception.stats().connections).toBe(0);
  });
});

describe('the client behind a filter that writes Received', () => {
  const trace =
    'Received: from c.example (c.example [198.51.100.7])\r\n\tby filter.example (Postfix) with ESMTP id 1;\r\n\tSun, 22 Nov 2026 10:00:00 +0000\r\n';
  const origin = async (text: string, change: Partial<ReceptionSettings> = {}) => {
    await using relay = await perimeter({ peers, originalClient: 'received', ...change });
    const client = await relay.client();
    expect(await client.mail(text)).toMatch(/^250 /);
    const [spooled] = relay.spool.messages;
    return { origin: spooled?.message.origin, record: spooled?.events[0] };
  };

  it('stands in the record and in the origin, and changes neither the class nor the address', async () => {
    const { origin: found, record } = await origin(
      `Received: from in.filter (in [10.9.0.4]) by filter.example;\r\n ${'x'.repeat(50)}\r\n${trace}Subject: x\r\n\r\n`,
    );
    expect(found).toMatchObject({ peer: 'gateway', address: FILTER, originalAddress: '198.51.100.7' });
    expect(record).toMatchObject({ peer: 'gateway', client: { address: FILTER }, 'original-client-ip': '198.51.100.7' });
  });

  it('is unknown where the filter does not tell it', async () => {
    expect((await origin('Subject: x\r\n\r\n')).origin).not.toHaveProperty('originalAddress');
    expect(
      (await origin(`Received: by filter.example; x\r\n${trace.replace('198.51.100.7', 'x')}\r\n`)).record,
    ).not.toHaveProperty('original-client-ip');
  });

  it('is not looked for where nobody asked, nor in mail from others', async () => {
    await using other = await perimeter({ peers });
    await (await other.client()).mail(`${trace}Subject: x\r\n\r\n`);
    expect(other.spool.messages[0]?.message.origin).not.toHaveProperty('originalAddress');
    expect((await origin(`${trace}Subject: x\r\n\r\n`, { peers: [] })).origin).not.toHaveProperty('originalAddress');
  });
});
