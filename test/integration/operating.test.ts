/** The whole of it: a relay, an operator elsewhere, and afterwards the same data directory without a relay. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HttpOperations } from '../../src/cli/client.ts';
import { openOffline } from '../../src/offline.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { type Relay, startRelay } from '../../src/relay.ts';
import { loadSettings } from '../../src/settings/load.ts';
import type { Settings } from '../../src/settings/settings.ts';

const SETTINGS = `hostname: mx1.example.com
data-directory: var
listeners: [{ address: 127.0.0.1, port: 0 }]
domains:
  - { name: example.com, type: internal-relay, unknown-recipients: reject }
cloud: { routing-domains: [tenant.mail.onmicrosoft.com] }
connectors:
  - { name: cloud, address-spaces: [tenant.mail.onmicrosoft.com], next-hop: { maildir: var/cloud } }
  - { name: on-premises, address-spaces: [example.com], next-hop: { maildir: var/mail } }
directory: { sources: [{ name: plain, file: recipients.csv }] }
admin: { address: 127.0.0.1, port: 0 }
`;
const parts = { log: silentLog, clock: systemClock, version: '0.1.0' };

let folder: string;
let settings: Settings;
let relay: Relay | undefined;

const file = (name: string, ...lines: readonly string[]): { name: string; path: string } => {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return { name, path };
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'operating-'));
  file('recipients.csv', 'address,route', 'anna@example.com,on-premises', 'bert@example.com,on-premises');
  const loaded = await loadSettings(file('bridgehead.yaml', SETTINGS).path);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  settings = loaded.settings;
});
afterEach(async () => {
  await relay?.stop(1_000);
  relay = undefined;
  rmSync(folder, { recursive: true });
});

async function start(): Promise<HttpOperations> {
  relay = await startRelay(settings, parts);
  return new HttpOperations({ url: relay.adminUrl });
}

async function send(recipient: string): Promise<void> {
  const [, port] = /:(\d+)$/.exec(relay?.listening[0] ?? '') ?? [];
  const socket = connect(Number(port), '127.0.0.1');
  const words = ['HELO c', 'MAIL FROM:<x@example.net>', `RCPT TO:<${recipient}>`, 'DATA', 'Subject: s\r\n\r\nx\r\n.', 'QUIT'];
  let seen = '';
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    seen += chunk;
    if (!chunk.endsWith('\r\n')) continue;
    const word = words.shift();
    if (word !== undefined) socket.write(`${word}\r\n`);
  }
  if (!/^354[^]*\n250/m.test(seen)) throw new Error(seen);
}

const routeOf = async (operations: Pick<HttpOperations, 'explain'>, recipient: string): Promise<string> =>
  (await operations.explain({ recipient })).route;

function* filesUnder(path: string): Iterable<string> {
  for (const name of readdirSync(path)) {
    const full = join(path, name);
    if (statSync(full).isDirectory()) yield* filesUnder(full);
    else yield full;
  }
}

describe('an operator elsewhere', () => {
  it('pushes files, sees what they would change, moves a wave and takes it back; without the relay all of it is still so', async () => {
    const operations = await start();
    const next = file('next.csv', 'address,route', 'bert@example.com,cloud', 'carl@example.com,on-premises');
    const diff = await operations.diffDirectory([next], {});
    expect(diff).toMatchObject({ ok: true, added: 1, changed: 1, moves: { 'on-premises → cloud': 1, 'new → on-premises': 1 } });
    expect(await routeOf(operations, 'bert@example.com')).toBe('on-premises');
    expect((await operations.explainWith([next], { recipient: 'bert@example.com' })).route).toBe('cloud');

    expect(await operations.importDirectory([next], { who: 'anna' })).toMatchObject({ applied: true, version: 2, recipients: 3 });
    expect(await routeOf(operations, 'bert@example.com')).toBe('cloud');

    await operations.createWave('pilot', { addresses: [{ address: 'anna@example.com', line: 1 }], who: 'anna' });
    const exo = 'PrimarySmtpAddress,EmailAddresses,RecipientTypeDetails';
    const away = file('exo.csv', exo, 'anna@example.com,SMTP:anna@example.com,UserMailbox');
    expect(await operations.keepExport([away], { side: 'cloud' })).toMatchObject({ kept: true, mailboxes: 1 });
    // C4: the routing address is not there
    expect(await operations.switchWave('pilot', {})).toMatchObject({
      switched: false,
      unsafe: [{ address: 'anna@example.com' }],
    });
    expect(await routeOf(operations, 'anna@example.com')).toBe('on-premises');
    const there = 'SMTP:anna@example.com;smtp:anna@tenant.mail.onmicrosoft.com';
    await operations.keepExport([file('exo.csv', exo, `anna@example.com,${there},UserMailbox`)], { side: 'cloud' });
    expect(await operations.switchWave('pilot', { who: 'anna' })).toMatchObject({ switched: true, version: 3 });
    expect(await routeOf(operations, 'anna@example.com')).toBe('cloud');
    expect((await operations.explain({ recipient: 'anna@example.com', 'directory-version': 2 })).route).toBe('on-premises');
    expect(await operations.rollbackWave('pilot', {})).toMatchObject({ version: 4, messages: [] });
    expect((await operations.showRecipient('anna@example.com')).route).toBe('on-premises');
    await operations.setRecipient({ address: 'carl@example.com', route: 'cloud', reason: 'test', who: 'anna' });
    expect(await operations.switchMx('example.com', { mx: 'cloud' })).toMatchObject({ done: false, remaining: { count: 1 } });

    const stopped = relay;
    relay = undefined;
    await stopped?.stop(1_000);
    await using offline = await openOffline(settings, parts);
    expect((await offline.directoryHistory({ limit: 9 })).versions.map(({ what, reason }) => [what, reason])).toEqual([
      ['set carl@example.com', 'test'],
      ['wave pilot', 'rollback'],
      ['wave pilot', 'switch'],
      ['import imported', null],
      ['start', null],
    ]);
    expect((await offline.explain({ recipient: 'bert@example.com' })).route).toBe('cloud');
    expect((await offline.listWaves()).map(({ name, counts }) => [name, counts['on-premises']])).toEqual([['pilot', 1]]);
    expect(await offline.rollbackDirectory({ version: 1 })).toMatchObject({ version: 6, changed: true });
    expect((await offline.explain({ recipient: 'bert@example.com' })).route).toBe('on-premises');
  });

  it('is told who holds what a release cannot release, and reroutes it at once', async () => {
    file('recipients.csv', 'address,route', 'anna@example.com,hold');
    const operations = await start();
    const list = async () => (await operations.listQueue({})).messages.flatMap(({ recipients }) => recipients);
    await send('anna@example.com');
    await expect.poll(async () => (await list())[0]?.state, { timeout: 5_000 }).toBe('held');
    const by = (await list())[0]?.['held-by'];
    const held = { messages: 0, recipients: 0, 'still-held': [{ by, recipients: 1 }] };
    expect(await operations.release({ all: true })).toEqual(held);
    await operations.hold({ all: true });
    expect((await list())[0]?.['held-by']).toBe('operator');
    expect(await operations.release({ all: true })).toEqual(held);
    expect((await list())[0]).toMatchObject({ state: 'held', 'held-by': by });
    expect(await operations.reroute({ all: true, to: 'on-premises' })).toEqual({ messages: 1, recipients: 1 });
    // long before held mail is looked at by the clock
    await expect.poll(async () => (await list()).length, { timeout: 5_000 }).toBe(0);
  });

  it('finds the mail of a recipient by any of its addresses, with the relay and without it', async () => {
    file('recipients.csv', 'address,route,aliases', 'anna@example.com,on-premises,anna.b@example.com');
    const operations = await start();
    await send('anna@example.com');
    const events = async (of: Pick<HttpOperations, 'trace'>) =>
      (await of.trace({ recipient: 'anna.b@example.com' })).records.map(({ event }) => event);
    await expect.poll(() => events(operations), { timeout: 5_000 }).toContain('SEND');
    const stopped = relay;
    relay = undefined;
    await stopped?.stop(1_000);
    await using offline = await openOffline(settings, parts);
    expect(await events(offline)).toContain('SEND');
  });

  it('releases at a start what was held for a wave that was taken back while no relay ran', async () => {
    const operations = await start();
    await operations.createWave('pilot', { addresses: [{ address: 'anna@example.com', line: 1 }], who: 'anna' });
    await operations.holdWave('pilot', {});
    await send('anna@example.com');
    const stopped = relay;
    relay = undefined;
    await stopped?.stop(1_000);
    {
      await using offline = await openOffline(settings, parts);
      expect((await offline.listQueue({})).messages[0]?.recipients[0]?.state).toBe('held');
      await offline.rollbackWave('pilot', { reason: 'offline' });
    }
    const again = await start();
    await vi.waitFor(async () => expect((await again.listQueue({})).messages).toEqual([]), { timeout: 8_000, interval: 50 });
    expect(readdirSync(join(folder, 'var', 'mail', 'new'))).toHaveLength(1);
  });

  it('counts no test user as migrated', async () => {
    const operations = await start();
    const rows = ['probe@example.com,cloud,,,probe', 'cleo@example.com,cloud,,,user'];
    await operations.importDirectory([file('next.csv', 'address,route,routing-address,aliases,kind', ...rows)], {});
    expect((await operations.listDirectory()).counts).toMatchObject({ cloud: 2, 'on-premises': 2 });
    expect((await operations.reportMigration({})).directory).toMatchObject({
      recipients: 3,
      cloud: 1,
      'on-premises': 2,
      probes: 1,
    });
  });

  it('without the relay a live source cannot be asked, and that is what it says', async () => {
    const ad = SETTINGS.replace('[{ name: plain', '[{ name: ad, ldap: { url: "ldaps://127.0.0.1:1" } }, { name: plain');
    const loaded = await loadSettings(file('live.yaml', ad).path);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    await using offline = await openOffline(loaded.settings, parts);
    await expect(offline.refreshSource({ source: 'ad' })).rejects.toThrow('ad is asked by the running relay alone');
    await expect(offline.refreshSource({ source: 'other' })).rejects.toThrow('there is no source "other" to refresh');
    expect(await offline.refreshSource({ source: 'plain' })).toMatchObject({ ok: true, recipients: 2 });
  });

  it('evaluates past mail with the active version', async () => {
    const operations = await start();
    const log = file('list.txt', 'anna@example.com', 'nobody@example.com', 'friend@partner.example');
    const report = await operations.shadow([log], { top: 5 });
    expect(report).toMatchObject({
      recipients: 3,
      routes: { 'on-premises': 1, reject: 1 },
      unknown: { distinct: 1 },
      outgoing: { count: 1 },
    });
    await expect(operations.shadow([file('x.bin', 'no log at all')], {})).rejects.toThrow('this is no log that we know');
  });

  it('leaves no password on the disk, in whatever encoding somebody sends one', async () => {
    const operations = await start();
    const batch = 'EmailAddress,Password\nanna@example.com,hunter2\n';
    for (const [name, octets] of [
      ['utf8.csv', Buffer.from(batch)],
      ['utf16.csv', Buffer.from(`\ufeff${batch}`, 'utf16le')],
    ] as const) {
      const path = join(folder, name);
      writeFileSync(path, octets);
      await expect(operations.importDirectory([{ name, path }], {})).rejects.toThrow('a column of passwords');
    }
    for (const path of filesUnder(settings.dataDirectory))
      expect(readFileSync(path, 'latin1').replace(/\0/g, '')).not.toContain('hunter2');
  });
});
