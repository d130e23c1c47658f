/**
 * A wave of MAILBOXES under load, through the relay process and its commands: created, held, switched, taken back, while
 * mail arrives for all of them in every phase. Every acknowledged message is on exactly one side, the right one for the
 * moment of its delivery; none lost, none bounced.
 *
 *   node test/faults/wave.ts [MAILBOXES=1000] [SEED]
 *
 * Some recipients are put off by their side (451), so that mail of one phase is still queued in the next. The senders and
 * both sides are this one process: how long acceptance stalls is an upper bound, shown beside the same without a command.
 */
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord } from '../../src/mail/event.ts';
import { seeded, someSize, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { until, Workspace } from '../e2e/support/workspace.ts';
import { Ledger } from './ledger.ts';
import { say, some, table, verdict } from './report.ts';

type Side = 'on-premises' | 'cloud';
/** Where the wave lives in a version: on a side, or its mail waits. */
type Place = Side | 'hold';

const SENDERS = 10;
const CLOUD_DOMAIN = 'tenant.mail.example.net';
/** Each mailbox gets so many messages in each phase. */
const ROUNDS = 2;
/** Share of recipients that a side puts off at their first attempt. */
const PUT_OFF = 0.05;
/** Longest time between a version and the last attempt that was begun by the one before it. */
const LATE_LIMIT_MS = 1_000;

const mailboxes = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);

const chance = seeded(seed);
const ledger = new Ledger();
await using workspace = new Workspace('wave');
const sides = { 'on-premises': await new SmtpSink().listen(), cloud: await new SmtpSink().listen() };
/** `token recipient` → where it arrived, and when. */
const arrivals = new Map<string, { readonly side: Side; readonly at: number }>();
const onBothSides: string[] = [];
for (const side of ['on-premises', 'cloud'] as const) {
  const sink = sides[side];
  sink.answer = (stage) => (stage === 'rcpt' && chance() < PUT_OFF ? '451 4.2.1 Try later' : undefined);
  sink.onDelivery = (delivery) => {
    const recipients = delivery.recipients.map((address) => address.replace(CLOUD_DOMAIN, 'example.com'));
    ledger.delivered({ ...delivery, recipients });
    for (const recipient of recipients) {
      const key = `${delivery.token} ${recipient}`;
      const before = arrivals.get(key);
      if (before !== undefined && before.side !== side) onBothSides.push(key);
      arrivals.set(key, { side, at: delivery.at });
    }
    sink.deliveries.length = 0; // the ledger has it
  };
}
const members = Array.from({ length: mailboxes }, (_, n) => `user${n}@example.com`);
const isMember = new Set(members);
const relay = await Relay.prepare(workspace, {
  settings: twoSides({
    onPremises: smartHost(sides['on-premises'].port),
    cloud: smartHost(sides.cloud.port),
    more: 'queue: { retry: [2s], expire-after: 1h }',
  }),
  recipients: [
    ...members.map((address) => `${address},on-premises,,`),
    'stays@example.com,on-premises,,',
    `moved@example.com,cloud,moved@${CLOUD_DOMAIN},`,
  ],
});
const list = workspace.path('wave.csv');
writeFileSync(list, ['EmailAddress', ...members, ''].join('\n'));

// The load: every sender takes the next mailbox in turn, from before the first command until after the last.
let running = true;
let tokens = 0;
let next = 0;
const ackedAt: number[] = [];
const slowest = { ms: 0 };
const ourPauses = monitorEventLoopDelay({ resolution: 1 });
ourPauses.enable();

async function sender(): Promise<void> {
  const opened = await SmtpClient.open(relay.port);
  if (opened === undefined) throw new Error('the relay does not answer');
  const { client } = opened;
  await client.command('EHLO sender.example');
  while (running) {
    const token = `w${++tokens}`;
    const to = [members[next++ % mailboxes] ?? ''];
    // one in ten is for people of whom only one is in the wave
    if (tokens % 10 === 0) to.push('stays@example.com', 'moved@example.com');
    const message = testMessage(token, someSize(chance, 1024, 20 * 1024), chance);
    ledger.sending(token, message.hash, to);
    const began = performance.now();
    const answer = await client.send('sender@source.example', to, message.bytes);
    ledger.told(token, answer.kind);
    if (answer.kind === 'unknown') throw new Error('the relay ended a session');
    if (answer.kind !== 'acked') continue;
    ackedAt.push(Date.now());
    slowest.ms = Math.max(slowest.ms, performance.now() - began);
  }
  await client.quit();
}

/** Mail for every mailbox, ROUNDS times. */
async function everyMailbox(): Promise<void> {
  const end = next + ROUNDS * mailboxes + SENDERS;
  await until('every mailbox has mail in this phase', () => next >= end, 120_000, 10);
}

/** The longest time without an acknowledgement between two moments, in milliseconds. */
function stall(from: number, to: number): number {
  const within = [from, ...ackedAt.filter((at) => at >= from && at <= to), to];
  return Math.max(...within.slice(1).map((at, index) => at - (within[index] ?? at)));
}

