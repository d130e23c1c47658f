/**
 * The three-way reconciliation of `directory check`: what stands on-premises, what stands in the cloud, and how we route.
 * Each source is read once; all that is kept of it is an index as compact as a directory version.
 */
import { setImmediate } from 'node:timers/promises';
import { type Domain, isWithin, type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryEntry, DirectoryRecord } from '../ports.ts';
import { CLOUD_EXPORT, COMMANDS } from './commands.ts';
import { type CheckCommand, type CheckFinding, type CheckKind, type CheckSeverity, FindingList } from './findings.ts';
import { type JudgeContext, judge, type Seen } from './judge.ts';
import type { CheckContext } from './ports.ts';
import { readSide, type SideIndex, type SideSource } from './side-index.ts';
import { aliasTwice, learned, mixedGroup, notInDirectory, unreadable, unverifiedDomain } from './single-findings.ts';

/** Recipients handled in one go; then mail has its turn, for a check runs while the relay works. */
const IN_ONE_GO = 2_000;
const MAX_GROUPS = 50_000;
/** Milliseconds; an older export is said to be old. */
const OLD = 86_400_000;

/** `null`: no source of this side is known. */
export type SideReport = {
  readonly origins: readonly string[];
  readonly recipients: number;
  readonly mailboxes: number;
  /** ISO 8601; null where nobody knows when it was made. */
  readonly 'taken-at': string | null;
} | null;

/** What `directory check --json` prints. */
export interface Reconciliation {
  readonly version: number;
  readonly recipients: number;
  readonly sides: { readonly 'on-premises': SideReport; readonly cloud: SideReport };
  readonly severities: Readonly<Record<CheckSeverity, number>>;
  readonly counts: Partial<Record<CheckKind, number>>;
  readonly findings: readonly CheckFinding[];
  /** Findings that are counted and not listed. */
  readonly omitted: number;
  /** What could not be told, and how to get what is missing. */
  readonly notes: readonly { readonly text: string; readonly commands: readonly CheckCommand[] }[];
}

export interface Reconciled {
  readonly report: Reconciliation;
  /** Kept by who asks for waves next; `undefined` where the side is not known. */
  readonly onPremises: SideIndex | undefined;
  readonly cloud: SideIndex | undefined;
}

/** Compares the three. `now`: milliseconds since the epoch. Rejects only where a source's machine is broken. */
export async function reconcile(sources: readonly SideSource[], context: CheckContext, now: number): Promise<Reconciled> {
  return await new Reconciling(context).run(sources, now);
}

interface MixedGroup {
  readonly owner: number;
  readonly inCloud: number;
  readonly onPremises: number;
}

class Reconciling {
  readonly #context: CheckContext;
  readonly #findings = new FindingList();
  readonly #routingDomains: ReadonlySet<string>;
  readonly #groups: MixedGroup[] = [];
  /** For each object on-premises the number of its counterpart in the cloud, plus one. */
  #counterparts = new Uint32Array(0);
  #recipients = 0;

  constructor(context: CheckContext) {
    this.#context = context;
    this.#routingDomains = new Set(context.routingDomains);
  }

