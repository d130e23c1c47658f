/** A folder, free ports and child processes that go away with the test. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

/** Where queues live: BRIDGEHEAD_TEST_TMP, else the system's temp folder. */
export class Workspace implements AsyncDisposable {
  readonly dir: string;
  readonly #children: ChildProcess[] = [];
  readonly #atEnd: (() => void)[] = [];

  constructor(name: string) {
    this.dir = mkdtempSync(join(process.env['BRIDGEHEAD_TEST_TMP'] ?? tmpdir(), `bridgehead-${name}-`));
    chmodSync(this.dir, 0o755); // mail servers that drop root must reach their own part of it
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  folder(...parts: string[]): string {
    const path = this.path(...parts);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Starts a program whose output goes to `<name>.log` in the folder. */
  start(name: string, command: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const log = openSync(this.path(`${name}.log`), 'a');
    const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
    closeSync(log);
    this.#children.push(child);
    return child;
  }

  log(name: string): string {
    return readFileSync(this.path(`${name}.log`), 'utf8');
  }

  /** For servers that end by another way than a signal to what was started. */
  atEnd(action: () => void): void {
    this.#atEnd.push(action);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const action of this.#atEnd) action();
    await Promise.all(this.#children.map((child) => stop(child, 'SIGTERM', 10_000)));
    if (process.env['BRIDGEHEAD_TEST_KEEP'] === undefined) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    else process.stderr.write(`kept ${this.dir}\n`);
  }
}

export function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Ends a child; after `deadline` milliseconds by SIGKILL. Returns its exit status, `null` where a signal ended it. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals, deadline: number): Promise<number | null> {
  if (!isRunning(child)) return child.exitCode;
  const gone = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), deadline);
  await gone;
  clearTimeout(timer);
  return child.exitCode;
}

/** Below the range from which Linux gives connections their own port: who ends and starts again finds its port free. */
const [LOWEST_PORT, PORTS] = [10_240, 22_000] as const;

/** Ports on 127.0.0.1 that nobody uses now; all are open at once, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer().listen(LOWEST_PORT + Math.floor(Math.random() * PORTS), '127.0.0.1');
    await once(server, 'listening').then(
      () => servers.push(server),
      () => {}, // somebody uses it
    );
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** Waits until `condition` holds; looks every `every` milliseconds. Throws after `deadline`, saying what was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadline = 30_000,
  every = 50,
): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`gave up after ${deadline / 1000} s: ${what}`);
    await delay(every);
  }
}

/** Whether a server greets on this port. */
export function greets(port: number, host = '127.0.0.1', deadline = 2_000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
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

export interface CommandEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], input?: string): CommandEnd {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    timeout: 120_000,
    ...(input === undefined ? {} : { input }),
  });
  if (done.error !== undefined) throw done.error;
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

/** As `run`, while this process goes on. */
export async function runBeside(command: string, args: readonly string[]): Promise<CommandEnd> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

/** A self-signed certificate for a test peer. */
export function selfSigned(workspace: Workspace, name: string): { certificate: string; key: string } {
  const certificate = workspace.path(`${name}.crt`);
  const key = workspace.path(`${name}.key`);
  const subject = `-subj /CN=${name} -addext subjectAltName=DNS:${name}`;
  const line = `req -x509 -newkey rsa:2048 -nodes -days 30 ${subject} -keyout ${key} -out ${certificate}`;
  const made = run('openssl', line.split(' '));
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  return { certificate, key };
}
