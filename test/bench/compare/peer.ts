/** A server under test: an executable `peers/NAME DIR PORT SINKPORT` that runs in the foreground until SIGTERM. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Account } from './machine.ts';
import type { Tools } from './tools.ts';

export const PORT = 2525;
export const SINK_PORT = 2526;

export interface Peer {
  readonly account: Account;
  stop(): Promise<void>;
}

export interface PeerOptions {
  readonly folder: string;
  readonly tools: Tools;
  readonly tls: boolean;
  readonly idle: boolean;
}

export async function startPeer(name: string, options: PeerOptions): Promise<Peer> {
  if (await greets(PORT, 500)) throw new Error(`something already listens on port ${PORT}`);
  const account = new Account();
  const script = fileURLToPath(new URL(`peers/${name}`, import.meta.url));
  const log = openSync(join(options.folder, 'peer.log'), 'a');
  const enter = account.group === undefined ? '' : `echo $$ > ${account.group}/cgroup.procs && `;
  const flag = (on: boolean) => (on ? '1' : '');
  const child = spawn(
    'bash',
    ['-c', `ulimit -n $(ulimit -Hn); ${enter}exec "$0" "$@"`, script, options.folder, String(PORT), String(SINK_PORT)],
    {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        BENCH_CERT: options.tools.certificate,
        BENCH_KEY: options.tools.key,
        BENCH_TLS_IN: flag(options.tls),
        BENCH_TLS_OUT: flag(options.tls),
        BENCH_IDLE: flag(options.idle),
        BENCH_NODE: process.execPath,
      },
    },
  );
  closeSync(log);
  account.root = child.pid ?? 0;
  const peer = { account, stop: () => stopPeer(child, account) };
  for (let tries = 0; !(await greets(PORT, 2_000)); tries++) {
    if (child.exitCode !== null || tries > 100) {
      await peer.stop();
      throw new Error(`${name} did not come up:\n${readFileSync(join(options.folder, 'peer.log'), 'utf8').slice(-2000)}`);
    }
    await delay(200);
  }
  return peer;
}

/** SIGTERM to the server, then to each process that is left of it, then SIGKILL. */
async function stopPeer(child: ChildProcess, account: Account): Promise<void> {
  child.kill('SIGTERM');
  for (let tries = 0; tries < 100; tries++) {
    const left = account.pids();
    if (left.length === 0) break;
    const signal = tries === 30 ? 'SIGTERM' : tries === 60 ? 'SIGKILL' : undefined;
    for (const pid of signal === undefined ? [] : left) process.kill(pid, signal);
    await delay(100);
  }
  account.close();
}

export function greets(port: number, deadline: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(deadline, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.once('data', (data) => {
      socket.write('QUIT\r\n');
      end(data.toString('latin1').startsWith('220'));
    });
  });
}
