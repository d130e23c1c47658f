/** Puts inputs through a target and measures: no crash, no rejection that nobody hears, no input that holds the event loop, memory that comes back. */
import { createHash } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seeded } from '../e2e/support/messages.ts';
import { Mutator } from './mutate.ts';
import type { Target } from './target.ts';

export interface Failure {
  readonly input: Buffer;
  readonly error: string;
}

export interface Result {
  readonly inputs: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
  /** Milliseconds that one input took from its beginning to its end on this thread, where it takes one piece. */
  readonly slowest: number;
  readonly slowestInput: Buffer;
  /** Of the event loop, milliseconds. */
  readonly lagP99: number;
  readonly lagMost: number;
  /** MiB behind a collection: when a tenth was through, and at the end. */
  readonly memoryBefore: number;
  readonly memoryAfter: number;
}

/** Milliseconds for one input, what is waited for included. */
const DEADLINE = 20_000;
/** So many failures tell enough. */
const ENOUGH = 20;
const RESOLUTION = 5;
/** Work on this thread between two turns of the event loop, milliseconds. */
const TURN = 5;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function memory(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

/** Every input of the corpus as it is, then `count` made ones. The same seed makes the same inputs. */
export async function fuzz(
  target: Target,
  count: number,
  seed: number,
  tell: (text: string) => void = () => {},
): Promise<Result> {
  const failures: Failure[] = [];
  const unheard = (error: unknown): void =>
    void failures.push({ input: Buffer.from('(unknown: one of those under way)'), error: `not caught: ${textOf(error)}` });
  process.on('unhandledRejection', unheard);
  process.on('uncaughtException', unheard);
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  try {
    await using running = await target.open();
    const mutator = new Mutator(running.corpus, running.words, running.most);
    const began = performance.now();
    let started = 0;
    let slowest = 0;
    let slowestInput: Buffer = Buffer.alloc(0);
    let memoryBefore = 0;
    const total = running.corpus.length + count;
    const warm = Math.min(total - 1, running.corpus.length + Math.ceil(count / 10));
    const inputOf = (number: number, chance: () => number): Buffer =>
      running.corpus[number] ?? running.make?.(chance) ?? mutator.next(chance);

    const worker = async (until: number): Promise<void> => {
      let turn = performance.now();
      while (started < until && failures.length < ENOUGH) {
        const number = started++;
        const chance = seeded(seed + number);
        const input = inputOf(number, chance);
        const from = performance.now();
        try {
          const done = running.run(input, chance);
          const took = performance.now() - from;
          if (took > slowest) [slowest, slowestInput] = [took, input];
          if (done instanceof Promise) await inTime(done);
        } catch (error) {
          failures.push({ input, error: textOf(error) });
        }
        if (performance.now() - turn > TURN) {
          await new Promise((resolve) => setImmediate(resolve));
          turn = performance.now();
        }
        if (number > 0 && number % 50_000 === 0) tell(`${target.name}: ${number} of ${total}`);
      }
    };
    const workers = (until: number) => Promise.all(Array.from({ length: running.atOnce ?? 1 }, () => worker(until)));
    await workers(warm);
    memoryBefore = await memory();
    delays.enable();
    await workers(total);
    delays.disable();
    const seconds = (performance.now() - began) / 1000;
    const memoryAfter = await memory();
    await running
      .settle?.()
      .catch((error: unknown) => failures.push({ input: Buffer.from('(all of them)'), error: textOf(error) }));
    const lag = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
    return {
      inputs: started,
      seconds,
      failures,
      slowest,
      slowestInput,
      lagP99: lag(delays.percentile(99)),
      lagMost: lag(delays.max),
      memoryBefore,
      memoryAfter,
    };
  } finally {
    process.off('unhandledRejection', unheard);
    process.off('uncaughtException', unheard);
  }
}

async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${DEADLINE / 1000} s`)), DEADLINE);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

const textOf = (error: unknown): string =>
  (error instanceof Error ? (error.stack ?? error.message) : String(error)).slice(0, 1_000);

/** The name under which an input is kept. */
export const nameOf = (input: Buffer): string => createHash('sha256').update(input).digest('hex').slice(0, 12);
