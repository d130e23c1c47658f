/**
 * The watch on our own certificates: takes a renewed one by itself, tells weeks before one ends, and of a chain that is not
 * whole (R14). Files are looked at every few seconds, which also sees links that are switched over.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import { certificatesIn, type KeyPair, readKeyPair, stampOf } from '../platform/key-pair.ts';
import type { Log } from '../platform/logger.ts';
import type { Ended } from '../platform/run-program.ts';
import { certificateFindings } from './certificate-findings.ts';
import type { Status } from './contract.ts';
import { type CertificatePlace, type DescribedChain, endOf, thresholdOf, type Watched } from './watched-certificate.ts';

export interface CertificateParts {
  /** DER, our own first. */
  readonly describe: (der: readonly Buffer[], now: number) => DescribedChain | undefined;
  /** Makes a changed pair count. Rejects where it cannot be used. Absent without a relay. */
  readonly take?: (place: CertificatePlace, pair: KeyPair) => Promise<void>;
  /** Runs the administrator's program; absent: there is none to be run here. */
  readonly run?: (command: readonly string[], environment: Record<string, string>, stop: AbortSignal) => Promise<Ended>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface CertificateSettings {
  readonly places: readonly CertificatePlace[];
  /** Program and arguments, to be run after a changed certificate was taken. */
  readonly renewalHook?: readonly string[];
}

/** Milliseconds. */
const EVERY = 15_000;

export class Certificates implements AsyncDisposable {
  #settings: CertificateSettings;
  readonly #parts: CertificateParts;
  #watched: Watched[] = [];
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #hooks: Promise<void> = Promise.resolve();
  #hookFailure: { readonly problem: string; readonly since: number } | undefined;

  private constructor(settings: CertificateSettings, parts: CertificateParts) {
    this.#settings = settings;
    this.#parts = parts;
  }

  /** Reads what is there; that is what is in use. Never rejects: what cannot be read is a finding. */
  static async open(settings: CertificateSettings, parts: CertificateParts): Promise<Certificates> {
    const opened = new Certificates(settings, parts);
    await opened.look();
    return opened;
  }

  start(every = EVERY): void {
    this.#timer = setInterval(() => void this.look(), every);
    this.#timer.unref();
  }

  /** New settings; places that stay keep what is known of them. */
  async reconfigure(settings: CertificateSettings): Promise<void> {
    this.#settings = settings;
    await this.look();
  }

