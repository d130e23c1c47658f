/**
 * A clock that jumps (reliability.md 4.3): three days ahead while mail waits and while it comes, then back, in the running
 * process and over a restart. Needs libfaketime (apt-get install faketime); says so and ends with 0 where it is missing.
 *
 *   node test/faults/clock.ts
 *
 * Nothing expires that was not tried twice, nothing is tried in a storm, ids are unique, nothing is lost.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, Scene } from './scene.ts';

const library = ['/usr/lib', '/usr/local/lib']
  .flatMap((root) => (existsSync(root) ? readdirSync(root).map((name) => `${root}/${name}`) : []))
  .flatMap((folder) => [`${folder}/faketime/libfaketime.so.1`, `${folder}/libfaketime.so.1`])
  .find((path) => existsSync(path));
if (library === undefined) {
  say('clock: SKIPPED, libfaketime is missing (apt-get install faketime)');
  process.exit(0);
}

const broken: string[] = [];
const rows: (string | number)[][] = [];
// expires in two days: a jump of three is beyond it
await using scene = await Scene.open('clock', { more: 'queue: { retry: [2s, 5s, 30s], expire-after: 2d, warn-after: 1d }' });
const offset = scene.workspace.path('offset');
writeFileSync(offset, '+0\n');
const relay = scene.relay();
const faked = [
  'env',
  `LD_PRELOAD=${library}`,
  `FAKETIME_TIMESTAMP_FILE=${offset}`,
  'FAKETIME_DONT_FAKE_MONOTONIC=1',
  'FAKETIME_CACHE_DURATION=1',
  'FAKETIME_NO_CACHE=1',
];
await relay.start(faked);
for (const jump of ['+3d', '+0', '-3d', '+0', '+5d']) {
  scene.puttingOff = true;
  scene.putOff = 0;
  const name = `to ${jump}`;
  for (let n = 0; n < 10; n++) await scene.send(`clock${jump}-${rows.length}-${n}`, ['later@example.com', 'local@example.com']);
  await until('all were tried', () => scene.putOff >= 10, 20_000);
  const before = scene.putOff;
  writeFileSync(offset, `${jump}\n`);
  await scene.send(`clock${jump}-${rows.length}-fresh`, ['later@example.com']);
  await delay(6_000);
  const tries = scene.putOff - before;
  // 11 messages, at 2 s and 5 s behind their first try: a storm would be more
  if (tries > 50) broken.push(`${name}: ${tries} attempts within 6 s`);
  if (!relay.running) broken.push(`${name}: the relay ended`);
  scene.puttingOff = false;
  await scene.send(`clock${jump}-${rows.length}-after`, ['local@example.com']);
  await relay.cliBeside('queue', 'retry', '--all');
  await scene.settle();
  rows.push([name, tries, scene.ledger.missing().length]);
}
await relay.stop();
await relay.start();
await scene.settle();
const ids = relay
  .log()
  .split('\n')
  .filter((line) => line.includes('"event":"RECEIVE"') || line.includes('"event":"EXPIRE"'))
  .map((line) => JSON.parse(line) as { event: string; 'spool-id': string; 'message-id': string; attempt?: number });
const byId = new Map<string, Set<string>>();
for (const { event, ...record } of ids) {
  if (event === 'EXPIRE' && (record.attempt ?? 0) < 2)
    broken.push(`${record['message-id']} expired at attempt ${record.attempt}`);
  if (event === 'RECEIVE') byId.set(record['spool-id'], (byId.get(record['spool-id']) ?? new Set()).add(record['message-id']));
}
for (const [id, messages] of byId) if (messages.size > 1) broken.push(`one id, ${id}, for ${messages.size} messages`);
const found = scene.turnPage();
say(table(['jump of the clock', 'attempts in the 6 s behind it (11 messages)', 'not arrived'], rows));
say(
  `${found.acked} acked, ${byId.size} ids, ${ids.filter(({ event }) => event === 'EXPIRE').length} expired, ${found.lost.length} lost`,
);
broken.push(...brokenPromises('clock', found));
await relay.stop();
process.exitCode = verdict('clock', broken);
