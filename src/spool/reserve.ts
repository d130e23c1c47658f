/**
 * Room for outcomes on a full disk. A transaction is not begun where the disk cannot take it: lmdb does not meet a full
 * disk in the middle of a page write. A file of a few MiB is given up when that happens for the first
 * time, so that queued mail can still leave, which is what frees the disk.
 */
import { randomFillSync } from 'node:crypto';
import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../platform/logger.ts';

const RESERVE_OCTETS = 4 * 1024 * 1024;
/** Pages beside the data itself: the trees above it, the list of free pages. */
const OVERHEAD_OCTETS = 512 * 1024;
/** The reserve is made where it is a small part of what is free. */
const PLENTY = 8 * RESERVE_OCTETS;

export class NoRoom extends Error {}

export class Reserve {
  readonly #path: string;
  readonly #log: Log;
  readonly #octetsFree: () => number;
  #isThere: boolean;

  /** The file is `reserve` in this directory; made where there is room for it. */
  constructor(directory: string, log: Log, octetsFree = () => blocksFree(directory)) {
    this.#path = join(directory, 'reserve');
    this.#log = log;
    this.#octetsFree = octetsFree;
    this.#isThere = statSync(this.#path, { throwIfNoEntry: false })?.size === RESERVE_OCTETS;
    this.#make(this.#octetsFree());
  }

  /** Throws `NoRoom` where a transaction of so many octets cannot be written. Asks the disk each time: 2 µs. */
  claim(octets: number): void {
    const least = octets + OVERHEAD_OCTETS;
    let free = this.#octetsFree();
    if (free < least && this.#isThere) {
      rmSync(this.#path, { force: true });
      this.#isThere = false;
      this.#log.warn({ free, reserve: RESERVE_OCTETS }, 'the disk of the spool is full: its reserve is used for outcomes');
      free = this.#octetsFree();
    }
    if (free < least) throw new NoRoom(`no space left on the disk of the spool: ${free} octets free, ${least} needed`);
    if (!this.#isThere) this.#make(free);
  }

  #make(free: number): void {
    if (this.#isThere || free < PLENTY) return;
    this.#isThere = true; // tried once: where it cannot be made, there is none
    try {
      // chance, for file systems that compress; not synced, for it holds nothing
      writeFileSync(this.#path, randomFillSync(Buffer.allocUnsafeSlow(RESERVE_OCTETS)), { mode: 0o600 });
    } catch (error) {
      this.#log.warn({ err: error }, 'the spool has no reserve for a full disk');
    }
  }
}

function blocksFree(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
