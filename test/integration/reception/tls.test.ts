import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/platform/logger.ts';
import { ensureSelfSigned } from '../../../src/platform/server-certificate.ts';
import { tlsEvidence } from '../../../src/platform/tls-facts.ts';
import { DEADLINES } from '../../../src/reception/house.ts';
import { signed } from '../../support/certificates.ts';
import { limits, most } from '../../support/limits.ts';
import { Client, perimeter } from './perimeter.ts';

describe('STARTTLS', () => {
  it('encrypts, is forgotten before and not offered after, and the message tells of it', async () => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO before.example');
    await client.command('MAIL FROM:<a@example.net>');
    await client.startTls();
    expect(await client.command('MAIL FROM:<a@example.net>')).toMatch(/^503 5\.5\.1 /);
    expect(await client.command('EHLO client.example.net')).not.toContain('STARTTLS');
    expect(await client.command('STARTTLS')).toMatch(/^503 5\.5\.1 /);
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    const [spooled] = relay.spool.messages;
    expect(spooled?.events[0]?.tls).toEqual({
      result: 'encrypted',
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      bits: 256,
    });
    expect(spooled?.body).toContain(
      'Received: from client.example.net (unknown [127.0.0.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(client certificate: none)\r\n\tby mx1.example.com (Bridgehead) with ESMTPS id ',
    );
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye');
    await client.close();
  });

  it.each([
    'STARTTLS\r\nRCPT TO:<injected@example.com>\r\n',
    'STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<injected@example.com>\r\n',
    'STARTTLS\r\nNOOP',
    `STARTTLS\r\n${'NOOP\r\n'.repeat(300)}`,
    'STARTTLS\nNOOP\n',
  ])('never runs what was sent in clear behind it: %j (R4)', async (text) => {
    await using relay = await perimeter();
    const client = await relay.client();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<a@example.net>');
    client.write(text);
    expect(await client.reply()).toMatch(/^220 2\.0\.0 /);
    await client.handshake();
    expect(await client.command('VRFY x')).toMatch(/^252 /); // the first reply in TLS is to the first command in TLS
    expect(await client.command('DATA')).toMatch(/^503 /);
    expect(relay.queries).toHaveLength(0);
  });

  it('that fails ends that connection and no other', async () => {
    const lines: unknown[][] = [];
    const log = Object.assign(Object.create(silentLog) as typeof silentLog, { info: (...line: unknown[]) => lines.push(line) });
    await using relay = await perimeter({}, { ports: { log } });
    const client = await relay.client();
    await client.command('STARTTLS');
    client.write('this is no TLS record, of course\r\n');
    await client.close();
    expect(await (await relay.client()).command('NOOP')).toMatch(/^250 /);
    expect(lines).toEqual([[expect.anything(), 'tls handshake failed']]);
  });

  it('whose handshake does not come is given up', async () => {
    await using relay = await perimeter({}, { deadlines: { ...DEADLINES, handshake: 60 } });
    const client = await relay.client();
    expect(await client.command('STARTTLS')).toMatch(/^220 /);
    await client.close();
  });

  it('resumes sessions by ticket', async () => {
    await using relay = await perimeter();
    const first = await relay.client();
    const socket = await first.startTls({ maxVersion: 'TLSv1.2' });
    const session = socket.getSession();
    await first.command('QUIT');
    const second = await relay.client();
    const again = await second.startTls({ maxVersion: 'TLSv1.2', ...(session === undefined ? undefined : { session }) });
    expect(again.isSessionReused()).toBe(true);
  });

  it('refuses TLS 1.1 by default, and takes it with the legacy profile', async () => {
    await using relay = await perimeter();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    await expect((await relay.client()).startTls(old)).rejects.toThrow(/alert|protocol/i);
    await using legacy = await perimeter({ tls: { ...relay.certificate, profile: 'legacy' } });
    const client = await legacy.client();
    await client.startTls(old);
    await client.mail('Subject: x\r\n\r\n');
    expect(legacy.spool.messages[0]?.events[0]?.tls?.protocol).toBe('TLSv1.1');
  });

  it('shows a new certificate to new handshakes after a reload, and keeps the old one where the new pair is wrong', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'reload-'));
    const files = { certificate: join(directory, 'mx.pem'), key: join(directory, 'mx.key') };
    await using relay = await perimeter();
    await writeFile(files.certificate, await readFile(relay.certificate.certificate));
    await writeFile(files.key, await readFile(relay.certificate.key));
    await using other = await perimeter({ tls: { ...files, profile: 'intermediate' } });
    const subject = async (): Promise<string | undefined> =>
      (await (await other.client()).startTls()).getPeerX509Certificate()?.subject;
    expect(await subject()).toBe('CN=mx1.example.com');
    await writeFile(files.certificate, signed.cert);
    await expect(other.reception.reloadCertificate()).rejects.toThrow('is not the key of');
    expect(await subject()).toBe('CN=mx1.example.com');
    await writeFile(files.key, signed.key);
    await other.reception.reloadCertificate();
    expect(await subject()).toBe('CN=mx.test');
    await rm(directory, { recursive: true });
  });
});

