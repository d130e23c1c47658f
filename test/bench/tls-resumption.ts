/**
 * What a connection to a next hop costs: from nothing, with a TLS session resumed, and kept alive. The server runs in a
 * process of its own on this machine; the second line of each puts 20 ms of way there and back between the two, as far
 * as a cloud is away (TCP's own first trip comes on top where a connection is made).
 *
 *   node test/bench/tls-resumption.ts [ROUNDS=300]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { deliverOne, to, transport } from '../integration/delivery/transport/setup.ts';
import { chainedServer, chainRoot } from '../support/certificate-chains.ts';
import { signedRsa, testCa } from '../support/certificates.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';

const SERVERS = {
  'TLS 1.3, P-256': { certificate: chainedServer },
  'TLS 1.3, RSA 2048': { certificate: signedRsa },
  'TLS 1.2, P-256': { certificate: chainedServer, tls: { maxVersion: 'TLSv1.2' } },
  'TLS 1.2, RSA 2048': { certificate: signedRsa, tls: { maxVersion: 'TLSv1.2' } },
} as const;
type ServerName = keyof typeof SERVERS;
const KINDS = ['full', 'resumed', 'kept'] as const;
type Kind = (typeof KINDS)[number];

/** Milliseconds each way. */
const WAY = 10;
const WARM_UP = 20;

if (process.send === undefined) await measureAll(Number(process.argv[2] ?? 300));
else await serve(process.argv[2] as ServerName);

async function serve(name: ServerName): Promise<void> {
  const peer = await ScriptedPeer.start(SERVERS[name]);
  const far = createServer((client) => {
    const server = connect(peer.port, '127.0.0.1');
    delay(client, server);
    delay(server, client);
  });
  far.listen(0, '127.0.0.1');
  await once(far, 'listening');
  const address = far.address();
  process.send?.({ near: peer.port, far: typeof address === 'object' ? address?.port : 0 });
  process.once('disconnect', () => process.exit());
}

function delay(from: Socket, to: Socket): void {
  from.setNoDelay(true);
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
  from.on('data', (chunk: Buffer) => setTimeout(() => to.write(chunk), WAY));
  from.on('end', () => setTimeout(() => to.end(), WAY));
}

interface Cost {
  /** Median, milliseconds. */
  readonly wall: number;
  /** Our own CPU, the mean, milliseconds. */
  readonly cpu: number;
}

async function measureAll(rounds: number): Promise<void> {
  const say = (first: string, cells: readonly string[]) =>
    process.stdout.write(`${first.padEnd(20)}${cells.map((cell) => cell.padStart(18)).join('')}\n`);
  process.stdout.write(`one small message, median of ${rounds}, ms (in brackets the relay's CPU)\n\n`);
  say('server', ['new connection', 'session resumed', 'kept alive']);
  for (const name of Object.keys(SERVERS) as ServerName[]) {
    const child = fork(import.meta.filename, [name]);
    const { near, far } = await portsOf(child);
    const costs: Cost[] = [];
    for (const kind of KINDS) costs.push(await measure(rounds, near, kind));
    say(
      name,
      costs.map(({ wall, cpu }) => `${wall.toFixed(2)} (${cpu.toFixed(2)})`),
    );
    const distant: Cost[] = [];
    for (const kind of KINDS) distant.push(await measure(Math.ceil(rounds / 10), far, kind));
    say(
      `  ${2 * WAY} ms away`,
      distant.map(({ wall }) => wall.toFixed(0)),
    );
    child.disconnect();
  }
}

async function portsOf(child: ChildProcess): Promise<{ near: number; far: number }> {
  const [ports] = (await once(child, 'message')) as [{ near: number; far: number }];
  return ports;
}

/** One kind of delivery again and again; the first ones warm up, and leave a session to resume. */
async function measure(rounds: number, port: number, kind: Kind): Promise<Cost> {
  await using relay = transport({ ca: [testCa, chainRoot], pool: { transactions: kind === 'kept' ? 1e9 : 1 } });
  const walls: number[] = [];
  let spent = 0;
  for (let round = -WARM_UP; round < rounds; round++) {
    // a connector of another name remembers nothing of this host
    const connector = to(port, { mode: 'required' }, kind === 'full' ? { name: `round${round}` } : {});
    const cpu = process.cpuUsage();
    const began = performance.now();
    const { outcome, tls } = await deliverOne(relay, connector);
    const wall = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    if (outcome.kind !== 'relayed' || tls.protocol === undefined)
      throw new Error(`not delivered under TLS: ${outcome.reply.text}`);
    if (round < 0) continue;
    walls.push(wall);
    spent += user + system;
  }
  return { wall: median(walls), cpu: spent / rounds / 1000 };
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}
