#!/usr/bin/env node
/**
 * The entry. Everything is in bridgehead.ts; here is what must be said before a program begins: what is compiled once is
 * kept (commands start in half the time), and the relay begins again in the same process with less appetite. V8 would let
 * the young generation grow to 200 MiB on a large machine, glibc would keep what a burst took; together half of what
 * 100,000 queued messages cost, for no speed that could be measured. Both can be said at the start of a process alone.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

const YOUNG_GENERATION = '--max-semi-space-size';
const GIVE_BACK = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: String(2 ** 20), MALLOC_MMAP_THRESHOLD_: String(2 ** 17) };

const { directory } = enableCompileCache();
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory; // for the threads too
const [command = 'run'] = process.argv.slice(2);
if (command === 'run' && process.execve !== undefined && !process.execArgv.some((flag) => flag.startsWith(YOUNG_GENERATION))) {
  const flags = [...process.execArgv, `${YOUNG_GENERATION}=16`, '--disable-warning=ExperimentalWarning'];
  process.execve(process.execPath, [process.execPath, ...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    ...GIVE_BACK,
    ...process.env,
  });
}
await import('./bridgehead.ts');