interface Phase {
  readonly name: string;
  readonly messages: number;
  readonly seconds: string;
  readonly command: string;
  readonly stall: number;
  readonly slowest: string;
  /** The longest time that this process itself was busy or without a processor. */
  readonly ours: string;
}
const phases: Phase[] = [];

interface Commanded {
  /** What it printed. */
  readonly answer: unknown;
  readonly began: number;
}

/** One command, and mail for every mailbox behind it. */
async function phase(name: string, ...command: string[]): Promise<Commanded> {
  const began = Date.now();
  const before = ackedAt.length;
  slowest.ms = 0;
  ourPauses.reset();
  const ended = command.length === 0 ? undefined : await relay.cliBeside(...command, '--json');
  const returned = Date.now();
  if (ended !== undefined && ended.status !== 0)
    throw new Error(`${name}: status ${ended.status}: ${ended.stdout}${ended.stderr}`);
  await everyMailbox();
  const now = Date.now();
  phases.push({
    name,
    messages: ackedAt.length - before,
    seconds: ((now - began) / 1000).toFixed(1),
    command: ended === undefined ? '' : `${returned - began}`,
    stall: stall(began, now),
    slowest: slowest.ms.toFixed(0),
    ours: (ourPauses.max / 1e6).toFixed(0),
  });
  return { answer: ended === undefined ? undefined : JSON.parse(ended.stdout), began };
}

say(`wave: ${mailboxes} mailboxes, seed ${seed}`);
await relay.start();
const senders = Array.from({ length: SENDERS }, sender);
const load = Promise.all(senders);
load.catch(() => {}); // said below, where it is awaited
await phase('before');
await phase('create', 'wave', 'create', 'pilot', list);
const held = await phase('hold', 'wave', 'hold', 'pilot');
const switched = await phase('switch', 'wave', 'switch', 'pilot');
const takenBack = await phase('rollback', 'wave', 'rollback', 'pilot');
running = false;
await load;
const drainBegan = performance.now();
await until('the queue drains', () => ledger.missing().length === 0, 120_000, 200).catch(() => {});
const drained = (performance.now() - drainBegan) / 1000;
await delay(1_000); // a second copy would come now

// What the relay says of itself, once its records are written.
const versionOf = ({ answer }: Commanded) => (answer as { version: number | null }).version ?? 0;
const movedBy = ({ answer }: Commanded) => (answer as { moved: readonly string[] }).moved.length;
const history = JSON.parse((await relay.cliBeside('directory', 'history', '--json')).stdout) as {
  versions: readonly { version: number; time: string; what: string }[];
};
const began = new Map(history.versions.map(({ version, time }) => [version, Date.parse(time)]));
const placeOf = (version: number): Place =>
  version >= versionOf(takenBack)
    ? 'on-premises'
    : version >= versionOf(switched)
      ? 'cloud'
      : version >= versionOf(held)
        ? 'hold'
        : 'on-premises';
const traced = await relay.cliBeside('trace', '--json', '--limit', '100000');
if (traced.status !== 0 || traced.stderr !== '') throw new Error(`trace: status ${traced.status}: ${traced.stderr}`);
const records = traced.stdout
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as EventRecord);
const count = (event: EventRecord['event']) => records.filter((record) => record.event === event).length;

// Each delivery against its record, each record against the version that it names and the time that version was active.
const wrongSide: string[] = [];
const unrecorded = new Set(arrivals.keys());
const late = new Map<number, number>();
for (const record of records) {
  if (record.event !== 'SEND') continue;
  const token = /w\d+/.exec(record['message-id'] ?? '')?.[0] ?? '';
  const recipient = (record.recipient ?? '').replace(CLOUD_DOMAIN, 'example.com');
  const key = `${token} ${recipient}`;
  const arrival = arrivals.get(key);
  unrecorded.delete(key);
  const version = record['directory-version'] ?? 0;
  const place = isMember.has(recipient) ? placeOf(version) : recipient === 'moved@example.com' ? 'cloud' : 'on-premises';
  if (arrival === undefined || arrival.side !== place || record.route !== place)
    wrongSide.push(
      `${key}: on ${arrival?.side ?? 'no side'}, recorded ${record.route} by version ${version}, which says ${place}`,
    );
  const attempt = Date.parse(record.time) - (record['duration-ms'] ?? 0);
  const active = began.get(version);
  const over = began.get(version + 1);
  if (active === undefined || attempt < active - 1) wrongSide.push(`${key}: by version ${version} before there was one`);
  else if (over !== undefined && isMember.has(recipient)) late.set(version, Math.max(late.get(version) ?? 0, attempt - over));
}

