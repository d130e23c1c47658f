/** The memory of this process. */
import { readFileSync } from 'node:fs';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Octets outside the heap from which on V8's own rule holds. How many there are is looked at each time `LOOK_EVERY` more came. */
const MUCH_OUTSIDE = 128 * 1024 * 1024;
const LOOK_EVERY = 4 * 1024 * 1024;

/** Octets of a piece of a large body; small mail comes in smaller ones, and its bodies drive no collection. */
const LARGE_PIECE = 16 * 1024;

let countsAsHeap = false;
let sinceLook = 0;
let largeSinceLook = 0;

/**
 * Bodies lie outside V8's heap. By its own rule V8 collects the whole heap, with all its threads, for every so many MiB of
 * them that come: with mail of 1 MB for every 16 messages, and that took two fifths of all CPU. Where they count into
 * the limit of the heap as a whole, it collects as that grows: a third as often. While they are many it would
 * wait too long, and its own rule holds again; so it does for small mail, where it costs nothing and keeps a long queue
 * within its memory (test/faults/dead-hop.ts). Said at run time: an engine that does not know the flag goes on without.
 */
function countBodiesAsHeap(counts: boolean): void {
  if (counts === countsAsHeap) return;
  countsAsHeap = counts;
  setFlagsFromString(`--${counts ? '' : 'no-'}external-memory-accounted-in-global-limit`);
}

/** Told of octets of bodies as memory is taken for them. */
export function bodyInMemory(octets: number): void {
  sinceLook += octets;
  if (octets >= LARGE_PIECE) largeSinceLook += octets;
  if (sinceLook < LOOK_EVERY) return;
  const isLargeMail = largeSinceLook > sinceLook / 2;
  sinceLook = 0;
  largeSinceLook = 0;
  countBodiesAsHeap(isLargeMail && getHeapStatistics().external_memory < MUCH_OUTSIDE);
}

/**
 * Collects what loading left (some 15 MiB: sources, syntax trees). V8 would keep it until the heap fills again, which
 * in a relay with little mail takes days. Blocks for some 30 ms, so: once, before mail comes.
 */
export function collectStartupGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (() => void) | undefined;
  collect?.();
}

const PAGE = 4096;

/** Octets of files that are mapped and resident; 0 where the system does not tell (it does on Linux). */
export function mappedMemory(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * PAGE;
  } catch {
    return 0;
  }
}
