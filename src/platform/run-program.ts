/** Runs a program of the administrator's: no shell, a small environment, an end in any case. */
import { spawn } from 'node:child_process';
import { basename } from 'node:path';

export interface Ended {
  /** Absent: it was killed, or could not be started. */
  readonly status?: number;
  /** Why it did not end by itself. */
  readonly problem?: string;
  /** The first of what it wrote, both streams together. */
  readonly output: string;
}

/** Octets of output that are kept. */
const MOST_OUTPUT = 4_096;

/**
 * Never rejects. At the deadline (milliseconds), and when `stop` says so, it and what it started are killed. What it writes
 * beyond the first four kilobytes is read and forgotten.
 */
export function runProgram(
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
  deadline: number,
  stop: AbortSignal,
): Promise<Ended> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let room = MOST_OUTPUT;
    const take = (chunk: Buffer): void => {
      if (room > 0) chunks.push(chunk.subarray(0, room));
      room -= chunk.length;
    };
    const child = spawn(program, args, {
      cwd: '/',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a process group of its own, so that all of it can be ended
    });
    const end = (ended: Omit<Ended, 'output'>): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
      // what it left behind holds the pipes open; they are nobody's any more
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ ...ended, output: Buffer.concat(chunks).toString().trimEnd() });
    };
    const kill = (problem: string): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // it is gone already
      }
      end({ problem });
    };
    const onStop = (): void => kill('the relay stops');
    const timer = setTimeout(() => kill(`it did not end within ${deadline / 1000} s and was killed`), deadline);
    stop.addEventListener('abort', onStop, { once: true });
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', (error: NodeJS.ErrnoException) =>
      end({ problem: `${basename(program)} cannot be run (${error.code ?? error.message})` }),
    );
    child.once('close', (status, signal) => end(status === null ? { problem: `it was ended by ${signal}` } : { status }));
    if (stop.aborted) onStop();
  });
}
