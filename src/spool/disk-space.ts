/** Whether the disk has room for more mail. */
import { statfsSync } from 'node:fs';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';

export class DiskSpace {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #octetsFree: () => number;
  readonly #least: number;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #enough = true;

  /** `least`: octets that must be free. What is below is left for outcomes and DSNs, which are always written. */
  constructor(octetsFree: () => number, least: number, clock: Clock, log: Log) {
    this.#octetsFree = octetsFree;
    this.#least = least;
    this.#clock = clock;
    this.#log = log;
  }

  /** Octets that must be free, while fewer are. */
  get wanted(): number | undefined {
    return this.isEnough() ? undefined : this.#least;
  }

  /** The disk said so itself. */
  full(): void {
    this.#checkedAt = this.#clock.monotonic();
    this.#enough = false;
  }

  /** Asks the disk at most once a second. */
  isEnough(): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#checkedAt < 1000) return this.#enough;
    this.#checkedAt = now;
    const free = this.#octetsFree();
    const enough = free >= this.#least;
    if (enough !== this.#enough) this.#log.warn({ free, least: this.#least, enough }, 'disk space of the spool');
    this.#enough = enough;
    return enough;
  }
}

export function octetsFree(directory: string): number {
  const { bavail, bsize, files, ffree } = statfsSync(directory);
  return files > 0 && ffree < 100 ? 0 : bavail * bsize; // without inodes there are no body files either
}
