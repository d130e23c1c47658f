/** R1, R5, R6 and R12 (coexistence.md 5): what becomes of mail while its recipients move, each by real sessions. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { HttpOperations } from '../../../src/cli/client.ts';
import { readRunFile } from '../../../src/platform/run-file.ts';
import { drop, type PeerSession, type ScriptedPeer } from '../../support/scripted-peer.ts';
import { arrived, Coexistence, DAY, type From, ROUTING_DOMAIN, rcpts, type Said, text } from './harness.ts';

const exo = (name: string) => `${name}@${ROUTING_DOMAIN}`;
const HOUR = 3_600_000;
const queue = 'queue: { retry: [1s], warn-after: 4d }';
let world: Coexistence;

beforeAll(async () => {
  const local = ['late', 'underway', 'grace', 'toolate', 'mixed', 'homeloop'].map(
    (name) => `${name}@example.com,on-premises,,${name}.alias@example.com`,
  );
  const moved = ['mixedcloud', 'cloudloop'].map((name) => `${name}@example.com,cloud`);
  world = await Coexistence.start({ more: [queue], recipients: [...local, ...moved] });
});
afterEach(() => world.forget());
afterAll(() => world[Symbol.asyncDispose]());

const toCloud = (name: string) =>
  world.operations.setRecipient({ address: `${name}@example.com`, route: 'cloud', reason: 'moved', who: 'olga' });

describe('R1 late binding', () => {
  it('R1: mail that waits for a server that is down goes to the cloud alone, once its recipient was switched', async () => {
    world.home.script = { greeting: drop };
    await world.deliver({ to: 'late@example.com' });
    await world.records('late@example.com', 'DEFER');
    await toCloud('late');
    world.home.script = {};
    await world.retry('late@example.com');
    await arrived(world.cloud, exo('late'));
    const records = await world.records('late@example.com', 'SEND');
    expect(records.filter(({ event }) => event === 'REDIRECT')).toHaveLength(1);
    expect((await world.operations.listQueue({})).messages).toEqual([]);
    expect(rcpts(world.home)).toEqual([]);
  });
});

describe('R1 what is on its way when a wave is taken back', () => {
  it('R1: rollback waits for the attempt that the cloud has not answered yet, and names it, whatever address it was for', async () => {
    await world.operations.createWave('under-way', { addresses: [{ address: 'underway@example.com', line: 1 }] });
    await world.operations.switchWave('under-way', { force: true, reason: 'test' });
    const asked = Promise.withResolvers<PeerSession>();
    world.cloud.script = {
      dot: (peer) => {
        asked.resolve(peer);
        return undefined;
      },
    };
    await world.deliver({ to: 'underway.alias@example.com' });
    const session = await asked.promise;
    const back = world.operations.rollbackWave('under-way', {});
    await vi.waitFor(async () => {
      const { mailboxes } = await world.operations.showWave('under-way');
      expect(mailboxes.map(({ state }) => state)).toEqual(['on-premises']);
    });
    // this peer takes no further command there
    session.socket.end('250 2.0.0 Ok\r\n');
    const { messages, 'under-way': left } = await back;
    expect([messages.map(({ address, from }) => [address, from]), left]).toEqual([[['underway@example.com', 'cloud']], 0]);
    const { mailboxes } = await world.operations.reportWave('under-way');
    expect(mailboxes[0]?.delivered).toEqual({ cloud: 1, 'on-premises': 0 });
  });
});

describe('R5 grace after a switch', () => {
  it('R5: three times 5.1.10 and then 250 are one delivery and no DSN', async () => {
    await toCloud('grace');
    let attempts = 0;
    world.cloud.script = { rcpt: () => (++attempts <= 3 ? '550 5.1.10 RESOLVER.ADR.RecipientNotFound' : '250 2.1.5 Ok') };
    await world.deliver({ to: 'grace@example.com' });
    for (const deferrals of [1, 2, 3]) {
      await world.records('grace@example.com', 'DEFER', deferrals);
      await world.retry('grace@example.com');
    }
    await arrived(world.cloud, exo('grace'));
    const events = (await world.records('grace@example.com', 'SEND')).map(({ event }) => event);
    expect(events.filter((event) => event !== 'RECEIVE')).toEqual(['DEFER', 'DEFER', 'DEFER', 'SEND']);
  });

  it('R5: with the window elapsed, one DSN that names the original address; C4: the window is 24 hours', async () => {
    await toCloud('toolate');
    world.cloud.script = { rcpt: '550 5.4.1 Recipient address rejected: Access denied' };
    await world.deliver({ to: 'toolate.alias@example.com', sender: 'told@partner.example' });
    await world.records('toolate.alias@example.com', 'DEFER');
    world.later += DAY - 60_000;
    await world.retry('toolate.alias@example.com');
    const records = await world.records('toolate.alias@example.com', 'DEFER', 2);
    expect(records.map(({ event }) => event)).not.toContain('FAIL');
    world.later += 120_000;
    await world.retry('toolate.alias@example.com');
    const notice = text(await arrived(world.internet, 'told@partner.example'));
    expect(notice).toContain('toolate.alias@example.com');
    expect(notice).toContain('5.4.1');
    expect((await world.records('toolate.alias@example.com', 'FAIL')).filter(({ event }) => event === 'DSN')).toHaveLength(1);
    expect(rcpts(world.internet)).toEqual(['told@partner.example']);
  });
});

describe('R6 ping-pong breaker', () => {
  /** A server that sends everything back to us, as one does that believes the mailbox to be elsewhere. */
  const returning = (peer: ScriptedPeer, from: From, to: string, returned: Promise<Said>[]): void => {
    peer.script = {
      quit: '221 2.0.0 Bye',
      dot: () => {
        // when the message has been taken down
        setImmediate(() => {
          const wire = text(peer.messages.at(-1) ?? { mail: '', rcpts: [], wire: Buffer.alloc(0), secure: false });
          const header = wire.slice(0, wire.indexOf('Message-ID:'));
          returned.push(world.send({ from, to, header, sender: 'pinged@partner.example' }));
        });
        return '250 2.0.0 Ok';
      },
    };
  };
  const receivedFields = (peer: ScriptedPeer): number[] =>
    peer.messages.map((one) => text(one).match(/^Received: [^\r]*\r\n(?:\t[^\r]*\r\n)*\tby relay\.example\.com /gm)?.length ?? 0);

  it.each(['cloudloop', 'homeloop'])(
    'R6: two servers that return everything to us get at most one pass each, and the sender one answer (%s)',
    async (name) => {
      const to = `${name}@example.com`;
      const returned: Promise<Said>[] = [];
      returning(world.cloud, 'cloud', to, returned);
      returning(world.home, 'on-premises', to, returned);
      await world.deliver({ to, sender: 'pinged@partner.example' });
      const refused = async () => (await Promise.all(returned)).filter(({ rcpt, dot }) => /^5/m.test([...rcpt, dot].join('\n')));
      // refused in session, or told by a DSN of ours
      await vi.waitFor(async () => expect((await refused()).length + world.internet.messages.length).toBe(1), {
        timeout: 8_000,
        interval: 25,
      });
      await vi.waitFor(async () => expect((await world.operations.listQueue({})).messages).toEqual([]));
      expect(world.cloud.messages.length).toBe(1);
      expect(world.home.messages.length).toBe(name === 'homeloop' ? 1 : 0);
      expect(Math.max(...receivedFields(world.cloud), ...receivedFields(world.home))).toBeLessThanOrEqual(3);
      expect((await refused()).length + world.internet.messages.length).toBe(1);
    },
  );
});

