/**
 * Memory, and the signals of a machine under pressure (reliability.md 4.1, 4.3): many large messages at once, a heap that
 * is too small, the kernel's OOM killer, SIGTERM under load, a process that is stopped for a while.
 *
 *   node test/faults/memory.ts [--only large,heap,oom,term,pause] [--clients 200] [--megabytes 25] [--pause 60]
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { testMessage } from '../e2e/support/messages.ts';
import { until } from '../e2e/support/workspace.ts';
import { MemoryGroup } from './cgroup.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, Scene, SENDER, underLoad } from './scene.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'large,heap,oom,term,pause' },
    clients: { type: 'string', default: '200' },
    megabytes: { type: 'string', default: '25' },
    pause: { type: 'string', default: '60' },
  },
});
/** Of the OOM killer: what is left beyond the memory of an idle relay, and how often it may kill. */
const ROOM_MIB = 24;
const KILLS = 2;
const chosen = new Set(values.only.split(','));
const broken: string[] = [];
const seen: string[][] = [];

if (chosen.has('large')) await large(Number(values.clients), Number(values.megabytes));
if (chosen.has('heap')) for (const megabytes of [30, 32, 34]) await smallHeap(megabytes);
if (chosen.has('oom')) await outOfMemory();
if (chosen.has('term')) await terminated();
if (chosen.has('pause')) await paused(Number(values.pause));
say(table(['fault', 'what', 'measured'], seen));
process.exitCode = verdict('memory', broken);

/** All clients are in the middle of their messages at once, and end together. */
async function large(clients: number, megabytes: number): Promise<void> {
  const name = `${clients} x ${megabytes} MB at once`;
  await using scene = await Scene.open('memory');
  const relay = scene.relay();
  await relay.start();
  const before = relay.memory();
  // one body for all, behind a head of its own
  const line = Buffer.from(`${'x'.repeat(76)}\r\n`);
  const body = Buffer.alloc(Math.floor((megabytes * 1e6) / line.length) * line.length, line);
  let most = before.now;
  const watch = setInterval(() => (most = Math.max(most, relay.memory().now)), 200);
  const began = performance.now();
  const halfway = Promise.withResolvers<void>();
  let arrived = 0;
  const one = async (n: number) => {
    const { bytes: head } = testMessage(`large-${n}`, 0, scene.chance);
    const token = `large-${n}`;
    scene.ledger.sending(token, createHash('sha256').update(head).update(body).digest('hex'), ['local@example.com']);
    const socket = connect(relay.port, '127.0.0.1');
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => (text += data.toString('latin1')));
    const ended = once(socket, 'close');
    const say = async (what: string | Buffer, expect: RegExp) => {
      text = '';
      if (!socket.write(what)) await Promise.race([once(socket, 'drain'), ended]);
      await until('an answer', () => expect.test(text) || socket.destroyed, 300_000, 10);
      return text;
    };
    await until('a greeting', () => /^\d{3} /m.test(text) || socket.destroyed, 60_000, 10);
    await say('EHLO sender.example\r\n', /^250 /m);
    await say(`MAIL FROM:<${SENDER}>\r\n`, /^\d{3} /m);
    await say('RCPT TO:<local@example.com>\r\n', /^\d{3} /m);
    if (!(await say('DATA\r\n', /^\d{3} /m)).startsWith('354')) {
      scene.ledger.told(token, 'refused');
      socket.destroy();
    } else {
      socket.write(head);
      const half = Math.floor(body.length / 2);
      if (!socket.write(body.subarray(0, half))) await Promise.race([once(socket, 'drain'), ended]);
    }
    if (++arrived === clients) halfway.resolve();
    await halfway.promise;
    if (socket.destroyed) return;
    const end = await say(Buffer.concat([body.subarray(Math.floor(body.length / 2)), Buffer.from('.\r\n')]), /^\d{3} /m);
    if (/^\d{3} /m.test(end)) scene.ledger.told(token, end.startsWith('250') ? 'acked' : 'refused');
    socket.destroy();
  };
  await Promise.all(Array.from({ length: clients }, (_, n) => one(n)));
  const taken = (performance.now() - began) / 1000;
  await scene.settle(300_000);
  clearInterval(watch);
  const found = scene.turnPage();
  const { peak } = relay.memory();
  seen.push([name, 'acked, refused, unknown', `${found.acked}, ${found.refused}, ${found.unknown} in ${taken.toFixed(0)} s`]);
  seen.push(['', 'memory, MiB', `${before.now.toFixed(0)} before, ${peak.toFixed(0)} at most`]);
  if (peak > 512) broken.push(`${name}: memory grew to ${peak.toFixed(0)} MiB`);
  if (found.acked === 0) broken.push(`${name}: nothing was accepted`);
  broken.push(...brokenPromises(name, found));
  await relay.stop();
}

