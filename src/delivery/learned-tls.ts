/**
 * Learned TLS: what the TLS of each next hop has been, kept over restarts. Asked once a connection, never once a message;
 * written seldom, beside the mail.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';
import type { TlsDecision } from '../mail/tls-policy.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { acceptHop, judgeHop, type LearnedHop, type TlsSight, type Worse } from './learned-hop.ts';

export interface LearnedTlsParts {
  /** Absolute path; made at the first save. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds between something new and its save; a minute where absent. */
  readonly saveAfter?: number;
}

/** A next hop whose TLS got worse, as people see it. */
export interface TlsFinding {
  readonly connector: string;
  readonly host: string;
  readonly kind: Worse['kind'];
  readonly severity: 'warning' | 'info';
  readonly problem: string;
  readonly remedy: string;
}

/** One hop as `connector tls` shows it. */
export interface LearnedView {
  readonly hop: LearnedHop;
  /** It has had TLS for long enough that its loss counts. */
  readonly isLearned: boolean;
  readonly finding: TlsFinding | undefined;
}

const VERSION = 1;
const LEARNED_DAYS = 3;
/** Hops remembered; the longest unseen go first. */
const MOST_HOPS = 5_000;
/** Milliseconds without a connection after which a hop is forgotten, with what was found of it. */
const FORGET_AFTER = 90 * 86_400_000;

