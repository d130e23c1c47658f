/**
 * Fuzzing, in this process (reliability.md 4.6).
 *
 *   node test/fuzz/run.ts [--long] [--seed N] [--count N] [--keep] [TARGET...]
 *
 * `--long` puts 1,000,000 command lines, 100,000 dialogues and 100,000 bodies through it; without it all targets take a few
 * minutes (README.md). `--keep` writes inputs that broke something into the corpus. Bars: nothing is broken, no input holds the
 * event loop for over 1 s (p99 at most 200 ms) of this thread's processor time, memory comes back within 20 %.
 */
import { parseArgs } from 'node:util';
import { GIVE_BACK } from '../../src/platform/give-back.ts';
import { say, table, verdict } from '../faults/report.ts';
import { keep } from './corpus.ts';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets/all.ts';

// with the memory that the relay has
if (process.env['MALLOC_ARENA_MAX'] === undefined) {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve?.(process.execPath, again, { ...GIVE_BACK, ...process.env });
}

const LAG_LIMIT = 1_000;
const P99_LIMIT = 200;
/** MiB, and a share: a process of 100 MiB breathes by a few. */
const MEMORY_SHARE = 1.2;
const MEMORY_SLACK = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    seed: { type: 'string', default: '20261122' },
    count: { type: 'string' },
  },
});
const seed = Number(values.seed);
const unknown = positionals.filter((name) => !TARGETS.some((target) => target.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no target ${unknown.join(', ')}; there are ${TARGETS.map((target) => target.name).join(', ')}\n`);
  process.exit(2);
}

const start = (input: Buffer): string => JSON.stringify(input.toString('latin1').slice(0, 300));
const broken: string[] = [];
const rows: (string | number)[][] = [];
for (const target of TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
  const count = Number(values.count ?? (values.long ? target.long : target.short));
  const result = await fuzz(target, count, seed, values.long ? say : undefined);
  const { failures, slowest, lagP99, lagMost, clockMost, again, memoryBefore, memoryAfter } = result;
  rows.push([
    target.name,
    result.inputs,
    target.inputs,
    result.seconds.toFixed(1),
    failures.length,
    slowest.toFixed(1),
    lagP99.toFixed(1),
    lagMost.toFixed(0),
    clockMost.toFixed(0),
    memoryBefore.toFixed(0),
    memoryAfter.toFixed(0),
  ]);
  if (values.long) say(rows.at(-1)?.join('  ') ?? '');
  for (const { input, error } of failures) {
    const shown = JSON.stringify(input.toString('latin1').slice(0, 300));
    say(
      `${target.name}: ${error}\n  input of ${input.length} octets: ${shown}${values.keep ? `\n  kept as ${keep(target.name, input)}` : ''}`,
    );
  }
  if (failures.length > 0) broken.push(`${target.name}: ${failures.length} inputs broke something (seed ${seed})`);
  if (slowest > LAG_LIMIT) broken.push(`${target.name}: an input took ${slowest.toFixed(0)} ms: ${start(result.slowestInput)}`);
  if (memoryAfter > memoryBefore * MEMORY_SHARE + MEMORY_SLACK)
    broken.push(`${target.name}: memory grew from ${memoryBefore.toFixed(0)} to ${memoryAfter.toFixed(0)} MiB`);
  if (target.blocks === true) continue;
  for (const { input, held } of again) {
    say(
      `${target.name}: an input under way while the loop stood still holds it for ${held.toFixed(0)} ms alone: ${start(input).slice(0, 80)}`,
    );
    if (held > LAG_LIMIT) broken.push(`${target.name}: an input held the loop for ${held.toFixed(0)} ms: ${start(input)}`);
  }
  if (lagMost > LAG_LIMIT) broken.push(`${target.name}: the event loop was held for ${lagMost.toFixed(0)} ms`);
  // of a few hundred inputs a single one is more than a hundredth
  if (values.long && lagP99 > P99_LIMIT) broken.push(`${target.name}: p99 of the event loop's turns ${lagP99.toFixed(0)} ms`);
}
say(
  table(
    [
      'target',
      'inputs',
      'each',
      'seconds',
      'broken',
      'slowest ms',
      'lag p99 ms',
      'lag most ms',
      'by the clock',
      'MiB before',
      'MiB after',
    ],
    rows,
  ),
);
process.exitCode = verdict('fuzz', broken);
