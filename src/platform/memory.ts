/** The memory of this process. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

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