export class LearnedTls implements AsyncDisposable {
  readonly #parts: LearnedTlsParts;
  /** In order of the last connection, the longest unseen in front. */
  readonly #hops: Map<string, LearnedHop>;
  #isStale = false;
  #timer: NodeJS.Timeout | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(parts: LearnedTlsParts, hops: readonly LearnedHop[]) {
    this.#parts = parts;
    this.#hops = new Map(hops.map((hop) => [keyOf(hop.connector, hop.host), hop]));
  }

  /** A file that cannot be read is set aside and said so: learning begins anew, and mail never waits for it. */
  static async open(parts: LearnedTlsParts): Promise<LearnedTls> {
    const { file, log } = parts;
    try {
      const kept = JSON.parse(await readFile(file, 'utf8')) as { version?: unknown; hops?: unknown };
      if (kept.version !== VERSION || !Array.isArray(kept.hops) || !kept.hops.every(isHop))
        throw new TypeError('not in our form');
      return new LearnedTls(parts, kept.hops);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.error({ err: error, file }, 'learned TLS cannot be read; set aside, learning begins anew');
        await rename(file, `${file}.damaged`).catch(() => {});
      }
      return new LearnedTls(parts, []);
    }
  }

  /**
   * Takes note of what a connection showed. The answer is the reply to put the mail off with, where its policy says so;
   * `refused`: the policy refuses this session anyway.
   */
  note(connector: string, host: string, tls: TlsDecision, sight: TlsSight, refused = false): SmtpReply | undefined {
    const { clock, log } = this.#parts;
    const key = keyOf(connector, host);
    const before = this.#hops.get(key);
    const { learnedDays = LEARNED_DAYS, onDowngrade } = tls;
    const defers = onDowngrade === 'defer';
    const { hop, news, worse } = judgeHop({
      hop: before,
      sight,
      connector,
      host,
      now: clock.now(),
      learnedDays,
      refused,
      defers,
    });
    if (hop === undefined) return undefined;
    this.#hops.delete(key);
    this.#hops.set(key, hop);
    if (news === 'learned') this.#forget();
    if (news !== undefined || hop.days !== before?.days || hop.worse?.days !== before.worse?.days) this.#saveSoon();
    this.#isStale = true;
    if (news === 'worse')
      log.warn({ connector, host, tls: worse, before: evidenceOf(hop), waits: worse?.waits }, 'TLS got worse');
    else if (news === 'good again') log.info({ connector, host, before: before?.worse?.kind }, 'TLS is as it was');
    else if (news === 'renewed') log.info({ connector, host, certificate: hop.certificates.at(-1) }, 'TLS certificate renewed');
    if (worse === undefined || worse.kind === 'issuer' || !defers) return undefined;
    const text = `${host} ${whatHappened(worse)}; on-downgrade: defer`;
    return reply(451, worse.kind === 'clear' ? '4.7.4' : '4.7.5', text.slice(0, 400));
  }

  /** What is worse now, at hops of the connectors that are there and use TLS. */
  findings(connectors: readonly Connector[]): TlsFinding[] {
    return connectors.flatMap((connector) => this.list(connector).flatMap(({ finding }) => finding ?? []));
  }

  list(connector: Connector): LearnedView[] {
    const policies = [connector.tls, ...(connector.tlsDestinations ?? []).map(({ tls }) => tls)];
    if (policies.every(({ mode }) => mode === 'none')) return [];
    const views: LearnedView[] = [];
    for (const hop of this.#hops.values()) {
      if (hop.connector !== connector.name) continue;
      const isLearned = hop.days >= (connector.tls.learnedDays ?? LEARNED_DAYS);
      views.push({ hop, isLearned, finding: hop.worse === undefined ? undefined : findingOf(hop, hop.worse) });
    }
    return views;
  }

  /** Takes what the hops of a connector (one, or all that got worse) show now as good. Durable when resolved. */
  async accept(connector: string, host?: string): Promise<readonly LearnedHop[]> {
    const accepted: LearnedHop[] = [];
    for (const [key, hop] of this.#hops) {
      if (hop.connector !== connector || hop.worse === undefined) continue;
      if (host !== undefined && hop.host !== host && hop.host.replace(/:\d+$/, '') !== host) continue;
      accepted.push(hop);
      const after = acceptHop(hop, this.#parts.clock.now());
      if (after === undefined) this.#hops.delete(key);
      else this.#hops.set(key, after);
    }
    if (accepted.length === 0) return accepted;
    this.#parts.log.info({ connector, hosts: accepted.map((hop) => hop.host) }, 'TLS accepted as it is');
    this.#isStale = true;
    await this.#save();
    return accepted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isStale) await this.#save().catch((error: unknown) => this.#failed(error));
    await this.#saving.catch(() => {});
  }

  #forget(): void {
    const now = this.#parts.clock.now();
    for (const [key, { lastSeen, worse }] of this.#hops) {
      if (this.#hops.size <= MOST_HOPS && now - Math.max(lastSeen, worse?.lastSeen ?? 0) < FORGET_AFTER) return;
      this.#hops.delete(key);
    }
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#save().catch((error: unknown) => this.#failed(error));
    }, this.#parts.saveAfter ?? 60_000).unref();
  }

  #failed(error: unknown): void {
    this.#parts.log.error({ err: error, file: this.#parts.file }, 'learned TLS not saved');
    this.#isStale = true;
  }

  /** One write at a time; a crash leaves the file as it was before or after. */
  #save(): Promise<void> {
    this.#saving = this.#saving
      .catch(() => {})
      .then(async () => {
        this.#isStale = false;
        const { file } = this.#parts;
        const draft = await open(`${file}.new`, 'w', 0o600);
        try {
          await draft.writeFile(JSON.stringify({ version: VERSION, hops: [...this.#hops.values()] }));
          await draft.datasync();
        } finally {
          await draft.close();
        }
        await rename(`${file}.new`, file);
      });
    return this.#saving;
  }
}

const keyOf = (connector: string, host: string): string => `${connector} ${host}`;

function isHop(value: unknown): value is LearnedHop {
  const hop = value as Partial<LearnedHop> | null;
  return (
    typeof hop?.connector === 'string' &&
    typeof hop.host === 'string' &&
    [hop.firstSeen, hop.lastSeen, hop.days].every(Number.isFinite) &&
    typeof hop.protocol === 'string' &&
    Array.isArray(hop.certificates)
  );
}

/** The last good TLS, for the log. */
const evidenceOf = ({ protocol, certificates, lastSeen, days }: LearnedHop) => ({
  protocol,
  certificate: certificates.at(-1),
  lastSeen: new Date(lastSeen).toISOString(),
  days,
});

function whatHappened({ kind, how }: Worse): string {
  switch (kind) {
    case 'clear':
      return `has no TLS any more (${how})`;
    case 'unverified':
      return `shows a certificate that cannot be verified any more (${how})`;
    case 'key':
      return `shows another certificate (${how})`;
    case 'protocol':
      return `speaks older TLS (${how})`;
    case 'issuer':
      return `shows another certificate (${how})`;
  }
}

function findingOf(hop: LearnedHop, worse: Worse): TlsFinding {
  const { connector, host, days, protocol, certificates, lastSeen } = hop;
  const { kind, since, waits } = worse;
  const certificate = certificates.at(-1);
  const shown =
    certificate === undefined
      ? ''
      : `, certificate ${certificate.subject || 'without a subject'} of ${certificate.issuer || 'nobody'}`;
  const isNote = kind === 'issuer';
  const effect = isNote ? 'mail goes on' : waits ? 'its mail waits' : kind === 'clear' ? 'mail goes in clear' : 'mail goes on';
  const accept = `bridgehead connector accept-tls ${connector} ${host}`;
  return {
    connector,
    host,
    kind,
    severity: isNote ? 'info' : 'warning',
    problem: `${connector}: ${host} ${whatHappened(worse)} since ${iso(since)}; ${effect}. Good before: ${protocol}${shown}, on ${days} ${days === 1 ? 'day' : 'days'} until ${iso(lastSeen)}`,
    remedy: isNote
      ? `nothing, where the other side renewed it: it counts as good after some days, or at once with ${accept}`
      : `ask who runs ${host} whether that is meant: somebody in between can do it too. If it is: ${accept}`,
  };
}

const iso = (at: number): string => new Date(at).toISOString();
