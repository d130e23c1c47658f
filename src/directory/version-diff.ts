/** What one version decides otherwise than another: how many, and each of them on demand. */
import { type Comparison, moveOf } from './compare.ts';
import type { DirectoryEntry, DirectoryRoute } from './ports.ts';
import type { LayeredVersion } from './version.ts';

export interface DiffSide {
  readonly route: DirectoryRoute;
  readonly 'routing-address': string | null;
  readonly source: string;
}

/** One recipient; `from` null: new; `to` null: unknown from then on. */
export interface DiffEntry {
  readonly address: string;
  readonly from: DiffSide | null;
  readonly to: DiffSide | null;
}

export class VersionDiff {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** `on-premises → cloud`: how many; `as before` where the side stays and something else is new. */
  readonly moves: Readonly<Record<string, number>>;
  readonly #from: LayeredVersion | undefined;
  readonly #to: LayeredVersion;
  readonly #pairs: Uint32Array;
  /** Those that overlays decide. */
  readonly #layered: readonly DiffEntry[];

  constructor(from: LayeredVersion | undefined, to: LayeredVersion, comparison: Comparison, overlayKeys: Iterable<string> = []) {
    this.#from = from;
    this.#to = to;
    this.#pairs = comparison.pairs;
    const counts = { added: comparison.added, removed: comparison.removed, changed: comparison.changed };
    const moves: Record<string, number> = { ...comparison.moves };
    const layered: DiffEntry[] = [];
    for (const key of overlayKeys) {
      const entry = entryOf(from?.find(key), to.find(key));
      if (entry === undefined) continue;
      layered.push(entry);
      counts[entry.from === null ? 'added' : entry.to === null ? 'removed' : 'changed']++;
      const move = moveOf(entry.from?.route, entry.to?.route);
      moves[move] = (moves[move] ?? 0) + 1;
    }
    this.#layered = layered;
    this.moves = moves;
    ({ added: this.added, removed: this.removed, changed: this.changed } = counts);
  }

  get size(): number {
    return this.#layered.length + this.#pairs.length / 2;
  }

  /** Some of the differences; those of overlays first. */
  page(offset: number, limit: number): DiffEntry[] {
    const page = this.#layered.slice(offset, offset + limit);
    const first = Math.max(0, offset - this.#layered.length);
    for (let i = first; page.length < limit && i * 2 < this.#pairs.length; i++) {
      const from = this.#entry(this.#from, this.#pairs[i * 2] ?? 0);
      const to = this.#entry(this.#to, this.#pairs[i * 2 + 1] ?? 0);
      const address = (from ?? to)?.address.address ?? '';
      page.push({ address, from: sideOf(from), to: sideOf(to) });
    }
    return page;
  }

  #entry(version: LayeredVersion | undefined, number: number): DirectoryEntry | undefined {
    return version === undefined || number === 0 ? undefined : version.index.entry(number - 1);
  }
}

function entryOf(from: DirectoryEntry | undefined, to: DirectoryEntry | undefined): DiffEntry | undefined {
  const [before, after] = [sideOf(from), sideOf(to)];
  if (before?.route === after?.route && before?.['routing-address'] === after?.['routing-address']) return undefined;
  return { address: (from ?? to)?.address.address ?? '', from: before, to: after };
}

const sideOf = (entry: DirectoryEntry | undefined): DiffSide | null =>
  entry === undefined
    ? null
    : { route: entry.route, 'routing-address': entry.routingAddress?.address ?? null, source: entry.source };
