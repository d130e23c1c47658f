/** What was told of which finding, and what is to be told now. Pure but for its own memory. */
import type { Status } from './contract.ts';

export type Finding = Status['findings'][number];

/** One thing to tell. */
export interface Notice {
  /** `reminder`: an error that stands for another day. */
  readonly state: 'new' | 'reminder' | 'cleared';
  /** Stable while the trouble lasts: the finding's code, or its words without times and numbers. */
  readonly key: string;
  readonly severity: Finding['severity'];
  readonly problem: string;
  readonly remedy: string | null;
  /** Milliseconds since the epoch: when it was first seen. */
  readonly since: number;
}

/** One finding that is known, as it outlives a restart. */
export interface KnownFinding {
  readonly severity: Finding['severity'];
  readonly problem: string;
  readonly remedy: string | null;
  readonly since: number;
  /** Absent: not told yet. */
  readonly toldAt?: number;
}

const MINUTE = 60_000;
/** A warning is told when it stands for so long: a server that restarts is no reason to wake anybody. */
const WARNING_STANDS = 2 * MINUTE;
/** Gone for so long it counts as over: what comes and goes is told once. */
const GONE = 10 * MINUTE;
const REMINDER = 24 * 60 * MINUTE;
/** Findings kept in mind. */
const MOST = 500;

export class AlertBook {
  readonly #known: Map<string, KnownFinding>;
  readonly #seenAt = new Map<string, number>();

  /** `known`: what the process before this one knew; it counts as seen at `now`. */
  constructor(known: Readonly<Record<string, KnownFinding>>, now: number) {
    this.#known = new Map(Object.entries(known));
    for (const key of this.#known.keys()) this.#seenAt.set(key, now);
  }

  /** Takes what is found now; answers with what is to be told. Notes (`info`) are for `status` alone. */
  look(findings: readonly Finding[], now: number): Notice[] {
    const notices: Notice[] = [];
    const families = new Set<string>();
    for (const finding of findings) {
      if (finding.severity === 'info') continue;
      const key = keyOf(finding);
      families.add(familyOf(key));
      const before = this.#known.get(key);
      if (before === undefined && this.#known.size >= MOST) continue;
      this.#seenAt.set(key, now);
      const { severity, problem, remedy } = finding;
      const known = { ...(before ?? { since: now }), severity, problem, remedy };
      const state = stateOf(known, before, now);
      this.#known.set(key, state === undefined ? known : { ...known, toldAt: now });
      if (state !== undefined) notices.push({ state, key, severity, problem, remedy, since: known.since });
    }
    for (const [key, known] of this.#known) {
      const gone = now - (this.#seenAt.get(key) ?? now);
      if (gone === 0 || (known.toldAt !== undefined && gone < GONE)) continue;
      this.#known.delete(key);
      this.#seenAt.delete(key);
      const { toldAt, ...rest } = known;
      if (toldAt !== undefined && !families.has(familyOf(key))) notices.push({ state: 'cleared', key, ...rest });
    }
    return notices;
  }

  toJSON(): Record<string, KnownFinding> {
    return Object.fromEntries(this.#known);
  }
}

function stateOf(known: KnownFinding, before: KnownFinding | undefined, now: number): 'new' | 'reminder' | undefined {
  const { severity, toldAt, since } = known;
  if (toldAt === undefined) return severity === 'error' || now - since >= WARNING_STANDS ? 'new' : undefined;
  if (severity !== 'error') return undefined;
  if (before?.severity === 'warning') return 'new';
  return now - toldAt >= REMINDER ? 'reminder' : undefined;
}

/** Findings without a code are known by their words; times and counts in them change, and it is still the same trouble. */
function keyOf({ code, problem }: Finding): string {
  if (code !== undefined) return code;
  return problem
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '*')
    .replace(/(?<![\w.@-])\d[\d,.]*(?![\w@-])/g, '*')
    .slice(0, 300);
}

/** `certificate-expiry:listener#7` is a step further of `#14`: that one is not over. */
const familyOf = (key: string): string => key.replace(/#[^#]*$/, '');
