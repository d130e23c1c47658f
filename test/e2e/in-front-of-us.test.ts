/** What stands in front of the relay: a load balancer (PROXY, by swaks), filters (XCLIENT by swaks, Received by Postfix), our own devices. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostfix } from './support/postfix.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpClient } from './support/smtp-client.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { freePorts, run, selfSigned, until, Workspace } from './support/workspace.ts';

describe('in front of the relay', () => {
  const workspace = new Workspace('front');
  const sink = new SmtpSink();
  const CLIENT = '198.51.100.7';
  let relay: Relay;
  let ports: number[] = [];

  beforeAll(async () => {
    await sink.listen();
    ports = await freePorts(6);
    const [plain = 0, balanced = 0, balancedTls = 0, desk = 0, admin = 0] = ports;
    const device = selfSigned(workspace, 'printer.example.com');
    relay = new Relay(workspace, {
      port: plain,
      adminPort: admin,
      listeners: [
        `{ address: 127.0.0.1, port: ${plain} }`,
        `{ address: 127.0.0.1, port: ${balanced}, proxy-protocol: [127.0.0.0/8] }`,
        `{ address: 127.0.0.1, port: ${balancedTls}, tls: implicit, proxy-protocol: [127.0.0.0/8] }`,
        `{ address: 127.0.0.1, port: ${desk}, role: submission, client-ca-file: ${device.certificate} }`,
      ],
      settings: twoSides({
        onPremises: smartHost(sink.port),
        cloud: smartHost(sink.port),
        more: `peers:
  on-premises: { networks: [127.0.0.3/32], certificate-names: [printer.example.com] }
  gateway: { networks: [127.0.0.1/32], original-client: xclient }`,
      }),
      recipients: ['local@example.com,on-premises,,'],
    });
    await relay.start();
  });

  afterAll(async () => {
    await relay.stop();
    await sink.down();
    await workspace[Symbol.asyncDispose]();
  });

  const talk = (port: number | undefined, ...args: string[]) =>
    run('swaks', [
      '--server',
      `127.0.0.1:${port}`,
      '--from',
      'me@source.example',
      '--helo',
      'source.example',
      '--to',
      'local@example.com',
      ...args,
    ]);
  const proxy = [
    '--proxy-source',
    CLIENT,
    '--proxy-source-port',
    '40000',
    '--proxy-dest',
    '203.0.113.5',
    '--proxy-dest-port',
    '25',
  ];
  const received = async (sender: string) => {
    const found = () => relay.trace('--sender', sender).find(({ event }) => event === 'RECEIVE');
    await until('the record is there', () => found() !== undefined, 15_000, 500);
    return found();
  };

  it.each<[string, string, number, string[]]>([
    ['1', 'TCP4', 1, ['--protocol', 'ESMTP']],
    ['2', 'AF_INET', 1, ['--protocol', 'ESMTP']],
    ['1', 'TCP4', 2, ['--tls-on-connect', '--protocol', 'ESMTP']],
    ['2', 'AF_INET', 2, ['--tls-on-connect', '--protocol', 'ESMTP']],
  ])('a balancer with PROXY version %s (%s, listener %d) names the client', async (version, family, at, more) => {
    const sender = `v${version}-${at}@source.example`;
    const { stdout, status } = talk(
      ports[at],
      '--from',
      sender,
      '--proxy-version',
      version,
      '--proxy-family',
      family,
      ...proxy,
      ...more,
    );
    expect(stdout).toMatch(/<[-~] {2}250 2\.0\.0 Queued/);
    expect(status).toBe(0);
    expect(await received(sender)).toMatchObject({ peer: 'external', client: { address: CLIENT, via: '127.0.0.1' } });
  });

  it('a client that speaks SMTP to the balanced listener at once is cut off', () => {
    expect(talk(ports[1], '--timeout', '3').status).not.toBe(0);
  });

  it('a filter names its client by XCLIENT', async () => {
    const sender = 'xclient@source.example';
    const { stdout } = talk(
      ports[0],
      '--from',
      sender,
      '--xclient-addr',
      CLIENT,
      '--xclient-name',
      'c.example',
      '--xclient-helo',
      'c.example',
    );
    expect(stdout).toMatch(/XCLIENT .*ADDR=198\.51\.100\.7/);
    expect(stdout).toMatch(/<- {2}250 2\.0\.0 Queued/);
    expect(await received(sender)).toMatchObject({ peer: 'external', client: { address: CLIENT, via: '127.0.0.1' } });
    expect(relay.cli('trace', '--sender', sender).stdout).toContain(`[${CLIENT}] by [127.0.0.1] (external)`);
  });

  it('nobody else is offered XCLIENT', async () => {
    const { stdout } = talk(ports[0], '--local-interface', '127.0.0.2', '--xclient-addr', '127.0.0.3', '--xclient-optional');
    expect(stdout).not.toMatch(/250[- ]XCLIENT/);
    const opened = await SmtpClient.open(ports[0] ?? 0, '127.0.0.2');
    expect((await opened?.client.command('XCLIENT ADDR=127.0.0.3'))?.lines).toEqual([expect.stringMatching(/^500 5\.5\.2 /)]);
    await opened?.client.quit();
  });

  it('a device sends by the submission listener with its certificate in TLS, and not without', async () => {
    const certificate = [
      '--tls-cert',
      workspace.path('printer.example.com.crt'),
      '--tls-key',
      workspace.path('printer.example.com.key'),
    ];
    expect(talk(ports[3]).stdout).toMatch(/<\*\* 530 5\.7\.0/);
    expect(talk(ports[3], '--tls').stdout).toMatch(/<~\* 550 5\.7\.1/);
    const { stdout } = talk(ports[3], '--tls', ...certificate, '--from', 'printer@source.example');
    expect(stdout).toMatch(/<~ {2}250 2\.0\.0 Queued/);
    expect(await received('printer@source.example')).toMatchObject({ peer: 'on-premises', tls: { result: 'verified' } });
  });

  it('Postfix as a filter tells its client by its Received field', async () => {
    const settings = readFileSync(relay.config, 'utf8').replace('original-client: xclient', 'original-client: received');
    writeFileSync(relay.config, settings);
    relay.signal('SIGHUP');
    await until('the settings are taken', () => relay.log().includes('settings and directory reloaded'));
    const [, , , , , port = 0] = ports;
    await startPostfix(workspace, port, ports[0] ?? 0, [
      'smtpd_authorized_xclient_hosts = 127.0.0.1',
      'smtp_bind_address = 127.0.0.1',
    ]);
    const opened = await SmtpClient.open(port);
    const say = async (line: string) => (await opened?.client.command(line))?.code;
    expect(await say(`XCLIENT ADDR=${CLIENT} NAME=c.example`)).toBe(220);
    await say('EHLO c.example');
    await say('MAIL FROM:<behind@source.example>');
    expect(await say('RCPT TO:<local@example.com>')).toBe(250);
    await say('DATA');
    expect(await say('Received: from x (x [192.0.2.99]) by y\r\nSubject: x\r\n\r\nx\r\n.')).toBe(250);
    expect(await received('behind@source.example')).toMatchObject({
      peer: 'gateway',
      client: { address: '127.0.0.1' },
      'original-client-ip': CLIENT,
    });
  });
});
