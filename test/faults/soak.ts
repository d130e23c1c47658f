/**
 * A soak: RATE messages a second of 1 to 500 KB for MINUTES, and a fault every minute (reliability.md 4.7). The ledger
 * must be clean, and neither memory nor descriptors may grow (soak-gauges.ts tells what of memory that is).
 *
 *   node test/faults/soak.ts [MINUTES=30] [--fault-every 60] [--rate 20] [--kill-every 1320] [--seed N]
 *
 * As root the data lies on a file system of its own, which is one of the faults: it is full for a while. Elsewhere that
 * fault is left out, and said. A kill hides what had grown before it: `--kill-every` (seconds) leaves long lives between.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seeded, someSize, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { until, Workspace } from '../e2e/support/workspace.ts';
import { DnsServer } from '../support/dns-server.ts';
import { probing } from './heap-probe.ts';
import { Ledger } from './ledger.ts';
import { say, some, table, verdict } from './report.ts';
import { SoakGauges } from './soak-gauges.ts';

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'fault-every': { type: 'string', default: '60' },
    'kill-every': { type: 'string', default: '1320' },
    rate: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const minutes = Number(positionals[0] ?? 30);
const faultEvery = 1000 * Number(given['fault-every']);
const killEvery = 1000 * Number(given['kill-every']);
const rate = Number(given.rate);
const chance = seeded(Number(given.seed));

/** Milliseconds a fault lasts. */
const FAULT = Math.min(15_000, faultEvery / 3);
const SAMPLE_EVERY = 5_000;
const ALIVE_EVERY = 20_000;
/** What a process that has just begun fills, compiles and makes room for tells nothing: its sixth fault is over then. */
const WARM_UP = Math.min(420_000, (minutes * 60_000) / 4);
/** Messages on their way at most; what comes beyond waits with its sender. */
const AT_ONCE = 60;
const MESSAGES_PER_SESSION = 20;
const TMPFS = 4 * 2 ** 30;
const SENDER = 'sender@example.com';
const TENANT = 'tenant.mail.example.net';

await using workspace = new Workspace('soak');
const ledger = new Ledger();
const onPremises = await new SmtpSink().listen();
const cloud = await new SmtpSink().listen();
await using dns = await DnsServer.start({ 'mail.cloud.example': { a: ['127.0.0.1'] } });
for (const sink of [onPremises, cloud]) {
  sink.onDelivery = (delivery) => {
    sink.deliveries.length = 0; // the ledger has it
    if (delivery.recipients.includes(SENDER)) ledger.bounced(delivery.token);
    else ledger.delivered(delivery);
  };
}
const refuseNobody = (stage: string, argument: string): string | undefined =>
  stage === 'rcpt' && argument.includes('<nobody@') ? '550 5.1.1 Nobody here of that name' : undefined;
onPremises.answer = refuseNobody;

const dataDirectory = workspace.folder('data');
const ownDisk = process.getuid?.() === 0 && mount(dataDirectory);
const probeFile = workspace.path('alive');
const relay = await Relay.prepare(workspace, {
  dataDirectory,
  environment: probing(probeFile),
  settings: twoSides({
    onPremises: smartHost(onPremises.port),
    cloud: `{ smart-hosts: ["mail.cloud.example:${cloud.port}"] }`,
    more: `queue: { retry: [2s], expire-after: 1h }\ndns: { servers: ["${dns.server}"] }\nlog: { level: warn }`,
  }),
  recipients: [
    ...['local', 'sender', 'nobody'].map((name) => `${name}@example.com,on-premises,,`),
    `moved@example.com,cloud,moved@${TENANT},`,
  ],
});