  /** Looks at all files now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const known = new Map(this.#watched.map((one) => [`${one.place.use} ${one.place.name}`, one]));
    this.#watched = this.#settings.places.map((place) => ({ ...known.get(`${place.use} ${place.name}`), place }));
    const renewed = new Map<string, Watched>();
    for (const one of this.#watched) if (await this.#lookAt(one)) renewed.set(one.place.certificate, one);
    for (const one of renewed.values()) this.#runHook(one);
    this.#logAlarms();
  }

  /** Whether a changed certificate was taken. */
  async #lookAt(one: Watched): Promise<boolean> {
    const { clock, log, describe, take } = this.#parts;
    const { place } = one;
    const now = clock.now();
    try {
      const stamp = await stampOf(place);
      if (stamp === one.stamp) return false;
      const pair = await readKeyPair(place);
      const digest = createHash('sha256').update(pair.certificate).update(pair.key).digest('hex');
      const isChanged = one.digest !== undefined && one.digest !== digest;
      // at the start, and where a broken pair was mended, whoever uses it has read it or will read it by itself
      if (isChanged) await take?.(place, pair);
      const chain = describe(certificatesIn(pair.certificate), now);
      if (chain !== undefined) one.chain = chain;
      if (isChanged) log.info({ use: place.use, name: place.name, ...certificateFields(one) }, 'certificate taken');
      if (one.digest !== digest) one.takenAt = now;
      one.digest = digest;
      one.stamp = stamp;
      delete one.fault;
      return isChanged;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (one.fault?.problem !== problem) {
        one.fault = { problem, since: one.fault?.since ?? now };
        log.warn({ use: place.use, name: place.name, file: place.certificate, problem }, 'certificate cannot be used');
      }
      return false;
    }
  }

  #runHook({ place, chain }: Watched): void {
    const { run, log, clock } = this.#parts;
    const { renewalHook } = this.#settings;
    if (run === undefined || renewalHook === undefined) return;
    const leaf = chain?.certificates[0];
    const environment = {
      BRIDGEHEAD_USE: place.use,
      BRIDGEHEAD_NAME: place.name,
      BRIDGEHEAD_CERTIFICATE: place.certificate,
      BRIDGEHEAD_KEY: place.key,
      BRIDGEHEAD_SHA256: leaf?.sha256 ?? '',
      BRIDGEHEAD_VALID_TO: leaf?.['valid-to'] ?? '',
    };
    // one after the other: what a hook restarts should not be restarted twice at a time
    this.#hooks = this.#hooks.then(async () => {
      const { status, problem, output } = await run(renewalHook, environment, this.#stop.signal);
      const fields = { hook: renewalHook[0], certificate: place.certificate, output };
      if (status === 0) {
        this.#hookFailure = undefined;
        log.info(fields, 'renewal hook done');
      } else {
        const why = problem ?? `it ended with status ${status}`;
        this.#hookFailure = { problem: why, since: clock.now() };
        log.error({ ...fields, problem: why }, 'renewal hook failed');
      }
    });
  }

  /** Each threshold once. */
  #logAlarms(): void {
    const { clock, log } = this.#parts;
    for (const one of this.#watched) {
      const threshold = thresholdOf(one, clock.now());
      if (threshold === one.logged) continue;
      if (threshold === undefined) delete one.logged;
      else one.logged = threshold;
      const fields = { use: one.place.use, name: one.place.name, ...certificateFields(one) };
      if (threshold === 'expired') log.error(fields, 'certificate has expired');
      else if (threshold !== undefined) log.warn(fields, 'certificate expires soon');
    }
  }

  findings(): Status['findings'] {
    const now = this.#parts.clock.now();
    const found = this.#watched.flatMap((one) => certificateFindings(one, now));
    if (this.#hookFailure !== undefined)
      found.push({
        code: 'certificate-hook',
        severity: 'warning',
        problem: `the renewal hook failed at ${new Date(this.#hookFailure.since).toISOString()}: ${this.#hookFailure.problem}`,
        remedy: 'what depends on it may still have the old certificate: look at its output in the log, and run it by hand',
      });
    return found;
  }

  /** For `status`, and for metrics. */
  list(): NonNullable<Status['certificates']> {
    const now = this.#parts.clock.now();
    return this.#watched.map((one) => {
      const { place, chain, fault, takenAt } = one;
      const leaf = chain?.certificates[0];
      const end = endOf(one);
      return {
        use: place.use,
        name: place.name,
        file: place.certificate,
        subject: leaf?.subject ?? null,
        issuer: leaf?.issuer ?? null,
        names: [...(leaf?.names ?? [])],
        'valid-to': end === undefined ? null : new Date(end).toISOString(),
        'seconds-left': end === undefined ? null : Math.floor((end - now) / 1000),
        sha256: leaf?.sha256 ?? null,
        chain:
          leaf === undefined || chain === undefined
            ? null
            : leaf['self-signed']
              ? 'self-signed'
              : chain.complete
                ? 'complete'
                : 'incomplete',
        missing: chain?.missing ?? null,
        since: takenAt === undefined ? null : new Date(takenAt).toISOString(),
        problem: fault?.problem ?? null,
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#looking;
    await this.#hooks;
  }
}

function certificateFields(one: Watched): Record<string, unknown> {
  const leaf = one.chain?.certificates[0];
  const end = endOf(one);
  return {
    file: one.place.certificate,
    subject: leaf?.subject,
    names: leaf?.names,
    ...(end !== undefined && { validTo: new Date(end).toISOString() }),
  };
}
