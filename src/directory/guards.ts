/**
 * The guards against a set that lost what it should have (C6, R16): a truncated file, an export with a wrong filter, a
 * server that answers with a part. They compare with the active version, per source and in total, on both sides.
 */
import { nameOf } from './build.ts';
import type { Comparison } from './compare.ts';
import type { CompiledIndex } from './compiled-index.ts';
import type { DirectoryRecord, DirectoryRoute, Finding } from './ports.ts';

/** More than this part of a group may not go at once. */
const TOLERATED = 0.1;
/** One person who leaves is no shrunken set, however small the company. */
const AT_LEAST = 2;

/** What shrank: how findings call it, and what to type where that is meant. */
export interface GuardedPlace {
  readonly origin: string;
  readonly yes: string;
}

type Side = 'cloud' | 'on-premises';
/** `hold` and `both` have one foot in the cloud. */
const sideOf = (route: DirectoryRoute): Side => (route === 'on-premises' ? 'on-premises' : 'cloud');

/** What a source that is read anew still has of its recipients in the active version. */
export class SourceWatch {
  readonly name: string;
  readonly #old: CompiledIndex;
  readonly #seen: Uint8Array;

  constructor(name: string, old: CompiledIndex) {
    this.name = name;
    this.#old = old;
    this.#seen = new Uint8Array(old.size);
  }

  record(record: DirectoryRecord, key: string): void {
    const owner = this.#old.ownerOf(key);
    if (owner >= 0) this.#seen[owner] = sideOf(record.route) === 'cloud' ? 2 : 1;
  }

  /** One error, none where the source has what it had. */
  findings(place: GuardedPlace): Finding[] {
    const groups = new Groups();
    let had = 0;
    let has = 0;
    const old = this.#old;
    for (let owner = 0; owner < old.size; owner++) {
      if (old.isGone(owner) || nameOf(old.lineOf(owner).source) !== this.name) continue;
      had++;
      const seen = this.#seen[owner] ?? 0;
      if (seen !== 0) has++;
      const side = sideOf(old.routeOf(owner));
      // from on-premises to the cloud is where a migration goes; back again, for many at once, is what a broken export does
      groups.count(side, seen === 0 || (side === 'cloud' && seen === 1));
      const kind = old.kindOf(owner);
      if (kind !== undefined) groups.count(kind, seen === 0);
    }
    if (had > 0 && has === 0) return [refusal(place, `${this.name} had ${had} recipients, and none of them is there any more`)];
    const shrunk = groups.shrunk();
    return shrunk.length === 0 ? [] : [refusal(place, `${this.name} lost ${shrunk.map(words).join(', ')}`)];
  }
}

/** A source that the settings do not name any more: whom nobody else knows, or who would be on-premises again. A new name for the same list costs nobody anything. */
export function goneFindings(name: string, old: CompiledIndex, next: CompiledIndex, { pairs }: Comparison): Finding[] {
  const groups = new Groups();
  const back = new Groups();
  const isIts = (owner: number): boolean => nameOf(old.lineOf(owner).source) === name;
  for (let owner = 0; owner < old.size; owner++) {
    if (old.isGone(owner) || !isIts(owner)) continue;
    const side = sideOf(old.routeOf(owner));
    groups.count(side, false);
    if (side === 'cloud') back.count(side, false);
  }
  for (let i = 0; i < pairs.length; i += 2) {
    const [owner, now] = [(pairs[i] ?? 0) - 1, (pairs[i + 1] ?? 0) - 1];
    if (owner < 0 || !isIts(owner)) continue;
    const side = sideOf(old.routeOf(owner));
    if (now < 0) groups.miss(side);
    else if (sideOf(next.routeOf(now)) === 'on-premises') back.miss(side);
  }
  const place = { origin: name, yes: `write retired: [${name}] under directory in the settings` };
  const without = `the settings do not name the source ${name} any more:`;
  const [shrunk, returned] = [groups.shrunk(), back.shrunk()];
  return [
    ...(shrunk.length === 0 ? [] : [refusal(place, `${without} nobody would know ${shrunk.map(words).join(', ')}`)]),
    ...(returned.length === 0
      ? []
      : [refusal(place, `${without} ${returned.map(words).join(', ')} would be on-premises again`, 'go back')]),
  ];
}

/** Over all sources: who would become unknown, and who would be on-premises again because a stronger source says so now. */
export function totalFindings(old: CompiledIndex, next: CompiledIndex, comparison: Comparison, place: GuardedPlace): Finding[] {
  const groups = new Groups();
  const back = new Groups();
  for (let owner = 0; owner < old.size; owner++) {
    if (old.isGone(owner)) continue;
    const side = sideOf(old.routeOf(owner));
    groups.count(side, false);
    if (side === 'cloud') back.count(side, false);
  }
  const { pairs, poorer, lostAddresses } = comparison;
  for (let i = 0; i < pairs.length; i += 2) {
    const [owner, now] = [(pairs[i] ?? 0) - 1, (pairs[i + 1] ?? 0) - 1];
    if (owner < 0) continue;
    const side = sideOf(old.routeOf(owner));
    if (now < 0) groups.miss(side);
    else if (sideOf(next.routeOf(now)) === 'on-premises') back.miss(side);
  }
  const shrunk = groups.shrunk();
  const findings = shrunk.length === 0 ? [] : [refusal(place, `nobody would know ${shrunk.map(words).join(', ')}`)];
  const returned = back.shrunk();
  if (returned.length > 0)
    findings.push(refusal(place, `${returned.map(words).join(', ')} would be on-premises again`, 'go back'));
  if (poorer >= AT_LEAST && poorer > old.recipients * TOLERATED)
    findings.push(
      refusal(place, `${poorer} of ${next.recipients} recipients would lose ${lostAddresses} of their other addresses`),
    );
  return findings;
}

interface Shrunken {
  readonly group: string;
  readonly before: number;
  readonly fewer: number;
}

class Groups {
  readonly #groups = new Map<string, { before: number; fewer: number }>();

  count(group: string, isMissing: boolean): void {
    let counts = this.#groups.get(group);
    if (counts === undefined) this.#groups.set(group, (counts = { before: 0, fewer: 0 }));
    counts.before++;
    if (isMissing) counts.fewer++;
  }

  miss(group: string): void {
    const counts = this.#groups.get(group);
    if (counts !== undefined) counts.fewer++;
  }

  shrunk(): Shrunken[] {
    return [...this.#groups]
      .map(([group, counts]) => ({ group, ...counts }))
      .filter(({ before, fewer }) => fewer >= AT_LEAST && fewer > before * TOLERATED);
  }
}

const words = ({ group, before, fewer }: Shrunken): string =>
  `${fewer} of ${before} ${group === 'cloud' || group === 'on-premises' ? `with route ${group}` : `of kind ${group}`} (${Math.round((fewer / before) * 100)} %)`;

const refusal = ({ origin, yes }: GuardedPlace, problem: string, meant = 'go'): Finding => ({
  severity: 'error',
  file: origin,
  line: 0,
  address: '',
  problem,
  remedy: `If they are meant to ${meant}: ${yes}`,
});
