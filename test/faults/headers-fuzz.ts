/**
 * Mutated Received fields, many: `node test/faults/headers-fuzz.ts [COUNT] [SEED]`. None may throw, take 50 ms, or come
 * out with TLS that no text states. Exit status 1 where one does.
 */
import { tryField } from '../support/mutated-headers.ts';

const SLOWEST = 50;
const count = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? 1);
const faults: string[] = [];
let slowest = 0;
const began = performance.now();
for (let i = 0; i < count; i++) {
  const one = tryField(seed * 1_000_003 + i);
  // A busy machine may have had the core meanwhile: slow is what is slow twice
  const milliseconds = one.milliseconds < SLOWEST ? one.milliseconds : tryField(seed * 1_000_003 + i).milliseconds;
  slowest = Math.max(slowest, milliseconds);
  const wrong = one.wrong ?? (milliseconds >= SLOWEST ? `took ${milliseconds.toFixed(1)} ms` : undefined);
  if (wrong !== undefined) faults.push(`${wrong}: ${JSON.stringify(one.field.slice(0, 400))}`);
}
const seconds = (performance.now() - began) / 1000;
for (const fault of faults.slice(0, 20)) process.stdout.write(`${fault}\n`);
process.stdout.write(
  `${count} mutated headers (seed ${seed}) in ${seconds.toFixed(1)} s: slowest ${slowest.toFixed(2)} ms, ${faults.length} at fault\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
