/**
 * Bridgehead beside Debian's Postfix on this machine: every workload, in alternation, medians and ratios. See README.md.
 *
 *   node test/bench/compare/compare.ts [--rounds 3] [--workloads a,b,c,d,e,f] [--peers postfix,bridgehead]
 *                                      [--scale 1] [--out FILE] [--idle N]
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureIdle } from './idle.ts';
import { measure, type Result } from './measure.ts';
import { prepareTools } from './tools.ts';
import { WORKLOADS } from './workloads.ts';

const BASE = 'postfix';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    workloads: { type: 'string', default: WORKLOADS.map(({ name }) => name).join(',') },
    peers: { type: 'string', default: 'postfix,bridgehead' },
    /** Multiplies the counts: 0.2 for a quick look. */
    scale: { type: 'string', default: '1' },
    out: { type: 'string' },
    idle: { type: 'string' },
  },
});
const peers = values.peers.split(',');
const tools = prepareTools();
const say = (text: string) => process.stdout.write(`${text}\n`);

if (values.idle !== undefined) {
  say('| peer | idle connections | opened in s | PSS MiB before | PSS MiB | KiB a connection | one more is answered |');
  say('|---|---|---|---|---|---|---|');
  for (const peer of peers) {
    const idle = await measureIdle(peer, Number(values.idle), tools);
    const each = ((idle.pss - idle.pssBefore) * 1024) / Math.max(1, idle.held);
    say(
      `| ${peer} | ${idle.held} of ${idle.asked} | ${idle.seconds.toFixed(1)} | ${idle.pssBefore.toFixed(0)} | ${idle.pss.toFixed(0)} | ${each.toFixed(1)} | ${idle.oneMoreIsAnswered ? 'yes' : 'no'} |`,
    );
  }
} else {
  const results: Result[] = [];
  const chosen = WORKLOADS.filter(({ name }) => values.workloads.split(',').includes(name));
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const workload of chosen) {
      for (const peer of peers) {
        const result = await measure(peer, workload, Math.ceil(workload.count * Number(values.scale)), tools);
        results.push(result);
        if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify(result)}\n`);
        process.stderr.write(
          `round ${round}, ${workload.name} (${workload.text}), ${peer}: ${result.endToEndPerSecond.toFixed(0)}/s end to end, others ${(100 * result.others).toFixed(0)} %, steal ${(100 * result.steal).toFixed(0)} %${result.error === undefined ? '' : `, ERROR ${result.error}`}\n`,
        );
      }
    }
  }
  say(tableOf(results));
  if (results.some((result) => result.error !== undefined)) process.exitCode = 1;
}

/** Medians as a Markdown table, with the ratio to Postfix. */
function tableOf(all: readonly Result[]): string {
  const lines = [
    `| workload | peer | runs | accept/s | end to end/s | / ${BASE} | accept p50, p99 ms | CPU s/1000 | RSS (PSS) MiB | sent = received | others, steal |`,
    '|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const workload of new Set(all.map((result) => result.workload))) {
    const good = (peer: string) =>
      all.filter((result) => result.workload === workload && result.peer === peer && result.endToEndPerSecond > 0);
    const base = median(good(BASE).map((result) => result.endToEndPerSecond));
    for (const peer of peers) {
      const runs = good(peer);
      const of = (
        key: 'acceptPerSecond' | 'endToEndPerSecond' | 'p50ms' | 'p99ms' | 'cpuPer1000' | 'rss' | 'pss' | 'others' | 'steal',
      ) => median(runs.map((result) => result[key]).filter((value) => value !== undefined));
      const cells = [
        workload,
        peer,
        runs.length,
        fixed(of('acceptPerSecond'), 0),
        fixed(of('endToEndPerSecond'), 0),
        base === undefined ? '' : fixed((of('endToEndPerSecond') ?? 0) / base, 2),
        of('p50ms') === undefined ? '' : `${fixed(of('p50ms'), 1)}, ${fixed(of('p99ms'), 0)}`,
        fixed(of('cpuPer1000'), 2),
        `${fixed(of('rss'), 0)} (${fixed(of('pss'), 0)})`,
        runs.length > 0 && runs.every((result) => result.sent === result.received && result.error === undefined) ? 'yes' : 'NO',
        `${fixed(100 * (of('others') ?? 0), 0)} %, ${fixed(100 * (of('steal') ?? 0), 0)} %`,
      ];
      lines.push(`| ${cells.join(' | ')} |`);
    }
  }
  return lines.join('\n');
}

function median(numbers: readonly number[]): number | undefined {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle];
  return sorted.length === 0 ? undefined : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? '' : value.toFixed(digits);
}
