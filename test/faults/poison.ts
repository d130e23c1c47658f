/**
 * A message over which the relay dies (issue: start-up never loops on poisoned data): whenever the next hop is offered it,
 * the relay is struck by SIGSEGV, by SIGKILL, or throws where nobody catches. It is started again each time, as a service
 * manager does, while other mail goes on.
 *
 *   node test/faults/poison.ts
 *
 * It is set aside after two deaths; it is named by `status`; everything else arrives; nothing is lost: released, and no
 * longer deadly, it arrives as well. (After two deaths without a word it is tried once more by itself, a minute later.)
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, Scene } from './scene.ts';

const broken: string[] = [];
const rows: (string | number)[][] = [];

const ways = ['SIGSEGV', 'SIGKILL', 'uncaught error'] as const;
const chosen = process.argv.slice(2);
for (const how of ways) if (chosen.length === 0 || chosen.includes(how)) await poisoned(how);
say(table(['the relay ends by', 'deaths until it is set aside', 'exit', 'seconds from error to end', 'status says'], rows));
process.exitCode = verdict('poison', broken);

async function poisoned(how: 'SIGSEGV' | 'SIGKILL' | 'uncaught error'): Promise<void> {
  await using scene = await Scene.open('poison', { connections: 5 });
  const relay = scene.relay();
  // throws behind a message to later@, and only there
  const deadly = scene.workspace.path('deadly.mjs');
  writeFileSync(deadly, "process.on('SIGUSR2', () => { throw new Error('a bug'); });\n");
  const wrap = ['env', `NODE_OPTIONS=--import=${deadly}`];
  let isDeadly = true;
  let died = 0;
  const usual = scene.onPremises.answer;
  let endBegan = 0;
  scene.onPremises.answer = (stage, argument) => {
    if (!isDeadly || stage !== 'rcpt' || !argument.includes('<later@')) return usual(stage, argument);
    endBegan = performance.now();
    relay.signal(how === 'uncaught error' ? 'SIGUSR2' : how);
    return 'silent';
  };
  let n = 0;
  await relay.start(wrap);
  await scene.send('poison', ['later@example.com']);
  let exit: string | number = '';
  let seconds = 0;
  for (; died < 6; ) {
    for (let i = 0; i < 5; i++) await scene.send(`good-${n++}`, ['local@example.com', 'moved@example.com']);
    const isGone = () => !relay.running;
    const gone = await until('it dies', isGone, died === 0 ? 20_000 : 14_000, 10).then(
      () => true,
      () => false,
    );
    if (!gone) break;
    seconds = Math.max(seconds, (performance.now() - endBegan) / 1000);
    exit = relay.end ?? '';
    died += 1;
    await relay.start(wrap);
  }
  if (died !== 2) broken.push(`${how}: set aside after ${died} deaths, not 2`);
  if (how === 'uncaught error' && exit !== 1) broken.push(`an uncaught error ended it with ${exit}`);
  let { stdout, stderr } = await relay.cliBeside('status', '--json');
  // one that was just started again under load may take a moment
  for (let tries = 0; stdout === '' && tries < 10; tries++) {
    await delay(1_000);
    ({ stdout, stderr } = await relay.cliBeside('status', '--json'));
  }
  if (stdout === '') throw new Error(`status says nothing, but ${stderr}`);
  const { findings } = JSON.parse(stdout) as { findings: { problem: string; remedy: string }[] };
  const finding = findings.find(({ problem }) => problem.includes('died'));
  if (finding === undefined) broken.push(`${how}: status has no word of it`);
  const missing = scene.ledger.missing();
  if (missing.some((key) => !key.startsWith('poison'))) broken.push(`${how}: other mail did not arrive: ${missing.join(', ')}`);
  isDeadly = false;
  const id = /\b[0-9A-Z]{26}\b/.exec(finding?.remedy ?? '')?.[0] ?? '';
  const released = await relay.cliBeside('queue', 'release', '--id', id);
  if (released.status !== 0) broken.push(`${how}: queue release: ${released.stdout}${released.stderr}`);
  await scene.settle();
  await delay(200);
  const after = JSON.parse((await relay.cliBeside('status', '--json')).stdout) as { findings: { problem: string }[] };
  if (after.findings.some(({ problem }) => problem.includes('died')))
    broken.push(`${how}: status speaks of it behind the release`);
  rows.push([how, died, exit, seconds.toFixed(1), finding?.problem ?? 'nothing']);
  await relay.stop();
  broken.push(...brokenPromises(how, scene.turnPage(), died));
}