/** How long a side still got mail of the wave behind `from`, when it was closed, in milliseconds. */
function closedFor(side: Side, from: number, to: number): number {
  let last = from;
  for (const [key, { side: where, at }] of arrivals)
    if (where === side && at > last && at < to && isMember.has(key.split(' ')[1] ?? '')) last = at;
  return last - from;
}
const beginOf = (end: Commanded) => began.get(versionOf(end)) ?? 0;
const closed = {
  hold: closedFor('on-premises', beginOf(held), beginOf(takenBack)),
  rollback: closedFor('cloud', beginOf(takenBack), Number.POSITIVE_INFINITY),
};

// The mover carries back what is in the cloud: the roll-back names it, and `wave replay` what arrived meanwhile.
const replayed = JSON.parse((await relay.cliBeside('wave', 'replay', 'pilot', '--json')).stdout) as {
  messages: readonly { readonly 'message-id': string | null; readonly address: string }[];
  incomplete: readonly string[];
};
const named = new Set(replayed.messages.map((m) => `${/w\d+/.exec(m['message-id'] ?? '')?.[0] ?? ''} ${m.address}`));
const inCloud = [...arrivals]
  .filter(([key, { side }]) => side === 'cloud' && isMember.has(key.split(' ')[1] ?? ''))
  .map(([key]) => key);
const unnamed = inCloud.filter((key) => !named.has(key));

const found = ledger.findings();
say(
  table(
    ['phase', 'messages', 'seconds', 'command, ms', 'longest without an ack, ms', 'slowest ack, ms', 'our own pause, ms'],
    phases.map((one) => [one.name, one.messages, one.seconds, one.command, one.stall, one.slowest, one.ours]),
  ),
);
say(
  table(
    [
      'acked',
      'refused',
      'arrived',
      'on-premises',
      'cloud',
      'lost',
      'twice',
      'wrong side',
      'held',
      'redirected',
      'put off',
      'bounced',
    ],
    [
      [
        found.acked,
        found.refused,
        found.deliveries,
        [...arrivals.values()].filter(({ side }) => side === 'on-premises').length,
        [...arrivals.values()].filter(({ side }) => side === 'cloud').length,
        found.lost.length,
        found.duplicates.length,
        wrongSide.length,
        count('HOLD'),
        count('REDIRECT'),
        count('DEFER'),
        count('DSN') + count('FAIL') + count('EXPIRE'),
      ],
    ],
  ),
);
say(
  `versions ${history.versions.map(({ version, what }) => `${version} ${what}`).join(', ')}; hold ${movedBy(held)}, switch ${movedBy(switched)}, roll-back ${movedBy(takenBack)} mailboxes`,
);
say(
  `active after ${[held, switched, takenBack].map((end) => beginOf(end) - end.began).join(', ')} ms; attempts begun by a version that was over: ${Math.max(0, ...late.values())} ms late at most; the side that closed got its last mail ${closed.hold} ms behind hold, ${closed.rollback} ms behind roll-back; the rest drained in ${drained.toFixed(1)} s`,
);
say(
  `to carry back: ${inCloud.length} in the cloud, ${(takenBack.answer as { messages: readonly unknown[] }).messages.length} named by roll-back, ${named.size} by wave replay`,
);

const broken: string[] = [];
if (found.acked < 4 * ROUNDS * mailboxes) broken.push(`only ${found.acked} were accepted`);
if (found.refused > 0) broken.push(`${found.refused} refused`);
if (found.lost.length > 0) broken.push(`lost: ${some(found.lost)}`);
if (found.wrong.length > 0) broken.push(`changed under way, or nobody's: ${some(found.wrong)}`);
if (found.duplicates.length > 0) broken.push(`twice: ${some(found.duplicates.map(({ key }) => key))}`);
if (onBothSides.length > 0) broken.push(`on both sides: ${some(onBothSides)}`);
if (wrongSide.length > 0) broken.push(`wrong side: ${some(wrongSide)}`);
if (unrecorded.size > 0) broken.push(`arrived without a record: ${some([...unrecorded])}`);
for (const event of ['DSN', 'FAIL', 'EXPIRE'] as const) if (count(event) > 0) broken.push(`${count(event)} ${event}`);
for (const [version, ms] of late) if (ms > LATE_LIMIT_MS) broken.push(`version ${version} was used ${ms} ms after its end`);
for (const [command, ms] of Object.entries(closed))
  if (ms > LATE_LIMIT_MS) broken.push(`a side still got mail ${ms} ms behind ${command}`);
if (closedFor('cloud', 0, beginOf(switched)) > 0) broken.push('the cloud got mail before the switch');
for (const end of [held, switched, takenBack])
  if (movedBy(end) !== mailboxes) broken.push(`version ${versionOf(end)} moved ${movedBy(end)} of ${mailboxes}`);
if (unnamed.length > 0) broken.push(`in the cloud and not named for the mover: ${some(unnamed)}`);
const status = verdict('wave', broken);
await relay.stop();
await Promise.all([sides['on-premises'].down(), sides.cloud.down()]);
process.exitCode = status;
