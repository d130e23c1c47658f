/**
 * How much comes at once (reliability.md 4.7): idle connections and what each costs, in clear and in TLS; 1,000 connects a
 * second that nobody ends; one address with more than it may have. Clients are a process of their own (ceilings-clients.ts).
 *
 *   node test/faults/ceilings.ts [--idle 1000] [--many 5000] [--rate 1000] [--seconds 10]
 *
 * An idle connection costs 40 KB at most, 100 KB in TLS, and new clients are greeted within 1 s meanwhile. `--many` idle
 * ones: under 150 MiB (PSS). At so many connects a second the relay lives, those beyond its limit are told 421, and each
 * message of a listed peer is accepted. One address too eager is told 421 alone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { stop, until, Workspace } from '../e2e/support/workspace.ts';
import type { Came, Wanted } from './ceilings-clients.ts';
import { say, table, verdict } from './report.ts';

const PEER = '127.0.0.2';
const COST_IN_CLEAR_KB = 40;
const COST_IN_TLS_KB = 100;
const GREETED_WITHIN_MS = 1_000;
const PSS_LIMIT_MIB = 150;
const WARM = 20;
/** limits.connections-per-client by default; of five addresses (ceilings-clients.ts) no network is used up. */
const PER_CLIENT = 100;

const { values } = parseArgs({
  options: {
    idle: { type: 'string', default: '1000' },
    many: { type: 'string', default: '5000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
  },
});
const [idle, many, rate, seconds] = [values.idle, values.many, values.rate, values.seconds].map(Number) as [
  number,
  number,
  number,
  number,
];
/** Connections at once, all in all: the last tenth is the peers'. */
const storm = rate * seconds;
if (many > 0.9 * storm) throw new Error(`--many ${many} is more than the 90 % of ${storm} that clients from outside may have`);

await using workspace = new Workspace('ceilings');
await using cloud = await new SmtpSink().listen();
cloud.keep = false;
const relay = await Relay.prepare(workspace, {
  settings: `domains:
  - { name: example.com, type: authoritative }
cloud: { routing-domains: [tenant.mail.example.net] }
peers: { on-premises: { networks: [${PEER}/32] } }
connectors:
  - { name: on-premises, address-spaces: [example.com], next-hop: ${smartHost(cloud.port)}, tls: { mode: none } }
  - { name: cloud, address-spaces: [tenant.mail.example.net], next-hop: ${smartHost(cloud.port)}, tls: { mode: none }, connections: 10 }
limits: { connections: ${storm} }
`,
  recipients: ['moved@example.com,cloud,moved@tenant.mail.example.net,'],
});
const broken: string[] = [];
const seen: (string | number)[][] = [];
const row = (what: string, measured: string, bar: string, holds: boolean): void => {
  seen.push([what, measured, bar]);
  if (!holds) broken.push(`${what}: ${measured}, ${bar}`);
};

/** Clients of one kind, each set of them in a process of its own. */
class Clients implements AsyncDisposable {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('ceilings-clients.ts', import.meta.url)));

  async open(wanted: Omit<Wanted, 'port'>): Promise<Came> {
    this.#child.send({ port: relay.port, ...wanted } satisfies Wanted);
    const [came] = (await once(this.#child, 'message')) as [Came];
    return came;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.send('close');
    await once(this.#child, 'message');
    await stop(this.#child, 'SIGTERM', 5_000);
  }
}

/** KiB: our own pages alone, and our part of all. */
function memory(): { own: number; pss: number } {
  const text = readFileSync(`/proc/${relay.pid}/smaps_rollup`, 'utf8');
  return { own: relay.memory().own * 1024, pss: Number(/^Pss: +(\d+)/m.exec(text)?.[1] ?? 0) };
}

/** The slowest greeting of clients that come one after the other. */
async function greeting(): Promise<number> {
  let slowest = 0;
  for (let n = 0; n < 20; n++) {
    const began = performance.now();
    const opened = await SmtpClient.open(relay.port, '127.0.0.3');
    slowest = Math.max(slowest, opened?.greeting.code === 220 ? performance.now() - began : Number.POSITIVE_INFINITY);
    await opened?.client.quit();
  }
  return slowest;
}

async function gone(): Promise<void> {
  const open = async () => Number(/^bridgehead_connections (\d+)/m.exec(await metrics())?.[1] ?? 0);
  await until('the clients are gone', async () => (await open()) === 0, 20_000, 50);
}
const metrics = (): Promise<string> => fetch(`${relay.adminUrl}/metrics`).then((answer) => answer.text());

await relay.start();
{
  // first of all: what other things leave behind in the heap is not theirs
  await using clients = new Clients();
  const came = await clients.open({ count: many, net: 1, perAddress: 50, rate: 0, tls: false });
  const slowest = await greeting();
  const pss = memory().pss / 1024;
  row(`${many} idle: greeted`, `${came.greeted}`, `${many}`, came.greeted === many);
  row(`${many} idle: the whole relay, MiB (PSS)`, pss.toFixed(0), `< ${PSS_LIMIT_MIB}`, pss < PSS_LIMIT_MIB);
  row(
    'a new client is greeted meanwhile within, ms',
    slowest.toFixed(0),
    `<= ${GREETED_WITHIN_MS}`,
    slowest <= GREETED_WITHIN_MS,
  );
}
await gone();

for (const tls of [false, true]) {
  const name = tls ? 'in TLS' : 'in clear';
  // a process of its own for each: memory that others have given back costs nothing
  await relay.stop();
  await relay.start();
  await using clients = new Clients();
  await clients.open({ count: WARM, net: 9, perAddress: 50, rate: 0, tls }); // code and buffers that the first ones cost
  const before = memory();
  const came = await clients.open({ count: idle, net: 1, perAddress: 50, rate: 0, tls });
  await delay(1_000);
  const each = (memory().own - before.own) / idle;
  const bar = tls ? COST_IN_TLS_KB : COST_IN_CLEAR_KB;
  row(`${idle} idle ${name}: greeted`, `${came.greeted}`, `${idle}`, came.greeted === idle);
  row(`${idle} idle ${name}: memory of each, KB`, each.toFixed(1), `<= ${bar}`, each <= bar);
  const slowest = await greeting();
  row(
    `a new client is greeted meanwhile within, ms`,
    slowest.toFixed(0),
    `<= ${GREETED_WITHIN_MS}`,
    slowest <= GREETED_WITHIN_MS,
  );
}
await gone();

{
  await using clients = new Clients();
  const eager = await clients.open({ count: PER_CLIENT + 50, net: 4, perAddress: 1_000, rate: 0, tls: false });
  row(
    `one address opens ${PER_CLIENT + 50}: let in, told 421`,
    `${eager.greeted}, ${eager.turnedAway}`,
    `${PER_CLIENT}, 50`,
    eager.greeted === PER_CLIENT && eager.turnedAway === 50,
  );
  const slowest = await greeting();
  row('an address beside it is greeted within, ms', slowest.toFixed(0), `<= ${GREETED_WITHIN_MS}`, slowest <= GREETED_WITHIN_MS);
}
await gone();

{
  await using clients = new Clients();
  const { bytes } = testMessage('x', 4096, seeded(5));
  let isOver = false;
  const latencies: number[] = [];
  let refused = 0;
  // a listed peer sends what a peer sends, on new connections all the time
  const peer = async (): Promise<void> => {
    while (!isOver) {
      const began = performance.now();
      const opened = await SmtpClient.open(relay.port, PEER);
      await opened?.client.command('EHLO ex1.example.com');
      const answer = await opened?.client.send('sender@example.com', ['moved@example.com'], bytes);
      if (answer?.kind === 'acked') latencies.push(performance.now() - began);
      else refused += 1;
      await opened?.client.quit();
      await delay(50);
    }
  };
  const peers = Promise.all(Array.from({ length: 5 }, peer));
  const came = await clients.open({ count: storm, net: 5, perAddress: PER_CLIENT, rate, tls: false });
  await delay(1_000); // all that may are in
  isOver = true;
  await peers;
  latencies.sort((a, b) => a - b);
  const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? Number.POSITIVE_INFINITY;
  const achieved = came.seconds <= seconds * 1.1;
  row(`${storm} connects, a second`, (storm / came.seconds).toFixed(0), `${rate}`, achieved);
  row(
    'let in, told 421, neither',
    `${came.greeted}, ${came.turnedAway}, ${came.failed}`,
    `${storm * 0.9}, the rest, 0`,
    came.failed === 0 && came.turnedAway > 0,
  );
  row('greeted within, ms', came.slowest.toFixed(0), '', true);
  row(
    'messages of a listed peer meanwhile: accepted, not',
    `${latencies.length}, ${refused}`,
    'all',
    latencies.length > 0 && refused === 0,
  );
  row(
    'accepted with a connection each, 99 of 100 within, ms',
    p99.toFixed(0),
    `<= ${GREETED_WITHIN_MS}`,
    p99 <= GREETED_WITHIN_MS,
  );
  row('the whole relay, MiB (PSS)', (memory().pss / 1024).toFixed(0), '< 512', memory().pss < 512 * 1024);
}
await gone();
if (!relay.running) broken.push('the relay ended');
const exit = await relay.stop();
if (exit !== 0) broken.push(`the relay ended with ${exit}`);
say(table(['', 'measured', 'bar'], seen));
process.exitCode = verdict('ceilings', broken);
