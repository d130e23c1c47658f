/** What idle connections cost: holds them after EHLO and looks at memory and at whether one more is answered. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { greets, PORT, SINK_PORT, startPeer } from './peer.ts';
import { freshFolder, startNativeSink, type Tools } from './tools.ts';

export interface IdleResult {
  readonly peer: string;
  readonly asked: number;
  readonly held: number;
  readonly seconds: number;
  /** MiB. */
  readonly pssBefore: number;
  readonly pss: number;
  readonly oneMoreIsAnswered: boolean;
}

export async function measureIdle(peerName: string, connections: number, tools: Tools): Promise<IdleResult> {
  const folder = freshFolder();
  const sink = startNativeSink(SINK_PORT, tools, false);
  const peer = await startPeer(peerName, { folder, tools, tls: false, idle: true });
  try {
    spawnSync(tools.load, ['-p', String(PORT), '-s', '10', '-m', '200', '-l', '1024', '-d']);
    await delay(2_000);
    const before = peer.account.memory();
    const holder = spawn(tools.load, ['-p', String(PORT), '-i', String(connections)], { stdio: ['pipe', 'pipe', 'ignore'] });
    const [line] = (await once(holder.stdout, 'data')) as [Buffer];
    const { held, seconds } = JSON.parse(line.toString()) as { held: number; seconds: number };
    await delay(5_000);
    const after = peer.account.memory();
    const oneMoreIsAnswered = await greets(PORT, 10_000);
    holder.stdin.end();
    await once(holder, 'exit');
    return { peer: peerName, asked: connections, held, seconds, pssBefore: before.pss, pss: after.pss, oneMoreIsAnswered };
  } finally {
    await peer.stop();
    sink.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
