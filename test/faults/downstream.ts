/**
 * Next hops that fail in every way (downstream-faults.ts), all at once, on one relay process: down, silent, slow, gone at
 * each stage and behind the final dot, refusing at each stage, changing their minds for each recipient, answering
 * nonsense, lacking extensions, breaking TLS.
 *
 *   node test/faults/downstream.ts [--long] [--only PATTERN] [--real-deadlines]
 *
 * Then the rate of a healthy hop beside one that hangs, and the end of patience (downstream-time.ts).
 * `--long`: each drop strikes 100 times (5 else). `--real-deadlines`: the relay's own, minutes where it is seconds else.
 */
import { parseArgs } from 'node:util';
import type { EventRecord } from '../../src/mail/event.ts';
import { until, Workspace } from '../e2e/support/workspace.ts';
import { FAULTS } from './downstream-faults.ts';
import { CONNECTIONS, Downstream, type Hop } from './downstream-scene.ts';
import { givingUp, healthyRate } from './downstream-time.ts';
import type { End } from './fates.ts';
import { say, some, table, verdict } from './report.ts';

const RETRY_SECONDS = [1, 2];
const JITTER = 1.1;
const DSN_LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string' },
    'real-deadlines': { type: 'boolean', default: false },
  },
});
const only = values.only === undefined ? undefined : new RegExp(values.only);
const faults = FAULTS.filter(({ name }) => only === undefined || only.test(name));
const messages = values.long ? 10 : 6;
const patience = (values['real-deadlines'] ? 40 : values.long ? 15 : 2) * 60_000;

await using workspace = new Workspace('downstream');
await using scene = await Downstream.open(workspace, {
  faults,
  each: values.long ? 100 : 5,
  realDeadlines: values['real-deadlines'],
  queue: `{ retry: [${RETRY_SECONDS.map((s) => `${s}s`).join(', ')}], expire-after: 1d, warn-after: 12h }`,
});
const { fates, hops, relay } = scene;

const expected = ({ fault: { ends = 'relayed' } }: Hop, recipient: string): End =>
  typeof ends === 'string' ? ends : (ends[recipient.split('@')[0] ?? ''] ?? 'relayed');
const each = (hop: Hop) => hop.tokens.flatMap((token) => hop.recipients.map((recipient) => ({ token, recipient })));
const off = (hop: Hop) => each(hop).filter(({ token, recipient }) => fates.endOf(token, recipient) !== expected(hop, recipient));

const began = performance.now();
const back = hops.map((hop) => hop.comeUp(fates));
const client = await scene.client();
for (let round = 0; round < messages; round++)
  for (const hop of hops) if (round < (hop.fault.messages ?? messages)) await scene.send(client, hop);
await client.quit();
await Promise.all(back);
/** Struck as often as it should, ended as it should; what stays queued was tried twice at least. */
const settled = (hop: Hop) =>
  off(hop).length === 0 &&
  (Number.isFinite(hop.strikes.most) ? hop.strikes.count === hop.strikes.most : true) &&
  (hop.fault.ends !== 'queued' || (hop.peer?.sessions.length ?? 0) > 1);
await until('all have ended', () => hops.every(settled), patience, 200).catch(() => {});
const seconds = (performance.now() - began) / 1000;

const queued = scene.queued();
const records = Map.groupBy(
  relay.trace('--since', '1d', '--limit', '100000'),
  ({ recipient = '' }) => recipient.split('@')[1] ?? '',
);
const broken = fates.broken(queued);
const text = ({ reply }: EventRecord) => (reply === undefined ? '' : `${reply.code} ${reply.enhanced ?? ''} ${reply.text}`);

