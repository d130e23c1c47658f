/** `domain verify`: the record in DNS that proves a domain to be ours, looked up now and again, and kept over a restart. */

import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Domain } from '../mail/address.ts';
import type { Clock } from '../platform/clock.ts';
import { makeDirectory, replaceFile } from '../platform/files.ts';
import type { Log } from '../platform/logger.ts';
import { afterAnswer, checkAgainIn, isRefused, type ProofAnswer, type ProofState, proofMessage } from './domain-proof-state.ts';

export interface ProvenDomain {
  readonly name: Domain;
  readonly cname?: { readonly record: Domain; readonly target: Domain };
  readonly txt?: string;
}

export interface DomainProofSettings {
  /** Those with a `verification` setting alone: the others have no gate (C8). */
  readonly domains: readonly ProvenDomain[];
  /** `host:port`; empty: the system's. */
  readonly dnsServers: readonly string[];
  /** Where the states are kept; absolute path. */
  readonly file: string;
}

/** `domain verify --json` and `domain list`. Times in ISO 8601. */
export interface DomainProof {
  readonly domain: string;
  readonly state: ProofState['state'];
  readonly since: string;
  readonly 'checked-at': string;
  readonly answer: string;
  /** Whether its cloud routes are refused. */
  readonly gated: boolean;
  readonly override: { readonly who: string; readonly at: string; readonly reason: string } | null;
  readonly severity: 'info' | 'warning';
  readonly message: string;
  readonly remedy: string | null;
}

export interface DomainProofDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Beside a running relay: states are read and nothing is written. */
  readonly readOnly?: boolean;
}

/** The domains with a proof to find, and their states. */
export class DomainProofs implements Disposable {
  readonly #deps: DomainProofDeps;
  #settings: DomainProofSettings;
  readonly #states: Map<string, ProofState>;
  #gated: ReadonlySet<string> = new Set();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isRunning = false;

  /** Reads the states that were kept. A file that cannot be read counts as none: DNS tells again. */
  constructor(settings: DomainProofSettings, deps: DomainProofDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#states = readStates(settings.file, deps.log);
    this.#refreshGate();
  }

  /** Whether cloud routes of this accepted domain are refused. Asked for each recipient of the cloud: one look at a set. */
  readonly isGated = (domain: Domain): boolean => this.#gated.has(domain);

  /** Looks each domain up when its time has come, from now on. */
  start(): void {
    this.#isRunning = true;
    for (const { name } of this.#settings.domains) this.#schedule(name);
  }

  /** New settings; a domain that is new is looked up at once. A changed record keeps the state it had (C8). */
  reconfigure(settings: DomainProofSettings): void {
    const changed = settings.domains.filter(({ name, cname, txt }) => {
      const before = this.#settings.domains.find((domain) => domain.name === name);
      return before?.txt !== txt || before?.cname?.record !== cname?.record || before?.cname?.target !== cname?.target;
    });
    this.#settings = settings;
    this.#refreshGate();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#isRunning)
      for (const { name } of settings.domains)
        this.#schedule(
          name,
          changed.some((one) => one.name === name),
        );
  }

