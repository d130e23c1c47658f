/**
 * A disk that fails (reliability.md 4.3): full, out of inodes, errors at the N-th write, sync, rename or unlink, syncs that
 * fail until the cause is gone, and slow syncs.
 *
 *   node test/faults/disk.ts [--only full,inodes,failing,slow,errors] [--every K] [--seconds 20] [--calls fdatasync,...]
 *
 * `--every K`: an error at the 1st, 1 + K-th ... call of each kind, until the scenario meets none. It needs `strace` and a
 * mount namespace (root, or users allowed to make namespaces).
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Relay } from '../e2e/support/relay.ts';
import { run, until } from '../e2e/support/workspace.ts';
import { inOwnMounts } from './own-mounts.ts';
import { say, table, verdict } from './report.ts';
import { brokenPromises, look, Scene, told } from './scene.ts';
import { endStrace, hasStrace, underStrace } from './strace.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'full,inodes,failing,slow,errors' },
    every: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '20' },
    calls: { type: 'string', default: 'fdatasync,fsync,pwrite64,writev,rename,unlink,ftruncate' },
  },
});

inOwnMounts(import.meta.url);

/** Behind the end of a cause, mail must be taken again by then, in milliseconds. */
const RECOVERY = 30_000;
const broken: string[] = [];
const seen: string[][] = [];
const every = Number(values.every);
/** Milliseconds. */
const LEAVING_MS = 60_000;
const chosen = new Set(values.only.split(','));
const must = (where: string, what: string, holds: boolean): void => {
  if (!holds) broken.push(`${where}: ${what}`);
};

if (chosen.has('full')) await full('disk full', 'size=64m', fillBlocks);
if (chosen.has('inodes')) await full('inodes full', 'size=256m,nr_inodes=600', fillInodes);
if (chosen.has('failing')) await failing();
if (chosen.has('slow')) await slow();
if (seen.length > 0) say(table(['fault', 'what', 'measured'], seen));
if (chosen.has('errors')) await errors();
process.exitCode = verdict('disk', broken);

/** Seconds until mail is taken again. */
async function takesAgain(scene: Scene, relay: Relay, where: string): Promise<string> {
  const began = performance.now();
  let n = 0;
  // one that ended on the way is counted as ended
  const taken = async () =>
    !relay.running || (await scene.send(`${where.replace(/\W/g, '')}-again-${n++}`, ['local@example.com'])).kind === 'acked';
  await until('mail is taken again', taken, RECOVERY, 200).catch(() => broken.push(`${where}: not taken again within 30 s`));
  return ((performance.now() - began) / 1000).toFixed(1);
}

function mountOn(scene: Scene, options: string): string {
  const directory = scene.workspace.folder('small');
  const done = run('mount', ['-t', 'tmpfs', '-o', options, 'none', directory]);
  if (done.status !== 0) throw new Error(done.stderr);
  scene.workspace.atEnd(() => run('umount', ['-l', directory]));
  return directory;
}

