/**
 * Power loss (reliability.md 4.2): the relay runs under strace, takes COUNT messages in sequence, half of them for a
 * next hop that is down; then the data directory is rebuilt as a power cut would have left it behind each 250, in three
 * modes, and the relay started on each image. What was acknowledged before that moment must arrive.
 *
 *   node test/faults/powerloss.ts [COUNT=8] [--modes strict,journal,torn] [--seeds 1] [--every N]
 *
 * `--every N` adds an image behind each N-th file operation.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seeded, someSize, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { type Delivery, SmtpSink } from '../e2e/support/smtp-sink.ts';
import { freePorts, run, until, Workspace } from '../e2e/support/workspace.ts';
import { say, some, table, verdict } from './report.ts';

const REPLAY = fileURLToPath(new URL('powerloss_replay.py', import.meta.url));
const ACK = '(?:^|\\n)250 2\\.0\\.0 [^\\r\\n]*[Qq]ueued';

/**
 * A power cut means another boot, and LMDB looks at the boot id: within one boot it trusts pages that were never synced,
 * since the page cache has them. So each image is opened under a boot id of its own.
 */
const NEXT_BOOT = [
  'unshare',
  process.getuid?.() === 0 ? '-m' : '-Urm',
  'sh',
  '-c',
  'mount --bind /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id && exec "$0" "$@"',
];

const wrap = run(NEXT_BOOT[0] ?? '', [...NEXT_BOOT.slice(1), 'true']).status === 0 ? NEXT_BOOT : [];
if (wrap.length === 0) say('no mount namespace here: images are opened within the same boot');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modes: { type: 'string', default: 'strict,journal,torn' },
    seeds: { type: 'string', default: '1' },
    every: { type: 'string', default: '0' },
  },
});
const count = Number(positionals[0] ?? 8);

await using workspace = new Workspace('powerloss');
const onPremises = await new SmtpSink().listen();
const cloud = await new SmtpSink().listen();
const recipients = ['local@example.com,on-premises,,', 'moved@example.com,cloud,moved@tenant.mail.example.net,'];
const settings = twoSides({
  onPremises: smartHost(onPremises.port),
  cloud: smartHost(cloud.port),
  more: 'queue: { retry: [1s], expire-after: 1h }',
});
const log = workspace.path('strace.log');
const first = await Relay.prepare(workspace, { settings, recipients });
const chance = seeded(7);
const sent: { readonly token: string; readonly hash: string; readonly recipient: string }[] = [];

// Record: on-premises is down, so that its mail stays; the cloud's leaves at once.
await onPremises.down();
await first.start(['python3', REPLAY, 'record', log, first.dataDirectory, '--']);
const opened = await SmtpClient.open(first.port);
if (opened === undefined) throw new Error('the relay does not answer');
await opened.client.command('EHLO sender.example');
for (let n = 0; n < count; n++) {
  const recipient = n % 2 === 0 ? 'local@example.com' : 'moved@example.com';
  // one in four is large enough to be a file of its own
  const message = testMessage(`p${n}`, n % 4 === 3 ? 600_000 : someSize(chance, 1024, 40_000), chance);
  const answer = await opened.client.send('sender@source.example', [recipient], message.bytes);
  if (answer.kind !== 'acked') throw new Error(`message ${n}: ${JSON.stringify(answer)}`);
  sent.push({
    token: message.token,
    hash: message.hash,
    recipient: recipient.replace('moved@example.com', 'moved@tenant.mail.example.net'),
  });
}
opened.client.drop();
const delivered = sent.filter(({ recipient }) => recipient.startsWith('moved@'));
await until('the cloud has its half', () => cloud.deliveries.length >= delivered.length, 60_000);
// the relay is a child of strace, which is a child of the recorder: ask the relay itself to stop
let relayPid = first.pid;
for (let child = childOf(relayPid); child > 0; child = childOf(child)) relayPid = child;
process.kill(relayPid, 'SIGTERM');
await until('the recorded relay ends', () => !first.running, 60_000);
const inTime: readonly Delivery[] = [...cloud.deliveries];

await onPremises.listen();
const rows: (string | number)[][] = [];
const broken: string[] = [];
const [port = 0, adminPort = 0] = await freePorts(2);
for (const mode of values.modes.split(',')) {
  for (const seed of values.seeds.split(',')) {
    const images = workspace.path(`images-${mode}-${seed}`);
    const options = ['--ack', ACK, '--mode', mode, '--seed', seed, '--every', values.every];
    const made = run('python3', [REPLAY, 'images', log, first.dataDirectory, images, ...options]);
    if (made.status !== 0) throw new Error(made.stderr);
    const index = readFileSync(join(images, 'index.tsv'), 'utf8').trim().split('\n').filter(Boolean);
    const tally = { acks: 0, lost: 0, wrong: 0, duplicates: 0, slowest: 0 };
    for (const line of index) {
      const [name = '', time = '0', acks = '0'] = line.split('\t');
      await tryImage(join(images, name), `${mode} ${name}`, Number(time) * 1000, Number(acks), tally);
    }
    tally.acks = Number(index.at(-1)?.split('\t')[2] ?? 0);
    if (tally.acks < count) broken.push(`${mode}: the trace shows ${tally.acks} acknowledgements of ${count}`);
    rows.push([mode, seed, index.length, tally.acks, tally.lost, tally.wrong, tally.duplicates, `${tally.slowest.toFixed(1)} s`]);
    if (process.env['BRIDGEHEAD_TEST_KEEP'] === undefined) rmSync(images, { recursive: true, force: true });
  }
}
say(table(['mode', 'seed', 'images', 'acks', 'lost', 'wrong', 'sent again', 'slowest start'], rows));
process.exitCode = verdict('powerloss', broken);
await Promise.all([onPremises.down(), cloud.down()]);

function childOf(pid: number): number {
  return Number(run('pgrep', ['--parent', String(pid)]).stdout.split('\n')[0]);
}

/** Starts the relay on one image and holds what arrives against what was acknowledged before that moment. */
async function tryImage(
  image: string,
  name: string,
  time: number,
  acks: number,
  tally: { lost: number; wrong: number; duplicates: number; slowest: number },
): Promise<void> {
  onPremises.deliveries.length = 0;
  cloud.deliveries.length = 0;
  const relay = new Relay(workspace, { settings, recipients, port, adminPort, dataDirectory: image, name: 'again' });
  const now = () => [...onPremises.deliveries, ...cloud.deliveries];
  try {
    tally.slowest = Math.max(tally.slowest, await relay.start(wrap));
  } catch (error) {
    broken.push(`${name}: ${String(error).slice(0, 400)}`);
    return;
  }
  const had = new Set(inTime.filter((delivery) => delivery.at <= time).map((delivery) => delivery.token));
  const due = sent.slice(0, acks).filter(({ token }) => !had.has(token));
  const missing = () => due.filter(({ token }) => !now().some((delivery) => delivery.token === token));
  await until('all arrive', () => missing().length === 0, 15_000).catch(() => {});
  await relay.stop();
  const lost = missing().map(({ token }) => token);
  const hashes = new Map(sent.map(({ token, hash }) => [token, hash]));
  const wrong = now().filter((delivery) => hashes.get(delivery.token) !== delivery.hash);
  tally.lost += lost.length;
  tally.wrong += wrong.length;
  tally.duplicates += now().filter((delivery) => had.has(delivery.token)).length;
  if (lost.length > 0) broken.push(`${name}: lost ${some(lost)} of ${acks} acknowledged`);
  if (wrong.length > 0) broken.push(`${name}: wrong ${some(wrong.map(({ token }) => token))}`);
}