/** V8 ends the process when the heap is full. */
async function smallHeap(megabytes: number): Promise<void> {
  const name = `a heap of ${megabytes} MiB`;
  await using scene = await Scene.open('memory');
  const relay = scene.relay();
  let ended = 0;
  const start = () => relay.start(['env', `NODE_OPTIONS=--max-old-space-size=${megabytes}`]).catch(() => {});
  await start();
  const load = underLoad(scene, 200, `heap${megabytes}`);
  const end = performance.now() + 10_000;
  while (performance.now() < end) {
    await delay(100);
    if (relay.running) continue;
    ended += 1;
    await start();
  }
  await load.end();
  await relay.stop();
  await relay.start();
  await scene.settle();
  const found = scene.turnPage();
  seen.push([name, 'acked, unknown; ends of the process', `${found.acked}, ${found.unknown}; ${ended}`]);
  seen.push(['', 'lost, duplicates', `${found.lost.length}, ${found.duplicates.length}`]);
  broken.push(...brokenPromises(name, found, Math.max(1, ended)));
  await relay.stop();
}

/** The cgroup is too small for what comes at once, as a container's may be; the kernel kills, twice, then there is room. */
async function outOfMemory(): Promise<void> {
  using group = MemoryGroup.open();
  if (group === undefined) {
    say('memory: no OOM killer, for there is no memory cgroup that this user may make');
    return;
  }
  const name = `killed by the kernel, out of memory (cgroup v${group.version})`;
  await using scene = await Scene.open('memory');
  const relay = scene.relay();
  await relay.start(group.wrap);
  const { own } = relay.memory();
  const room = Math.ceil(own) + ROOM_MIB;
  group.limit(room * 2 ** 20);
  const load = underLoad(scene, 60, 'oom', 4_000_000);
  const ends: unknown[] = [];
  const deadline = performance.now() + 60_000;
  while (ends.length < KILLS && performance.now() < deadline) {
    await delay(50);
    if (relay.running) continue;
    ends.push(relay.end);
    if (ends.length === KILLS) group.unlimited();
    await relay.start(group.wrap).catch(() => {});
  }
  const { kills } = group;
  await delay(2_000);
  await load.end();
  if (!relay.running) broken.push(`${name}: it does not run again`);
  await scene.settle(60_000);
  const found = scene.turnPage();
  seen.push([name, 'room; kills, ends', `${room} MiB, ${ROOM_MIB} more than at the start; ${kills}, ${ends.join(' ')}`]);
  seen.push(['', 'acked, refused, unknown', `${found.acked}, ${found.refused}, ${found.unknown}`]);
  seen.push(['', 'lost, duplicates', `${found.lost.length}, ${found.duplicates.length}`]);
  if (kills < KILLS) broken.push(`${name}: ${kills} kills`);
  broken.push(...brokenPromises(name, found, KILLS));
  await relay.stop();
}

/** A stop under load: quick where next hops answer, within 30 s where one does not. */
async function terminated(): Promise<void> {
  for (const isMute of [false, true]) {
    const name = isMute ? 'SIGTERM under load, a next hop is mute' : 'SIGTERM under load';
    await using scene = await Scene.open('memory');
    const relay = scene.relay();
    await relay.start();
    const usual = scene.cloud.answer;
    if (isMute) scene.cloud.answer = (stage, argument) => (stage === 'mail' ? 'silent' : usual(stage, argument));
    const load = underLoad(scene, 20, 'term');
    await delay(3_000);
    const began = performance.now();
    const status = await relay.stop();
    const seconds = (performance.now() - began) / 1000;
    const answers = await load.end();
    scene.cloud.answer = usual;
    await relay.start();
    await scene.settle(60_000);
    await relay.stop();
    const found = scene.turnPage();
    const told = [...answers].filter(([text]) => text.startsWith('4'));
    const refused = told.reduce((sum, [, count]) => sum + count, 0);
    seen.push([name, 'ended with, after', `status ${status}, ${seconds.toFixed(1)} s`]);
    seen.push(['', '4xx to 20 senders', told.map(([text, count]) => `${count} x ${text}`).join(' | ') || 'none']);
    seen.push(['', 'acked, lost, duplicates', `${found.acked}, ${found.lost.length}, ${found.duplicates.length}`]);
    if (status !== 0) broken.push(`${name}: ended with ${status}`);
    if (seconds > 30.5) broken.push(`${name}: took ${seconds.toFixed(1)} s`);
    if (refused > 20) broken.push(`${name}: ${refused} answers of 4xx to 20 senders`);
    broken.push(...brokenPromises(name, found));
  }
}

/** The process stands still, as a machine does that is moved or swaps. */
async function paused(seconds: number): Promise<void> {
  const name = `SIGSTOP for ${seconds} s under load`;
  await using scene = await Scene.open('memory');
  const relay = scene.relay();
  await relay.start();
  const load = underLoad(scene, 20, 'pause');
  await delay(2_000);
  relay.signal('SIGSTOP');
  await delay(seconds * 1000);
  relay.signal('SIGCONT');
  await delay(2_000);
  const answers = await load.end();
  await scene.settle(60_000);
  const found = scene.turnPage();
  seen.push([name, 'acked, refused, unknown', `${found.acked}, ${found.refused}, ${found.unknown}`]);
  seen.push(['', 'other answers', [...answers].map(([text, count]) => `${count} x ${text}`).join(' | ') || 'none']);
  seen.push(['', 'lost, duplicates', `${found.lost.length}, ${found.duplicates.length}`]);
  if (!relay.running) broken.push(`${name}: the relay ended`);
  broken.push(...brokenPromises(name, found));
  await relay.stop();
}
