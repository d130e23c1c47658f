/** One message in is one message out, whatever stands in it for an end of data: on every way out, and in our own notifications. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ScriptedPeer } from '../../support/scripted-peer.ts';
import { Coexistence, DAY, text } from './harness.ts';

const LINE_ENDS: readonly string[] = ['\r\n', '\n', '\r', '\n\r', '\r\r\n', '\0\r\n', '\r\0\n', ' \r\n'];
const ENDS: readonly (readonly [string, string])[] = [
  ...LINE_ENDS.flatMap((before) => LINE_ENDS.map((behind) => `${before}.${behind}`)),
  // dots that were stuffed, by those who count on a server that takes them off after any line end
  '\n..\r\n',
  '\r..\r\n',
  '\n..\n',
  '\r\n..\r\n',
  '\r\n..\n',
  '\r\n...\r\n',
  '\r\n.\r.\r\n',
  '\r\n.\n.\n',
  '\r\n. .\r\n',
  '\r\n\r.\r\n',
]
  .filter((end) => !end.includes('\r\n.\r\n')) // that is an end of data
  .map((end) => [JSON.stringify(end), end] as const);
const SECOND =
  'MAIL FROM:<evil@partner.example>\r\nRCPT TO:<cloud@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n';

let strict: Coexistence;
let mending: Coexistence;
let lmtp: ScriptedPeer;

async function start(more: readonly string[]): Promise<Coexistence> {
  const world = await Coexistence.prepare({
    connectors: [
      `  - { name: lmtp, address-spaces: [lmtp.example.com], next-hop: { lmtp: "127.0.0.1:${lmtp.port}" } }`,
      '  - { name: maildir, address-spaces: [maildir.example.com], next-hop: { maildir: box } }',
    ],
    more: ['limits: { exempt: [127.0.0.0/8] }', 'queue: { retry: [1s], warn-after: 4d }', ...more],
    recipients: [
      'cloud@example.com,cloud',
      'refused@example.com,cloud',
      'one@lmtp.example.com,on-premises,,,,lmtp',
      'one@maildir.example.com,on-premises,,,,maildir',
    ],
    domains: ['{ name: "*.example.com", unknown-recipients: reject }'],
  });
  await world.start();
  return world;
}

beforeAll(async () => {
  lmtp = await ScriptedPeer.start({ lmtp: true });
  strict = await start([]);
  mending = await start(['bare-line-ends: normalise']);
});
afterEach(() => {
  for (const world of [strict, mending]) {
    world.forget();
    for (const file of filesOf(world)) rmSync(file);
  }
  lmtp.messages.length = 0;
});
afterAll(async () => {
  for (const world of [strict, mending]) await world[Symbol.asyncDispose]();
  await lmtp[Symbol.asyncDispose]();
});

/** Sends one transaction and what follows it in the same session; all that the server said until it closed. */
async function send(world: Coexistence, recipients: readonly string[], message: string, singly: boolean): Promise<string> {
  const socket = connect({ port: world.port, host: '127.0.0.1', noDelay: true });
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString('latin1');
  });
  const has = (what: RegExp) => vi.waitFor(() => expect(said).toMatch(what), { timeout: 8_000, interval: 1 });
  await once(socket, 'connect');
  socket.write(
    `EHLO c.example\r\nMAIL FROM:<writer@partner.example> RET=FULL\r\n${recipients.map((to) => `RCPT TO:<${to}>\r\n`).join('')}DATA\r\n`,
  );
  await has(/^354 /m);
  const octets = Buffer.from(message, 'latin1');
  if (!singly) socket.write(octets);
  else
    for (const octet of octets) {
      await new Promise<void>((resolve) => {
        socket.write(Buffer.of(octet), () => setImmediate(resolve));
      });
    }
  await has(/^354 [\s\S]*?^[245]\d\d /m);
  socket.write('QUIT\r\n');
  await once(socket, 'close');
  return said.slice(said.indexOf('\r\n', said.indexOf('354 ')) + 2);
}

/** How many messages the most lenient of readers would make of a wire. */
const readLeniently = (wire: string): number => `${wire}\r\n.\r\n`.split(/(?:\r\n|\n|\r)\.(?:\r\n|\n|\r)/).length - 1;
const bareLineEnds = (wire: string): number => wire.replaceAll('\r\n', '').match(/[\r\n]/g)?.length ?? 0;
const boxOf = (world: Coexistence): string[] => filesOf(world).map((file) => readFileSync(file, 'latin1'));
function filesOf({ folder }: Coexistence): string[] {
  const box = join(folder, 'box', 'new');
  return existsSync(box) ? readdirSync(box).map((file) => join(box, file)) : [];
}

describe('smuggling', () => {
  it('is tried in forty ways and more', () => {
    expect(new Set(ENDS.map(([name]) => name)).size).toBeGreaterThanOrEqual(40);
  });

  describe.each([
    ['whole', false],
    ['octet by octet', true],
  ] as const)('%s', (_how, singly) => {
    it.each(ENDS)('%s does not end a message: refused, or one message on the wire', async (_name, end) => {
      const said = await send(strict, ['cloud@example.com'], `Subject: x\r\n\r\nfirst${end}${SECOND}`, singly);
      // one answer to one message, and none to the commands in it; then that to QUIT
      expect(said.match(/^\d{3} /gm)).toHaveLength(2);
      const taken = said.startsWith('250');
      expect(said).toMatch(taken ? /^250 2\.0\.0 / : /^550 5\.6\.11 /);
      await vi.waitFor(() => expect(strict.cloud.messages).toHaveLength(taken ? 1 : 0), { timeout: 8_000 });
      const wires = strict.cloud.messages.map(text);
      expect(wires.map(readLeniently)).toEqual(taken ? [1] : []);
      expect(wires.map(bareLineEnds)).toEqual(taken ? [0] : []);
    });
  });

  it.each(ENDS.filter(([, end]) => !end.includes('\0')))(
    '%s mended: one message by SMTP, by LMTP, into a Maildir and in the notification',
    async (_name, end) => {
      mending.cloud.script = {
        rcpt: (_peer, line) => (line.includes('refused') ? '550 5.2.1 no' : '250 2.1.5 Ok'),
      };
      const recipients = ['cloud@example.com', 'one@lmtp.example.com', 'one@maildir.example.com', 'refused@example.com'];
      const said = await send(mending, recipients, `Subject: x\r\n\r\nfirst${end}${SECOND}`, false);
      expect(said.match(/^\d{3} /gm)).toHaveLength(2);
      expect(said).toMatch(/^250 2\.0\.0 /);
      await vi.waitFor(
        () => {
          expect(mending.cloud.messages).toHaveLength(1);
          expect(lmtp.messages).toHaveLength(1);
          expect(boxOf(mending)).toHaveLength(1);
          expect(mending.internet.messages).toHaveLength(1); // the notification, which brings the whole message back
        },
        { timeout: 8_000, interval: 5 },
      );
      const wires = [...mending.cloud.messages, ...lmtp.messages, ...mending.internet.messages].map(text);
      expect(wires.map(readLeniently)).toEqual([1, 1, 1]);
      expect(wires.map(bareLineEnds)).toEqual([0, 0, 0]);
      expect(wires[2]).toContain('smuggled');
      expect(mending.internet.messages[0]?.mail).toContain('<>');
    },
  );

  it('leaves nothing waiting', async () => {
    mending.later = DAY;
    const left = await mending.operations.listQueue({});
    expect(left.messages).toEqual([]);
  });
});
