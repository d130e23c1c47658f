/**
 * A file system that ends in the middle of everything (reliability.md 4.2, way 2): the relay's data is an ext4 image on a
 * loop device, which an ioctl shuts down under load at a random moment without writing its log (what xfstests' `godown`
 * does). What was not synced is gone, as by a power cut, and every writer sees EIO from then on.
 *
 *   node test/faults/shutdown.ts [ROUNDS=30] [SEED] [--running 3]        (as root; needs python3 and mkfs.ext4)
 *
 * A round: shut down, kill -9 up to 300 ms later, unmount, mount (the journal is replayed), start. Then, `--running` times,
 * without the kill: the relay lives on for some seconds, says 451 and is red. In all of them lost 0, wrong 0, each day of
 * evidence whole, no body left over without a log line, nothing set aside or held, no step of an operator.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seeded } from '../e2e/support/messages.ts';
import { run, until } from '../e2e/support/workspace.ts';
import { inOwnMounts } from './own-mounts.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, look, Scene, underLoad } from './scene.ts';

const SENDERS = 20;
/** Bodies over 128 KiB are files of their own. */
const LARGEST = 300_000;
/** FS_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. */
const SHUT_DOWN = 'import fcntl,os,struct,sys;fcntl.ioctl(os.open(sys.argv[1],0),0x8004587D,struct.pack("I",2))';
const UNHEALTHY_MS = 4_000;
/** Of two next hops with ten connections: a transaction on each, and one whose outcome is not durable yet. */
const MOST_COPIES = 2 * 2 * 10;

if (process.getuid?.() !== 0) {
  process.stderr.write('shutdown.ts mounts an image, so it must be started as root\n');
  process.exit(2);
}
inOwnMounts(import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { running: { type: 'string', default: '3' } },
});
const rounds = Number(positionals[0] ?? 30);
const seed = Number(positionals[1] ?? Date.now() % 1_000_000);
const chance = seeded(seed);

const must = (command: string, ...args: string[]): void => {
  const { status, stderr } = run(command, args);
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
};

await using scene = await Scene.open('shutdown');
const image = scene.workspace.path('image');
const mountPoint = scene.workspace.folder('mnt');
must('truncate', '-s', '512M', image);
must('mkfs.ext4', '-q', '-F', image);
const mount = (): void => must('mount', '-o', 'loop', image, mountPoint);
mount();
scene.workspace.atEnd(() => run('umount', ['-l', mountPoint]));
const dataDirectory = join(mountPoint, 'data');
mkdirSync(dataDirectory);
const relay = scene.relay(dataDirectory);
const bodies = join(dataDirectory, 'spool', 'bodies');
const evidence = join(dataDirectory, 'evidence');
const broken: string[] = [];
const total = { acked: 0, refused: 0, unknown: 0, lost: 0, wrong: 0, refusedButDelivered: 0, copies: 0, mostCopies: 0 };
const found = { files: 0, leftovers: 0, days: 0, slowestStart: 0 };
const seen: string[][] = [];

