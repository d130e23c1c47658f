/** HAProxy in front of the relay: PROXY in both versions, its health checks, and what is seen where the two do not fit. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHaproxy } from './support/haproxy.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { freePorts, run, selfSigned, until, Workspace } from './support/workspace.ts';

const BALANCER = '127.0.0.9';
const UNLISTED = '127.0.0.8';
/** Rising takes so many checks in a row; more than one client may connect in a minute here. */
const CHECKS = 20;
const FACTS = 'ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id';

describe('behind HAProxy', () => {
  const workspace = new Workspace('haproxy');
  const sink = new SmtpSink();
  let relay: Relay;
  let haproxy: Awaited<ReturnType<typeof startHaproxy>>;
  let balanced = 0;
  const at = { v1: 0, v2: 0, ended: 0, passed: 0, headerless: 0 };

  beforeAll(async () => {
    await sink.listen();
    const [plain = 0, behind = 0, behindTls = 0, admin = 0, ...fronts] = await freePorts(9);
    [at.v1 = 0, at.v2 = 0, at.ended = 0, at.passed = 0, at.headerless = 0] = fronts;
    balanced = behind;
    relay = new Relay(workspace, {
      port: plain,
      adminPort: admin,
      listeners: [
        `{ address: 127.0.0.1, port: ${plain} }`,
        `{ address: 127.0.0.1, port: ${behind}, proxy-protocol: [${BALANCER}/32] }`,
        `{ address: 127.0.0.1, port: ${behindTls}, tls: implicit, proxy-protocol: [${BALANCER}/32] }`,
      ],
      settings: twoSides({
        onPremises: smartHost(sink.port),
        cloud: smartHost(sink.port),
        exempt: '',
        limits: `connections-per-client: 3, per-client: { connects-per-minute: ${CHECKS / 2} }`,
        more: `peers: { on-premises: { networks: [127.8.0.50/32, ${BALANCER}/32] } }`,
      }),
      recipients: ['local@example.com,on-premises,,'],
    });
    const { certificate, key } = selfSigned(workspace, 'mx.example.com');
    const pair = workspace.path('mx.pem');
    writeFileSync(pair, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
    const server = (port: number, more: string) => `server relay 127.0.0.1:${port} source ${BALANCER} ${more}`;
    // down at first, for nobody listens yet; later one check that a busy machine misses takes nobody away
    const checked = `check inter 200ms rise ${CHECKS} fall 1000`;
    haproxy = await startHaproxy(
      workspace,
      'haproxy',
      `frontend v1
  bind 127.0.0.1:${at.v1}
  bind [::1]:${at.v1}
  default_backend v1
frontend v2
  bind 127.0.0.1:${at.v2}
  default_backend v2
frontend ended
  bind 127.0.0.1:${at.ended} ssl crt ${pair} ca-file ${certificate} verify optional crt-ignore-err all
  default_backend ended
frontend passed
  bind 127.0.0.1:${at.passed}
  default_backend passed
frontend headerless
  bind 127.0.0.1:${at.headerless}
  default_backend headerless
backend v1
  option smtpchk
  ${server(behind, `send-proxy ${checked}`)}
backend v2
  option smtpchk EHLO balancer.example
  ${server(behind, `send-proxy-v2 ${checked}`)}
backend ended
  ${server(behind, `send-proxy-v2 proxy-v2-options ${FACTS} ${checked}`)}
backend passed
  option smtpchk EHLO balancer.example
  ${server(behindTls, `send-proxy-v2 check-ssl verify none ${checked}`)}
backend look-without-header
  ${server(behind, checked)}
backend look-at-tls
  ${server(behindTls, `send-proxy-v2 ${checked}`)}
backend headerless
  ${server(behind, '')}
`,
    );
    const names = ['v1', 'v2', 'ended', 'passed', 'look-without-header', 'look-at-tls'];
    const all = async (wanted: string) =>
      (await Promise.all(names.map((name) => haproxy.check(name)))).every(({ status }) => status === wanted);
    await until('all are down', () => all('DOWN'));
    await relay.start();
    await until(`${CHECKS} checks in a row have passed everywhere`, () => all('UP'));
  });

  afterAll(async () => {
    await relay.stop();
    await sink.down();
    await workspace[Symbol.asyncDispose]();
  });

  const behindAcceptance = () => relay.log().split('the relay accepts mail')[1]?.trim().split('\n').slice(1) ?? [];

  // must be first: what follows leaves records
  it('its health checks pass however many there are, and leave neither a record nor a line in the log', async () => {
    expect(behindAcceptance()).toEqual([]);
    expect(relay.trace()).toEqual([]);
    const results = { v1: 'L7OK', v2: 'L7OK', passed: 'L7OK', ended: 'L4OK', 'look-at-tls': 'L4OK' };
    for (const [name, result] of Object.entries(results))
      await until(`${name} is checked by ${result}`, async () => (await haproxy.check(name)).result === result);
  });

  it.each<[string, keyof typeof at, string, string[], string]>([
    ['version 1', 'v1', '127.8.0.1', ['--tls'], 'encrypted'],
    ['version 1 over IPv6', 'v1', '::1', [], 'not-used'],
    ['version 2', 'v2', '127.8.0.2', ['--tls'], 'encrypted'],
    ['version 2, implicit TLS passed through', 'passed', '127.8.0.3', ['--tls-on-connect'], 'encrypted'],
    // what HAProxy says of TLS in its header is not TLS of ours
    [
      'version 2 with all it can tell, TLS ended by it',
      'ended',
      '127.8.0.4',
      ['--tls-on-connect', '--tls-sni', 'x'.repeat(63)],
      'not-used',
    ],
  ])('%s names the client', async (_what, port, client, more, result) => {
    const sender = `${port}-${client.replaceAll(':', '')}@source.example`;
    const { stdout, status } = run('swaks', [
      '--server',
      client === '::1' ? '[::1]' : '127.0.0.1',
      '--port',
      String(at[port]),
      '--local-interface',
      client,
      '--from',
      sender,
      '--helo',
      'source.example',
      '--to',
      'local@example.com',
      ...more,
    ]);
    expect(stdout).toMatch(/<[-~] {2}250 2\.0\.0 Queued/);
    expect(status).toBe(0);
    const found = () => relay.trace('--sender', sender).find(({ event }) => event === 'RECEIVE');
    await until('the record is there', () => found() !== undefined, 15_000, 500);
    expect(found()).toMatchObject({ peer: 'external', client: { address: client, via: BALANCER }, tls: { result } });
  });

  it('counts the client behind it', async () => {
    const open = async (client: string) => {
      const opened = await SmtpClient.open(at.v2, client);
      return { client: opened?.client, code: opened?.greeting.code };
    };
    const opened = [await open('127.8.0.20'), await open('127.8.0.20'), await open('127.8.0.20')];
    expect(opened.map(({ code }) => code)).toEqual([220, 220, 220]);
    expect((await open('127.8.0.20')).code).toBe(421);
    const other = await open('127.8.0.21');
    expect(other.code).toBe(220);
    for (const { client } of [...opened, other]) await client?.quit();
    const refusals = () => relay.trace().filter(({ event }) => event === 'REJECT');
    await until('the refusal is on record', () => refusals().length > 0, 15_000, 500);
    expect(refusals()).toEqual([
      expect.objectContaining({
        client: { address: '127.8.0.20', via: BALANCER },
        reason: expect.stringContaining('connections-per-client'),
      }),
    ]);
  });

  it('knows a peer behind it by its own address', async () => {
    const opened = await SmtpClient.open(at.v2, '127.8.0.50');
    await opened?.client.command('EHLO inside.example');
    await opened?.client.command('MAIL FROM:<inside@example.com>');
    expect((await opened?.client.command('RCPT TO:<migrated@tenant.mail.example.net>'))?.code).toBe(250);
    const outside = await SmtpClient.open(at.v2, '127.8.0.51');
    await outside?.client.command('EHLO outside.example');
    await outside?.client.command('MAIL FROM:<outside@source.example>');
    expect((await outside?.client.command('RCPT TO:<migrated@tenant.mail.example.net>'))?.code).toBe(550);
    await opened?.client.quit();
    await outside?.client.quit();
  });

  it('without send-proxy nobody is greeted, and the log says what is missing', async () => {
    expect(await SmtpClient.open(at.headerless, '127.8.0.30')).toBeUndefined();
    const told = () => behindAcceptance().find((line) => line.includes('PROXY header refused'));
    await until('the log says so', () => told() !== undefined);
    expect(JSON.parse(told() ?? '')).toMatchObject({
      level: 'warn',
      address: BALANCER,
      reason: expect.stringContaining('send-proxy'),
    });
  });

  it('an unlisted balancer with send-proxy-v2 is told so, and the log names it', async () => {
    const unlisted = await startHaproxy(
      workspace,
      'unlisted',
      `backend unlisted
  option smtpchk EHLO balancer.example
  server relay 127.0.0.1:${balanced} source ${UNLISTED} send-proxy-v2 check inter 1s fall 1
`,
    );
    await until('its check fails', async () => (await unlisted.check('unlisted')).status === 'DOWN');
    const told = () => behindAcceptance().filter((line) => line.includes('not under proxy-protocol'));
    await until('the log says so', () => told().length > 0);
    expect(JSON.parse(told()[0] ?? '')).toMatchObject({ level: 'warn', address: UNLISTED });
  });
});
