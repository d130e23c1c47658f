/** The relay under `strace`, which kills it at one of its system calls or has that call fail. */
import { readFileSync } from 'node:fs';
import { run } from '../e2e/support/workspace.ts';

export function hasStrace(): boolean {
  try {
    return run('strace', ['-V']).status === 0;
  } catch {
    return false;
  }
}

export interface Injection {
  readonly call: string;
  /** `signal=KILL`, `error=EIO`, `delay_enter=300000`; several with a colon in between. */
  readonly what: string;
  /** `3` the third, `3+` from the third on, `1..5`; counted for each thread (the workspace has one thread for files). */
  readonly when?: string;
  /** Only calls on these files. */
  readonly paths?: readonly string[];
}

/**
 * The words in front of the relay's command line. One thread for files: so its calls come in one order, and are counted
 * in one. Without --seccomp-bpf: with it strace 6.1 injects no signals.
 */
export function underStrace(output: string, injections: readonly Injection[]): string[] {
  const calls = injections.map(({ call }) => call).join(',');
  return [
    'env',
    'UV_THREADPOOL_SIZE=1',
    'strace',
    '-D',
    '-f',
    '-qq',
    '-o',
    output,
    '-e',
    `trace=${calls}`,
    '-e',
    'signal=none',
    ...injections.flatMap(({ call, what, when }) => ['-e', `inject=${call}:${what}${when === undefined ? '' : `:when=${when}`}`]),
    ...(injections[0]?.paths ?? []).flatMap((path) => ['-P', path]),
  ];
}

/** How often the busiest thread made each call, by a trace that `strace -f -o` wrote. */
export function countCalls(trace: string): Map<string, number> {
  const byThread = new Map<string, number>();
  for (const [, thread, call] of trace.matchAll(/^(\d+) +(\w+)\(/gm)) {
    const key = `${call} ${thread}`;
    byThread.set(key, (byThread.get(key) ?? 0) + 1);
  }
  const most = new Map<string, number>();
  for (const [key, count] of byThread) {
    const call = key.split(' ')[0] ?? '';
    most.set(call, Math.max(most.get(call) ?? 0, count));
  }
  return most;
}

/** Lets go of a traced relay, which goes on unharmed. */
export function endStrace(pid: number): void {
  const tracer = Number(/TracerPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  if (tracer > 0) process.kill(tracer, 'SIGKILL');
}