/** Leaves `free` octets. Answers how to undo it. */
function fillBlocks(directory: string, free: number): () => void {
  const path = join(directory, `filler-${free}`);
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(64 * 1024, 1);
  try {
    for (;;) {
      const [available = 0] = df(directory, 'avail');
      if (available <= free) break;
      writeSync(fd, piece, 0, Math.min(piece.length, available - free));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  closeSync(fd);
  return () => rmSync(path);
}

/** Leaves no inode; `free` of 0 and others alike. */
function fillInodes(directory: string): () => void {
  const paths: string[] = [];
  for (let n = 0; ; n++) {
    const path = join(directory, `filler-${n}`);
    try {
      writeFileSync(path, '');
      paths.push(path);
    } catch {
      return () => {
        for (const one of paths) rmSync(one);
      };
    }
  }
}

function df(directory: string, column: string): number[] {
  return run('df', ['-B1', `--output=${column}`, directory])
    .stdout.split('\n')
    .slice(1)
    .filter(Boolean)
    .map(Number);
}

async function full(name: string, options: string, fill: (directory: string, free: number) => () => void): Promise<void> {
  await using scene = await Scene.open('disk', { limits: 'message-size: 4MiB' });
  const directory = mountOn(scene, options);
  const relay = scene.relay(join(directory, 'data'));
  await relay.start();
  const { pid } = relay;
  const short = name.replace(/\W/g, '');
  const queue = async (round: string) => {
    scene.puttingOff = true;
    for (let n = 0; n < 10; n++) await scene.send(`${short}-${round}-${n}`, ['later@example.com'], n === 0 ? 300_000 : 20_000);
    await until('all were put off', () => scene.putOff >= 10, 20_000);
    scene.putOff = 0;
  };
  const leaves = async (where: string) => {
    scene.puttingOff = false;
    const began = performance.now();
    await scene.settle();
    must(where, 'queued mail does not leave', scene.ledger.missing().length === 0);
    return ((performance.now() - began - 300) / 1000).toFixed(1);
  };

  await queue('little');
  const mend = fill(directory, 3 * 1024 * 1024);
  await delay(1_100); // the disk is asked once a second
  const refused = await scene.send(`${short}-refused`, ['local@example.com']);
  must(name, `with little left a client is told ${told(refused)}`, told(refused).startsWith('452 4.3.1'));
  const little = await look(relay);
  must(name, 'with little left /readyz is green', !little.ready);
  seen.push(
    [name, 'client told', told(refused)],
    ['', '/readyz, status', `${little.ready ? 'green' : 'red'}, ${little.finding}`],
  );
  seen.push(['', 'queued mail leaves within, s', await leaves(name)]);
  mend();
  seen.push(['', 'mail is taken again after, s', await takesAgain(scene, relay, `${name} 1`)]);

  await queue('nothing');
  const mendAll = fill(directory, 0);
  await delay(1_100);
  const again = await scene.send(`${short}-refused-2`, ['local@example.com'], 300_000);
  must(name, `with nothing left a client is told ${told(again)}`, /^45[12] 4\.3\./.test(told(again)));
  seen.push(['', 'nothing left: client told', told(again)]);
  seen.push(['', 'nothing left: queued mail leaves within, s', await leaves(`${name}, nothing left`)]);
  if (fill === fillBlocks) {
    // others take the reserve as well
    mendAll();
    await takesAgain(scene, relay, `${name} 2`);
    await queue('reserve');
    const first = fill(directory, 0);
    await until('the reserve is given up', () => df(directory, 'avail')[0] !== 0 || scene.putOff > 3, 20_000).catch(() => {});
    const second = fillBlocks(directory, 1);
    await delay(4_000);
    must(name, 'the relay ended', relay.running);
    const failed = await look(relay);
    seen.push(['', 'the reserve filled as well', `${failed.ready ? 'green' : 'red'}, ${failed.finding}`]);
    first();
    second();
  } else mendAll();
  seen.push(['', 'mail is taken again after, s', await takesAgain(scene, relay, `${name} 3`)]);
  await leaves(`${name}, at the end`);
  must(name, 'another process', relay.pid === pid && relay.running);
  must(name, `stop ended with ${await relay.stop()}`, true);
  broken.push(...brokenPromises(name, scene.turnPage()));
}

/** Every sync of the store fails, until strace lets go of the relay. */
async function failing(): Promise<void> {
  for (const call of ['fdatasync', 'pwrite64']) {
    const name = `every ${call} of the store: EIO`;
    await using scene = await Scene.open('disk');
    const relay = scene.relay();
    const store = join(relay.dataDirectory, 'spool', 'store', 'data.mdb');
    // a first start without harm, so that the fault is in the mail and not in making the store
    await relay.start();
    scene.puttingOff = true;
    await scene.send('waits', ['later@example.com']);
    await relay.stop();
    const output = scene.workspace.path('calls.log');
    await relay.start(underStrace(output, [{ call, what: 'error=EIO', when: '1+', paths: [store] }]));
    const { pid } = relay;
    const answers = [];
    for (let n = 0; n < 5; n++) answers.push(told(await scene.send(`failing-${call}-${n}`, ['local@example.com'])));
    await delay(2_000);
    const alive = relay.running;
    seen.push([name, 'clients told', [...new Set(answers)].join(' | ')]);
    if (alive) {
      const now = await look(relay);
      must(name, '/readyz is green', !now.ready);
      seen.push(['', '/readyz, status', `${now.ready ? 'green' : 'red'}, ${now.finding}`]);
      endStrace(pid);
      seen.push(['', 'mail is taken again after, s, in the same process', await takesAgain(scene, relay, name)]);
      must(name, 'another process', relay.running && relay.pid === pid);
    } else {
      must(name, 'the relay ended', false);
      seen.push(['', 'the relay', `ended: ${relay.end}`]);
      await relay.start();
    }
    scene.puttingOff = false;
    await scene.settle();
    must(name, `the log has no word of it`, /the spool failed/.test(relay.log()) || !alive);
    await relay.stop();
    broken.push(...brokenPromises(name, scene.turnPage()));
  }
}

/** Each sync takes 300 ms: latency grows, memory does not. */
async function slow(): Promise<void> {
  const name = 'every fdatasync takes 300 ms';
  await using scene = await Scene.open('disk');
  const relay = scene.relay();
  const output = scene.workspace.path('calls.log');
  await relay.start(underStrace(output, [{ call: 'fdatasync', what: 'delay_enter=300000' }]));
  const before = relay.memory();
  const end = performance.now() + Number(values.seconds) * 1000;
  const latencies: number[] = [];
  let sent = 0;
  const refusals = new Set<string>();
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (performance.now() < end) {
        const began = performance.now();
        const answer = await scene.send(`slow-${sent++}`, ['local@example.com'], 50_000);
        if (answer.kind === 'acked') latencies.push(performance.now() - began);
        else refusals.add(told(answer));
      }
    }),
  );
  const after = relay.memory();
  await scene.settle(LEAVING_MS);
  const waiting = scene.ledger.missing().length;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(0);
  seen.push([name, '50 clients, 50 KB: acked', `${latencies.length}, median ${at(0.5)} ms, p99 ${at(0.99)} ms`]);
  seen.push(['', 'other answers', [...refusals].join(' | ') || 'none']);
  seen.push(['', 'memory, MiB', `${before.now.toFixed(0)} before, ${after.peak.toFixed(0)} at most`]);
  must(name, 'nothing was accepted', latencies.length > 0);
  must(name, `memory grew to ${after.peak.toFixed(0)} MiB`, after.peak <= 512);
  seen.push(['', 'not delivered yet a minute later', String(waiting)]);
  must(name, 'the relay ended', relay.running);
  await relay.stop();
  if (waiting > 0) {
    // outcomes wait for slow syncs, and final dots for outcomes: the rest leaves when the disk is well
    await relay.start();
    await scene.settle(LEAVING_MS);
    await relay.stop();
  }
  broken.push(...brokenPromises(name, scene.turnPage(), 0));
}