  /** Looks a domain up now; `undefined` where it has no `verification` setting. Rejects where the state cannot be kept. */
  async verify(name: string): Promise<DomainProof | undefined> {
    const domain = this.#settings.domains.find((one) => one.name === name.toLowerCase());
    if (domain === undefined) return undefined;
    const answer = await lookUp(domain, this.#settings.dnsServers);
    const before = this.#states.get(domain.name);
    const state = afterAnswer(before, answer, this.#deps.clock.now());
    this.#keep(domain.name, state);
    if (before?.state !== state.state) {
      const { severity, text } = this.#message(domain.name, state);
      this.#deps.log[severity === 'warning' ? 'warn' : 'info']({ domain: domain.name, state: state.state }, text);
    }
    if (this.#isRunning) this.#schedule(domain.name);
    return this.#shown(domain.name, state);
  }

  /**
   * Lets the cloud routes of an unverified domain be used (or no longer: `undefined`). `undefined` where the domain has no
   * `verification` setting. Rejects where the state cannot be kept.
   */
  override(name: string, override: { readonly who: string; readonly reason: string } | undefined): DomainProof | undefined {
    const domain = this.#settings.domains.find((one) => one.name === name.toLowerCase());
    if (domain === undefined) return undefined;
    const now = this.#deps.clock.now();
    const { override: _before, ...standing } = this.#states.get(domain.name) ?? unasked(now);
    const state: ProofState = override === undefined ? standing : { ...standing, override: { ...override, at: now } };
    this.#keep(domain.name, state);
    this.#deps.log.info(
      { domain: domain.name, ...override },
      override === undefined ? 'domain gate restored' : 'domain gate overridden',
    );
    return this.#shown(domain.name, state);
  }

  /** Every domain with a `verification` setting. */
  list(): DomainProof[] {
    return this.#settings.domains.map(({ name }) => this.#shown(name, this.#states.get(name) ?? unasked(this.#deps.clock.now())));
  }

  [Symbol.dispose](): void {
    this.#isRunning = false;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(name: Domain, atOnce = false): void {
    clearTimeout(this.#timers.get(name));
    const state = this.#states.get(name);
    const now = this.#deps.clock.now();
    const wait = state === undefined || atOnce ? 0 : Math.max(0, state.checkedAt + checkAgainIn(state, now) - now);
    const timer = setTimeout(() => {
      this.verify(name).catch((error: unknown) => {
        this.#deps.log.error({ domain: name, error: (error as Error).message }, 'the state of a domain cannot be kept');
        if (this.#isRunning) this.#schedule(name);
      });
    }, wait);
    this.#timers.set(name, timer.unref());
  }

  #keep(name: Domain, state: ProofState): void {
    const before = this.#states.get(name);
    this.#states.set(name, state);
    if (this.#deps.readOnly !== true) {
      try {
        makeDirectory(dirname(this.#settings.file));
        replaceFile(this.#settings.file, `${JSON.stringify(Object.fromEntries(this.#states), null, 1)}\n`);
      } catch (error) {
        // what is not on disk does not count: a restart would forget it
        if (before === undefined) this.#states.delete(name);
        else this.#states.set(name, before);
        throw error;
      }
    }
    this.#refreshGate();
  }

  #refreshGate(): void {
    this.#gated = new Set(this.#settings.domains.map(({ name }) => name).filter((name) => isRefused(this.#states.get(name))));
  }

  #message(name: string, state: ProofState): ReturnType<typeof proofMessage> {
    return proofMessage(name, state, this.#deps.clock.now());
  }

  #shown(name: Domain, state: ProofState): DomainProof {
    const { severity, text, remedy } = this.#message(name, state);
    const { override } = state;
    return {
      domain: name,
      state: state.state,
      since: new Date(state.since).toISOString(),
      'checked-at': new Date(state.checkedAt).toISOString(),
      answer: state.answer,
      gated: isRefused(state),
      override: override === undefined ? null : { ...override, at: new Date(override.at).toISOString() },
      severity,
      message: text,
      remedy,
    };
  }
}

const unasked = (now: number): ProofState => ({
  state: 'unverified',
  since: now,
  checkedAt: now,
  answer: 'DNS was not asked yet',
});

/** Asks DNS for the proof; where both are set, one of them suffices. Never rejects. */
async function lookUp({ name, cname, txt }: ProvenDomain, servers: readonly string[]): Promise<ProofAnswer> {
  const resolver = new Resolver({ timeout: 3_000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const answers: ProofAnswer[] = [];
  if (cname !== undefined) answers.push(await lookUpCname(resolver, cname));
  if (txt !== undefined && answers[0]?.kind !== 'found') answers.push(await lookUpTxt(resolver, name, txt));
  return (
    answers.find(({ kind }) => kind === 'found') ??
    answers.find(({ kind }) => kind === 'unanswered') ?? { kind: 'absent', text: answers.map(({ text }) => text).join('; ') }
  );
}

async function lookUpCname(resolver: Resolver, { record, target }: NonNullable<ProvenDomain['cname']>): Promise<ProofAnswer> {
  try {
    const targets = (await resolver.resolveCname(record)).map((name) => name.toLowerCase().replace(/\.$/, ''));
    return targets.includes(target)
      ? { kind: 'found', text: `${record} is a CNAME for ${target}` }
      : { kind: 'absent', text: `${record} is a CNAME for ${targets.join(', ').slice(0, 200)}, not for ${target}` };
  } catch (error) {
    return failed(error, `${record} has no CNAME`, record);
  }
}

async function lookUpTxt(resolver: Resolver, name: Domain, wanted: string): Promise<ProofAnswer> {
  try {
    const texts = (await resolver.resolveTxt(name)).map((parts) => parts.join('').trim());
    return texts.some((text) => text.toLowerCase() === wanted.trim().toLowerCase())
      ? { kind: 'found', text: `${name} has the TXT record ${wanted}` }
      : { kind: 'absent', text: `${name} has ${texts.length} TXT records, and none is ${wanted}` };
  } catch (error) {
    return failed(error, `${name} has no TXT record`, name);
  }
}

function failed(error: unknown, absent: string, name: string): ProofAnswer {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA'
    ? { kind: 'absent', text: absent }
    : { kind: 'unanswered', text: `DNS does not answer for ${name} (${code})` };
}

function isState(kept: ProofState | null): boolean {
  const times = [kept?.since, kept?.checkedAt];
  return ['unverified', 'verified', 'lost'].includes(kept?.state ?? '') && times.every((time) => Number.isSafeInteger(time));
}

function readStates(file: string, log: Log): Map<string, ProofState> {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, ProofState>;
    return new Map(Object.entries(kept).filter(([, state]) => isState(state)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ file, error: (error as Error).message }, 'the states of the domains cannot be read; DNS is asked anew');
    return new Map();
  }
}
