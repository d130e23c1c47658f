/**
 * kill -9 at random moments under load (reliability.md 4.1): 20 senders, messages of 1 to 500 KB, the relay killed
 * 0.05 to 3 s after it greets and started again, ROUNDS times.
 *
 *   node test/faults/kill9.ts [ROUNDS=10] [SEED]
 *
 * Lost 0, wrong 0, refused but delivered 0, nothing held at the end; duplicates at most one for each outbound connection
 * per kill (behind its final dot, the outcome not durable yet), and one extra copy per recipient and kill (RFC 1047),
 * each of them a possible duplicate on record.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord } from '../../src/mail/event.ts';
import { seeded, someSize, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { until, Workspace } from '../e2e/support/workspace.ts';
import { Ledger } from './ledger.ts';
import { say, some, table, verdict } from './report.ts';

const SENDERS = 20;
const CONNECTIONS = 10;
const rounds = Number(process.argv[2] ?? 10);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);

const chance = seeded(seed);
const ledger = new Ledger();
await using workspace = new Workspace('kill9');
const onPremises = await new SmtpSink().listen();
const cloud = await new SmtpSink().listen();
for (const sink of [onPremises, cloud]) {
  sink.keep = true;
  sink.onDelivery = (delivery) => {
    ledger.delivered(delivery);
    sink.deliveries.length = 0; // the ledger has it
  };
}
const relay = await Relay.prepare(workspace, {
  settings: twoSides({
    onPremises: smartHost(onPremises.port),
    cloud: smartHost(cloud.port),
    connections: CONNECTIONS,
    more: 'queue: { retry: [1s], expire-after: 1h }',
  }),
  recipients: ['local@example.com,on-premises,,', 'moved@example.com,cloud,moved@tenant.mail.example.net,'],
});

let running = true;
let tokens = 0;

/** Sends without pause while the relay is there; a new connection whenever the old one is gone. */
async function sender(): Promise<void> {
  while (running) {
    const opened = await SmtpClient.open(relay.port);
    if (opened === undefined || opened.greeting.code !== 220) {
      opened?.client.drop();
      await delay(50);
      continue;
    }
    const { client } = opened;
    let alive = (await client.command('EHLO sender.example'))?.code === 250;
    while (alive && running) {
      const token = `k${++tokens}`;
      const side = Math.floor(chance() * 3);
      const to = [['local@example.com'], ['moved@example.com'], ['local@example.com', 'moved@example.com']][side] ?? [];
      const message = testMessage(token, someSize(chance, 1024, 500 * 1024), chance);
      ledger.sending(
        token,
        message.hash,
        to.map((address) => address.replace('moved@example.com', 'moved@tenant.mail.example.net')),
      );
      const answer = await client.send('sender@source.example', to, message.bytes);
      ledger.told(token, answer.kind);
      if (answer.kind === 'unknown') alive = false;
      else if (answer.kind === 'refused') await delay(20);
    }
    client.drop();
  }
}

say(`kill9: ${rounds} rounds, seed ${seed}`);
const startTimes: number[] = [await relay.start()];
const kills: number[] = [];
const senders = Array.from({ length: SENDERS }, sender);
for (let round = 0; round < rounds; round++) {
  await delay(50 + chance() * 2950);
  await relay.kill();
  await delay(100); // what is still in the sockets of the dead process arrives now
  kills.push(Date.now());
  startTimes.push(await relay.start());
}
await delay(1000);
running = false;
await Promise.all(senders);
await until('the queue drains', () => ledger.missing().length === 0, 120_000, 200).catch(() => {});
/** Spool ids that still wait, and how. */
async function queued(): Promise<string[]> {
  const { stdout } = await relay.cliBeside('queue', 'list', '--all', '--json');
  const { messages } = JSON.parse(stdout) as { messages: { id: string; recipients: { state: string }[] }[] };
  return messages.map(({ id, recipients }) => `${id} ${recipients.map(({ state }) => state).join(' ')}`);
}
// A message that was in hands at two kills in a row is held, and tried once more when the relay has been up for a minute.
await until('nothing is held', async () => (await queued()).length === 0, 120_000, 1_000).catch(() => {});
await delay(1500); // duplicates would come now

const found = ledger.findings();
// The kill that explains a second copy is the first one behind the arrival before it: its outcome was not on disk yet.
const perKill = kills.map(() => 0);
const unexplained: string[] = [];
for (const { key, at, before } of found.duplicates) {
  const kill = kills.findIndex((time) => time >= before);
  if (kill < 0 || (kills[kill] ?? 0) > at) unexplained.push(key);
  else perKill[kill] = (perKill[kill] ?? 0) + 1;
}
const duplicatesPerKill = Math.max(0, ...perKill);
const slowest = `${Math.max(...startTimes).toFixed(1)} s`;
const { acked, refused, unknown, deliveries, lost, wrong, refusedButDelivered, duplicates } = found;
say(
  table(
    [
      'sent',
      'acked',
      'refused',
      'unknown',
      'arrived',
      'lost',
      'wrong',
      'refused+delivered',
      'duplicates',
      'most a kill',
      'slowest start',
    ],
    [
      [tokens, acked, refused, unknown, deliveries, lost, wrong, refusedButDelivered, duplicates, duplicatesPerKill, slowest].map(
        (cell) => (typeof cell === 'object' ? cell.length : cell),
      ),
    ],
  ),
);
const broken: string[] = [];
if (acked === 0) broken.push('nothing was accepted at all');
if (lost.length > 0) broken.push(`lost: ${some(lost)}`);
if (wrong.length > 0) broken.push(`wrong: ${some(wrong)}`);
if (refusedButDelivered.length > 0) broken.push(`refused but delivered: ${some(refusedButDelivered)}`);
const most = 2 * CONNECTIONS; // of two next hops
if (duplicatesPerKill > most) broken.push(`${duplicatesPerKill} duplicates behind one kill, ${most} explained`);
if (unexplained.length > 0) broken.push(`more copies than kills explain: ${some(unexplained)}`);
const left = await queued();
if (left.length > 0) broken.push(`still in the queue: ${some(left)}`);
const held = relay.log().split('it is held').length - 1;
say(`held for a while, for two kills in a row struck the same message: ${held}`);
await relay.stop();
const told = possibleDuplicates(join(relay.dataDirectory, 'evidence'));
const untold = found.duplicates.filter(({ key }) => !told.has(key)).map(({ key }) => key);
if (untold.length > 0) broken.push(`second copies that no record calls possible duplicates: ${some(untold)}`);
say(`possible duplicates on record: ${told.size}, ${duplicates.length - untold.length} of the second copies among them`);
await Promise.all([onPremises.down(), cloud.down()]);
process.exitCode = verdict('kill9', broken);

/** As the ledger names them. */
function possibleDuplicates(evidence: string): Set<string> {
  const keys = new Set<string>();
  for (const day of readdirSync(evidence).filter((name) => name.endsWith('.sqlite'))) {
    using database = new DatabaseSync(join(evidence, day), { readOnly: true });
    for (const { json } of database.prepare('SELECT json FROM records').iterate() as Iterable<{ json: string }>) {
      if (!json.includes('"possible-duplicate":true')) continue;
      const record = JSON.parse(json) as EventRecord;
      if (record.event === 'SEND') keys.add(`${/^<(.+)@/.exec(record['message-id'] ?? '')?.[1]} ${record.recipient}`);
    }
  }
  return keys;
}
