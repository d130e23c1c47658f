/** The processes of the demo: the pretend servers and the relay; each is ended with it. */
import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FromPretendServer, PretendServerOptions, Taken } from './pretend-server.ts';

// The program as built has .js files (rewritten in imports by tsc, but not here).
const PRETEND_SERVER = fileURLToPath(new URL(`./pretend-server${import.meta.url.slice(-3)}`, import.meta.url));

export class Processes implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];

  /** Starts a pretend server and resolves with its port. */
  async pretendServer(options: PretendServerOptions, onTaken: (taken: Taken) => void, signal: AbortSignal): Promise<number> {
    const child = fork(PRETEND_SERVER, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#children.push(child);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error(`${options.name} did not come up`)), { once: true });
      child.on('exit', (status) => reject(new Error(`${options.name} ended with ${status}`)));
      child.on('message', (message) => {
        const told = message as FromPretendServer;
        if ('port' in told) resolve(told.port);
        else onTaken(told.taken);
      });
    });
  }

  /** Starts the relay, its log in a file, and resolves when it greets. */
  async relay(mainFile: string, config: string, logFile: string, port: number, signal: AbortSignal): Promise<void> {
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [mainFile, 'run', '--config', config], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#children.push(child);
    while (!(await greets(port))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the relay did not start:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
      }
      if (signal.aborted) throw new Error('the relay did not come up in time');
      await delay(50);
    }
  }

  /** The last one started ends first: the relay says goodbye before its peers are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    }
  }
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.once('data', (data) => end(data.toString('latin1').startsWith('220')));
  });
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** Whether this machine lets us speak from that loopback address (Linux does; macOS only has 127.0.0.1). */
export async function canSpeakFrom(address: string): Promise<boolean> {
  const server = createServer().listen(0, address);
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.on('listening', () => server.close(() => resolve(true)));
  });
}

/** Runs a command of the relay's own command line and gives its standard output. */
export function command(mainFile: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [mainFile, ...args], { maxBuffer: 1 << 24, signal }, (error, stdout, stderr) => {
      // status 1 is the answer "no" (contract.md): nothing found yet
      if (error !== null && error.code !== 1) reject(new Error(`${args[0]}: ${stderr.trim() || error.message}`));
      else resolve(stdout);
    });
  });
}
