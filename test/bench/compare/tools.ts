/** The load generators, the sinks and the certificate; and where queues live. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const TMPFS = 0x01021994;

/** BENCH_TMP, else a folder under the system's temp folder. It must be on a real disk: the queues live there. */
const BASE = process.env['BENCH_TMP'] ?? join(tmpdir(), 'bridgehead-bench');

export interface Tools {
  readonly load: string;
  readonly sink: string;
  readonly certificate: string;
  readonly key: string;
}

export function prepareTools(): Tools {
  mkdirSync(join(BASE, 'bin'), { recursive: true });
  chmodSync(BASE, 0o755);
  if (statfsSync(BASE).type === TMPFS) throw new Error(`${BASE} is in memory: set BENCH_TMP to a folder on a real disk`);
  const built = (name: string): string => {
    const source = fileURLToPath(new URL(`native/${name}.c`, import.meta.url));
    const program = join(BASE, 'bin', name);
    if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
      execFileSync('gcc', ['-O2', '-o', program, source, '-lssl', '-lcrypto'], { stdio: 'inherit' });
    }
    return program;
  };
  const certificate = join(BASE, 'cert.pem');
  const key = join(BASE, 'key.pem');
  if (!existsSync(certificate)) {
    const line = `req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=localhost -keyout ${key} -out ${certificate}`;
    execFileSync('openssl', line.split(' '), { stdio: 'ignore' });
  }
  return { load: built('smtpload'), sink: built('smtpsink'), certificate, key };
}

export function freshFolder(): string {
  const folder = mkdtempSync(join(BASE, 'run-'));
  chmodSync(folder, 0o755);
  return folder;
}

export interface Counters {
  readonly sessions: number;
  readonly messages: number;
  readonly recipients?: number;
}

export interface Sink {
  readonly child: ChildProcess;
  count(): Counters;
  close(): void;
}

/** Postfix's smtp-sink: it prints its counters in place, over and over. */
export function startPostfixSink(port: number): Sink {
  const folder = mkdtempSync('/dev/shm/bridgehead-bench-');
  const file = join(folder, 'count');
  const out = openSync(file, 'w');
  const child = spawn('smtp-sink', ['-c', '-u', 'nobody', '-m', '2000', `127.0.0.1:${port}`, '2000'], {
    stdio: ['ignore', out, 'inherit'],
  });
  closeSync(out);
  const input = openSync(file, 'r');
  const buffer = Buffer.alloc(400);
  return {
    child,
    count() {
      const length = readSync(input, buffer, 0, 400, Math.max(0, fstatSync(input).size - 400));
      const last = [...buffer.toString('latin1', 0, length).matchAll(/sess=(\d+) quit=\d+ mesg=(\d+)\r/g)].at(-1);
      return { sessions: Number(last?.[1] ?? 0), messages: Number(last?.[2] ?? 0) };
    },
    close() {
      child.kill('SIGTERM');
      closeSync(input);
      rmSync(folder, { recursive: true });
    },
  };
}

/** native/smtpsink: its counters are a small file that it maps. */
export function startNativeSink(port: number, tools: Tools, tls: boolean): Sink {
  const folder = mkdtempSync('/dev/shm/bridgehead-bench-');
  const file = join(folder, 'count');
  const secure = tls ? ['-c', tools.certificate, '-k', tools.key] : [];
  const child = spawn(tools.sink, ['-p', String(port), '-o', file, ...secure], { stdio: ['ignore', 'ignore', 'inherit'] });
  let input: number | undefined;
  const buffer = Buffer.alloc(64);
  return {
    child,
    count() {
      if (!existsSync(file)) return { sessions: 0, messages: 0, recipients: 0 };
      input ??= openSync(file, 'r');
      if (readSync(input, buffer, 0, 64, 0) < 64) return { sessions: 0, messages: 0, recipients: 0 };
      const counter = (index: number) => Number(buffer.readBigUInt64LE(index * 8));
      return { sessions: counter(0), messages: counter(2), recipients: counter(3) };
    },
    close() {
      child.kill('SIGTERM');
      if (input !== undefined) closeSync(input);
      rmSync(folder, { recursive: true });
    },
  };
}
