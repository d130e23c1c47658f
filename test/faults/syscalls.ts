/**
 * Killed at every n-th call that writes (reliability.md 4.1): the relay runs under strace, which kills it with SIGKILL as
 * it enters the N-th fsync, fdatasync, rename, unlink, pwrite64, writev ..., from its first start on an empty data
 * directory to the end of its stop, while a scenario goes on: two recipients are accepted, one is delivered and one put
 * off, a second message bounces, a third is large enough for a file of its own. Then it is started without strace.
 *
 *   node test/faults/syscalls.ts [--every K] [--calls fsync,fdatasync,...] [--from N]
 *
 * N = 1, 1 + K, ... until the scenario ends unharmed. Lost 0, wrong 0, refused but delivered 0, at most one extra copy.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Relay } from '../e2e/support/relay.ts';
import { until } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, Scene } from './scene.ts';
import { countCalls, hasStrace, type Injection, underStrace } from './strace.ts';

const CALLS = 'fsync,fdatasync,rename,unlink,pwrite64,writev,ftruncate,openat,mkdir,write';

const { values } = parseArgs({
  options: {
    every: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    calls: { type: 'string', default: 'fsync,fdatasync,rename,unlink,pwrite64,writev,ftruncate' },
  },
});
if (!hasStrace()) throw new Error('strace is missing (apt-get install strace)');
const every = Number(values.every);
const broken: string[] = [];
const rows: (string | number)[][] = [];
await using scene = await Scene.open('syscalls');
let slowest = 0;

/** From the start to the stop; ends early where the relay is killed. */
async function play(relay: Relay, wrap: readonly string[]): Promise<'ended' | 'killed'> {
  scene.puttingOff = true;
  try {
    await relay.start(wrap);
    await scene.send('two', ['local@example.com', 'later@example.com']);
    await scene.send('bounces', ['nobody@example.com']);
    await scene.send('large', ['local@example.com', 'moved@example.com'], 300_000);
    const settled = () => scene.putOff > 0 && scene.ledger.missing().every((key) => key.includes('later@'));
    await until('all but one is settled', () => !relay.running || settled(), 20_000, 10);
    if (relay.running) await relay.stop();
  } catch (error) {
    if (relay.running) throw error; // else it was killed while it started
  }
  return relay.wasKilled ? 'killed' : 'ended';
}

/** Starts it again, unharmed: by now everything acknowledged must arrive. */
async function again(relay: Relay, where: string): Promise<void> {
  scene.puttingOff = false;
  try {
    slowest = Math.max(slowest, await relay.start());
    await scene.settle();
  } catch (error) {
    broken.push(`${where}: ${String(error).slice(-600)}`);
  }
  await relay.stop();
}

const trace = scene.workspace.path('calls.log');
const calls = values.calls.split(',');

async function killedAt(injections: readonly Injection[], where: string): Promise<'ended' | 'killed'> {
  const relay = scene.relay();
  const end = await play(relay, underStrace(trace, injections));
  await again(relay, where);
  scene.forget(relay);
  return end;
}

// Once without harm, to know how many of each there are.
await killedAt(
  CALLS.split(',').map((call) => ({ call, what: 'delay_enter=0' })),
  'without harm',
);
const made = countCalls(readFileSync(trace, 'utf8'));
broken.push(...brokenPromises('without harm', scene.turnPage(), 0));
if (broken.length > 0) throw new Error(`it does not even work without harm: ${broken.join('; ')}`);
say(`made by the busiest thread: ${[...made].map(([call, count]) => `${count} ${call}`).join(', ')}`);

for (const call of calls) {
  const tally = { kills: 0, acked: 0, unknown: 0, lost: 0, wrong: 0, refusedButDelivered: 0, duplicates: 0 };
  let ended = false;
  for (let n = Number(values.from); !ended && n <= 2 * (made.get(call) ?? 0) + every; n += every) {
    const where = `${call} ${n}`;
    ended = (await killedAt([{ call, what: 'signal=KILL', when: String(n) }], where)) === 'ended';
    if (!ended) tally.kills += 1;
    const found = scene.turnPage();
    broken.push(...brokenPromises(where, found));
    tally.acked += found.acked;
    tally.unknown += found.unknown;
    tally.lost += found.lost.length;
    tally.wrong += found.wrong.length;
    tally.refusedButDelivered += found.refusedButDelivered.length;
    tally.duplicates += found.duplicates.length;
  }
  if (!ended) broken.push(`${call}: the scenario never ended unharmed`);
  rows.push([call, ...Object.values(tally)]);
}
say(table(['call', 'kills', 'acked', 'unknown', 'lost', 'wrong', 'refused+delivered', 'duplicates'], rows));
say(`slowest start behind a kill: ${slowest.toFixed(1)} s`);
process.exitCode = verdict('syscalls', broken);
