/** What a reconciliation finds, in the form that `directory check --json` prints; bounded whatever the sources hold. */

export type CheckKind =
  | 'both-sides'
  | 'neither-side'
  | 'wrong-side'
  | 'routing-address-missing'
  | 'routing-address-wrong'
  | 'alias-twice'
  | 'group-both-sides'
  | 'domain-unverified'
  | 'cloud-mailbox-missing'
  | 'on-premises-object-missing'
  | 'stale-target'
  | 'contact-migrated'
  | 'not-in-directory'
  | 'learned'
  | 'unreadable';

export type CheckSeverity = 'error' | 'warning' | 'info';

/** A line to type, and where: the Exchange Management Shell on-premises, Exchange Online PowerShell, or our command line. */
export interface CheckCommand {
  readonly where: 'on-premises' | 'cloud' | 'relay';
  readonly line: string;
}

export interface CheckFinding {
  readonly severity: CheckSeverity;
  readonly kind: CheckKind;
  /** The recipient, or the domain, that it is about. */
  readonly address: string;
  /** What disagrees with what. */
  readonly problem: string;
  /** Why that is so as a rule, and what it does to mail. */
  readonly cause: string;
  readonly remedy: string;
  readonly commands: readonly CheckCommand[];
  /** `ad users.ldf:12`, the places that disagree. */
  readonly sources: readonly string[];
}

/** Findings kept of each kind; where two systems have nothing in common there would be one for each recipient. */
export const KEPT_PER_KIND = 1000;

/** Counts all findings and keeps the first of each kind. */
export class FindingList {
  readonly #counts = new Map<CheckKind, number>();
  readonly #severities: Record<CheckSeverity, number> = { error: 0, warning: 0, info: 0 };
  readonly #kept: CheckFinding[] = [];

  /** `write` makes the finding's words; they are not made for one that would not be kept. */
  add(severity: CheckSeverity, kind: CheckKind, write: () => Omit<CheckFinding, 'severity' | 'kind'>): void {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    this.#severities[severity]++;
    if (count <= KEPT_PER_KIND) this.#kept.push({ severity, kind, ...write() });
  }

  get severities(): Readonly<Record<CheckSeverity, number>> {
    return { ...this.#severities };
  }

  /** How many of each kind there are, also of those not kept. */
  get counts(): Partial<Record<CheckKind, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** How many are counted and not listed. */
  get omitted(): number {
    let all = 0;
    for (const count of this.#counts.values()) all += count;
    return all - this.#kept.length;
  }

  /** The worst first, else in the order they were found. */
  list(): CheckFinding[] {
    return this.#kept.toSorted((a, b) => RANK[a.severity] - RANK[b.severity]);
  }
}

const RANK: Readonly<Record<CheckSeverity, number>> = { error: 0, warning: 1, info: 2 };
