/** What faults of next hops cost in time: the rate of a healthy hop beside one that hangs, and the end of patience. */
import { setTimeout as delay } from 'node:timers/promises';
import { until, Workspace } from '../e2e/support/workspace.ts';
import type { Fault } from './downstream-faults.ts';
import { Downstream, type Hop } from './downstream-scene.ts';
import { say, table } from './report.ts';

const KEPT_RATE = 0.9;
const SESSIONS = 10;
/** Messages that wait for the hop that hangs; more than it has connections by far. */
const HANGING = 300;

/** Alone and beside, in turn, so that both see the same machine. */
export async function healthyRate(rounds: number, seconds: number): Promise<string[]> {
  await using workspace = new Workspace('downstream-rate');
  const healthy: Fault = { name: 'healthy', script: () => ({}), to: ['a'] };
  let hanging = false;
  const silent: Fault = { name: 'silent', script: () => ({ mail: () => (hanging ? undefined : '250 2.1.0 Ok') }), to: ['a'] };
  await using scene = await Downstream.open(workspace, {
    faults: [healthy, silent],
    each: 0,
    realDeadlines: true,
    queue: '{ retry: [1s], expire-after: 1d }',
  });
  const [well, ill] = scene.hops as [Hop, Hop];
  const arrivedAt = (hop: Hop) => hop.peer?.messages.length ?? 0;
  /** Messages a second that arrive at the healthy hop while the senders do what they can. */
  const rate = async (): Promise<number> => {
    const began = performance.now();
    const before = arrivedAt(well);
    const session = async () => {
      const client = await scene.client();
      while (performance.now() < began + seconds * 1000) await scene.send(client, well);
      await client.quit();
    };
    await Promise.all(Array.from({ length: SESSIONS }, session));
    await until('the healthy hop has all', () => arrivedAt(well) === well.tokens.length, 60_000, 10);
    return (arrivedAt(well) - before) / ((performance.now() - began) / 1000);
  };
  await rate(); // warm-up
  const pairs: (readonly [number, number])[] = [];
  for (let round = 0; round < rounds; round++) {
    const alone = await rate();
    hanging = true;
    const client = await scene.client();
    for (let i = 0; i < HANGING; i++) await scene.send(client, ill);
    await client.quit();
    pairs.push([alone, await rate()]);
    hanging = false;
    ill.peer?.disconnectAll();
    await until('the other hop has all', () => arrivedAt(ill) === ill.tokens.length, 120_000, 50);
  }
  const ratio = pairs.reduce((sum, [, beside]) => sum + beside, 0) / pairs.reduce((sum, [alone]) => sum + alone, 0);
  say(
    table(
      ['healthy hop, messages/s', 'alone', `beside ${HANGING} for a hop that hangs`, 'kept'],
      pairs.map(([alone, beside], i) => [i + 1, alone.toFixed(0), beside.toFixed(0), `${((100 * beside) / alone).toFixed(0)}%`]),
    ),
  );
  const broken = scene.fates.broken(new Set());
  if (ratio < KEPT_RATE) broken.push(`beside a hop that hangs the healthy one keeps ${(100 * ratio).toFixed(0)} % of its rate`);
  return broken;
}

const WARN_S = 4;
const EXPIRE_S = 10;
const LATE_S = 3;

/** A hop that never comes back, and one that never stops putting off: one notice of the delay, then a failure. */
export async function givingUp(): Promise<string[]> {
  await using workspace = new Workspace('downstream-end');
  const faults: Fault[] = [
    { name: 'never comes back', script: () => ({ greeting: '421 4.3.2 Closed' }), ends: 'failed' },
    { name: 'puts off for ever', script: () => ({ rcpt: '450 4.2.1 Not now' }), ends: 'failed' },
  ];
  await using scene = await Downstream.open(workspace, {
    faults,
    each: 0,
    queue: `{ retry: [1s], warn-after: ${WARN_S}s, expire-after: ${EXPIRE_S}s }`,
  });
  const { fates, hops } = scene;
  const client = await scene.client();
  const began = Date.now();
  for (const hop of hops) for (let i = 0; i < 3; i++) await scene.send(client, hop);
  await client.quit();
  const all = hops.flatMap((hop) => hop.tokens.flatMap((token) => hop.recipients.map((recipient) => ({ token, recipient }))));
  let warnedAfter = 0;
  const deadline = (EXPIRE_S + LATE_S + 20) * 1000;
  while (Date.now() < began + deadline && all.some(({ token, recipient }) => fates.of(token, recipient).failedAt === undefined)) {
    if (warnedAfter === 0 && all.every(({ token, recipient }) => fates.of(token, recipient).delayed > 0)) {
      warnedAfter = (Date.now() - began) / 1000;
    }
    await delay(20);
  }
  const failures = all.map(
    ({ token, recipient }) => ((fates.of(token, recipient).failedAt ?? Number.POSITIVE_INFINITY) - began) / 1000,
  );
  const [first, last] = [Math.min(...failures), Math.max(...failures)];
  say(
    `a hop that never takes it: told of the delay after ${warnedAfter.toFixed(1)} s (warn-after ${WARN_S} s), given up after ${first.toFixed(1)} to ${last.toFixed(1)} s (expire-after ${EXPIRE_S} s)`,
  );
  const broken = fates.broken(new Set());
  if (warnedAfter < WARN_S - 0.5 || warnedAfter > WARN_S + LATE_S) broken.push(`delay told after ${warnedAfter} s`);
  if (first < EXPIRE_S - 0.5 || last > EXPIRE_S + LATE_S) broken.push(`given up after ${first} to ${last} s`);
  if (all.some(({ token, recipient }) => fates.of(token, recipient).delayed !== 1))
    broken.push('a delay was not told exactly once');
  return broken;
}
