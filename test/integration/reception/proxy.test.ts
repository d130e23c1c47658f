import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/platform/logger.ts';
import { DEADLINES } from '../../../src/reception/house.ts';
import type { ListenerSettings, ReceptionSettings } from '../../../src/reception/ports.ts';
import { limits, most } from '../../support/limits.ts';
import { version1, version2, version2Ipv6, withChecksum } from '../../support/proxy-headers.ts';
import { Client, perimeter } from './perimeter.ts';

const BALANCER = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';
const listener: ListenerSettings = { address: '127.0.0.1', port: 0, tls: 'starttls', proxies: [`${BALANCER}/32`] };

async function behindBalancer(change: Partial<ReceptionSettings> = {}, at: Partial<ListenerSettings> = {}, proxyHeader?: number) {
  const warnings: unknown[][] = [];
  const log = Object.assign(Object.create(silentLog) as typeof silentLog, { warn: (...line: unknown[]) => warnings.push(line) });
  const deadlines = proxyHeader === undefined ? DEADLINES : { ...DEADLINES, proxyHeader };
  const relay = await perimeter({ listeners: [{ ...listener, ...at }], ...change }, { deadlines, ports: { log } });
  return Object.assign(relay, { warnings });
}

async function singly(client: Client, octets: Buffer): Promise<void> {
  client.socket.setNoDelay(true);
  for (const octet of octets) await new Promise<void>((done) => client.socket.write(Buffer.of(octet), () => setImmediate(done)));
}

