/** Shadow mode: how the mail of another relay's past would be routed here, before the MX moves. Memory stays bounded. */
import { setImmediate } from 'node:timers/promises';
import type { Mailbox } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';
import { formatReply } from '../mail/reply.ts';
import type { RouteName } from '../mail/route.ts';
import type { CompiledRouting } from './compile.ts';
import { decideRoute } from './decide.ts';
import { find } from './lookup.ts';
import type { ActiveDirectory } from './ports.ts';
import { REPLIES, refuses } from './replies.ts';

/** One recipient of a message that another relay handled. */
export interface PastMessage {
  /** ISO 8601 */
  readonly time?: string;
  readonly sender?: ReversePath;
  readonly recipient: Mailbox;
  /** Octets. */
  readonly size?: number;
  /** Where it stands in its log. */
  readonly line: number;
}

interface Counted {
  readonly count: number;
  /** The line of the first. */
  readonly line: number;
  /** ISO 8601; null where the log has no times. */
  readonly last: string | null;
}

/** What `shadow --json` prints. */
export interface ShadowReport {
  readonly 'directory-version': number;
  /** A message with two recipients counts twice. */
  readonly recipients: number;
  readonly first: string | null;
  readonly last: string | null;
  /** Mail for our own domains, by the route it would take. */
  readonly routes: Readonly<Record<RouteName, number>>;
  readonly connectors: readonly { readonly connector: string; readonly count: number }[];
  readonly domains: readonly {
    readonly domain: string;
    readonly count: number;
    readonly unknown: number;
    readonly refused: number;
    readonly routes: Readonly<Partial<Record<RouteName, number>>>;
  }[];
  /** Recipients in our domains that the directory does not know. */
  readonly unknown: {
    readonly count: number;
    readonly distinct: number;
    /** The most written to first. */
    readonly top: readonly (Counted & {
      readonly address: string;
      readonly reply: string;
      readonly reason: string;
      /** The connector that is asked before the recipient is taken (C3), whose answer counts; null: none. */
      readonly asks: string | null;
    })[];
  };
  /** What would be answered with a refusal, the most frequent first. */
  readonly refused: readonly (Counted & {
    readonly reply: string;
    readonly reason: string;
    readonly examples: readonly string[];
  })[];
  /** Messages over the limit of their way (C14). */
  readonly 'too-large': { readonly count: number; readonly largest: number; readonly examples: readonly string[] };
  /** Mail for domains that are not ours: what went out by the other relay. */
  readonly outgoing: {
    readonly count: number;
    /** How much of it on-premises peers could not send by this relay as it is set. */
    readonly refused: number;
    readonly domains: readonly { readonly domain: string; readonly count: number }[];
  };
  /** What the bounds left out. */
  readonly notes: readonly string[];
}

export interface ShadowOptions {
  /** Entries of each list; 100 where absent. */
  readonly top?: number;
  /** Different recipients, domains and refusals that are told apart; 100,000 where absent. */
  readonly distinct?: number;
}

/** Messages decided in one go; then mail has its turn. */
const IN_ONE_GO = 2000;
const EXAMPLES = 5;

/**
 * Decides each past message as if it came now: for our domains as from outside, which has the least rights; for others as
 * from on-premises, for who else would have sent it by that relay.
 */
export async function shadow(
  messages: Iterable<PastMessage> | AsyncIterable<PastMessage>,
  routing: CompiledRouting,
  directory: ActiveDirectory,
  options: ShadowOptions = {},
): Promise<ShadowReport> {
  const evaluation = new Evaluation(routing, directory, options);
  let sincePause = 0;
  for await (const message of messages) {
    evaluation.take(message);
    if (++sincePause % IN_ONE_GO === 0) await setImmediate();
  }
  return evaluation.report();
}