function mount(folder: string): boolean {
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${TMPFS},mode=700`, 'soak', folder]).status !== 0) return false;
  workspace.atEnd(() => {
    // the relay may still have files open there; a lazy unmount waits for it
    spawnSync('umount', ['-l', folder]);
  });
  return true;
}

const adminPort = Number(/admin: .*port: (\d+)/.exec(readFileSync(relay.config, 'utf8'))?.[1]);
const gauges = new SoakGauges(relay, { adminPort, probeFile, warmUp: WARM_UP });

// ---- the senders

let sending = true;
let tokens = 0;
let underWay = 0;
let waited = 0;
const free: { client: SmtpClient; left: number }[] = [];

async function session(): Promise<{ client: SmtpClient; left: number } | undefined> {
  const kept = free.pop();
  if (kept !== undefined) return kept;
  const opened = await SmtpClient.open(relay.port);
  if (opened === undefined) return undefined;
  const greeted = opened.greeting.code === 220 && (await opened.client.command('EHLO sender.example'))?.code === 250;
  if (greeted) return { client: opened.client, left: MESSAGES_PER_SESSION };
  opened.client.drop();
  return undefined;
}

const DESTINATIONS = [
  ['local@example.com'],
  ['moved@example.com'],
  ['local@example.com', 'moved@example.com'],
  ['moved@example.com', 'nobody@example.com'],
];

async function sendOne(): Promise<void> {
  const on = await session();
  if (on === undefined) return; // nobody there: this message stays with its sender
  const token = `s${++tokens}`;
  const which = Math.floor(chance() * 2_000); // one bounce in 2,000: no more than one sender is sent in an hour
  const to = DESTINATIONS[which === 0 ? 3 : which % 3] ?? [];
  const message = testMessage(token, someSize(chance, 1024, 500 * 1024), chance);
  ledger.sending(
    token,
    message.hash,
    to.map((address) => address.replace('moved@example.com', `moved@${TENANT}`)),
  );
  const answer = await on.client.send(SENDER, to, message.bytes);
  ledger.told(token, answer.kind);
  on.left -= 1;
  if (answer.kind !== 'acked') on.client.drop();
  else if (on.left > 0) free.push(on);
  else await on.client.quit();
}

async function sendAtRate(): Promise<void> {
  const began = performance.now();
  for (let count = 0; sending; count++) {
    await delay(Math.max(0, began + (count * 1000) / rate - performance.now()));
    if (underWay >= AT_ONCE) {
      waited += 1;
      continue;
    }
    underWay += 1;
    void sendOne().finally(() => {
      underWay -= 1;
    });
  }
}

// ---- the faults

let imports = 0;

async function kill(): Promise<void> {
  gauges.lifeBegan = Number.POSITIVE_INFINITY; // what has not begun is not sampled
  await relay.kill();
  gauges.life += 1;
  await relay.start();
  gauges.lifeBegan = performance.now();
}

async function hopDown(sink: SmtpSink): Promise<void> {
  await sink.down();
  await delay(FAULT);
  await sink.listen();
}

async function hopAnswers(sink: SmtpSink, answer: SmtpSink['answer']): Promise<void> {
  const usual = sink.answer;
  sink.answer = (stage, argument) => answer(stage, argument) ?? usual(stage, argument);
  await delay(FAULT);
  sink.answer = usual;
  await sink.down(); // who was never answered waits no longer
  await sink.listen();
}

/** Clients that come, say something and go in the middle of it. */
async function rudeClients(): Promise<void> {
  const rude = async (words: readonly string[]) => {
    const opened = await SmtpClient.open(relay.port, '127.0.0.2', 10_000);
    for (const word of words) await opened?.client.command(word);
    await delay(chance() * FAULT);
    opened?.client.drop();
  };
  const envelope = ['EHLO rude.example', 'MAIL FROM:<a@source.example>', 'RCPT TO:<local@example.com>', 'DATA'];
  await Promise.all(Array.from({ length: 200 }, (_, i) => rude(envelope.slice(0, i % 5))));
}

/** Nothing can be written for a while: what is free is taken, but for what others may still take behind us. */
async function diskFull(): Promise<void> {
  const ballast = `${dataDirectory}/ballast`;
  const { bavail, bsize } = statfsSync(dataDirectory);
  if (spawnSync('fallocate', ['-l', String(bavail * bsize), ballast]).status !== 0) throw new Error('fallocate failed');
  await delay(FAULT);
  truncateSync(ballast);
  rmSync(ballast);
}

async function importDirectory(): Promise<void> {
  imports += 1;
  const file = workspace.path('more.csv');
  const rows = Array.from({ length: 2_000 }, (_, i) => `user${i + (imports % 50)}@example.com,on-premises`);
  writeFileSync(file, ['address,route', ...rows, ''].join('\n'));
  const done = await relay.cliBeside('directory', 'import', file);
  if (done.status !== 0) throw new Error(`directory import: ${done.status} ${done.stdout} ${done.stderr}`);
}

const FAULTS: readonly (readonly [name: string, run: () => Promise<void>])[] = [
  ['on-premises down', () => hopDown(onPremises)],
  ['rude clients', rudeClients],
  ['cloud silent', () => hopAnswers(cloud, (stage) => (stage === 'mail' ? 'silent' : undefined))],
  ['reload (SIGHUP)', async () => relay.signal('SIGHUP')],
  ['DNS silent', () => dnsFails('silent')],
  ['directory import', importDirectory],
  ['on-premises drops behind the dot', () => hopAnswers(onPremises, dropSome())],
  ...(ownDisk ? ([['disk full', diskFull]] as const) : []),
  ['SIGSTOP', () => stopped()],
  ['DNS: SERVFAIL', () => dnsFails('servfail')],
  ['cloud down', () => hopDown(cloud)],
  ['on-premises busy (421)', () => hopAnswers(onPremises, (stage) => (stage === 'connect' ? '421 4.3.2 Busy' : undefined))],
];

async function dnsFails(fail: 'servfail' | 'silent'): Promise<void> {
  dns.records.set('mail.cloud.example', { fail });
  await delay(FAULT);
  dns.records.set('mail.cloud.example', { a: ['127.0.0.1'] });
}

async function stopped(): Promise<void> {
  relay.signal('SIGSTOP');
  await delay(FAULT / 2);
  gauges.disturbed();
  relay.signal('SIGCONT');
}

/** One connection in two is lost behind the final dot, for five messages in all. */
function dropSome(): SmtpSink['answer'] {
  let left = 10;
  return (stage) => {
    if (stage !== 'dot' || left === 0) return undefined;
    left -= 1;
    return left % 2 === 0 ? 'drop' : undefined;
  };
}

const happened = new Map<string, number>();

async function faults(end: number): Promise<void> {
  let turn = 0;
  for (let count = 0; ; count++) {
    const next = performance.now() + faultEvery;
    if (next + FAULT > end) return;
    if (count > 0) await delay(next - performance.now());
    const killDue = count === 0 || performance.now() - gauges.lifeBegan >= killEvery;
    const [name, fault] = (killDue ? undefined : FAULTS[turn++ % FAULTS.length]) ?? (['kill -9', kill] as const);
    happened.set(name, (happened.get(name) ?? 0) + 1);
    await fault();
    if (!relay.running) throw new Error(`the relay ended behind "${name}":\n${relay.log().slice(-3_000)}`);
  }
}

// ---- the samples

const began = performance.now();
let sampling = true;
async function sampleAll(): Promise<void> {
  let told = 0;
  for (let count = 0; sampling; count++) {
    const next = performance.now() + SAMPLE_EVERY;
    await gauges.sample();
    if (count % (ALIVE_EVERY / SAMPLE_EVERY) === 0) await gauges.sampleAlive();
    const seconds = Math.round((performance.now() - began) / 1000);
    if (seconds >= told + 300) {
      told = seconds;
      say(`${seconds} s: ${tokens} sent, ${gauges.now}`);
    }
    await delay(Math.max(0, next - performance.now()));
  }
}

say(
  `soak: ${minutes} minutes, ${rate} messages/s, a fault every ${faultEvery / 1000} s, seed ${given.seed}${ownDisk ? '' : '; no disk of its own: it is never full'}`,
);
await relay.start();
gauges.lifeBegan = performance.now();
const broken: string[] = [];
const end = began + minutes * 60_000;
const sampled = sampleAll();
const senders = sendAtRate();
await faults(end).catch((error: unknown) => broken.push(String(error instanceof Error ? error.message : error)));
if (broken.length === 0) await delay(Math.max(0, end - performance.now()));
sending = false;
await senders;
await until('the last senders hear their answer', () => underWay === 0, 70_000).catch(() =>
  broken.push('a sender was never answered'),
);
await until('the queue drains', () => ledger.missing().length === 0, 60_000, 200).catch(() => {});
await delay(3_000); // duplicates would come now
sampling = false;
await sampled;
for (const { client } of free) client.drop();

// ---- the verdict

const found = ledger.findings();
const disruptions = [...happened].filter(([name]) => !/reload|import|rude/.test(name)).reduce((sum, [, times]) => sum + times, 0);
const copies = new Map<string, number>();
for (const { key } of found.duplicates) copies.set(key, (copies.get(key) ?? 1) + 1);
const status = await relay.stop();

say([...happened].map(([name, times]) => `${times} x ${name}`).join(', '));
say(
  table(
    [
      'sent',
      'acked',
      'refused',
      'unknown',
      'waited',
      'arrived',
      'lost',
      'wrong',
      'refused+delivered',
      'duplicates',
      'most copies',
    ],
    [
      [
        tokens,
        found.acked,
        found.refused,
        found.unknown,
        waited,
        found.deliveries,
        found.lost.length,
        found.wrong.length,
        found.refusedButDelivered.length,
        found.duplicates.length,
        Math.max(1, ...copies.values()),
      ],
    ],
  ),
);
const rows = gauges.rows();
say(
  table(
    ['', 'samples', 'least', 'mean', 'most', 'slope an hour', 'its error', 'percent an hour', 'steadily an hour'],
    rows.map(({ text, trend: { samples, least, mean, most, slope, error, steady } }) => [
      text,
      samples,
      ...[least, mean, most, slope, error].map((value) => value.toFixed(1)),
      `${((100 * slope) / mean).toFixed(1)}%`,
      steady.toFixed(1),
    ]),
  ),
);
const lag = gauges.lag();
say(`event loop: p99 ${lag.p99.toFixed(0)} ms (median of the samples), most ${lag.most.toFixed(0)} ms`);

if (found.acked === 0) broken.push('nothing was accepted at all');
if (found.lost.length > 0) broken.push(`lost: ${some(found.lost)}`);
if (found.wrong.length > 0) broken.push(`wrong: ${some(found.wrong)}`);
if (found.refusedButDelivered.length > 0) broken.push(`refused but delivered: ${some(found.refusedButDelivered)}`);
if (found.duplicates.length > disruptions * 20) broken.push(`${found.duplicates.length} duplicates behind ${disruptions} faults`);
if (status !== 0) broken.push(`the relay ended with ${status}`);
if (/uncaught error/.test(relay.log())) broken.push('an uncaught error stands in the log');
for (const { text, trend, broken: grows } of rows)
  if (grows) broken.push(`${text}: grows by ${trend.slope.toFixed(1)} an hour, steadily by ${trend.steady.toFixed(1)}`);
process.exitCode = verdict('soak', broken);
await Promise.all([onPremises.down(), cloud.down()]);