/** Retries follow the schedule, later by jitter and never early. */
function offSchedule(events: readonly EventRecord[]): string | undefined {
  const waits: number[] = [];
  for (const { event, time, attempt, 'next-attempt': next } of events) {
    if (event !== 'DEFER' || attempt === undefined || next === undefined) continue;
    const step = (RETRY_SECONDS[Math.min(attempt, RETRY_SECONDS.length) - 1] ?? 0) * 1000;
    const wait = Date.parse(next) - Date.parse(time);
    if (wait < step || wait > step * JITTER + 1) return `attempt ${attempt}: next after ${wait} ms, ${step} by the schedule`;
    waits.push(wait / step);
  }
  return waits.length > 5 && new Set(waits).size === 1 ? 'no jitter' : undefined;
}

const rows = hops.map((hop) => {
  const { fault, strikes, peer } = hop;
  const events = records.get(hop.domain) ?? [];
  const wrong = off(hop).map(({ token, recipient }) => `${token} ${recipient} ${fates.endOf(token, recipient)}`);
  const complain = (what: string) => broken.push(`${fault.name}: ${what}`);
  if (wrong.length > 0) complain(`ended otherwise: ${some(wrong)}`);
  if (Number.isFinite(strikes.most) && strikes.count < strikes.most) complain(`struck ${strikes.count} of ${strikes.most} times`);
  if (hop.most > CONNECTIONS) complain(`${hop.most} connections at once, ${CONNECTIONS} allowed`);
  const { says, recorded } = fault;
  const failures = events.filter(({ event }) => event === 'DEFER' || event === 'FAIL');
  if (says !== undefined && !failures.some((event) => says.test(text(event)))) {
    complain(`no record says ${says}; one says ${failures.map(text).at(-1) ?? 'nothing'}`);
  }
  const results = new Set(events.filter(({ event }) => event === 'SEND').map(({ tls }) => tls?.result));
  if (recorded !== undefined && (results.size !== 1 || !results.has(recorded as never))) {
    complain(`recorded as ${[...results].join(', ')}, not ${recorded}`);
  }
  const late = offSchedule(events);
  if (late !== undefined) complain(late);
  let copies = 0;
  let slowest = 0;
  const ends = { relayed: 0, failed: 0, queued: 0 };
  for (const { token, recipient } of each(hop)) {
    const { failedAt, refusedAt, silent } = fates.of(token, recipient);
    ends[fates.endOf(token, recipient)] += 1;
    copies += fates.copies(token, recipient);
    if (silent > 0 && fault.copies !== true) complain(`a message was taken without a word: ${token} ${recipient}`);
    if (failedAt !== undefined && refusedAt !== undefined) slowest = Math.max(slowest, failedAt - refusedAt);
  }
  // all recipients of a message share the event behind its dot
  const admitted = fault.copies === true ? strikes.count * hop.recipients.length : 0;
  if (copies > admitted) complain(`${copies} copies, ${admitted} explained`);
  if (slowest > DSN_LIMIT_MS) complain(`a DSN ${slowest / 1000} s behind its 5xx`);
  const struck = strikes.count === 0 ? '' : strikes.count;
  return [
    fault.name,
    hop.tokens.length,
    struck,
    peer?.sessions.length ?? 0,
    hop.most,
    ends.relayed,
    ends.failed,
    ends.queued,
    copies,
    slowest === 0 ? '' : (slowest / 1000).toFixed(2),
  ];
});
say(table(['fault', 'sent', 'struck', 'sessions', 'at once', 'relayed', 'failed', 'queued', 'copies', 'DSN after s'], rows));
const { acked, refused, unknown, deliveries, wrong } = fates.ledger.findings();
const lost = broken.filter((promise) => promise.startsWith('lost')).length;
say(
  `${hops.length} next hops, ${acked} messages acked, ${refused} refused, ${unknown} unknown, ${deliveries} deliveries, lost ${lost}, wrong ${wrong.length}, in ${seconds.toFixed(0)} s`,
);
if (only === undefined) broken.push(...(await healthyRate(values.long ? 6 : 3, values.long ? 10 : 4)), ...(await givingUp()));
if (refused + unknown > 0) broken.push(`${refused} refused and ${unknown} unknown at the perimeter`);
process.exitCode = verdict('downstream', broken);
