/** One measurement: generator → server → sink, all on loopback. */
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { machineBusy, timesOf } from './machine.ts';
import { type Peer, PORT, SINK_PORT, startPeer } from './peer.ts';
import { type Counters, freshFolder, type Sink, startNativeSink, startPostfixSink, type Tools } from './tools.ts';
import type { Workload } from './workloads.ts';

const SESSIONS = 20;
const WARM_UP = 200;
const STALL_SECONDS = 20;

export interface Result {
  readonly peer: string;
  readonly workload: string;
  readonly sent: number;
  readonly received: number;
  readonly acceptPerSecond: number;
  /** Until the sink has counted all of them. */
  readonly endToEndPerSecond: number;
  readonly p50ms?: number;
  readonly p99ms?: number;
  /** CPU seconds, user and system, of all that the server ran, for 1,000 messages. */
  readonly cpuPer1000: number;
  /** MiB at the peak. */
  readonly rss: number;
  readonly pss: number;
  /** Shares of the machine that belonged to neither server nor bench, and to the hypervisor. Over 0.15: discard the run. */
  readonly others: number;
  readonly steal: number;
  readonly error?: string;
}

export async function measure(peerName: string, workload: Workload, count: number, tools: Tools): Promise<Result> {
  const folder = freshFolder();
  const sink = workload.tools === 'native' ? startNativeSink(SINK_PORT, tools, workload.tls) : startPostfixSink(SINK_PORT);
  let peer: Peer | undefined;
  try {
    peer = await startPeer(peerName, { folder, tools, tls: workload.tls, idle: false });
    await warmUp(tools, workload, sink);
    return await load(peerName, peer, workload, count, tools, sink);
  } catch (error) {
    const nothing = {
      sent: 0,
      received: 0,
      acceptPerSecond: 0,
      endToEndPerSecond: 0,
      cpuPer1000: 0,
      rss: 0,
      pss: 0,
      others: 0,
      steal: 0,
    };
    return { peer: peerName, workload: workload.name, ...nothing, error: String(error).slice(0, 500) };
  } finally {
    await peer?.stop();
    sink.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function warmUp(tools: Tools, workload: Workload, sink: Sink): Promise<void> {
  const args = ['-p', PORT, '-s', 10, '-m', WARM_UP, '-l', 1024, '-d', ...(workload.tls ? ['-T'] : [])];
  const done = spawnSync(tools.load, args.map(String), { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`warm-up: ${done.stdout}${done.stderr}`);
  for (let tries = 0, last = -1; tries < 200; tries++) {
    const { messages } = sink.count();
    if (messages >= WARM_UP && messages === last) return;
    last = messages;
    await delay(150);
  }
  throw new Error(`warm-up: the sink has ${sink.count().messages} of ${WARM_UP}`);
}

async function load(name: string, peer: Peer, workload: Workload, count: number, tools: Tools, sink: Sink): Promise<Result> {
  const base = sink.count();
  const usage = () => ({ server: peer.account.cpu(), sink: timesOf(sink.child.pid ?? 0)?.cpu ?? 0, machine: machineBusy() });
  const before = usage();
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const shape = ['-s', SESSIONS, '-m', count, '-l', workload.bytes, '-f', 'sender@src.test', '-t', 'user@dst.test'];
  if (workload.recipients > 1) shape.push('-r', workload.recipients);
  if (workload.reuse) shape.push('-d');
  const [program, args] =
    workload.tools === 'native'
      ? [tools.load, ['-p', PORT, ...shape, ...(workload.tls ? ['-T'] : [])]]
      : ['smtp-source', [...shape, `127.0.0.1:${PORT}`]];
  const generator = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  let accepted: number | undefined;
  let status: number | null = null;
  let generatorCpu = 0;
  generator.stdout.on('data', (data: Buffer) => {
    output = (output + data.toString()).slice(-4000);
  });
  generator.stderr.on('data', (data: Buffer) => {
    complaints = (complaints + data.toString()).slice(0, 4000);
  });
  generator.on('exit', (code) => {
    accepted = elapsed();
    status = code;
  });

  let peak = { rss: 0, pss: 0 };
  let got = 0;
  let progress = 0;
  for (let tick = 0; ; tick++) {
    await delay(40);
    const arrived = progressOf(sink.count(), base, workload);
    if (arrived !== got || accepted === undefined) progress = elapsed();
    got = arrived;
    if (accepted === undefined) generatorCpu = timesOf(generator.pid ?? 0)?.cpu ?? generatorCpu;
    if (tick % 25 === 0) {
      const { rss, pss } = peer.account.memory();
      peak = { rss: Math.max(peak.rss, rss), pss: Math.max(peak.pss, pss) };
    }
    if (accepted !== undefined && got >= count) break;
    if (elapsed() > 120) generator.kill('SIGKILL');
    if (elapsed() - progress > STALL_SECONDS) break;
  }
  const end = got >= count ? elapsed() : progress;
  const after = usage();
  const seconds = elapsed();
  await delay(400); // duplicates would come now
  const received = progressOf(sink.count(), base, workload);
  const latency =
    output.trim() === '' ? {} : (JSON.parse(output.trim().split('\n').at(-1) ?? '{}') as { p50ms?: number; p99ms?: number });
  const serverCpu = after.server - before.server;
  const ours = serverCpu + after.sink - before.sink + generatorCpu;
  const error =
    status !== 0
      ? complaints.trim().split('\n')[0] || `generator ${status}`
      : received !== count
        ? `sink has ${received} of ${count}`
        : '';
  return {
    peer: name,
    workload: workload.name,
    sent: count,
    received,
    acceptPerSecond: count / (accepted ?? seconds),
    endToEndPerSecond: got / end,
    ...(latency.p50ms === undefined ? {} : { p50ms: latency.p50ms }),
    ...(latency.p99ms === undefined ? {} : { p99ms: latency.p99ms }),
    cpuPer1000: (serverCpu / count) * 1000,
    ...peak,
    others: (after.machine.busy - before.machine.busy - ours) / seconds / cpus().length,
    steal: (after.machine.steal - before.machine.steal) / seconds / cpus().length,
    ...(error === '' ? {} : { error }),
  };
}

/** Messages since `base`; where each has several recipients, whole ones by their recipients. */
function progressOf(now: Counters, base: Counters, workload: Workload): number {
  if (workload.recipients === 1 || now.recipients === undefined) return now.messages - base.messages;
  return (now.recipients - (base.recipients ?? 0)) / workload.recipients;
}
