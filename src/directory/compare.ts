/** What two versions have different, recipient by recipient. A million are compared in a second or two: for the thread that builds. */
import { Column } from './columns.ts';
import type { CompiledIndex } from './compiled-index.ts';
import type { DirectoryRoute } from './ports.ts';

export interface Comparison {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Two numbers for each difference: the recipient in the old index and in the new one, plus one; 0: it is in none. */
  readonly pairs: Uint32Array<SharedArrayBuffer>;
  /** Aliases and primary addresses of the old one that nobody has any more, though their owner is still there. */
  readonly lostAddresses: number;
  /** How many recipients lost one. */
  readonly poorer: number;
  /** How many go which way: `on-premises → cloud`, `new → cloud`, `cloud → unknown`; `as before` where only other facts differ. */
  readonly moves: Readonly<Record<string, number>>;
}

/** The way that a recipient goes from one version to another; `undefined`: it is not there. */
export const moveOf = (from: DirectoryRoute | undefined, to: DirectoryRoute | undefined): string =>
  from === to ? 'as before' : `${from ?? 'new'} → ${to ?? 'unknown'}`;

const CHANGED = 1;
const POORER = 2;

/** `covered`: keys of recipients whose route is an administrator's or a wave's word; what sources say of them changes nothing. */
export function compare(old: CompiledIndex, next: CompiledIndex, covered: ReadonlySet<string>): Comparison {
  /** Per recipient of the new index what it was; plus one. */
  const before = new Uint32Array(next.size);
  const marks = new Uint8Array(next.size);
  const pairs = new Column();
  const moves: Record<string, number> = {};
  const pair = (theirs: number, ours: number): void => {
    pairs.push(theirs + 1);
    pairs.push(ours + 1);
    const move = moveOf(theirs < 0 ? undefined : old.routeOf(theirs), ours < 0 ? undefined : next.routeOf(ours));
    moves[move] = (moves[move] ?? 0) + 1;
  };
  let removed = 0;
  for (let owner = 0; owner < old.size; owner++) {
    if (old.isGone(owner)) continue;
    const key = old.keyOf(owner);
    const now = next.ownerOf(key);
    if (now >= 0 && next.keyOf(now) === key) {
      before[now] = owner + 1;
      if (!old.isSame(owner, next, now)) marks[now] = CHANGED;
    } else if (!covered.has(key)) {
      removed++;
      pair(owner, now);
    }
  }
  let lostAddresses = 0;
  for (const { key, owner, role } of old.allKeys()) {
    if (role !== 'alias') continue;
    const now = next.ownerOf(key);
    const heir = next.ownerOf(old.keyOf(owner));
    if (heir < 0 || now === heir) continue;
    marks[heir] = (marks[heir] ?? 0) | CHANGED | (now < 0 ? POORER : 0);
    if (now < 0) lostAddresses++;
  }
  for (const { key, owner, role } of next.allKeys())
    if (role === 'alias' && before[owner] !== 0 && old.ownerOf(key) + 1 !== before[owner])
      marks[owner] = (marks[owner] ?? 0) | CHANGED;
  let added = 0;
  let changed = 0;
  let poorer = 0;
  for (let owner = 0; owner < next.size; owner++) {
    if (next.isGone(owner)) continue;
    if (((marks[owner] ?? 0) & POORER) !== 0) poorer++;
    const isNew = before[owner] === 0;
    if ((!isNew && marks[owner] === 0) || covered.has(next.keyOf(owner))) continue;
    if (isNew) added++;
    else changed++;
    pair((before[owner] ?? 0) - 1, owner);
  }
  return { added, removed, changed, pairs: new Uint32Array(pairs.part().memory, 0, pairs.length), lostAddresses, poorer, moves };
}
