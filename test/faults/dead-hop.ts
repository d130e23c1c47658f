/**
 * Must hold 5: COUNT messages wait for a hop that is dead. Memory stays under 512 MB, start-up under 10 s (with the first
 * 10,000 under 5 s), another hop keeps at least 90 % of its rate, and the queue is listed page by page,
 * each message once and each page within a second.
 *
 *   node test/faults/dead-hop.ts [COUNT=100000] [--hop refused|silent] [--rate-seconds 15]
 *
 * `refused` is a port where nobody listens; `silent` takes connections and never says a word.
 */
import { parseArgs } from 'node:util';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { freePorts, until, Workspace } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';

const SESSIONS = 20;
const RSS_LIMIT_MIB = 512;
const START_LIMIT_SECONDS = 10;
/** A queue of so many starts within so many seconds (reliability.md 4.1). */
const FIRST = 10_000;
const FIRST_START_LIMIT_SECONDS = 5;
const PAGE = 1_000;
const PAGE_LIMIT_MS = 1_000;
const KEPT_RATE = 0.9;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { hop: { type: 'string', default: 'refused' }, 'rate-seconds': { type: 'string', default: '15' } },
});
const count = Number(positionals[0] ?? 100_000);
const seconds = Number(values['rate-seconds']);

await using workspace = new Workspace('dead-hop');
const live = await new SmtpSink().listen();
live.keep = false;
const silent = await new SmtpSink().listen();
silent.answer = () => 'silent';
const [deadPort = 0] = values.hop === 'silent' ? [silent.port] : await freePorts(1);
// as many connections as a connector has by default: with ten, a sink that answers at once takes less than ten senders bring
const relay = await Relay.prepare(workspace, {
  settings: twoSides({
    onPremises: smartHost(live.port),
    cloud: smartHost(deadPort),
    connections: 20,
    more: 'queue: { expire-after: 1d }',
  }),
  recipients: ['local@example.com,on-premises,,', 'moved@example.com,cloud,moved@tenant.mail.example.net,'],
});
const { bytes } = testMessage('x', 1024, seeded(5));

