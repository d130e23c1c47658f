/** Waves on the real directory, spool, scheduler, transport and evidence, between two servers that do as the test says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createNotifier } from '../../../../src/bounce/notifier.ts';
import { createScheduler, type Scheduler } from '../../../../src/delivery/scheduler.ts';
import { createTransport } from '../../../../src/delivery/transport.ts';
import { type Directory, openDirectory } from '../../../../src/directory/directory.ts';
import { Disagreements } from '../../../../src/directory/waves/disagreements.ts';
import { GraceWindow } from '../../../../src/directory/waves/grace-window.ts';
import { Waves } from '../../../../src/directory/waves/waves.ts';
import { type Evidence, openEvidence } from '../../../../src/evidence/evidence.ts';
import type { EventRecord } from '../../../../src/mail/event.ts';
import type { Connector, Side } from '../../../../src/mail/route.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { compileRouting } from '../../../../src/routing/compile.ts';
import { routeSpooled } from '../../../../src/routing/spooled-route.ts';
import { openSpool } from '../../../../src/spool/open.ts';
import type { Spool } from '../../../../src/spool/spool.ts';
import { ScriptedPeer } from '../../../support/scripted-peer.ts';
import { listOf } from '../../../unit/directory/waves/organisation.ts';
import { box, connector, ROUTING_DOMAIN, SETTINGS } from '../../../unit/routing/flow.ts';

const DAY = 86_400_000;
const BY = { who: 'olga' };
const PEOPLE = Array.from({ length: 40 }, (_, i) => `user${i}@example.com`);

let folder: string;
let cloud: ScriptedPeer;
let home: ScriptedPeer;
let internet: ScriptedPeer;
let spool: Spool;
let evidence: Evidence;
let directory: Directory;
let scheduler: Scheduler;
let waves: Waves;
let learned: Disagreements;
let events: EventRecord[];
let closing: AsyncDisposableStack;
/** How far the clock of the grace window is ahead. */
let later = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'waves-test-'));
  events = [];
  later = 0;
  closing = new AsyncDisposableStack();
  cloud = closing.use(await ScriptedPeer.start());
  home = closing.use(await ScriptedPeer.start());
  internet = closing.use(await ScriptedPeer.start());
});
afterEach(async () => {
  await closing.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

const to = (name: string, side: Side, spaces: string[], { port }: ScriptedPeer): Connector =>
  connector(name, side, spaces, {
    nextHop: { kind: 'smart-hosts', hosts: [{ host: '127.0.0.1', port }], order: 'failover' },
    tls: { mode: 'none', profile: 'intermediate' },
  });

async function start(): Promise<void> {
  const connectors = [
    to('cloud', 'cloud', [ROUTING_DOMAIN], cloud),
    to('on-premises', 'on-premises', ['example.com'], home),
    to('internet', 'internet', ['*'], internet),
  ];
  const file = join(folder, 'recipients.csv');
  writeFileSync(file, `address,route,aliases\n${PEOPLE.map((one) => `${one},on-premises,alias-${one}`).join('\n')}\n`);
  const opened = await openDirectory(
    {
      domains: SETTINGS.domains,
      routingDomains: SETTINGS.routingDomains,
      connectors: connectors.map(({ name, side }) => ({ name, side, byMx: false })),
      sources: [{ name: 'plain', file }],
      folder: join(folder, 'directory'),
    },
    { clock: systemClock },
  );
  if (!opened.ok) throw new Error(JSON.stringify(opened.findings));
  directory = opened.directory;
  const parts = { clock: systemClock, log: silentLog };
  spool = closing.use(await openSpool({ directory: join(folder, 'spool'), messageSize: 1 << 20 }, parts));
  learned = closing.use(new Disagreements({ file: join(folder, 'disagreements.json'), directory, ...parts }));
  const clock = { ...systemClock, now: () => Date.now() + later };
  const window = new GraceWindow({ file: join(folder, 'grace.json'), directory, ...parts, clock, window: 86_400_000 });
  const outbox = {
    pending: () => spool.pending(),
    acknowledge: (sequences: readonly number[]) => spool.acknowledge(sequences),
    onCommitted(take: (batch: { sequence: number; lines: string }) => void) {
      spool.onCommitted((batch) => {
        for (const event of batch.events) {
          events.push(event);
          waves.onEvent(event);
          learned.onEvent(event);
        }
        take(batch);
      });
    },
  };
  evidence = closing.use(await openEvidence(folder, { outbox, keepDays: 90, ...parts }));
  const transport = createTransport({ hostname: 'relay.test', relayNames: ['relay.test'], dnsServers: [] }, parts);
  closing.defer(() => transport.close(500));
  const routing = compileRouting({ ...SETTINGS, connectors });
  scheduler = createScheduler(
    {
      hostname: 'relay.test',
      relayNames: ['relay.test'],
      connectors,
      retry: [50],
      expireAfter: 5 * DAY,
      warnAfter: DAY,
      dnsServers: [],
    },
    {
      due: spool,
      routing: { decide: (message, recipient) => routeSpooled(routing, directory.active(), message, recipient) },
      notifying: createNotifier(
        {
          hostname: 'relay.test',
          postmaster: box('mailops@example.com'),
          excerpt: 50_000,
          perHour: { most: 50, mode: 'enforce' },
        },
        { newId: spool.newId, clock: systemClock },
      ),
      control: { isPaused: () => false },
      grace: window,
      transport,
      ...parts,
    },
  );
  closing.defer(() => scheduler.stop(1000));
  waves = closing.use(
    await Waves.open({
      folder: join(folder, 'directory', 'waves'),
      directory,
      evidence,
      unsafe: async () => ({ unsafe: [], unchecked: 0 }),
      recheck: () => scheduler.recheckHeld(),
      grace: window,
      bothWarnAfter: () => 14 * DAY,
      hold: () => ({ warnAfter: 7_200_000, deliverAfter: 259_200_000, volume: 2 ** 30 }),
      ...parts,
    }),
  );
  scheduler.start();
}

let count = 0;
async function accept(address: string): Promise<string> {
  const id = spool.newId();
  const messageId = `<${++count}@example.net>`;
  const draft = spool.draft(id);
  await draft.write(Buffer.from(`Message-ID: ${messageId}\r\n\r\nhello\r\n`));
  const envelope = {
    sender: box('sender@example.net'),
    recipients: [{ address: box(address) }],
    eightBit: false,
    smtputf8: false,
  };
  const origin = { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false } as const;
  await draft.commit({ id, receivedAt: Date.now(), envelope, origin, size: 40, messageId }, []);
  return messageId;
}

const idsAt = ({ messages }: ScriptedPeer): string[] =>
  messages.map(({ wire }) => /^Message-ID: (\S+)/m.exec(wire.toString())?.[1] ?? '').sort();
const emptied = () => vi.waitFor(() => expect(spool.stats().messages).toBe(0), { timeout: 20_000 });
const eventsOf = (messageId: string): string[] =>
  events.filter((one) => one['message-id'] === messageId).map(({ event }) => event);

describe('R1 late binding', () => {
  it('mail that waits for on-premises while its mailbox is switched arrives in the cloud only', async () => {
    await start();
    const { port } = home;
    await home[Symbol.asyncDispose]();
    const waiting = await accept('alias-user1@example.com');
    await vi.waitFor(() => expect(eventsOf(waiting)).toContain('DEFER'));
    await waves.create('pilot', listOf(...PEOPLE), BY);
    await waves.switch('pilot', BY);
    home = closing.use(await ScriptedPeer.start({}, port));
    await emptied();
    expect(idsAt(cloud)).toEqual([waiting]);
    expect(home.messages).toEqual([]);
    expect(cloud.messages[0]?.rcpts[0]).toContain(`<user1@${ROUTING_DOMAIN}>`);
    expect(waves.show('pilot').mailboxes.find(({ address }) => address === 'user1@example.com')).toMatchObject({
      state: 'confirmed',
      confirmed: { 'message-id': waiting, tls: { result: 'not-tried' } },
    });
  });
});

describe('R5 grace after a switch', () => {
  const unknown = '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found';

  it('5.1.10 three times and then 250 is one delivery and no DSN; the disagreement is told until it is over', async () => {
    await start();
    let refusals = 0;
    let told: unknown;
    cloud.script = { rcpt: () => (++refusals <= 3 ? unknown : '250 2.1.5 Ok') };
    await waves.create('pilot', listOf('user1@example.com'), BY);
    await waves.switch('pilot', BY);
    const sent = await accept('user1@example.com');
    await vi.waitFor(() => expect(eventsOf(sent)).toContain('DEFER'));
    told = learned.list();
    await emptied();
    expect(told).toMatchObject([
      { address: 'user1@example.com', kind: 'missing-in-cloud', reply: expect.stringContaining('550 5.1.10') },
    ]);
    expect(eventsOf(sent)).toEqual(['DEFER', 'DEFER', 'DEFER', 'SEND']);
    expect(events.find(({ event }) => event === 'DEFER')).toMatchObject({
      reply: { code: 550, enhanced: '5.1.10' },
      reason: expect.stringContaining('(R5)'),
    });
    expect(idsAt(cloud)).toEqual([sent]);
    expect(internet.messages).toEqual([]);
    expect(learned.list()).toEqual([]);
  });

  it('with the window elapsed it is one DSN, which names the address that the sender wrote', async () => {
    await start();
    cloud.script = { rcpt: unknown };
    await waves.create('pilot', listOf('user1@example.com'), BY);
    await waves.switch('pilot', BY);
    later = DAY;
    const sent = await accept('alias-user1@example.com');
    await vi.waitFor(() => expect(internet.messages).toHaveLength(1), { timeout: 10_000 });
    expect(eventsOf(sent)).toEqual(['FAIL']);
    const notice = internet.messages[0]?.wire.toString() ?? '';
    expect(notice).toContain('Original-Recipient: rfc822; alias-user1@example.com');
    expect(internet.messages[0]?.mail).toContain('FROM:<>');
    expect(learned.list()).toMatchObject([{ address: 'user1@example.com', count: 1 }]);
  });
});

describe('a wave under load', () => {
  it('every message through hold, switch and rollback ends on exactly one side, the one its version says; none lost, none bounced', async () => {
    await start();
    const accepted: string[] = [];
    let running = true;
    const load = (async () => {
      while (running) {
        const some = Array.from({ length: 8 }, (_, i) => PEOPLE[(accepted.length + i * 5) % PEOPLE.length] ?? '');
        accepted.push(...(await Promise.all(some.map((one) => accept(one)))));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const until = (more: number) => {
      const goal = accepted.length + more;
      return vi.waitFor(() => expect(accepted.length).toBeGreaterThan(goal), { timeout: 10_000, interval: 5 });
    };
    const sides = new Map<number, string>();
    await waves.create('pilot', listOf(...PEOPLE), BY);
    const atFirst = directory.active().version;
    sides.set(atFirst, 'on-premises');
    await until(100);
    const held = await waves.hold('pilot', BY);
    await until(100);
    await vi.waitFor(() => expect(waves.show('pilot').held.messages).toBeGreaterThan(20), { timeout: 10_000 });
    const switched = await waves.switch('pilot', BY);
    sides.set(switched.switched ? (switched.version ?? 0) : 0, 'cloud');
    await until(150);
    const back = await waves.rollback('pilot', BY);
    sides.set(back.version ?? 0, 'on-premises');
    await until(100);
    running = false;
    await load;
    await emptied();

    expect([...idsAt(cloud), ...idsAt(home)].sort()).toEqual([...accepted].sort());
    expect(internet.messages).toEqual([]);
    const sent = events.filter(({ event }) => event === 'SEND');
    expect(sent).toHaveLength(accepted.length);
    for (const { route, 'directory-version': version } of sent) {
      expect(version).not.toBe(held.version);
      expect(route).toBe(sides.get(version ?? 0));
    }
    expect(waves.show('pilot').held).toEqual({ messages: 0, octets: 0 });
    // what the cloud has is told to the mover, to the last one
    const replay = await waves.replay('pilot');
    expect(replay.messages.map((one) => one['message-id'] ?? '').sort()).toEqual(idsAt(cloud));
    expect(idsAt(cloud).length).toBeGreaterThan(100);
    const report = await waves.report('pilot');
    expect(report.mailboxes.flatMap(({ bounced }) => bounced)).toEqual([]);
    expect(report.mailboxes.reduce((sum, one) => sum + one.held, 0)).toBeGreaterThan(20);
  }, 60_000);
});
