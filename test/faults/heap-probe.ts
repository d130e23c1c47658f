/**
 * What lives in a process, for tests: preloaded (`--import`), it has each thread collect its garbage on SIGUSR2 and write down
 * what is left. Without garbage a leak of a few octets a message shows within minutes; with it, a heap that still settles
 * looks the same.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

/** What one thread wrote; octets. */
export interface Alive {
  readonly thread: number;
  /** What its heap holds. */
  readonly used: number;
}

const FILE = 'BRIDGEHEAD_HEAP_PROBE';

/** For the environment of the process that is to be asked. */
export const probing = (file: string): Record<string, string> => ({
  NODE_OPTIONS: `--import ${fileURLToPath(import.meta.url)}`,
  [FILE]: file,
});

export function readAlive(file: string): Alive[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Alive);
}

const file = process.env[FILE];
if (file !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const tell = () => {
    collect();
    appendFileSync(file, `${JSON.stringify({ thread: threadId, used: getHeapStatistics().used_heap_size } satisfies Alive)}\n`);
  };
  const threads = new BroadcastChannel('heap-probe');
  threads.onmessage = tell;
  threads.unref(); // asking must not keep a thread alive
  if (isMainThread)
    process.on('SIGUSR2', () => {
      threads.postMessage('tell');
      tell();
    });
}