  async run(sources: readonly SideSource[], now: number): Promise<Reconciled> {
    const onPremises = await this.#readOnPremises(sources);
    const cloud = await this.#readCloud(sources, onPremises);
    await this.#judgeAll(onPremises, cloud);
    this.#mixedGroups(onPremises, cloud);
    for (const one of this.#context.learned?.() ?? []) learned(this.#findings, one);
    const report: Reconciliation = {
      version: this.#context.active.version,
      recipients: this.#recipients,
      sides: { 'on-premises': sideReport(onPremises), cloud: sideReport(cloud) },
      severities: this.#findings.severities,
      counts: this.#findings.counts,
      findings: this.#findings.list(),
      omitted: this.#findings.omitted,
      notes: [...missingNotes(onPremises, cloud), ...oldNotes(onPremises, now), ...oldNotes(cloud, now)],
    };
    return { report, onPremises, cloud };
  }

  async #readOnPremises(sources: readonly SideSource[]): Promise<SideIndex | undefined> {
    return await readSide('on-premises', sources, {
      clash: (clash) => aliasTwice(this.#findings, clash, 'on-premises'),
      finding: (finding) => unreadable(this.#findings, finding),
      record: (record, owner, source) => {
        this.#countMembers(record, owner);
        this.#notKnown(record, source);
      },
    });
  }

  async #readCloud(sources: readonly SideSource[], onPremises: SideIndex | undefined): Promise<SideIndex | undefined> {
    this.#counterparts = new Uint32Array(onPremises?.size ?? 0);
    const cloud: SideIndex | undefined = await readSide('cloud', sources, {
      clash: (clash) => aliasTwice(this.#findings, clash, 'cloud'),
      finding: (finding) => unreadable(this.#findings, finding),
      record: (record, owner, source) => {
        if (onPremises === undefined) this.#notKnown(record, source);
        else this.#pair(record, owner, source, onPremises);
      },
    });
    return cloud;
  }

  /** Finds a cloud object's counterpart on-premises, and addresses of its that somebody else has there. */
  #pair(record: DirectoryRecord, cloudOwner: number, source: string, onPremises: SideIndex): void {
    // by an address in a routing domain only where it has none of ours: else it is another person with the same local part
    const own =
      onPremises.ownerOfAny(record.address, ...record.aliases.filter(({ domain }) => !this.#routingDomains.has(domain))) ??
      (this.#isOurs(record.address) ? undefined : onPremises.ownerOfAny(record.routingAddress, ...record.aliases));
    if (own === undefined) {
      this.#notKnown(record, source);
      return;
    }
    if (this.#counterparts[own] === 0) this.#counterparts[own] = cloudOwner + 1;
    for (const address of [record.address, ...record.aliases]) {
      // addresses in a routing domain are looked at with the mailbox they route to
      if (this.#routingDomains.has(address.domain)) continue;
      const owner = onPremises.ownerOf(mailboxKey(address));
      if (owner === undefined || owner === own) continue;
      aliasTwice(this.#findings, { address, owner: onPremises.entry(owner), other: { ...record, source } }, 'cloud');
    }
  }

  async #judgeAll(onPremises: SideIndex | undefined, cloud: SideIndex | undefined): Promise<void> {
    const { active, routingDomains } = this.#context;
    const context: JudgeContext = {
      routingDomains: this.#routingDomains,
      firstRoutingDomain: routingDomains[0],
      cloudIndex: cloud,
    };
    const judgedHere = new Uint8Array(onPremises?.size ?? 0);
    const judgedThere = new Uint8Array(cloud?.size ?? 0);
    const domains = new Map<Domain, number>();
    for (const entry of active.entries()) {
      await this.#pause();
      this.#recipients++;
      if (entry.route !== 'on-premises') domains.set(entry.address.domain, (domains.get(entry.address.domain) ?? 0) + 1);
      const here = onPremises?.ownerOf(mailboxKey(entry.address));
      const there = this.#inCloud(entry, here, cloud);
      if (here !== undefined) judgedHere[here] = 1;
      if (there !== undefined) judgedThere[there] = 1;
      judge({ active: entry, onPremises: seen(onPremises, here), cloud: seen(cloud, there) }, context, this.#findings);
    }
    for (let here = 0; here < judgedHere.length; here++) {
      await this.#pause();
      if (judgedHere[here] === 1) continue;
      const there = (this.#counterparts[here] ?? 0) - 1;
      if (there >= 0) judgedThere[there] = 1;
      judge(
        { active: undefined, onPremises: seen(onPremises, here), cloud: seen(cloud, there < 0 ? undefined : there) },
        context,
        this.#findings,
      );
    }
    for (let there = 0; there < judgedThere.length; there++) {
      await this.#pause();
      if (judgedThere[there] === 1) continue;
      judge({ active: undefined, onPremises: seen(onPremises, undefined), cloud: seen(cloud, there) }, context, this.#findings);
    }
    this.#unverified(domains);
  }

  #sincePause = 0;
  async #pause(): Promise<void> {
    if (++this.#sincePause % IN_ONE_GO === 0) await setImmediate();
  }

  /** A recipient in the cloud: by its address, by its counterpart, or by a routing address that nobody else lives at. */
  #inCloud(entry: DirectoryEntry, here: number | undefined, cloud: SideIndex | undefined): number | undefined {
    if (cloud === undefined) return undefined;
    const byAddress = cloud.ownerOf(mailboxKey(entry.address));
    if (byAddress !== undefined) return byAddress;
    const counterpart = here === undefined ? 0 : (this.#counterparts[here] ?? 0);
    if (counterpart > 0) return counterpart - 1;
    const byRouting = entry.routingAddress === undefined ? undefined : cloud.ownerOf(mailboxKey(entry.routingAddress));
    return byRouting === undefined || this.#isOurs(cloud.entry(byRouting).address) ? undefined : byRouting;
  }

  /** An object that no recipient of the active version is. */
  #notKnown(record: DirectoryRecord, source: string): void {
    const { active } = this.#context;
    const own = active.find(mailboxKey(record.address));
    if (own !== undefined || record.kind === 'probe' || record.kind === 'contact' || !this.#isOurs(record.address)) return;
    for (const alias of record.aliases) if (active.find(mailboxKey(alias)) !== undefined) return;
    notInDirectory(this.#findings, record, source);
  }

  #isOurs({ domain }: Mailbox): boolean {
    return this.#context.domains.some(
      ({ name, includeSubdomains }) => name === domain || (includeSubdomains && isWithin(domain, name)),
    );
  }

  #countMembers(record: DirectoryRecord, owner: number): void {
    if (record.members === undefined || this.#groups.length >= MAX_GROUPS) return;
    let inCloud = 0;
    let onPremises = 0;
    for (const member of record.members) {
      const route = this.#context.active.find(mailboxKey(member))?.route;
      if (route === 'cloud') inCloud++;
      else if (route !== undefined) onPremises++;
    }
    if (inCloud > 0 && onPremises > 0) this.#groups.push({ owner, inCloud, onPremises });
  }

  #mixedGroups(onPremises: SideIndex | undefined, cloud: SideIndex | undefined): void {
    if (onPremises === undefined) return;
    for (const { owner, ...members } of this.#groups) {
      const group = onPremises.entry(owner);
      const twin = cloud?.ownerOf(mailboxKey(group.address));
      const entry = twin === undefined ? undefined : cloud?.entry(twin);
      mixedGroup(this.#findings, group, members, entry?.kind === 'group' ? entry : undefined);
    }
  }

  #unverified(domains: ReadonlyMap<Domain, number>): void {
    for (const [domain, count] of domains) {
      const state = this.#context.domainState?.(domain);
      if (state === 'unverified' || state === 'lost') unverifiedDomain(this.#findings, domain, count, state);
    }
  }
}

function seen(index: SideIndex | undefined, owner: number | undefined): Seen | undefined {
  if (index === undefined) return undefined;
  if (owner === undefined) return { presence: 'absent' };
  const entry = index.entry(owner);
  const forwardsTo = index.forwardOf(owner);
  return { presence: index.presence(entry), entry, ...(forwardsTo !== undefined && { forwardsTo }) };
}

function sideReport(index: SideIndex | undefined): SideReport {
  if (index === undefined) return null;
  const { origins, recipients, mailboxes, takenAt } = index.facts;
  return { origins, recipients, mailboxes, 'taken-at': takenAt === null ? null : new Date(takenAt).toISOString() };
}

/** What is needed to know a side, where no source of it is. */
export function missingNotes(onPremises: SideIndex | undefined, cloud: SideIndex | undefined): Reconciliation['notes'] {
  return [
    ...(onPremises === undefined
      ? [
          {
            text: 'No source of the on-premises side is known, so that what stands there could not be compared. Export it and look again:',
            commands: [COMMANDS.checkOnPremises],
          },
        ]
      : []),
    ...(cloud === undefined
      ? [
          {
            text: 'No export of the cloud is known, so that what stands there could not be compared. Make one and look again:',
            commands: CLOUD_EXPORT,
          },
        ]
      : []),
  ];
}

function oldNotes(index: SideIndex | undefined, now: number): Reconciliation['notes'] {
  const takenAt = index?.facts.takenAt ?? null;
  if (index === undefined || takenAt === null || now - takenAt < OLD) return [];
  const days = Math.floor((now - takenAt) / OLD);
  return [
    {
      text: `What is known of ${index.side === 'cloud' ? 'the cloud' : 'the on-premises side'} is ${days} ${days === 1 ? 'day' : 'days'} old (${index.facts.origins.join(', ')}).`,
      commands: index.side === 'cloud' ? CLOUD_EXPORT : [],
    },
  ];
}
