/**
 * The directory at its size (issue 3): 1,000,000 recipients with three addresses each. Prints how long an import takes,
 * how long a start, what memory holds, how long one look-up takes, and how long the event loop stood still at a switch.
 *
 *   node test/bench/directory.ts [recipients]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Directory, openDirectory } from '../../src/directory/directory.ts';
import type { DirectorySettings } from '../../src/directory/ports.ts';
import type { Domain } from '../../src/mail/address.ts';
import { systemClock } from '../../src/platform/clock.ts';

const write = (line: string): void => void process.stdout.write(`${line}\n`);
const MiB = 2 ** 20;
/** Milliseconds before and behind a switch. */
const AROUND = 500;

const settings = (folder: string): DirectorySettings => ({
  sources: [],
  folder,
  domains: [{ name: 'example.com' as Domain, includeSubdomains: false }],
  routingDomains: ['tenant.mail.onmicrosoft.com' as Domain],
  connectors: [
    { name: 'on-premises', side: 'on-premises', byMx: false },
    { name: 'cloud', side: 'cloud', byMx: true },
  ],
});

async function open(folder: string): Promise<Directory> {
  const opened = await openDirectory(settings(folder), { clock: systemClock });
  if (!opened.ok) throw new Error(JSON.stringify(opened.findings.slice(0, 3)));
  return opened.directory;
}

async function writeCsv(file: string, recipients: number, moved: number): Promise<void> {
  const out = createWriteStream(file);
  out.write('address,route,routing-address,aliases\n');
  for (let i = 0; i < recipients; i++) {
    const route = i % 2 === 0 || i < moved ? 'cloud' : 'on-premises';
    const line = `firstname.lastname${i}@example.com,${route},,f.lastname${i}@example.com u${i}@example.com\n`;
    if (!out.write(line)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/** The longest time that the event loop did not come round, in milliseconds, and the most memory, while something goes on. */
async function watched<T>(
  work: () => Promise<T>,
): Promise<{ value: T; seconds: number; stall: number; atSwitch: number; rss: number }> {
  let last = performance.now();
  let stall = 0;
  const stalls: [number, number][] = [];
  let rss = 0;
  let ticks = 0;
  const ticking = setInterval(() => {
    const now = performance.now();
    stall = Math.max(stall, now - last - 1);
    if (now - last > 5) stalls.push([now, now - last - 1]);
    last = now;
    if (ticks++ % 20 === 0) rss = Math.max(rss, process.memoryUsage.rss());
  }, 1);
  const start = performance.now();
  const value = await work();
  const end = performance.now();
  await setTimeout(AROUND);
  clearInterval(ticking);
  // what other processes of the machine take is in the longest stall; around the switch it is our own work
  const atSwitch = Math.max(0, ...stalls.filter(([at]) => at > end - AROUND).map(([, gap]) => gap));
  return { value, seconds: (end - start) / 1_000, stall, atSwitch, rss };
}

/** Linux alone knows the highest RSS of a process. */
async function highest(): Promise<number> {
  const text = await readFile('/proc/self/status', 'utf8').catch(() => '');
  return Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024;
}

function lookUps(directory: Directory, recipients: number): string {
  const times = new Float64Array(300_000);
  for (let i = 0; i < times.length; i++) {
    const n = (i * 7919) % recipients;
    const key =
      i % 10 === 9 ? `nobody${n}@example.com` : i % 3 === 0 ? `u${n}@example.com` : `firstname.lastname${n}@example.com`;
    const start = process.hrtime.bigint();
    directory.active().find(key);
    times[i] = Number(process.hrtime.bigint() - start) / 1_000;
  }
  times.sort();
  const at = (part: number): string => (times[Math.floor(times.length * part)] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} µs, p99 ${at(0.99)} µs, p99.9 ${at(0.999)} µs`;
}

async function main(recipients: number): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'bridgehead-bench-'));
  try {
    const [first, second] = [join(work, 'first.csv'), join(work, 'second.csv')];
    await writeCsv(first, recipients, 0);
    await writeCsv(second, recipients, 5_000);
    write(
      `${recipients} recipients with 3 addresses, ${Math.round((await stat(first)).size / MiB)} MiB of CSV, Node ${process.version}`,
    );
    const folder = join(work, 'directory');
    const directory = await open(folder);
    const load = (file: string) => watched(() => directory.import([{ file, origin: 'recipients.csv' }], { who: 'bench' }));

    const one = await load(first);
    write(
      `first import:  ${one.seconds.toFixed(1)} s, longest stall ${one.stall.toFixed(1)} ms, ${one.atSwitch.toFixed(1)} ms at the switch, RSS ${Math.round(one.rss / MiB)} MiB (target < 30 s, < 800 MiB)`,
    );
    const two = await load(second);
    const { added, removed, changed, applied } = two.value.report;
    write(
      `second import: ${two.seconds.toFixed(1)} s, longest stall ${two.stall.toFixed(1)} ms, ${two.atSwitch.toFixed(1)} ms at the switch, RSS ${Math.round(two.rss / MiB)} MiB (target < 50 ms)`,
    );
    write(`               ${JSON.stringify({ added, removed, changed, applied })}`);
    write(`look-ups:      ${lookUps(directory, recipients)} (target p99 < 20 µs)`);
    const wave = new Map(
      [...Array(5_000).keys()].flatMap((n) => {
        const entry = directory.active().find(`u${n}@example.com`);
        return entry === undefined
          ? []
          : [[`firstname.lastname${n}@example.com`, { ...entry, route: 'hold' as const, source: 'wave bench' }] as const];
      }),
    );
    const switched = await watched(() => directory.applyWave('bench', wave, { who: 'bench', reason: 'bench' }));
    write(`wave of 5,000: ${(switched.seconds * 1_000).toFixed(0)} ms, longest stall ${switched.stall.toFixed(1)} ms`);
    const back = await watched(() => directory.rollback(2, { who: 'bench' }));
    write(`rollback:      ${back.seconds.toFixed(2)} s, longest stall ${back.stall.toFixed(1)} ms`);
    write(`highest RSS:   ${Math.round(await highest())} MiB (target < 800)`);
    const child = fork(fileURLToPath(import.meta.url), ['--start', folder], { stdio: 'inherit' });
    await once(child, 'exit');
  } finally {
    await rm(work, { recursive: true });
  }
}

async function start(folder: string): Promise<void> {
  const begun = performance.now();
  const directory = await open(folder);
  const seconds = ((performance.now() - begun) / 1_000).toFixed(2);
  write(
    `start-up:      ${seconds} s for ${directory.active().recipients} recipients, RSS ${Math.round(await highest())} MiB (target < 5 s)`,
  );
}

const [first, second] = process.argv.slice(2);
if (first === '--start') await start(second ?? '');
else await main(Number(first ?? 1_000_000));