const bodyFiles = (): string[] =>
  existsSync(bodies)
    ? readdirSync(bodies, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
    : [];

/** What the days of evidence look like to SQLite, on a copy: to open one replays its WAL, and that is the relay's to do. */
function checkEvidence(where: string): void {
  const copy = scene.workspace.path('evidence');
  rmSync(copy, { recursive: true, force: true });
  cpSync(evidence, copy, { recursive: true });
  for (const name of readdirSync(copy).filter((entry) => entry.endsWith('.sqlite'))) {
    const db = new DatabaseSync(join(copy, name));
    const answer = db.prepare('PRAGMA integrity_check').get()?.['integrity_check'];
    db.close();
    if (answer !== 'ok') broken.push(`${where}: ${name}: ${String(answer)}`);
    found.days += 1;
  }
}

/** Unmounts, mounts, looks at what is there, and starts the relay on it. */
async function comeBack(where: string): Promise<void> {
  await until('it is unmounted', () => run('umount', [mountPoint]).status === 0, 10_000, 50);
  mount();
  checkEvidence(where);
  const files = bodyFiles();
  const logged = relay.log().length;
  found.slowestStart = Math.max(found.slowestStart, await relay.start());
  const log = relay.log().slice(logged);
  const removed = [...log.matchAll(/"path":"([^"]+)"[^\n]*removed a leftover body file/g)].map(([, path = '']) => path);
  const unknown = removed.filter((path) => !files.some((file) => file.endsWith(path)));
  if (unknown.length > 0) broken.push(`${where}: removed ${unknown.join(', ')}, which was not there`);
  if (/set aside|"level":"fatal"/.test(log)) broken.push(`${where}: the start set something aside`);
  found.files += files.length;
  found.leftovers += removed.length;
}

/** Ends the page: everything acknowledged is there, and no body is. */
async function settle(where: string): Promise<void> {
  scene.puttingOff = false;
  await scene.settle(60_000);
  await until('no body is left', () => bodyFiles().length === 0, 20_000, 100).catch(() => {
    broken.push(`${where}: ${bodyFiles().length} bodies are left without a message`);
  });
  const page = scene.turnPage();
  broken.push(...brokenPromises(where, page));
  for (const key of ['acked', 'refused', 'unknown'] as const) total[key] += page[key];
  for (const key of ['lost', 'wrong', 'refusedButDelivered'] as const) total[key] += page[key].length;
  total.copies += page.duplicates.length;
  if (page.duplicates.length > MOST_COPIES) broken.push(`${where}: ${page.duplicates.length} copies, ${MOST_COPIES} explained`);
  total.mostCopies = Math.max(total.mostCopies, page.duplicates.length);
}

say(`shutdown: ${rounds} rounds, seed ${seed}`);
await relay.start();
for (let round = 0; round < rounds; round++) {
  const where = `round ${round}`;
  scene.puttingOff = round % 2 === 0; // in every other round mail waits on the disk
  const load = underLoad(scene, SENDERS, `r${round}`, LARGEST);
  for (let n = 0; n < 5; n++) await scene.send(`r${round}-later-${n}`, ['later@example.com'], n * 50_000);
  await delay(200 + chance() * 2_000);
  must('python3', '-c', SHUT_DOWN, mountPoint);
  await delay(chance() * 300);
  if (!relay.running) broken.push(`${where}: the relay ended by itself: ${relay.end}`);
  await relay.kill();
  await comeBack(where);
  await load.end();
  await settle(where);
}
for (let n = 0; n < Number(values.running); n++) await livesOn(`without a kill ${n}`);
const verified = relay.cli('report', 'verify');
if (verified.status !== 0) broken.push(`report verify: ${verified.stdout}${verified.stderr}`);
await relay.stop();

say(
  table(
    [
      'acked',
      'refused',
      'unknown',
      'lost',
      'wrong',
      'refused+delivered',
      'copies',
      'most a round',
      'days whole',
      'bodies found',
      'left over',
      'slowest start',
    ],
    [[...Object.values(total), found.days, found.files, found.leftovers, `${found.slowestStart.toFixed(1)} s`]],
  ),
);
say(table(['without the kill', 'what', 'seen'], seen));
if (total.acked === 0) broken.push('nothing was accepted at all');
process.exitCode = verdict('shutdown', broken);

/** Nobody kills the relay: it cannot write any more, ever, and says so until it is stopped. */
async function livesOn(where: string): Promise<void> {
  scene.puttingOff = true;
  for (let n = 0; n < 5; n++) await scene.send(`${where}-later-${n}`.replace(/ /g, '-'), ['later@example.com'], n * 50_000);
  const { pid } = relay;
  const load = underLoad(scene, SENDERS, where.replace(/ /g, '-'), LARGEST);
  await delay(200 + chance() * 1_000);
  must('python3', '-c', SHUT_DOWN, mountPoint);
  await delay(UNHEALTHY_MS);
  const answers = await load.end();
  const alive = relay.running && relay.pid === pid;
  if (!alive) broken.push(`${where}: the relay ended with ${relay.end}`);
  const { ready, finding } = alive ? await look(relay) : { ready: false, finding: '' };
  if (ready) broken.push(`${where}: /readyz is green`);
  if (alive && !finding.includes('the spool fails')) broken.push(`${where}: status says ${finding}`);
  const others = [...answers.keys()].filter((text) => !text.startsWith('451 4.3.0'));
  if (others.length > 0) broken.push(`${where}: clients were told ${others.join(' | ')}`);
  const began = performance.now();
  const status = await relay.stop();
  const seconds = (performance.now() - began) / 1000;
  if (alive && seconds > 30.5) broken.push(`${where}: the stop took ${seconds.toFixed(1)} s`);
  seen.push([where, 'clients told', [...answers].map(([text, count]) => `${count} x ${text}`).join(' | ')]);
  seen.push(['', '/readyz, status', `${ready ? 'green' : 'red'}, ${finding}`]);
  seen.push(['', 'SIGTERM: ended with, after', `${status}, ${seconds.toFixed(1)} s`]);
  await comeBack(where);
  await settle(where);
}
