/**
 * Puts inputs through a target and measures: no crash, no rejection that nobody hears, no input that holds the event loop,
 * memory that comes back. What an input costs is the processor time of this thread, so that neighbours on a busy machine
 * make no verdict; one that held the loop for long by the clock (it may have waited for a disk) is put through again, alone.
 */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seeded } from '../e2e/support/messages.ts';
import { Mutator } from './mutate.ts';
import { type Lag, ownClock, Pulse, threadTime } from './pulse.ts';
import type { Running, Target } from './target.ts';

export interface Failure {
  readonly input: Buffer;
  readonly error: string;
}

export interface Held {
  /** Its beginning: some are large. */
  readonly input: Buffer;
  /** Milliseconds that it held the loop, by the clock: the least of so many times alone. */
  readonly held: number;
}

export interface Result {
  readonly inputs: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
  /** Milliseconds of this thread that one input took in one piece. */
  readonly slowest: number;
  readonly slowestInput: Buffer;
  /** Of the event loop, milliseconds of this thread in one turn. */
  readonly lagP99: number;
  readonly lagMost: number;
  /** By the clock, everything else on the machine included. */
  readonly clockMost: number;
  /** Those that held the loop for long by the clock, put through again. */
  readonly again: readonly Held[];
  /** MiB behind a collection: when a tenth was through, and at the end. */
  readonly memoryBefore: number;
  readonly memoryAfter: number;
}

/** Milliseconds for one input, what is waited for included. */
const DEADLINE = 60_000;
/** So many failures tell enough. */
const ENOUGH = 20;
/** Work on this thread between two turns of the event loop, milliseconds. */
const TURN = 5;
/** Milliseconds by the clock behind which an input is put through again, how many of them, and how often. */
const SUSPECT = 800;
const SUSPECTS = 20;
const TIMES = 3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (how: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

async function memory(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
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
  try {
    await using running = await target.open(count >= target.long);
    const began = performance.now();
    const inputOf = inputsOf(running, seed);
    const underWay = new Set<number>();
    const suspects = new Set<number>();
    const suspect = (): void => {
      for (const number of underWay) if (suspects.size < SUSPECTS) suspects.add(number);
    };
    let started = 0;
    let slowest = 0;
    let slowestNumber = 0;
    let pulse: Pulse | undefined;
    const total = running.corpus.length + count;
    const warm = Math.min(total - 1, running.corpus.length + Math.ceil(count / 10));

    const worker = async (until: number): Promise<void> => {
      let turn = performance.now();
      while (started < until && failures.length < ENOUGH) {
        const number = started++;
        const making = threadTime();
        const { input, chance } = inputOf(number);
        if (threadTime() - making > TURN) pulse?.forget(); // ours, not the target's
        underWay.add(number);
        try {
          const [from, spent] = [ownClock(), threadTime()];
          const done = running.run(input, chance);
          const took = threadTime() - spent;
          if (took > slowest) [slowest, slowestNumber] = [took, number];
          if (ownClock() - from > SUSPECT) suspect();
          if (done instanceof Promise) await inTime(done, running.patience);
        } catch (error) {
          failures.push({ input, error: textOf(error) });
        }
        underWay.delete(number);
        if (performance.now() - turn > TURN) {
          await new Promise((resolve) => setImmediate(resolve));
          turn = performance.now();
        }
        if (number > 0 && number % 50_000 === 0) tell(`${target.name}: ${number} of ${total}`);
      }
    };
    const workers = (until: number) => Promise.all(Array.from({ length: running.atOnce ?? 1 }, () => worker(until)));
    const watched = async (until: number): Promise<Lag> => {
      pulse = new Pulse((held) => {
        if (held.clock > SUSPECT) suspect();
      });
      await workers(until);
      return pulse.stop();
    };
    // the corpus is all that ever was slow: what most inputs cost is told by the others
    const first = await watched(warm);
    const memoryBefore = await memory();
    const lag = await watched(total);
    const seconds = (performance.now() - began) / 1000;
    const again: Held[] = [];
    for (const number of suspects) again.push(await alone(running, inputOf, number));
    const memoryAfter = await memory();
    await running
      .settle?.()
      .catch((error: unknown) => failures.push({ input: Buffer.from('(all of them)'), error: textOf(error) }));
    return {
      inputs: started,
      seconds,
      failures,
      slowest,
      slowestInput: inputOf(slowestNumber).input,
      lagP99: lag.p99,
      lagMost: Math.max(first.most, lag.most),
      clockMost: Math.max(first.clockMost, lag.clockMost),
      again,
      memoryBefore,
      memoryAfter,
    };
  } finally {
    process.off('unhandledRejection', unheard);
    process.off('uncaughtException', unheard);
  }
}

interface Made {
  readonly input: Buffer;
  readonly chance: () => number;
}

/** The same number is the same input, with the same chance behind it. */
function inputsOf(running: Running, seed: number): (number: number) => Made {
  const mutator = new Mutator(running.corpus, running.words, running.most);
  return (number) => {
    const chance = seeded(seed + number);
    const made = number < running.corpus.length ? undefined : running.make?.(chance, number - running.corpus.length);
    return { input: running.corpus[number] ?? made ?? mutator.next(chance), chance };
  };
}

/** Milliseconds that an input holds the loop by the clock, the least of a few times: the rest was the machine's. */
async function alone(running: Running, inputOf: (number: number) => Made, number: number): Promise<Held> {
  let least = Number.POSITIVE_INFINITY;
  let beginning = Buffer.alloc(0);
  for (let times = 0; times < TIMES; times++) {
    const { input, chance } = inputOf(number);
    beginning = Buffer.from(input.subarray(0, 1_000));
    const pulse = new Pulse();
    const from = ownClock();
    let piece = 0;
    try {
      const done = running.run(input, chance);
      piece = ownClock() - from;
      if (done instanceof Promise) await inTime(done, running.patience);
    } catch {
      // told the first time
    }
    await new Promise((resolve) => setImmediate(resolve));
    least = Math.min(least, Math.max(piece, pulse.stop().clockMost));
  }
  return { input: beginning, held: least };
}

async function inTime(work: Promise<void>, patience = DEADLINE): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${patience / 1000} s`)), patience);
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
