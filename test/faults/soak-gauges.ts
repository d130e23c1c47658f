/**
 * What a soak measures of the relay, and when that is growth. Memory as the machine sees it (RssAnon) settles for a quarter
 * of an hour: heaps grow to what V8 finds fit, the store of evidence fills its cache, and each burst that is higher than
 * those before leaves holes in the allocator's heap. So it is told, and judged by its parts: what lives in the heaps once
 * their garbage is collected, and what lies beside them, of which a leak is what grows all the time, not by steps.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Relay } from '../e2e/support/relay.ts';
import { type Alive, readAlive } from './heap-probe.ts';
import { type Sample, type Trend, trend } from './trend.ts';

const MIB = 2 ** 20;
const CHUNK = 2 ** 18;
/** Milliseconds from the question to the last answer. */
const ANSWER = 1_500;
/** Samples below which nothing is judged. */
const FEWEST = 20;

interface Rule {
  readonly text: string;
  /** Growth an hour that is none; where it is not there, the figure is told alone. */
  readonly most?: (mean: number) => number;
  /** The slope of all, what grows in each half (no step does), or the larger of the two. */
  readonly by?: 'slope' | 'halves' | 'either';
}

type Gauge = 'own' | 'live' | 'native' | 'pss' | 'descriptors';
const GAUGES: Readonly<Record<Gauge, Rule>> = {
  own: { text: 'own memory, MiB' },
  // V8 compiles what becomes hot: 2 MiB an hour in the first half hour. 100 octets a message, at 20/s, are 11. What it
  // throws away again is a step down, which hides a leak from the one and not from the other
  live: { text: 'alive on the heap, MiB', most: () => 4, by: 'either' },
  native: { text: 'beside the heap, MiB', most: (mean) => mean / 10, by: 'halves' },
  // the map of the spool follows the queue
  pss: { text: 'PSS, MiB' },
  descriptors: { text: 'descriptors', most: (mean) => mean / 10 },
};

export interface GaugeRow {
  readonly text: string;
  readonly trend: Trend;
  /** It grows. */
  readonly broken: boolean;
}

export class SoakGauges {
  readonly #relay: Relay;
  readonly #metricsUrl: string;
  readonly #probeFile: string;
  readonly #warmUp: number;
  readonly #began = performance.now();
  readonly #samples: Record<Gauge, Sample[]> = { own: [], live: [], native: [], pss: [], descriptors: [] };
  readonly #alive: { readonly at: number; readonly life: number; readonly threads: readonly Alive[] }[] = [];
  readonly #p99s: number[] = [];
  #mostLag = 0;
  #isDisturbed = false;
  life = 0;
  /** On the clock that never jumps; infinite while it has not begun. */
  lifeBegan = Number.POSITIVE_INFINITY;

  /** `probeFile`: where heap-probe.ts writes; `warmUp`: milliseconds of a life that tell nothing. */
  constructor(relay: Relay, parts: { adminPort: number; probeFile: string; warmUp: number }) {
    this.#relay = relay;
    this.#metricsUrl = `http://127.0.0.1:${parts.adminPort}/metrics`;
    this.#probeFile = parts.probeFile;
    this.#warmUp = parts.warmUp;
  }

  /** What the event loop was late until now was our doing. */
  disturbed(): void {
    this.#isDisturbed = true;
  }

  get #isWarm(): boolean {
    return performance.now() - this.lifeBegan >= this.#warmUp;
  }

  #note(gauge: Gauge, value: number): void {
    this.#samples[gauge].push({ at: (performance.now() - this.#began) / 3_600_000, life: this.life, value });
  }

  async sample(): Promise<void> {
    const metrics = await fetch(this.#metricsUrl, { signal: AbortSignal.timeout(4_000) }).then(
      (answer) => answer.text(),
      () => '',
    );
    const wasDisturbed = this.#isDisturbed;
    this.#isDisturbed = wasDisturbed && metrics === '';
    if (!this.#isWarm) return;
    const { pid } = this.#relay;
    try {
      const pss = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
      const descriptors = readdirSync(`/proc/${pid}/fd`).length;
      this.#note('own', this.#relay.memory().own);
      this.#note('native', besideHeap(pid));
      this.#note('pss', pss);
      this.#note('descriptors', descriptors);
    } catch {
      return; // it was killed this moment
    }
    if (wasDisturbed) return;
    const lag = (name: string) => Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(metrics)?.[1] ?? 0);
    this.#p99s.push(lag('p99'));
    this.#mostLag = Math.max(this.#mostLag, lag('max'));
  }

  /** Has the relay collect its garbage, and notes what is left. */
  async sampleAlive(): Promise<void> {
    if (!this.#isWarm) return;
    const { life } = this;
    this.disturbed();
    writeFileSync(this.#probeFile, '');
    this.#relay.signal('SIGUSR2');
    await delay(ANSWER);
    const threads = readAlive(this.#probeFile);
    // thread 0 is stopped, or was killed meanwhile
    if (life !== this.life || !this.#isWarm || !threads.some(({ thread }) => thread === 0)) return;
    this.#alive.push({ at: (performance.now() - this.#began) / 3_600_000, life, threads });
  }

  /** Of the threads that were there all along: others come with a question and go again. */
  #live(): Sample[] {
    const lives = Map.groupBy(this.#alive, ({ life }) => life);
    return this.#alive.map(({ at, life, threads }) => {
      const always = threads.filter(({ thread }) =>
        lives.get(life)?.every((other) => other.threads.some((one) => one.thread === thread)),
      );
      return { at, life, value: sum(always.map(({ used }) => used)) / MIB };
    });
  }

  /** In a word, for the progress of a long run. */
  get now(): string {
    const last = (gauge: Gauge) => this.#samples[gauge].at(-1)?.value.toFixed(0) ?? '-';
    const live = this.#live().at(-1)?.value.toFixed(1) ?? '-';
    return `${last('own')} MiB, ${live} alive, ${last('native')} beside the heap, ${last('descriptors')} descriptors`;
  }

  rows(): GaugeRow[] {
    const samples = { ...this.#samples, live: this.#live() };
    return (Object.keys(GAUGES) as Gauge[]).map((gauge) => {
      const { text, most, by = 'slope' } = GAUGES[gauge];
      const found = trend(samples[gauge]);
      const { slope, error, steady, mean, samples: count } = found;
      const sure = slope - 2 * error;
      const growth = { slope: sure, halves: steady, either: Math.max(sure, steady) }[by];
      const broken = most !== undefined && count >= FEWEST && growth > most(mean);
      return { text, trend: found, broken };
    });
  }

  /** Milliseconds the event loop was late: the median of the samples' p99, and the most. */
  lag(): { readonly p99: number; readonly most: number } {
    const p99 = [...this.#p99s].sort((a, b) => a - b)[Math.floor(this.#p99s.length / 2)] ?? 0;
    return { p99: 1000 * p99, most: 1000 * this.#mostLag };
  }
}

/** V8 takes its heaps in chunks of 256 KiB that begin at a multiple of that; what does not is somebody else's. MiB. */
function besideHeap(pid: number): number {
  let isHeap = false;
  let sum = 0;
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'latin1').split('\n')) {
    const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ *(.*)$/.exec(line) ?? [];
    if (from !== undefined && to !== undefined)
      isHeap = name === '' && Number.parseInt(from, 16) % CHUNK === 0 && Number.parseInt(to, 16) % CHUNK === 0;
    else if (!isHeap && line.startsWith('Anonymous:')) sum += Number(/\d+/.exec(line)?.[0]);
  }
  return sum / 1024;
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