describe('a listener behind a load balancer', () => {
  it.each([
    ['version 1', version1(), '198.51.100.7'],
    ['version 2', version2(), '198.51.100.7'],
    ['version 2 with a checksum', withChecksum(), '198.51.100.7'],
    ['version 2 over IPv6', version2Ipv6(), '2001:db8::7'],
  ])('takes the client from a header of %s: in queries, records and Received', async (_what, header, address) => {
    await using relay = await behindBalancer();
    const client = await Client.raw(relay.port);
    client.socket.write(header);
    expect(await client.reply()).toMatch(/^220 /);
    expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
    expect(relay.queries[0]?.client).toMatchObject({ peer: 'external', address, via: BALANCER });
    const [spooled] = relay.spool.messages;
    expect(spooled?.message.origin).toMatchObject({ peer: 'external', address });
    expect(spooled?.events[0]?.client).toEqual({ address, name: 'client.example.net', via: BALANCER });
    const literal = address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
    expect(spooled?.body).toContain(`Received: from client.example.net (unknown ${literal})\r\n`);
  });

  it.each([
    ['version 1', version1()],
    ['version 2', withChecksum()],
  ])('reads a header of %s that comes octet by octet, and what comes with it', async (_what, header) => {
    await using relay = await behindBalancer();
    const slow = await Client.raw(relay.port);
    await singly(slow, header);
    expect(await slow.reply()).toMatch(/^220 /);
    const hasty = await Client.raw(relay.port);
    hasty.socket.write(Buffer.concat([header, Buffer.from('EHLO client.example.net\r\nNOOP\r\n')]));
    expect([await hasty.reply(), await hasty.reply(), await hasty.reply()].map((text) => text.slice(0, 3))).toEqual([
      '220',
      '250',
      '250',
    ]);
  });

  it('classes the client, not the balancer: peers are known by their own address', async () => {
    const peers = [
      { peer: 'on-premises', networks: ['10.1.0.0/16', `${BALANCER}/32`], certificateNames: [], match: 'any' },
    ] as const;
    await using relay = await behindBalancer({ peers });
    for (const header of [version1('10.1.0.5'), version1(), Buffer.from('PROXY UNKNOWN\r\n'), version2({ command: 0x20 })]) {
      const client = await Client.raw(relay.port);
      client.socket.write(header);
      await client.reply();
      await client.upToData();
    }
    // whom the balancer does not name has no rights, though the balancer's network has
    expect(relay.queries.map(({ client }) => `${client.peer} ${client.address}`)).toEqual([
      'on-premises 10.1.0.5',
      'external 198.51.100.7',
      `external ${BALANCER}`,
      `external ${BALANCER}`,
    ]);
  });

  it('keeps the client through STARTTLS', async () => {
    const peers = [{ peer: 'on-premises', networks: [`${BALANCER}/32`], certificateNames: [], match: 'any' }] as const;
    await using relay = await behindBalancer({ peers });
    const client = await Client.raw(relay.port);
    client.socket.write(version2());
    await client.reply();
    await client.startTls();
    await client.mail('Subject: x\r\n\r\n');
    expect(relay.spool.messages[0]?.events[0]).toMatchObject({
      peer: 'external',
      client: { address: '198.51.100.7', via: BALANCER },
    });
  });

  it('reads the header in front of implicit TLS, also when both come in one packet', async () => {
    await using relay = await behindBalancer({}, { tls: 'implicit' });
    for (const whole of [true, false]) {
      const client = await Client.raw(relay.port);
      if (whole) client.socket.cork();
      client.socket.write(version2());
      const handshake = client.handshake();
      if (whole) process.nextTick(() => client.socket.uncork());
      await handshake;
      expect(await client.reply()).toMatch(/^220 /);
      expect(await client.mail('Subject: x\r\n\r\n')).toMatch(/^250 /);
      await client.command('QUIT');
      await client.close();
    }
    expect(relay.spool.messages.map(({ message }) => message.origin.address)).toEqual(['198.51.100.7', '198.51.100.7']);
    await expect.poll(() => relay.reception.stats().connections).toBe(0);
  });

  it('has no header inside TLS: there it is no command, and ends the session', async () => {
    await using relay = await behindBalancer({}, { tls: 'implicit' });
    const client = await Client.raw(relay.port);
    client.socket.write(version1());
    await client.handshake();
    await client.reply();
    expect(await client.command(version1('10.1.0.5').toString().trim())).toMatch(/^421 4\.7\.0 PROXY header/);
    const again = await Client.raw(relay.port);
    again.socket.write(version1());
    await again.handshake();
    await again.reply();
    again.socket.write(version2());
    expect(await again.reply()).toMatch(/^500 /);
    await again.close();
    expect(relay.queries).toEqual([]);
  });

  it('counts the real client', async () => {
    await using relay = await behindBalancer({ limits: limits({ connectionsPerClient: most(1) }) });
    const open = async (address: string) => {
      const client = await Client.raw(relay.port);
      client.socket.write(version1(address));
      return { client, greeting: await client.reply() };
    };
    const first = await open('198.51.100.7');
    expect(first.greeting).toMatch(/^220 /);
    expect((await open('198.51.100.7')).greeting).toMatch(/^421 4\.7\.0 /);
    expect((await open('198.51.100.8')).greeting).toMatch(/^220 /);
    expect(relay.records.map(({ client }) => client)).toEqual([{ address: '198.51.100.7', via: BALANCER }]);
    await first.client.command('QUIT');
    await first.client.close();
    expect((await open('198.51.100.7')).greeting).toMatch(/^220 /);
  });

  it.each([
    ['SMTP at once', Buffer.from('EHLO client.example.net\r\n')],
    ['TLS at once', Buffer.from('160301020001', 'hex')],
    ['an address that is none', Buffer.from('PROXY TCP4 198.51.100.777 203.0.113.5 1 25\r\n')],
    ['a line without an end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(2000)}`)],
    ['a socket of its own machine', version2({ kind: 0x31, addresses: Buffer.alloc(216) })],
    ['more than it may', version2({ length: 65_535 })],
    ['half a field', version2({ fields: Buffer.from([4, 0]) })],
  ])('closes without a word where the balancer sends %s, and says so once a minute', async (_what, octets) => {
    await using relay = await behindBalancer();
    for (let i = 0; i < 3; i++) {
      const client = await Client.raw(relay.port);
      client.socket.write(octets);
      expect(await client.reply()).toBe('');
    }
    expect(relay.warnings).toEqual([[expect.objectContaining({ address: BALANCER }), 'PROXY header refused']]);
    expect(relay.reception.stats().connections).toBe(0);
    expect(relay.queries).toEqual([]);
  });

  it('waits for a header no longer than the deadline', async () => {
    await using relay = await behindBalancer({}, {}, 50);
    const cut = await Client.raw(relay.port);
    cut.socket.write(version2().subarray(0, 20));
    expect(await cut.reply()).toBe('');
    expect(relay.warnings).toEqual([[{ address: BALANCER, reason: expect.any(String) }, 'PROXY header refused']]);
  });

  it('does not complain of a mere look, and does of half a header', async () => {
    await using relay = await behindBalancer();
    const look = await Client.raw(relay.port);
    look.socket.destroy();
    const half = await Client.raw(relay.port);
    await new Promise((done) => half.socket.write('PROXY TCP4', done));
    half.socket.end();
    expect(await half.reply()).toBe('');
    expect(relay.warnings).toEqual([
      [{ address: BALANCER, reason: 'closed before its PROXY header was whole' }, 'PROXY header refused'],
    ]);
  });

  it('says so where a balancer waits for a greeting without a header', async () => {
    await using relay = await behindBalancer({}, {}, 50);
    const client = await Client.raw(relay.port);
    expect(await client.reply()).toBe('');
    expect(relay.warnings).toEqual([
      [{ address: BALANCER, reason: expect.stringContaining('sends no PROXY header') }, 'PROXY header refused'],
    ]);
  });

  it('lets the balancer itself in, whatever its address has used up: a health check must not fail by our limits', async () => {
    const blind = { connectionsPerClient: most(1), greetingDelay: most(60_000) };
    await using relay = await behindBalancer({ limits: { ...limits(blind), ownMachine: 'bound' } });
    for (const header of [version2({ command: 0x20 }), Buffer.from('PROXY UNKNOWN\r\n')]) {
      for (let i = 0; i < 5; i++) {
        const check = await Client.raw(relay.port);
        check.socket.write(header);
        expect(await check.reply()).toMatch(/^220 /);
        for (let wrong = 0; wrong < 5; wrong++) expect(await check.command('WRONG')).toMatch(/^500/);
      }
    }
    expect(relay.records).toEqual([]);
  });

  it('serves others without a header, and ends the session of one who sends it: it would forge its address', async () => {
    const peers = [{ peer: 'on-premises', networks: ['10.1.0.0/16'], certificateNames: [], match: 'any' }] as const;
    await using relay = await behindBalancer({ peers });
    const plain = await Client.raw(relay.port, ELSEWHERE);
    expect(await plain.reply()).toMatch(/^220 /);
    await plain.upToData();
    expect(relay.queries[0]?.client).toMatchObject({ peer: 'external', address: ELSEWHERE });
    for (const [header, answers] of [
      [version1('10.1.0.5'), [/^421 4\.7\.0 PROXY/]],
      [version2(), [/^500/, /^500/, /^421 4\.7\.0 PROXY/]], // it begins with two empty lines
    ] as const) {
      const forger = await Client.raw(relay.port, ELSEWHERE);
      expect(await forger.reply()).toMatch(/^220 /);
      forger.socket.write(
        Buffer.concat([header, Buffer.from('EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\n')]),
      );
      for (const answer of answers) expect(await forger.reply()).toMatch(answer);
      await forger.close();
    }
    expect(relay.queries).toHaveLength(1);
    expect(relay.warnings).toEqual([[expect.objectContaining({ address: ELSEWHERE }), 'PROXY header refused']]);
  });

  it('stops while a header is awaited', async () => {
    const relay = await behindBalancer();
    const client = await Client.raw(relay.port);
    client.socket.write('PROXY ');
    const plain = await Client.raw(relay.port, ELSEWHERE);
    await plain.reply();
    await relay.reception.stop(0);
    expect(await client.reply()).toBe('');
  });
});
