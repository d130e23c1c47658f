/**
 * Asks the live sources again and again, and on demand. A server that is away, or a set that the directory refuses, changes
 * nothing: what the source had last stays, and the state says why. One source is asked at a time.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectorySource, Finding } from '../ports.ts';
import type { Fetched, LiveSource, SourceUpdates } from './ports.ts';

/** A live source in `directory list`, `doctor` and the API. Times in ISO 8601. */
export interface SourceState {
  readonly name: string;
  readonly kind: LiveSource['kind'];
  readonly origin: string;
  /** `waiting`: never asked yet. `good`: the last answer counts. `stale`: it failed or was refused, and an older set counts, or none. */
  readonly state: 'waiting' | 'good' | 'stale';
  readonly refreshing: boolean;
  readonly 'last-success': string | null;
  /** Seconds since the last success. */
  readonly age: number | null;
  readonly 'last-attempt': string | null;
  /** Recipients of the last success. */
  readonly recipients: number | null;
  /** Why the last attempt came to nothing, and what to do. */
  readonly error: { readonly problem: string; readonly remedy: string } | null;
  readonly next: string | null;
}

/** How one refresh ended. */
export type Refreshed =
  | { readonly ok: true; readonly recipients: number; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly problem: string; readonly remedy: string; readonly findings: readonly Finding[] };

export interface RefreshedSource {
  readonly source: LiveSource;
  /** Milliseconds. */
  readonly refresh: number;
  /** Differs where the settings differ. */
  readonly fingerprint: string;
}

export interface RefresherDeps {
  readonly updates: SourceUpdates;
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1): spreads the questions, so that several relays do not ask at one moment. */
  readonly random: () => number;
}

/** The share of the interval by which a refresh may come earlier or later. */
const JITTER = 0.1;
/** A server that is away is asked again after this, where the interval is longer. */
const RETRY = 5 * 60_000;
/** Milliseconds for one reading as a whole; a million recipients take minutes. */
const LONGEST = 30 * 60_000;