describe('R12 bifurcation without duplicates', () => {
  it('R12: one message for both sides, the cloud puts it off for an hour: each side has it once', async () => {
    world.cloud.script = { rcpt: '451 4.3.2 Not now' };
    await world.deliver({ to: ['mixed@example.com', 'mixedcloud@example.com'] });
    await arrived(world.home, 'mixed@example.com');
    for (let tries = 1; tries <= 4; tries++) {
      await world.records('mixedcloud@example.com', 'DEFER', tries);
      world.later += HOUR / 4;
      if (tries === 4) world.cloud.script = {};
      await world.retry('mixedcloud@example.com');
    }
    const there = await arrived(world.cloud, exo('mixedcloud'));
    expect(there.rcpts).toHaveLength(1);
    expect(rcpts(world.cloud)).toEqual([exo('mixedcloud')]);
    expect(rcpts(world.home)).toEqual(['mixed@example.com']);
  });

  it('R12: kill -9 between the two deliveries and a restart: still once each', async () => {
    await using killed = await Coexistence.prepare({
      recipients: ['mixed@example.com,on-premises', 'mixedcloud@example.com,cloud'],
    });
    killed.port = await freePort();
    killed.configure({ more: [queue] });
    killed.cloud.script = { rcpt: '451 4.3.2 Not now' };
    const first = await run(killed);
    await killed.deliver({ to: ['mixed@example.com', 'mixedcloud@example.com'] });
    await killed.records('mixed@example.com', 'SEND');
    await killed.records('mixedcloud@example.com', 'DEFER');
    await first.end('SIGKILL');
    killed.cloud.script = {};
    const second = await run(killed);
    await arrived(killed.cloud, exo('mixedcloud'));
    await killed.records('mixedcloud@example.com', 'SEND');
    await second.end('SIGTERM');
    expect(rcpts(killed.cloud)).toEqual([exo('mixedcloud')]);
    expect(rcpts(killed.home)).toEqual(['mixed@example.com']);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** The relay as a process of its own. */
async function run(killed: Coexistence): Promise<{ end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> }> {
  const main = join(import.meta.dirname, '../../../src/main.ts');
  const child = spawn(process.execPath, [main, 'run', '--config', killed.settingsFile], { stdio: 'ignore' });
  const found = await vi.waitFor(
    () => {
      const file = readRunFile(join(killed.folder, 'var'));
      if (file?.pid !== child.pid) throw new Error('it does not run yet');
      return file;
    },
    { timeout: 12_000, interval: 25 },
  );
  killed.connectTo(new HttpOperations({ url: found?.adminUrl ?? '' }));
  return {
    async end(signal) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
}
