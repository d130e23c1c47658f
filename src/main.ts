#!/usr/bin/env node
/**
 * The entry. Everything is in bridgehead.ts; here is what must be said before a program begins: what is compiled once is
 * kept (commands start in half the time), and the relay begins again in the same process with less appetite. V8 would let
 * the young generation grow to 200 MiB on a large machine, glibc would keep what a burst took; together half of what
 * 100,000 queued messages cost, for no speed that could be measured. Both can be said at the start of a process alone.
 */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GIVE_BACK } from './platform/give-back.ts';

const YOUNG_GENERATION = '--max-semi-space-size';

// Node's own place would be under /tmp, where another user could lay code for us to run
const { directory } = enableCompileCache(process.env['NODE_COMPILE_CACHE'] ?? join(homedir(), '.cache', 'bridgehead'));
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory; // for the threads too
const [command = 'run'] = process.argv.slice(2);
// A process that begins again does not have the sockets of systemd: the unit file says the flags itself (config/bridgehead.service)
const hasSockets = process.env['LISTEN_FDS'] !== undefined;
if (
  command === 'run' &&
  !hasSockets &&
  process.execve !== undefined &&
  !process.execArgv.some((flag) => flag.startsWith(YOUNG_GENERATION))
) {
  const flags = [...process.execArgv, `${YOUNG_GENERATION}=16`, '--disable-warning=ExperimentalWarning'];
  process.execve(process.execPath, [process.execPath, ...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    ...GIVE_BACK,
    ...process.env,
  });
}
await import('./bridgehead.ts');
