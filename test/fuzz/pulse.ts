/** How long the event loop stood still: by what this thread worked in a turn, and by the clock while it had a processor. */
import { readFileSync } from 'node:fs';
import { createHistogram } from 'node:perf_hooks';

export interface Lag {
  /** Milliseconds of this thread in one turn. */
  readonly p99: number;
  readonly most: number;
  /** Milliseconds by the clock, without what this thread waited for a processor. */
  readonly clockMost: number;
}

const RESOLUTION = 5;

/** Milliseconds that this thread has worked. */
export function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds by a clock that stands while the kernel lets other threads run in this one's place (proc(5), schedstat). */
export function ownClock(): number {
  try {
    return performance.now() - Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return performance.now(); // not Linux
  }
}

/** A timer that is late by as much as the loop was held: it sees what is worked in a turn, and a few milliseconds more. */
export class Pulse {
  readonly #turns = createHistogram();
  readonly #timer: NodeJS.Timeout;
  #clockMost = 0;
  #spent = threadTime();
  #from = ownClock();

  constructor(each: (held: { readonly worked: number; readonly clock: number }) => void = () => {}) {
    this.#timer = setInterval(() => {
      const [spentNow, now] = [threadTime(), ownClock()];
      const held = {
        worked: Math.max(0, spentNow - this.#spent - RESOLUTION),
        clock: Math.max(0, now - this.#from - RESOLUTION),
      };
      [this.#spent, this.#from] = [spentNow, now];
      this.#turns.record(1 + Math.round(held.worked * 1_000));
      this.#clockMost = Math.max(this.#clockMost, held.clock);
      each(held);
    }, RESOLUTION);
  }

  /** What was worked since the last look does not count. */
  forget(): void {
    [this.#spent, this.#from] = [threadTime(), ownClock()];
  }

  stop(): Lag {
    clearInterval(this.#timer);
    if (this.#turns.count === 0) return { p99: 0, most: 0, clockMost: 0 };
    return { p99: this.#turns.percentile(99) / 1_000, most: this.#turns.max / 1_000, clockMost: this.#clockMost };
  }
}
