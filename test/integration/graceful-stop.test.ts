/** SIGTERM of a service manager: what is under way ends, the rest stays spooled, nobody is let in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openOffline } from '../../src/offline.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { startRelay } from '../../src/relay.ts';
import { loadSettings } from '../../src/settings/load.ts';
import { Client } from './reception/perimeter.ts';

/** A next hop that takes one message up to the final dot and answers it when told; `seen` resolves at the dot. */
async function patientHop() {
  const seen = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    let text = '';
    socket.write('220 hop.example ESMTP\r\n');
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (line === '.') seen.resolve(socket);
        else if (line === 'DATA') socket.write('354 go on\r\n');
        else if (/^(?:EHLO|MAIL|RCPT)/.test(line)) socket.write('250 ok\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return { server, seen: seen.promise, port: (server.address() as { port: number }).port };
}

it('ends transactions and deliveries under way, says 421 to the idle, and leaves the rest spooled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'graceful-stop-'));
  const hop = await patientHop();
  const file = join(folder, 'bridgehead.yaml');
  writeFileSync(
    file,
    `hostname: mx1.example.com
data-directory: var
listeners: [{ address: 127.0.0.1, port: 0 }]
admin: { address: 127.0.0.1, port: 0 }
domains: [{ name: example.com, type: authoritative }]
connectors:
  - { name: on-premises, address-spaces: [example.com], next-hop: { smart-hosts: ["127.0.0.1:${hop.port}"] }, tls: { mode: none }, connections: 1 }
directory: { sources: [{ name: plain, file: recipients.csv }] }
`,
  );
  writeFileSync(join(folder, 'recipients.csv'), 'address,route\nanna@example.com,on-premises\n');
  const loaded = await loadSettings(file);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const parts = { log: silentLog, clock: systemClock, version: '0.1.0' };
  const relay = await startRelay(loaded.settings, parts);
  const port = Number(/:(\d+)$/.exec(relay.listening[0] ?? '')?.[1]);

  const [first, idle, late] = [await Client.open(port), await Client.open(port), await Client.open(port)];
  expect(await first.mail('Subject: under way\r\n\r\n', ['anna@example.com'])).toMatch(/^250 /);
  const delivery = await hop.seen;
  expect(await first.mail('Subject: waits\r\n\r\n', ['anna@example.com'])).toMatch(/^250 /);
  await late.upToData(['anna@example.com']);

  const stopped = relay.stop(20_000);
  expect(await idle.reply()).toBe('421 4.3.2 Service shutting down, try again later');
  await expect(Client.raw(port)).rejects.toThrow('ECONNREFUSED');
  expect(await late.command('Subject: taken\r\n\r\n.')).toMatch(/^250 /);
  late.socket.end();
  first.socket.end();
  idle.socket.end();
  delivery.write('250 2.0.0 taken\r\n');
  await stopped;
  hop.server.close();
  delivery.destroy();

  await using offline = await openOffline(loaded.settings, parts);
  const { messages } = await offline.listQueue({ limit: 10 });
  expect(messages).toHaveLength(2);
  const { records } = await offline.trace({ limit: 100 });
  expect(records.filter(({ event }) => event === 'SEND')).toHaveLength(1);
  expect(records.filter(({ event }) => event === 'RECEIVE')).toHaveLength(3);
  rmSync(folder, { recursive: true });
});
