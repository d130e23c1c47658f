/** Programs in front that name their client in their own way: nginx by XCLIENT and by PROXY, Exim in its Received field. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startExim } from './support/exim.ts';
import { startNginx } from './support/nginx.ts';
import { Relay, smartHost, twoSides } from './support/relay.ts';
import { SmtpSink } from './support/smtp-sink.ts';
import { freePorts, runBeside, until, Workspace } from './support/workspace.ts';

describe('a program in front', () => {
  const workspace = new Workspace('filters');
  const sink = new SmtpSink();
  const at = { xclient: 0, proxy: 0, exim: 0 };
  let relay: Relay;
  let exim: Awaited<ReturnType<typeof startExim>>;

  beforeAll(async () => {
    await sink.listen();
    const [plain = 0, balanced = 0, admin = 0, ...fronts] = await freePorts(6);
    [at.xclient = 0, at.proxy = 0, at.exim = 0] = fronts;
    relay = new Relay(workspace, {
      port: plain,
      adminPort: admin,
      listeners: [
        `{ address: 127.0.0.1, port: ${plain} }`,
        `{ address: 127.0.0.1, port: ${balanced}, proxy-protocol: [127.0.0.1/32] }`,
      ],
      settings: twoSides({
        onPremises: smartHost(sink.port),
        cloud: smartHost(sink.port),
        more: 'peers: { gateway: { networks: [127.0.0.1/32], original-client: xclient } }',
      }),
      recipients: ['local@example.com,on-premises,,'],
    });
    await relay.start();
    await startNginx(workspace, [
      { port: at.xclient, by: 'xclient', relay: plain },
      { port: at.proxy, by: 'proxy_protocol', relay: balanced },
    ]);
    exim = await startExim(workspace, at.exim, 'example.com', [], plain);
  });

  afterAll(async () => {
    await relay.stop();
    await sink.down();
    await workspace[Symbol.asyncDispose]();
  });

  // nginx asks this process where to, so that it must not wait
  const send = (port: number, client: string, sender: string, to = 'local@example.com') =>
    runBeside('swaks', [
      '--server',
      client === '::1' ? '[::1]' : '127.0.0.1',
      '--port',
      String(port),
      '--local-interface',
      client,
      '--from',
      sender,
      '--helo',
      'client.example',
      '--to',
      to,
    ]);
  const received = async (sender: string) => {
    const found = () => relay.trace('--sender', sender).find(({ event }) => event === 'RECEIVE');
    await until('the record is there', () => found() !== undefined, 15_000, 500);
    return found();
  };

  it.each<['xclient' | 'proxy', string, string]>([
    ['xclient', '127.8.0.1', 'client.example'],
    ['xclient', '::1', 'client.example'],
    ['proxy', '127.8.0.2', 'filter.example'], // it says EHLO itself
  ])('nginx by %s names its client %s', async (by, client, name) => {
    const sender = `${by}-${client.replaceAll(':', '')}@source.example`;
    const { stdout, status } = await send(at[by], client, sender);
    expect(stdout).toMatch(/<- {2}250 2\.0\.0 Queued/);
    expect(status).toBe(0);
    expect(await received(sender)).toMatchObject({
      peer: 'external',
      client: { address: client, name, via: '127.0.0.1' },
    });
  });

  it('nginx passes our refusals on: its client is an outsider, though nginx is a gateway', async () => {
    expect((await send(at.xclient, '127.8.0.3', 'a@source.example', 'nobody@example.com')).stdout).toMatch(/<\*\* 550 5\.1\.1 /);
    expect((await send(at.xclient, '127.8.0.3', 'a@source.example', 'x@elsewhere.example')).stdout).toMatch(/<\*\* 550 5\.7\.1 /);
  });

  it('Exim tells its client in its Received field', async () => {
    const settings = readFileSync(relay.config, 'utf8').replace('original-client: xclient', 'original-client: received');
    writeFileSync(relay.config, settings);
    relay.signal('SIGHUP');
    await until('the settings are taken', () => relay.log().includes('settings and directory reloaded'));
    // a session on its standard input, from an address that this machine does not have
    const { stdout } = await runBeside('swaks', [
      '--pipe',
      exim.sessionFrom('198.51.100.7'),
      '--from',
      'exim@source.example',
      '--helo',
      'client.example',
      '--to',
      'local@example.com',
      '--add-header',
      'Received: from x (x [192.0.2.99]) by y',
    ]);
    expect(stdout).toMatch(/<- {2}250 OK/);
    expect(await received('exim@source.example')).toMatchObject({
      peer: 'gateway',
      client: { address: '127.0.0.1' },
      'original-client-ip': '198.51.100.7',
    });
  });
});
