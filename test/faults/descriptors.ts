/**
 * Too few file descriptors (reliability.md 4.3): the relay may have LIMIT of them, more clients come than that, and stay.
 *
 *   node test/faults/descriptors.ts [LIMIT=96] [CLIENTS=150]
 *
 * It does not end; who has a session is served; others wait or read 421; when the idle ones leave, mail is taken within
 * 30 s. Nothing is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { until } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, Scene, underLoad } from './scene.ts';

const limit = Number(process.argv[2] ?? 96);
const clients = Number(process.argv[3] ?? 150);
const broken: string[] = [];
await using scene = await Scene.open('descriptors');
const relay = scene.relay();
await relay.start(['prlimit', `--nofile=${limit}:${limit}`]);

// A queue that wants to leave, and clients that do nothing.
scene.puttingOff = true;
for (let n = 0; n < 20; n++) await scene.send(`queued-${n}`, ['later@example.com'], n % 4 === 0 ? 200_000 : 5_000);
const idle: SmtpClient[] = [];
const greetings = new Map<string, number>();
const opening = Array.from({ length: clients }, async () => {
  const opened = await SmtpClient.open(relay.port, '127.0.0.1', 120_000);
  const what = opened === undefined ? 'ended' : String(opened.greeting.code);
  greetings.set(what, (greetings.get(what) ?? 0) + 1);
  if (opened !== undefined) idle.push(opened.client);
});
await delay(2_000);
scene.puttingOff = false;
const load = underLoad(scene, 10, 'beside');
await delay(8_000);
const alive = relay.running;
if (!alive) broken.push(`the relay ended: ${relay.end}`);
const greeted = greetings.get('220') ?? 0;
for (const client of idle) client.drop();
const began = performance.now();
let n = 0;
const taken = async () => (await scene.send(`again-${n++}`, ['local@example.com'], 200_000)).kind === 'acked';
await until('mail is taken again', taken, 30_000, 200).catch(() => broken.push('not taken again within 30 s'));
const again = (performance.now() - began) / 1000;
const late = setInterval(() => {
  for (const client of idle.splice(0)) client.drop();
}, 100);
await Promise.all(opening);
clearInterval(late);
const answers = await load.end();
await scene.settle(30_000);
const found = scene.turnPage();
say(
  table(
    ['what', 'measured'],
    [
      [`of ${clients} idle clients greeted, with ${limit} descriptors`, `${greeted}`],
      ['the relay goes on', alive ? 'yes' : 'no'],
      ['acked, refused, unknown', `${found.acked}, ${found.refused}, ${found.unknown}`],
      ['other answers', [...answers].map(([text, count]) => `${count} x ${text}`).join(' | ') || 'none'],
      ['mail is taken again after, s', again.toFixed(1)],
      ['lost, duplicates', `${found.lost.length}, ${found.duplicates.length}`],
    ],
  ),
);
broken.push(...brokenPromises('descriptors', found));
await relay.stop();
process.exitCode = verdict('descriptors', broken);
