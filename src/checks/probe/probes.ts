/** The probes of a running relay: one at a time, on request and by the clock, with a history and what of it needs a person. */
import type { Mailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { RouteDecision } from '../../mail/route.ts';
import type { SpooledMessage } from '../../mail/spooled.ts';
import { AnswerBox } from './box.ts';
import { ProbeHistory } from './history.ts';
import type { ListedProbe, ProbeParts, ProbeReport, ProbeResult, ProbeSettings } from './ports.ts';
import { ProbeRun } from './run.ts';
import { Tokens } from './token.ts';

/** Runs that wait for the one under way. */
const MOST_WAITING = 5;
/** How far the time between two runs is spread, so that probes of many relays do not meet. */
const JITTER = 0.1;
/** Milliseconds between the making of a probe and its reception here, at most: a Message-ID that is shown again later is none. */
const FRESH = 600_000;
const PROBE_ID = /^<([0-9a-f]{36})@/;
/** Milliseconds: the first run of a probe comes soon after the start. */
const FIRST = 60_000;

/** There is no such probe, or none can be run at the moment. */
export class ProbeRefused extends Error {
  readonly refusal: 'not-found' | 'unavailable';

  constructor(refusal: 'not-found' | 'unavailable', message: string) {
    super(message);
    this.refusal = refusal;
  }
}

export class Probes implements AsyncDisposable {
  readonly #parts: ProbeParts;
  readonly #tokens: Tokens;
  readonly #box: AnswerBox;
  readonly #history: ProbeHistory;
  readonly #stop = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #hasStarted = false;
  #run: ProbeRun | undefined;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ProbeParts) {
    this.#parts = parts;
    this.#tokens = Tokens.open(parts.folder);
    this.#box = new AnswerBox(`${parts.folder}/answers`, this.#tokens);
    this.#history = new ProbeHistory(parts.folder);
  }

  /** From now on probes run by the clock. */
  start(): void {
    this.#hasStarted = true;
    this.reconfigure();
  }

  /** The settings are new. A run under way goes on with the ones it began with. */
  reconfigure(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (!this.#hasStarted) return;
    for (const { name, every } of this.#parts.settings())
      if (every !== undefined) this.#plan(name, Math.min(every, FIRST) * this.#parts.random());
  }

  /** Every record that is durable. */
  onEvent(record: EventRecord): void {
    this.#run?.onEvent(record);
  }

  /** The answer at RCPT where the recipient is an address of a probe. */
  admit(recipient: Mailbox) {
    return this.#box.admit(recipient, this.#parts.clock.now());
  }

  /** The way of mail to an address of a probe. */
  route(recipient: Mailbox, directoryVersion: number): RouteDecision | undefined {
    return this.#box.route(recipient, directoryVersion);
  }

  /**
   * Whether a spooled message is a probe that we sent, before a restart too: by its Message-ID, which holds a token made
   * just before it came, and because it came from this machine. It has a sender of ours and comes from a client, as spoofed
   * mail does (R8); of this client we know better.
   */
  isProbe({ messageId, receivedAt, origin: { address = '' } }: SpooledMessage): boolean {
    const token = messageId === undefined ? undefined : PROBE_ID.exec(messageId)?.[1];
    const madeAt = token === undefined ? undefined : this.#tokens.madeAt(token);
    if (madeAt === undefined || receivedAt - madeAt > FRESH) return false;
    return address === '::1' || address.startsWith('127.') || this.#parts.listeners().some((one) => one.address === address);
  }

  /** The message as routing shall see it: a probe of ours claims nothing that must be proved. */
  vouchedFor(message: SpooledMessage): SpooledMessage {
    if (!this.isProbe(message)) return message;
    const { claims: _, ...origin } = message.origin;
    return { ...message, origin };
  }

  /** Waits for its turn, runs, and remembers. Rejects with `ProbeRefused`. */
  async run(name: string): Promise<ProbeReport> {
    const probe = this.#named(name);
    if (this.#waiting >= MOST_WAITING)
      throw new ProbeRefused(
        'unavailable',
        `${this.#waiting} probes wait for their turn already; "bridgehead probe --history" tells how they go`,
      );
    this.#waiting += 1;
    const run = this.#turn.then(async () => {
      try {
        return await this.#runNow(probe);
      } finally {
        this.#waiting -= 1;
      }
    });
    this.#turn = run.catch(() => undefined);
    return await run;
  }

  list(): readonly ListedProbe[] {
    return this.#parts.settings().map((probe) => listed(probe, this.#history));
  }

  /** Newest first. */
  history(name: string | undefined, limit: number): readonly ProbeResult[] {
    return this.#history.of(name, limit);
  }

  /** Probes whose last run failed. */
  findings() {
    return this.list().flatMap(({ name, last, ...probe }) => {
      if (last === null || last.ok) return [];
      const since = probe['last-success'] === null ? 'it never succeeded' : `the last success was at ${probe['last-success']}`;
      return [
        {
          code: `probe-failed:${name}`,
          severity: 'error' as const,
          problem: `the probe ${name} failed at ${last.time}: ${last.problem ?? 'cause unknown'} (${since})`,
          remedy: `bridgehead probe ${name}`,
        },
      ];
    });
  }

  /** Ends the run under way and all that wait. */
  stop(): void {
    this.#hasStarted = false;
    this.reconfigure();
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#turn;
  }

  async #runNow(probe: ProbeSettings): Promise<ProbeReport> {
    if (this.#stop.signal.aborted) throw new ProbeRefused('unavailable', 'the relay stops');
    const { log } = this.#parts;
    const run = new ProbeRun(probe, this.#parts, this.#box, this.#tokens, this.#stop.signal);
    this.#run = run;
    try {
      const report = await run.run();
      // a run that the stop of the relay cut short says nothing of the mail
      if (!this.#stop.signal.aborted) this.#remember(report);
      return report;
    } finally {
      this.#run = undefined;
      log.debug({ probe: probe.name }, 'probe done');
    }
  }

  #remember(report: ProbeReport): void {
    const { probe, ok, problem, there, back } = report;
    try {
      this.#history.add(report);
    } catch (error) {
      this.#parts.log.error({ err: error, probe }, 'the history of probes cannot be written');
    }
    const facts = { probe, messageId: report['message-id'], there: there.seconds, back: back.seconds };
    if (ok) this.#parts.log.info(facts, 'probe succeeded');
    else this.#parts.log.error({ ...facts, problem }, 'probe failed');
  }

  #plan(name: string, after: number): void {
    const timer = setTimeout(() => {
      const probe = this.#parts.settings().find((one) => one.name === name);
      if (probe?.every === undefined) return;
      this.#plan(name, probe.every * (1 + JITTER * (2 * this.#parts.random() - 1)));
      this.run(name).catch((error: unknown) => this.#parts.log.warn({ err: error, probe: name }, 'probe could not run'));
    }, after);
    timer.unref();
    this.#timers.set(name, timer);
  }

  #named(name: string): ProbeSettings {
    const all = this.#parts.settings();
    const probe = all.find((one) => one.name === name);
    if (probe !== undefined) return probe;
    const known = all.length === 0 ? 'the settings have none (probes:)' : `there is ${all.map((one) => one.name).join(', ')}`;
    throw new ProbeRefused('not-found', `there is no probe "${name}"; ${known}`);
  }
}

/** What is known of probes without a running relay. */
export function readProbes(folder: string, settings: readonly ProbeSettings[]) {
  const history = new ProbeHistory(folder);
  return {
    list: (): readonly ListedProbe[] => settings.map((probe) => listed(probe, history)),
    history: (name: string | undefined, limit: number): readonly ProbeResult[] => history.of(name, limit),
  };
}

function listed({ name, to, every }: ProbeSettings, history: ProbeHistory): ListedProbe {
  return {
    name,
    to: to.address,
    every: every === undefined ? null : every / 1000,
    last: history.last(name) ?? null,
    'last-success': history.lastSuccess(name)?.time ?? null,
  };
}
