/** A relay that watches itself: certificates that are renewed or end, alerts, and advice on what next hops answer. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HttpOperations } from '../../src/cli/client.ts';
import { messageText } from '../../src/cli/queue-commands.ts';
import { statusScreen } from '../../src/cli/status-command.ts';
import { renderTrace } from '../../src/evidence/trace-table.ts';
import { openOffline } from '../../src/offline.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { type Relay, startRelay } from '../../src/relay.ts';
import { loadSettings } from '../../src/settings/load.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { insideIdentity, outsideIdentity } from '../support/certificate-chains.ts';
import { expired, signed, type TestCertificate } from '../support/certificates.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';

const parts = { log: silentLog, clock: systemClock, version: '0.1.0' };

let folder: string;
let cloud: ScriptedPeer;
let hook: Server;
let calls: Record<string, unknown>[];
let relay: Relay | undefined;

const path = (name: string) => join(folder, name);
const PATIENCE = { timeout: 8_000, interval: 20 };

function put(name: string, { cert, key }: TestCertificate): void {
  for (const [ending, text] of [
    ['pem', cert],
    ['key', key],
  ] as const) {
    writeFileSync(path(`${name}.${ending}.new`), text);
    renameSync(path(`${name}.${ending}.new`), path(`${name}.${ending}`));
  }
}

async function settingsOf(connectorTls = 'mode: none', listenerTls = 'starttls'): Promise<Settings> {
  writeFileSync(
    path('bridgehead.yaml'),
    `hostname: mx1.example.com
postmaster: mailops@example.com
data-directory: var
listeners: [{ address: 127.0.0.1, port: 0, tls: ${listenerTls} }]
tls: { certificate: mx.pem, key: mx.key }
alerts: { mail-to: [oncall@example.com], webhook-file: hook.url }
domains: [{ name: example.com, unknown-recipients: on-premises }]
cloud: { routing-domains: [tenant.mail.onmicrosoft.com] }
connectors:
  - { name: cloud, address-spaces: [tenant.mail.onmicrosoft.com], next-hop: { smart-hosts: ["127.0.0.1:${cloud.port}"] }, tls: { ${connectorTls} } }
  - { name: on-premises, address-spaces: [example.com], next-hop: { maildir: var/mail } }
  - { name: internet, address-spaces: ["*"], next-hop: { maildir: var/out } }
directory: { sources: [{ name: plain, file: recipients.csv }] }
admin: { address: 127.0.0.1, port: 0 }
`,
  );
  const loaded = await loadSettings(path('bridgehead.yaml'));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  return loaded.settings;
}

async function start(settings: Settings): Promise<HttpOperations> {
  relay = await startRelay(settings, { ...parts, watchEvery: 20 });
  return new HttpOperations({ url: relay.adminUrl });
}

async function stop(): Promise<void> {
  const stopped = relay;
  relay = undefined;
  await stopped?.stop(1_000);
}

const portOf = (): number => Number(relay?.listening[0]?.split(':').at(-1));

async function send(recipient: string): Promise<void> {
  const socket = connect(portOf(), '127.0.0.1');
  const words = ['HELO c', 'MAIL FROM:<x@example.net>', `RCPT TO:<${recipient}>`, 'DATA', 'Subject: s\r\n\r\nx\r\n.', 'QUIT'];
  let seen = '';
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    seen += chunk;
    const word = chunk.endsWith('\r\n') ? words.shift() : undefined;
    if (word !== undefined) socket.write(`${word}\r\n`);
  }
  if (!/^354[^]*\n250/m.test(seen)) throw new Error(seen);
}

const mails = (box: string): string[] => {
  try {
    return readdirSync(path(`var/${box}/new`)).map((name) => readFileSync(path(`var/${box}/new/${name}`), 'utf8'));
  } catch {
    return [];
  }
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watching-'));
  calls = [];
  cloud = await ScriptedPeer.start();
  hook = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      calls.push(JSON.parse(text) as Record<string, unknown>);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  writeFileSync(path('hook.url'), `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`);
  writeFileSync(
    path('recipients.csv'),
    'address,route\nanna@example.com,cloud\nbert@example.com,cloud\noncall@example.com,on-premises\n',
  );
  put('mx', signed);
});
afterEach(async () => {
  await stop();
  await cloud[Symbol.asyncDispose]();
  hook.close();
  rmSync(folder, { recursive: true });
});

describe('a certificate that ends', () => {
  it('is told by mail, webhook, status and metrics, once, also over a restart', async () => {
    put('mx', expired);
    const settings = await settingsOf();
    const operations = await start(settings);
    await vi.waitFor(() => expect([mails('mail').length, calls.length]).toEqual([1, 1]), PATIENCE);
    const [mail = ''] = mails('mail');
    expect(mail).toContain('Return-Path: <>');
    expect(mail).toContain('Auto-Submitted: auto-generated');
    expect(mail).toMatch(/Subject: \[mx1\.example\.com\] error: the certificate of the listeners .* has expired/);
    expect(calls[0]).toMatchObject({
      alerts: [{ state: 'new', code: 'certificate-expiry:listener#expired', severity: 'error' }],
    });

    const status = await operations.status();
    expect(status.certificates).toMatchObject([{ use: 'listener', 'valid-to': '2021-01-01T00:00:00.000Z', chain: 'incomplete' }]);
    expect(statusScreen(status, Date.now())).toContain('renew it in its file; the relay takes it by itself within seconds');
    const metrics = await (await fetch(`${relay?.adminUrl}/metrics`)).text();
    expect(metrics).toMatch(/bridgehead_certificate_expiry_seconds\{use="listener",name="listener"\} -\d+/);
    expect(metrics).toContain('bridgehead_alerts_total{way="mail",result="sent"} 1');
    // the mail is in its mailbox a moment before the record of that is durable
    await vi.waitFor(async () => {
      const { records } = await operations.trace({ recipient: 'oncall@example.com' });
      expect(records.map(({ event, sender }) => [event, sender])).toEqual([
        ['RECEIVE', ''],
        ['SEND', ''],
      ]);
    }, PATIENCE);

    await stop();
    await start(settings);
    // another finding after the restart: with its mail would come what is told twice
    writeFileSync(path('bridgehead.yaml'), 'hostname: [');
    await relay?.reload('test');
    await vi.waitFor(() => expect(mails('mail')).toHaveLength(2), PATIENCE);
    expect(mails('mail').filter((text) => text.includes('has expired'))).toHaveLength(1);
    await stop();
    await using offline = await openOffline(settings, parts);
    expect((await offline.status()).findings.map(({ code }) => code)).toContain('certificate-expiry:listener#expired');
  });

  it('is taken as soon as its files are new', async () => {
    put('mx', expired);
    await start(await settingsOf(undefined, 'implicit'));
    const shown = async (): Promise<string | undefined> => {
      const socket = connectTls({ port: portOf(), host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const until = socket.getPeerX509Certificate()?.validTo;
      socket.destroy();
      return until;
    };
    expect(await shown()).toContain('2021');
    put('mx', signed);
    await vi.waitFor(async () => expect(await shown()).toContain('2126'), PATIENCE);
  });
});

describe('the client certificate of a connector', () => {
  it('is shown on a fresh connection once it was renewed, not on the one that was kept', async () => {
    await cloud[Symbol.asyncDispose]();
    cloud = await ScriptedPeer.start({ certificate: signed, tls: { requestCert: true } });
    put('client', insideIdentity);
    await start(await settingsOf('mode: required, certificate: client.pem, key: client.key'));
    const subjects = () =>
      cloud.sessions.map(({ socket }) => (socket as TLSSocket).getPeerX509Certificate?.()?.subjectAltName).filter(Boolean);
    await send('anna@example.com');
    await vi.waitFor(() => expect(cloud.messages).toHaveLength(1), PATIENCE);
    const before = subjects();
    await send('anna@example.com');
    await vi.waitFor(() => expect(cloud.messages).toHaveLength(2), PATIENCE);
    expect(cloud.sessions).toHaveLength(1);

    put('client', outsideIdentity);
    await vi.waitFor(() => expect(cloud.sessions[0]?.commands.at(-1)).toBe('QUIT'), PATIENCE);
    await send('anna@example.com');
    await vi.waitFor(() => expect(cloud.messages).toHaveLength(3), PATIENCE);
    expect(cloud.sessions).toHaveLength(2);
    expect(before).toEqual(['DNS:inside.relay.test']);
    expect(cloud.messages.every(({ secure }) => secure)).toBe(true);
    const { certificates } = await new HttpOperations({ url: relay?.adminUrl ?? '' }).status();
    expect(certificates?.find(({ use }) => use === 'connector')).toMatchObject({ name: 'cloud', names: ['outside.relay.test'] });
  });
});

describe('advice', () => {
  it('stands beside what a next hop answered: in queue show, in trace, and for its sender in the notification', async () => {
    cloud.script = {
      rcpt: (_, line) =>
        line.includes('anna')
          ? '450 4.7.230 Connecting Exchange server version is out-of-date'
          : '550 5.4.1 Recipient address rejected: Access denied',
    };
    const operations = await start(await settingsOf());
    await send('anna@example.com');
    await send('bert@example.com');
    const waiting = await vi.waitFor(async () => {
      const [message] = (await operations.listQueue({ recipient: 'anna@example.com' })).messages;
      if (message?.recipients[0]?.['last-reply'] == null) throw new Error('not tried yet');
      return message;
    }, PATIENCE);
    expect(waiting.recipients[0]?.advice).toBeUndefined();
    const shown = await operations.showMessage(waiting.id);
    expect(shown.recipients[0]?.advice).toMatchObject({ meaning: expect.stringContaining('slows down') });
    const text = messageText(shown, Date.now());
    expect(text).toContain('means   The cloud slows down mail from an Exchange server that is out of date');
    expect(text).toContain('relay   It halves its connections there');

    await vi.waitFor(() => expect(mails('out')).toHaveLength(1), PATIENCE);
    expect(mails('out')[0]).toContain('What you can do: check the address for mistakes');
    expect(mails('out')[0]).toContain('For administrators: The cloud knows no such recipient');
    await vi.waitFor(async () => {
      const story = renderTrace((await operations.trace({ recipient: 'bert@example.com' })).records);
      expect(story).toContain('cause   The mailbox, its routing address or a group is not in the tenant');
      expect(story).toContain('relay   It failed this message and told the sender');
    }, PATIENCE);
  });
});