/**
 * One error at each n-th call, everywhere (but `write`, by which the threads of Node wake each other): what was
 * acknowledged is there, and mail is taken again without a restart.
 */
async function errors(): Promise<void> {
  if (!hasStrace()) throw new Error('strace is missing (apt-get install strace)');
  await using scene = await Scene.open('disk');
  const output = scene.workspace.path('calls.log');
  const rows: (string | number)[][] = [];
  const kinds = values.calls.split(',').flatMap((call) => {
    const both: [string, string][] = [[call, 'EIO']];
    if (call === 'pwrite64' || call === 'writev' || call === 'ftruncate') both.push([call, 'ENOSPC']);
    return both;
  });
  for (const [call, error] of kinds) {
    const tally = { errors: 0, acked: 0, refused: 0, noStart: 0, ended: 0, lost: 0, wrong: 0, refusedButDelivered: 0, twice: 0 };
    let slowest = 0;
    // Errors only behind the start: a relay that cannot start says so, and its manager tries again.
    const relay = scene.relay();
    await relay.start();
    await relay.stop();
    for (let n = Number(values.from); n < 500; n += every) {
      const where = `${call} ${n}: ${error}`;
      scene.puttingOff = true;
      const reached = () => new RegExp(`\\(INJECTED\\)`).test(readFileSync(output, 'utf8'));
      try {
        await relay.start(underStrace(output, [{ call, what: `error=${error}`, when: String(n) }]));
      } catch {
        tally.noStart += 1; // said in its log, and its manager starts it again
      }
      const { pid } = relay;
      if (relay.running) {
        await scene.send(`two-${call}-${n}`, ['local@example.com', 'later@example.com']);
        await scene.send(`bounces-${call}-${n}`, ['nobody@example.com']);
        await scene.send(`large-${call}-${n}`, ['local@example.com', 'moved@example.com'], 300_000);
        const settled = () => scene.ledger.missing().every((key) => key.includes('later@'));
        await until('all but one is settled', () => !relay.running || settled(), 15_000, 10).catch(() => {});
        scene.puttingOff = false;
        slowest = Math.max(slowest, relay.running ? Number(await takesAgain(scene, relay, where)) : 0);
        await until('the rest', () => !relay.running || scene.ledger.missing().length === 0, 20_000, 20).catch(() => {});
      }
      const happened = reached();
      if (relay.running) {
        must(where, 'another process', relay.pid === pid);
        await relay.stop();
      }
      if (relay.wasKilled) {
        tally.ended += 1;
        must(where, `the relay ended: ${relay.end}`, false);
      }
      scene.puttingOff = false;
      if (scene.ledger.missing().length > 0) {
        await relay.start();
        await scene.settle();
        await relay.stop();
      }
      const found = scene.turnPage();
      broken.push(...brokenPromises(where, found));
      tally.acked += found.acked;
      tally.refused += found.refused;
      tally.lost += found.lost.length;
      tally.wrong += found.wrong.length;
      tally.refusedButDelivered += found.refusedButDelivered.length;
      tally.twice += found.duplicates.length;
      if (!happened) break;
      tally.errors += 1;
    }
    scene.forget(relay);
    rows.push([`${call} ${error}`, ...Object.values(tally), `${slowest.toFixed(1)} s`]);
  }
  say(
    table(
      [
        'fault',
        'errors',
        'acked',
        'refused',
        'did not start',
        'process ended',
        'lost',
        'wrong',
        'refused+delivered',
        'twice',
        'taken again',
      ],
      rows,
    ),
  );
}