/** Sends to one recipient on SESSIONS sessions, until `enough` says so; returns how many were accepted, and in how many seconds. */
async function send(recipient: string, enough: (sent: number) => boolean): Promise<{ accepted: number; seconds: number }> {
  const began = performance.now();
  let started = 0;
  let accepted = 0;
  const session = async () => {
    const opened = await SmtpClient.open(relay.port);
    await opened?.client.command('EHLO sender.example');
    while (opened !== undefined && !enough(started)) {
      started += 1;
      const answer = await opened.client.send('sender@source.example', [recipient], bytes);
      if (answer.kind === 'unknown') break;
      if (answer.kind === 'acked') accepted += 1;
    }
    await opened?.client.quit();
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
  return { accepted, seconds: (performance.now() - began) / 1000 };
}

/** Messages a second that arrive at the live hop while the senders do what they can. */
async function liveRate(): Promise<number> {
  const end = performance.now() + seconds * 1000;
  const before = live.count;
  const began = performance.now();
  const { accepted } = await send('local@example.com', () => performance.now() > end);
  await until('the live hop has all', () => live.count >= before + accepted, 60_000, 20);
  return (live.count - before) / ((performance.now() - began) / 1000);
}

function memoryLine(): string {
  const { now, own, mapped } = relay.memory();
  return `memory ${now.toFixed(0)} MiB, of it our own ${own.toFixed(0)}, mapped files ${mapped.toFixed(0)}`;
}

interface Page {
  readonly messages: readonly { readonly id: string }[];
  readonly next: string | null;
}

/** The whole queue by the API, page by page. */
async function listAll(): Promise<{ ids: string[]; pages: number; slowestMs: number; grewMiB: number }> {
  const ids: string[] = [];
  const before = relay.memory().now;
  let slowestMs = 0;
  let pages = 0;
  for (let after: string | null = ''; after !== null; pages++) {
    const began = performance.now();
    const answer = await fetch(`${relay.adminUrl}/api/v1/queue?limit=${PAGE}${after === '' ? '' : `&after=${after}`}`);
    const page = (await answer.json()) as Page;
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (page.messages.length > PAGE) broken.push(`a page of ${page.messages.length} messages`);
    for (const { id } of page.messages) ids.push(id);
    after = page.next;
  }
  return { ids, pages, slowestMs, grewMiB: relay.memory().now - before };
}

/** The first page as the command line shows it, and that there is no page larger than the largest. */
async function checkCommand(): Promise<number> {
  const began = performance.now();
  const page = await relay.cliBeside('queue', 'list', '--limit', '100');
  const milliseconds = performance.now() - began;
  const lines = page.stdout.trimEnd().split('\n').length;
  if (lines !== 101 || !/there are more: --after /.test(page.stderr)) broken.push(`queue list: ${lines} lines, ${page.stderr}`);
  const tooMany = await fetch(`${relay.adminUrl}/api/v1/queue?limit=${PAGE + 1}`);
  if (tooMany.status !== 400) broken.push(`a page of ${PAGE + 1} is answered with ${tooMany.status}`);
  return milliseconds;
}

const broken: string[] = [];
await relay.start();
await liveRate(); // warm-up
const rateBefore = await liveRate();
say(`live hop alone: ${rateBefore.toFixed(0)}/s`);
const few = await send('moved@example.com', (sent) => sent >= Math.min(FIRST, count));
await relay.stop();
const firstStartSeconds = await relay.start();
say(`${few.accepted} messages for the dead hop, started with them in ${firstStartSeconds.toFixed(2)} s; ${memoryLine()}`);
await liveRate(); // warm-up
const fill = await send('moved@example.com', (sent) => sent >= count - few.accepted);
say(`${fill.accepted} messages for the dead hop, accepted at ${(fill.accepted / fill.seconds).toFixed(0)}/s; ${memoryLine()}`);
const rateBeside = await liveRate();
const peakFirst = relay.memory().peak;
say(`after the live load beside them: ${memoryLine()}`);
await relay.stop();
const startSeconds = await relay.start();
say(`just started: ${memoryLine()}`);
const listed = await listAll();
const commandMs = await checkCommand();
say(`listed in ${listed.pages} pages: ${memoryLine()}`);
await liveRate(); // warm-up, as before the first measurement
const rateAfter = await liveRate();
say(`after the live load: ${memoryLine()}`);
const peakSecond = relay.memory().peak;
await relay.kill();

say(
  table(
    ['', 'measured', 'bar'],
    [
      [`start-up with ${few.accepted} messages, s`, firstStartSeconds.toFixed(2), `< ${FIRST_START_LIMIT_SECONDS}`],
      ['start-up with the queue, s', startSeconds.toFixed(2), `< ${START_LIMIT_SECONDS}`],
      ['peak memory while filling, MiB', peakFirst.toFixed(0), `< ${RSS_LIMIT_MIB}`],
      ['peak memory after the restart, MiB', peakSecond.toFixed(0), `< ${RSS_LIMIT_MIB}`],
      [`listed by the API, messages in ${listed.pages} pages`, listed.ids.length, few.accepted + fill.accepted],
      ['slowest page, ms', listed.slowestMs.toFixed(0), `< ${PAGE_LIMIT_MS}`],
      ['memory that the pages cost, MiB', listed.grewMiB.toFixed(0), ''],
      ['queue list --limit 100, ms', commandMs.toFixed(0), ''],
      ['live hop alone, messages/s', rateBefore.toFixed(0), ''],
      ['live hop beside the dead queue', rateBeside.toFixed(0), `>= ${(KEPT_RATE * rateBefore).toFixed(0)}`],
      ['the same after the restart', rateAfter.toFixed(0), `>= ${(KEPT_RATE * rateBefore).toFixed(0)}`],
    ],
  ),
);
const accepted = few.accepted + fill.accepted;
if (accepted < count) broken.push(`only ${accepted} of ${count} were accepted`);
if (firstStartSeconds >= FIRST_START_LIMIT_SECONDS)
  broken.push(`start-up with ${few.accepted} took ${firstStartSeconds.toFixed(1)} s`);
if (listed.ids.length !== accepted || new Set(listed.ids).size !== accepted)
  broken.push(`${listed.ids.length} listed, ${new Set(listed.ids).size} of them different, of ${accepted}`);
if (listed.slowestMs >= PAGE_LIMIT_MS) broken.push(`a page took ${listed.slowestMs.toFixed(0)} ms`);
if (startSeconds >= START_LIMIT_SECONDS) broken.push(`start-up took ${startSeconds.toFixed(1)} s`);
if (Math.max(peakFirst, peakSecond) >= RSS_LIMIT_MIB) broken.push('memory');
if (rateBeside < KEPT_RATE * rateBefore)
  broken.push(`beside the dead queue the live hop has ${((100 * rateBeside) / rateBefore).toFixed(0)} %`);
if (rateAfter < KEPT_RATE * rateBefore)
  broken.push(`after the restart the live hop has ${((100 * rateAfter) / rateBefore).toFixed(0)} %`);
process.exitCode = verdict('dead-hop', broken);
await Promise.all([live.down(), silent.down()]);