class Evaluation {
  readonly #routing: CompiledRouting;
  readonly #directory: ActiveDirectory;
  readonly #top: number;
  readonly #routes: Record<RouteName, number> = { cloud: 0, 'on-premises': 0, internet: 0, both: 0, hold: 0, reject: 0 };
  readonly #connectors = new Map<string, number>();
  readonly #domains: Tally<{ unknown: number; refused: number; routes: Partial<Record<RouteName, number>> }>;
  readonly #unknown: Tally<{ reply: string; reason: string; asks: string | null }>;
  readonly #refused: Tally<{ reply: string; reason: string; examples: string[] }>;
  readonly #outgoing: Tally<object>;
  #outgoingRefused = 0;
  #tooLarge = 0;
  #largest = 0;
  readonly #largeExamples: string[] = [];
  #recipients = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(routing: CompiledRouting, directory: ActiveDirectory, { top = 100, distinct = 100_000 }: ShadowOptions) {
    this.#routing = routing;
    this.#directory = directory;
    this.#top = top;
    this.#domains = new Tally(distinct);
    this.#unknown = new Tally(distinct);
    this.#refused = new Tally(distinct);
    this.#outgoing = new Tally(distinct);
  }

  take(message: PastMessage): void {
    const { recipient, sender = null, size } = message;
    this.#recipients++;
    const time = timeOf(message);
    if (time !== undefined) {
      if (time < this.#first) this.#first = time;
      if (time > this.#last) this.#last = time;
    }
    const isOurs = this.#routing.accepted(recipient.domain) !== undefined || this.#routing.isRoutingDomain(recipient.domain);
    const isInside = !isOurs || this.#routing.isRoutingDomain(recipient.domain);
    const decision = decideRoute(this.#routing, this.#directory, {
      recipient,
      sender,
      origin: { peer: isInside ? 'on-premises' : 'external', ownHops: 0, tenantProof: false },
      ...(size === undefined ? {} : { size }),
      stage: 'rcpt',
    });
    const isRefused = decision.kind === 'reject';
    if (!isOurs) {
      this.#outgoing.add(recipient.domain, message, () => ({}));
      if (isRefused) this.#outgoingRefused++;
      return;
    }
    this.#routes[decision.route]++;
    if (decision.kind === 'deliver') {
      const { name } = decision.primary.connector;
      this.#connectors.set(name, (this.#connectors.get(name) ?? 0) + 1);
    }
    const domain = this.#domains.add(recipient.domain, message, () => ({ unknown: 0, refused: 0, routes: {} }));
    if (domain !== undefined) domain.routes[decision.route] = (domain.routes[decision.route] ?? 0) + 1;
    const reply = formatReply(decision.reply);
    if (find(this.#routing, this.#directory, recipient) === undefined && !this.#routing.isRoutingDomain(recipient.domain)) {
      if (domain !== undefined) domain.unknown++;
      const asks = (decision.kind === 'deliver' ? decision.verify?.connector : undefined) ?? null;
      this.#unknown.add(recipient.address.toLowerCase(), message, () => ({ reply, reason: decision.reason, asks }));
    }
    if (!isRefused) return;
    if (domain !== undefined) domain.refused++;
    if (refuses(decision.reply, REPLIES.tooLarge)) this.#noteSize(message);
    // by code and reason: the text names the recipient, and each would be a refusal of its own
    const { code, enhanced } = decision.reply;
    const refusal = this.#refused.add(`${code} ${enhanced ?? ''} ${decision.reason}`, message, () => ({
      reply,
      reason: decision.reason,
      examples: [],
    }));
    if (refusal !== undefined) addExample(refusal.examples, recipient.address);
  }

  report(): ShadowReport {
    const { size: distinct, count: unknown } = this.#unknown;
    return {
      'directory-version': this.#directory.version,
      recipients: this.#recipients,
      first: iso(this.#first),
      last: iso(this.#last),
      routes: this.#routes,
      connectors: [...this.#connectors].map(([connector, count]) => ({ connector, count })).sort((a, b) => b.count - a.count),
      domains: this.#domains.top(this.#top).map(({ key, count, more }) => ({ domain: key, count, ...more })),
      unknown: {
        count: unknown,
        distinct,
        top: this.#unknown.top(this.#top).map(({ key, more, ...counted }) => ({ address: key, ...counted, ...more })),
      },
      refused: this.#refused.top(this.#top).map(({ count, line, last, more }) => ({ count, line, last, ...more })),
      'too-large': { count: this.#tooLarge, largest: this.#largest, examples: this.#largeExamples },
      outgoing: {
        count: this.#outgoing.count,
        refused: this.#outgoingRefused,
        domains: this.#outgoing.top(this.#top).map(({ key, count }) => ({ domain: key, count })),
      },
      notes: [
        this.#unknown.note('unknown recipients'),
        this.#domains.note('domains'),
        this.#outgoing.note('outside domains'),
        this.#refused.note('refusals'),
      ].filter((note) => note !== undefined),
    };
  }

  #noteSize({ recipient, size = 0, line }: PastMessage): void {
    this.#tooLarge++;
    this.#largest = Math.max(this.#largest, size);
    addExample(this.#largeExamples, `${recipient.address}, ${size} octets, line ${line}`);
  }
}

function addExample(examples: string[], example: string): void {
  if (examples.length < EXAMPLES && !examples.includes(example)) examples.push(example);
}

/** Milliseconds since the epoch. */
function timeOf({ time }: PastMessage): number | undefined {
  const parsed = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(parsed) ? undefined : parsed;
}

const iso = (time: number): string | null => (Number.isFinite(time) ? new Date(time).toISOString() : null);

interface Sum<T> {
  count: number;
  readonly line: number;
  last: number;
  readonly more: T;
}

/** Counts by a key, up to so many different ones; the rest is counted as a whole. */
class Tally<T> {
  readonly #most: number;
  readonly #sums = new Map<string, Sum<T>>();
  #rest = 0;
  count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#sums.size;
  }

  /** What stands under the key, made by `first`; `undefined` where there is no more room. */
  add(key: string, message: PastMessage, first: () => T): T | undefined {
    const { line } = message;
    const time = timeOf(message) ?? Number.NEGATIVE_INFINITY;
    this.count++;
    const standing = this.#sums.get(key);
    if (standing !== undefined) {
      standing.count++;
      if (time > standing.last) standing.last = time;
      return standing.more;
    }
    if (this.#sums.size >= this.#most) {
      this.#rest++;
      return undefined;
    }
    const more = first();
    this.#sums.set(key, { count: 1, line, last: time, more });
    return more;
  }

  top(most: number): (Counted & { readonly key: string; readonly more: T })[] {
    return [...this.#sums]
      .sort(([, a], [, b]) => b.count - a.count || a.line - b.line)
      .slice(0, most)
      .map(([key, { count, line, last, more }]) => ({ key, count, line, last: iso(last), more }));
  }

  note(what: string): string | undefined {
    if (this.#rest === 0) return undefined;
    return `more than ${this.#most} different ${what}: ${this.#rest} further messages are counted, and not told apart`;
  }
}
