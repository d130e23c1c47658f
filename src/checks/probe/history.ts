/** What became of past probes: one JSON line a run, bounded. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, replaceFile } from '../../platform/files.ts';
import type { ProbeLeg, ProbeReport, ProbeResult } from './ports.ts';

/** Runs of one probe: at every 15 minutes five days. */
const KEPT = 500;
const MOST_OCTETS = 64 * 1024 * 1024;

export class ProbeHistory {
  readonly #file: string;
  readonly #results = new Map<string, ProbeResult[]>();
  #lines = 0;

  /** Reads what was kept. Lines that cannot be read are left out: it is history, and the next run adds to it. */
  constructor(folder: string) {
    this.#file = join(folder, 'history.jsonl');
    for (const line of read(this.#file)) {
      this.#lines += 1;
      const result = parse(line);
      if (result !== undefined) this.#keep(result);
    }
  }

  /** Written at once; a crash loses the last lines at most. */
  add(report: ProbeReport): void {
    const { probe, time, ok, problem, next, there, back } = report;
    const result: ProbeResult = { probe, time, ok, problem, next, there: legOf(there), back: legOf(back) };
    this.#keep(result);
    makeDirectory(join(this.#file, '..'));
    this.#lines += 1;
    const kept = [...this.#results.values()].flat();
    if (this.#lines <= 2 * Math.max(KEPT, kept.length)) return appendFileSync(this.#file, lineOf(result), { mode: 0o600 });
    replaceFile(this.#file, kept.map(lineOf).join(''));
    this.#lines = kept.length;
  }

  /** Newest first. */
  of(probe: string | undefined, limit: number): readonly ProbeResult[] {
    const all = probe === undefined ? [...this.#results.values()].flat() : (this.#results.get(probe) ?? []);
    return all.toSorted((a, b) => b.time.localeCompare(a.time)).slice(0, limit);
  }

  last(probe: string): ProbeResult | undefined {
    return this.#results.get(probe)?.at(-1);
  }

  lastSuccess(probe: string): ProbeResult | undefined {
    return this.#results.get(probe)?.findLast(({ ok }) => ok);
  }

  #keep(result: ProbeResult): void {
    const results = this.#results.get(result.probe) ?? [];
    results.push(result);
    if (results.length > KEPT) results.shift();
    this.#results.set(result.probe, results);
  }
}

const lineOf = (result: ProbeResult): string => `${JSON.stringify(result)}\n`;

function legOf({ ok, seconds, tls }: ProbeLeg): ProbeResult['there'] {
  const words = tls === null ? null : [tls.protocol, tls.result].filter((word) => word !== undefined).join(' ');
  return { ok, seconds, tls: words };
}

function read(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8');
    return text
      .slice(-MOST_OCTETS)
      .split('\n')
      .filter((line) => line !== '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return [];
  }
}

function parse(line: string): ProbeResult | undefined {
  try {
    const result = JSON.parse(line) as ProbeResult;
    return typeof result.probe === 'string' && typeof result.time === 'string' ? result : undefined;
  } catch {
    return undefined; // a line that a crash cut
  }
}
