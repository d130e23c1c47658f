import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListenerSettings, ReceptionSettings } from '../../../src/reception/ports.ts';
import { clientCertificate, otherName, selfSigned, testCa } from '../../support/certificates.ts';
import { version1, version2 } from '../../support/proxy-headers.ts';
import { Client, perimeter } from './perimeter.ts';

const OURS = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';
const byNetwork: ReceptionSettings['peers'] = [
  { peer: 'on-premises', networks: [`${OURS}/32`], certificateNames: [], match: 'any' },
  { peer: 'gateway', networks: [`${ELSEWHERE}/32`], certificateNames: [], match: 'any' },
];
const byName: ReceptionSettings['peers'] = [
  { peer: 'on-premises', networks: [], certificateNames: ['relay.test'], match: 'any' },
];

describe('a submission listener', () => {
  let folder = '';
  let clientCaFile = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'submission-'));
    clientCaFile = join(folder, 'ca.pem');
    await writeFile(clientCaFile, testCa);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const desk = (peers: ReceptionSettings['peers'], at: Partial<ListenerSettings> = {}) =>
    perimeter({
      peers,
      listeners: [{ address: '127.0.0.1', port: 0, tls: 'starttls', submission: { withoutTls: [] }, clientCaFile, ...at }],
    });

  it('takes mail of a listed network in TLS, and none before TLS (RFC 3207 §4)', async () => {
    await using relay = await desk(byNetwork);
    const client = await relay.client();
    expect(await client.command('EHLO printer.example')).not.toMatch(/AUTH|XCLIENT/);
    expect(await client.command('MAIL FROM:<a@example.com>')).toBe('530 5.7.0 Must issue a STARTTLS command first');
    expect(await client.command('RCPT TO:<user@example.com>')).toMatch(/^503 /);
    expect(await client.command('NOOP')).toMatch(/^250 /);
    await client.startTls();
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    expect(relay.queries.map(({ client: { peer } }) => peer)).toEqual(['on-premises']);
    expect(relay.records[0]).toMatchObject({ event: 'REJECT', peer: 'on-premises', reply: { code: 530, enhanced: '5.7.0' } });
  });

  it('takes it without TLS from a network that is listed for that', async () => {
    await using relay = await desk(byNetwork, { submission: { withoutTls: [`${OURS}/32`] } });
    expect(await (await relay.client()).mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    const other = await Client.raw(relay.port, ELSEWHERE);
    expect(await other.reply()).toMatch(/^554 5\.7\.1 /);
  });

  it('turns others away at the greeting, also a filter, and records it', async () => {
    await using relay = await desk(byNetwork);
    const other = await Client.raw(relay.port, ELSEWHERE);
    expect(await other.reply()).toMatch(/^554 5\.7\.1 This port is for our own servers/);
    await other.close();
    expect(relay.records).toMatchObject([{ event: 'REJECT', client: { address: ELSEWHERE }, reply: { code: 554 } }]);
    await expect.poll(() => relay.reception.stats().connections).toBe(0);
  });

  it('knows a device by the certificate of our own authority', async () => {
    await using relay = await desk(byName);
    const client = await relay.client();
    await client.startTls(clientCertificate);
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    expect(relay.spool.messages[0]?.events[0]).toMatchObject({ peer: 'on-premises', tls: { result: 'verified' } });
    expect(relay.spool.messages[0]?.body).toContain('(client certificate: CN=relay.test, verified)');
  });

  it.each([
    ['no certificate', {}],
    ['a certificate with another name', otherName],
    ['a certificate that it signed itself', selfSigned],
  ])('refuses the mail of who shows %s', async (_what, certificate) => {
    await using relay = await desk(byName);
    const client = await relay.client();
    await client.startTls(certificate);
    await client.command('EHLO c.example');
    expect(await client.command('MAIL FROM:<a@example.com>')).toMatch(/^550 5\.7\.1 /);
    expect(relay.queries).toEqual([]);
  });

  it('trusts no certificate of our own authority where it is not named', async () => {
    await using relay = await perimeter({
      peers: byName,
      listeners: [{ address: '127.0.0.1', port: 0, tls: 'starttls', submission: { withoutTls: [] } }],
    });
    const client = await relay.client();
    await client.startTls(clientCertificate);
    await client.command('EHLO c.example');
    expect(await client.command('MAIL FROM:<a@example.com>')).toMatch(/^550 5\.7\.1 /);
  });

  it('with implicit TLS knows at the greeting who is there (RFC 8314 §3.3)', async () => {
    await using relay = await desk(byName, { tls: 'implicit' });
    const ours = await Client.overTls(relay.port, { ...clientCertificate, servername: 'mx1.example.com' });
    expect(await ours.reply()).toMatch(/^220 /);
    expect(await ours.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    const other = await Client.overTls(relay.port);
    expect(await other.reply()).toMatch(/^554 5\.7\.1 /);
    await other.close();
  });

  it('knows the authority still when the certificate is read again', async () => {
    await using relay = await desk(byName);
    await relay.reception.reloadCertificate();
    const client = await relay.client();
    await client.startTls(clientCertificate);
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
  });

  it('behind a load balancer knows the client by the header, and greets the balancer itself', async () => {
    await using relay = await desk([{ peer: 'on-premises', networks: ['10.1.0.0/16'], certificateNames: [], match: 'any' }], {
      proxies: [`${OURS}/32`],
    });
    const greeting = async (header: Buffer) => {
      const client = await Client.raw(relay.port);
      client.socket.write(header);
      return { client, first: (await client.reply()).slice(0, 3) };
    };
    expect((await greeting(version1('10.1.0.5'))).first).toBe('220');
    expect((await greeting(version1('198.51.100.7'))).first).toBe('554');
    const check = await greeting(version2({ command: 0x20 }));
    expect(check.first).toBe('220');
    await check.client.startTls();
    await check.client.command('EHLO balancer');
    expect(await check.client.command('MAIL FROM:<a@example.com>')).toMatch(/^550 5\.7\.1 /);
  });

  it('leaves the other listeners as they are', async () => {
    await using relay = await perimeter({
      peers: byNetwork,
      listeners: [
        { address: '127.0.0.1', port: 0, tls: 'starttls', submission: { withoutTls: [] } },
        { address: '127.0.0.1', port: 0, tls: 'starttls' },
      ],
    });
    const client = await Client.raw(relay.reception.addresses()[1]?.port ?? 0, ELSEWHERE);
    await client.reply();
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
  });
});