describe('a client certificate', () => {
  it('is asked for, recorded, and proves nothing while nobody vouches for it (G6)', async () => {
    await using relay = await perimeter({
      peers: [{ peer: 'cloud', networks: [], certificateNames: ['mx.test'], match: 'any' }],
    });
    const client = await relay.client();
    await client.startTls(signed);
    await client.mail('Subject: x\r\n\r\n');
    const [spooled] = relay.spool.messages;
    expect(spooled?.events[0]).toMatchObject({
      peer: 'external',
      tls: {
        result: 'encrypted',
        verified: false,
        'verification-error': expect.stringMatching(/^UNABLE_TO_/),
        'peer-certificate': {
          subject: 'CN=mx.test',
          names: ['mx.test', 'localhost'],
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        },
      },
    });
    expect(spooled?.body).toContain('\t(client certificate: CN=mx.test, unverified)\r\n');
  });
});

describe('implicit TLS', () => {
  it('speaks first inside TLS, and does not offer STARTTLS', async () => {
    await using relay = await perimeter({ listeners: [{ address: '127.0.0.1', port: 0, tls: 'implicit' }] });
    const client = await Client.overTls(relay.port);
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.command('EHLO c.example')).not.toContain('STARTTLS');
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    expect(relay.spool.messages[0]?.body).toContain('with ESMTPS id');
    expect(relay.reception.stats().connections).toBe(1);
    await client.command('QUIT');
    await client.close();
  });

  it('survives what is no TLS (and forgets it)', async () => {
    await using relay = await perimeter({
      listeners: [{ address: '127.0.0.1', port: 0, tls: 'implicit' }],
      limits: limits({ connectionsPerClient: most(1) }),
    });
    const socket = connect(relay.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('EHLO in.clear.example\r\n');
    await once(socket, 'close');
    const client = await Client.overTls(relay.port);
    expect(await client.reply()).toMatch(/^220 /);
  });
});

describe('the TLS facts of a socket', () => {
  it('tell a client the key exchange, the certificate and why it is not trusted', async () => {
    await using relay = await perimeter();
    const socket = await (await relay.client()).startTls();
    const facts = tlsEvidence(socket);
    expect(facts).toMatchObject({
      protocol: 'TLSv1.3',
      bits: 256,
      'key-exchange': expect.stringMatching(/./),
      verified: false,
      'verification-error': 'DEPTH_ZERO_SELF_SIGNED_CERT',
      'peer-certificate': {
        subject: 'CN=mx1.example.com',
        issuer: 'CN=mx1.example.com',
        names: ['mx1.example.com'],
        'valid-to': expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      },
    });
    expect(tlsEvidence(socket)).toBe(facts);
  });

  it('of a resumed session are those of its first handshake: a wrong name stays wrong', async () => {
    await using relay = await perimeter();
    const ca = await readFile(relay.certificate.certificate);
    const options = { ca, servername: 'other.example', maxVersion: 'TLSv1.2' } as const;
    const socket = await (await relay.client()).startTls(options);
    const facts = tlsEvidence(socket);
    expect(facts).toMatchObject({ verified: false, 'verification-error': 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const session = socket.getSession();
    const resume = async (): Promise<TLSSocket> =>
      (await relay.client()).startTls({ ...options, ...(session === undefined ? undefined : { session }) });
    const again = await resume();
    expect(again.isSessionReused()).toBe(true);
    expect(tlsEvidence(again, facts)).toEqual(facts);
    expect(tlsEvidence(await resume())).not.toHaveProperty('verified'); // unknown is written as unknown
  });

  it('call a trusted certificate with the right name verified', async () => {
    await using relay = await perimeter();
    const socket = await (await relay.client()).startTls({ ca: await readFile(relay.certificate.certificate) });
    expect(tlsEvidence(socket)).toMatchObject({ verified: true });
    expect(tlsEvidence(socket)).not.toHaveProperty('verification-error');
  });
});

describe('the self-signed certificate', () => {
  it('is made once, for the hostname, for its owner alone, and made anew for another hostname or when it is damaged', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'self-signed-'));
    const files = await ensureSelfSigned(join(directory, 'var'), 'mx1.example.com');
    for (const path of [files.key, files.certificate]) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const first = await readFile(files.certificate, 'utf8');
    await ensureSelfSigned(join(directory, 'var'), 'mx1.example.com');
    expect(await readFile(files.certificate, 'utf8')).toBe(first);
    await ensureSelfSigned(join(directory, 'var'), 'mx2.example.com');
    const second = await readFile(files.certificate, 'utf8');
    expect(second).not.toBe(first);
    await writeFile(files.key, 'damaged');
    await ensureSelfSigned(join(directory, 'var'), 'mx2.example.com');
    expect(await readFile(files.certificate, 'utf8')).not.toBe(second);
    await rm(directory, { recursive: true });
  });
});

it('a handshake that the client breaks off in the middle does not harm the relay', async () => {
  await using relay = await perimeter();
  for (let i = 0; i < 20; i++) {
    const client = await relay.client();
    await client.command('STARTTLS');
    const socket = tlsConnect({ socket: client.socket, rejectUnauthorized: false });
    socket.on('error', () => {});
    setImmediate(() => client.socket.destroy());
    await client.close();
  }
  expect(await (await relay.client()).command('NOOP')).toMatch(/^250 /);
});