export class Refresher implements AsyncDisposable {
  readonly #deps: RefresherDeps;
  readonly #sources = new Map<string, Kept>();
  readonly #closing = new AbortController();
  /** The refreshes one behind the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(sources: readonly RefreshedSource[], deps: RefresherDeps) {
    this.#deps = deps;
    for (const one of sources) this.#sources.set(one.source.name, new Kept(one));
  }

  /** Asks each source once now, and from then on by its interval. */
  start(): void {
    for (const kept of this.#sources.values()) this.#schedule(kept, 0);
  }

  /** New settings: sources that are gone are forgotten, new ones asked at once. A source that stayed the same keeps its state. */
  reconfigure(sources: readonly RefreshedSource[]): void {
    for (const [name, kept] of this.#sources) {
      if (sources.some((one) => one.source.name === name && one.fingerprint === kept.fingerprint)) continue;
      clearTimeout(kept.timer);
      this.#sources.delete(name);
    }
    for (const one of sources) {
      if (this.#sources.has(one.source.name)) continue;
      const kept = new Kept(one);
      this.#sources.set(one.source.name, kept);
      this.#schedule(kept, 0);
    }
  }

  /**
   * Asks one source now (`undefined`: there is none of that name); who asks while it is under way gets the same answer.
   * `yesShrink` takes a set that the guards would refuse (C6).
   */
  refresh(name: string, { yesShrink = false } = {}): Promise<Refreshed> | undefined {
    const kept = this.#sources.get(name);
    if (kept === undefined) return undefined;
    return yesShrink ? this.#enqueue(kept, true).finally(() => this.#later(kept)) : this.#refresh(kept);
  }

  states(): SourceState[] {
    return [...this.#sources.values()].map((kept) => kept.state(this.#deps.clock.now()));
  }

  /** Stops asking; a reading that is under way is ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the relay stops'));
    for (const { timer } of this.#sources.values()) clearTimeout(timer);
    await this.#turn;
  }

  #schedule(kept: Kept, wait: number): void {
    clearTimeout(kept.timer);
    if (this.#closing.signal.aborted || this.#sources.get(kept.source.name) !== kept) return;
    kept.next = this.#deps.clock.now() + wait;
    kept.timer = setTimeout(() => void this.#refresh(kept), wait).unref();
  }

  #refresh(kept: Kept): Promise<Refreshed> {
    kept.running ??= this.#enqueue(kept, false).finally(() => {
      kept.running = undefined;
      this.#later(kept);
    });
    return kept.running;
  }

  /** By the interval; a server that is away is asked again sooner, a set that was refused will be the same. */
  #later(kept: Kept): void {
    const isAway = kept.error !== undefined && !kept.isRefused;
    const interval = isAway ? Math.min(kept.interval, RETRY) : kept.interval;
    this.#schedule(kept, Math.round(interval * (1 + JITTER * (2 * this.#deps.random() - 1))));
  }

  #enqueue(kept: Kept, yesShrink: boolean): Promise<Refreshed> {
    const run = this.#turn.then(() => this.#ask(kept, yesShrink));
    this.#turn = run;
    return run;
  }

  /** Never rejects: a bug in a source, or a full disk under the directory, is a failed refresh and no end of refreshing. */
  async #ask(kept: Kept, yesShrink: boolean): Promise<Refreshed> {
    const { source } = kept;
    const { clock, log } = this.#deps;
    clearTimeout(kept.timer);
    kept.lastAttempt = clock.now();
    const before = kept.error;
    const refreshed = await this.#attempt(source, yesShrink).catch(
      (error: unknown): Attempted => ({
        ok: false,
        isRefused: false,
        problem: error instanceof Error ? error.message : String(error),
        remedy: 'Look at the log and at the disk of data-directory',
        findings: [],
      }),
    );
    if (refreshed.ok) {
      kept.lastSuccess = clock.now();
      kept.recipients = refreshed.recipients;
      kept.error = undefined;
      kept.isRefused = false;
      if (before !== undefined) log.info({ source: source.name, recipients: refreshed.recipients }, 'live source is back');
    } else {
      kept.error = { problem: refreshed.problem, remedy: refreshed.remedy };
      kept.isRefused = refreshed.isRefused;
      // once for each trouble, not once for each try
      if (before?.problem !== refreshed.problem)
        log.warn(
          { source: source.name, origin: source.origin, ...kept.error },
          'live source not refreshed; what it had last counts',
        );
    }
    return refreshed;
  }

  async #attempt(source: LiveSource, yesShrink: boolean): Promise<Attempted> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LONGEST)]);
    signal.throwIfAborted();
    const fetched = await source.fetch(signal);
    signal.throwIfAborted();
    const { updates } = this.#deps;
    if (!fetched.ok) {
      updates.sourceFailed(source.name, fetched.problem);
      return { ...fetched, isRefused: false, findings: [] };
    }
    const { ok, findings } = await updates.updateSource(source.name, asSource(source, fetched), { yesShrink });
    if (ok) return { ok, recipients: fetched.records.length, findings };
    const [worst] = findings.filter(({ severity }) => severity === 'error');
    return {
      ok,
      isRefused: true,
      problem: `refused: ${worst?.problem ?? 'the directory does not take it'}`,
      remedy: worst?.remedy ?? 'bridgehead directory list',
      findings,
    };
  }
}

type Attempted =
  | Extract<Refreshed, { ok: true }>
  | (Extract<Refreshed, { ok: false }> & {
      /** By the directory: asking again soon brings the same. */
      readonly isRefused: boolean;
    });

/** What was fetched, as the directory reads it. */
function asSource({ name, origin }: LiveSource, { records, findings }: Extract<Fetched, { ok: true }>): DirectorySource {
  return {
    name,
    origin,
    read: (sink) => {
      for (const finding of findings) sink.finding(finding);
      for (const record of records) sink.record(record);
      return Promise.resolve();
    },
  };
}

/** One source and what is known of it. */
class Kept {
  readonly source: LiveSource;
  readonly interval: number;
  readonly fingerprint: string;
  timer: NodeJS.Timeout | undefined;
  running: Promise<Refreshed> | undefined;
  next: number | undefined;
  lastSuccess: number | undefined;
  lastAttempt: number | undefined;
  recipients: number | undefined;
  error: { readonly problem: string; readonly remedy: string } | undefined;
  isRefused = false;

  constructor({ source, refresh, fingerprint }: RefreshedSource) {
    this.source = source;
    this.fingerprint = fingerprint;
    this.interval = refresh;
  }

  state(now: number): SourceState {
    const { name, kind, origin } = this.source;
    return {
      name,
      kind,
      origin,
      state: this.error !== undefined ? 'stale' : this.lastSuccess === undefined ? 'waiting' : 'good',
      refreshing: this.running !== undefined,
      'last-success': iso(this.lastSuccess),
      age: this.lastSuccess === undefined ? null : Math.max(0, Math.round((now - this.lastSuccess) / 1000)),
      'last-attempt': iso(this.lastAttempt),
      recipients: this.recipients ?? null,
      error: this.error ?? null,
      next: this.running === undefined ? iso(this.next) : null,
    };
  }
}

const iso = (time: number | undefined): string | null => (time === undefined ? null : new Date(time).toISOString());
