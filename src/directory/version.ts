/** One version of the directory: what the sources say, with the overlays on it. It never changes. */
import { setImmediate } from 'node:timers/promises';
import { type Domain, mailbox, mailboxKey } from '../mail/address.ts';
import { CompiledIndex, type KeyRole } from './compiled-index.ts';
import type { KeptOverlay } from './overlays.ts';
import type { DirectoryEntry, DirectoryRoute, Overlay } from './ports.ts';
import type { Base } from './snapshot.ts';

export interface DirectoryVersion {
  readonly version: number;
  readonly digest: string;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  /** By any address of the owner; the key is a `mailboxKey`, or `x500:` and the name in lower case. */
  find(key: string): DirectoryEntry | undefined;
  /** Every recipient, in the order of the sources; then those that only an overlay has. */
  entries(): Iterable<DirectoryEntry>;
}

/** Overlays in one go; then mail has its turn. */
const IN_ONE_GO = 1_000;
const LOOKS_IN_ONE_GO = 50_000;

export class LayeredVersion implements DirectoryVersion {
  readonly version: number;
  readonly digest: string;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  readonly index: CompiledIndex;
  readonly #overlays: ReadonlyMap<string, KeptOverlay>;
  /** Addresses that only overlays have: to the key of the recipient. */
  readonly #extra: ReadonlyMap<string, string>;
  /** Recipients that no source has. */
  readonly #alone: ReadonlyMap<string, KeptOverlay>;

  private constructor(number: number, digest: string, index: CompiledIndex, parts: Layers) {
    this.version = number;
    this.digest = digest;
    this.index = index;
    this.#overlays = parts.overlays;
    this.#extra = parts.extra;
    this.#alone = parts.alone;
    this.counts = parts.counts;
    this.recipients = index.recipients + parts.alone.size;
  }

  /** `overlays`: what counts for each address, by its key. Yields to mail while it lays many. */
  static async lay(
    number: number,
    digest: string,
    base: Pick<Base, 'image' | 'counts'>,
    overlays: ReadonlyMap<string, KeptOverlay>,
    routingDomain: Domain | undefined,
  ): Promise<LayeredVersion> {
    const index = new CompiledIndex(base.image);
    const byOwner = new Map<string, KeptOverlay>();
    const extra = new Map<string, string>();
    const alone = new Map<string, KeptOverlay>();
    const counts = { ...base.counts };
    let laid = 0;
    for (const [key, overlay] of overlays) {
      if (++laid % IN_ONE_GO === 0) await setImmediate();
      const owner = index.ownerOf(key);
      const ownKey = owner < 0 ? key : index.keyOf(owner);
      if (owner < 0) {
        alone.set(key, overlay);
        counts[overlay.route]++;
      } else if (!byOwner.has(ownKey) || ownKey === key) {
        // two words for two addresses of one recipient: the one for its primary address counts
        const before = byOwner.get(ownKey)?.route ?? index.routeOf(owner);
        counts[before]--;
        counts[overlay.route]++;
        byOwner.set(ownKey, overlay);
      }
      const routing =
        overlay.routingAddress ??
        (owner < 0 && routingDomain !== undefined ? mailbox(overlay.address.localPart, routingDomain) : undefined);
      const routingKey = routing === undefined ? undefined : mailboxKey(routing);
      if (routingKey !== undefined && index.ownerOf(routingKey) < 0 && !extra.has(routingKey)) extra.set(routingKey, ownKey);
    }
    return new LayeredVersion(number, digest, index, { overlays: byOwner, extra, alone, counts });
  }

  find(key: string): DirectoryEntry | undefined {
    const owner = this.index.ownerOf(key);
    if (owner >= 0) return this.#overlays.size === 0 ? this.index.entry(owner) : this.#entry(owner);
    if (this.#extra.size === 0 && this.#alone.size === 0) return undefined;
    const own = this.#extra.get(key) ?? key;
    const overlay = this.#alone.get(own);
    if (overlay !== undefined) return entryOf(overlay);
    const layered = own === key ? -1 : this.index.ownerOf(own);
    return layered < 0 ? undefined : this.#entry(layered);
  }

  /** What the sources alone say. */
  ofSources(key: string): DirectoryEntry | undefined {
    return this.index.find(key);
  }

  /** All addresses of the owner of this one, the primary one first. */
  addressesOf(key: string): { readonly key: string; readonly role: KeyRole }[] {
    const entry = this.find(key);
    if (entry === undefined) return [];
    const own = mailboxKey(entry.address);
    const owner = this.index.ownerOf(own);
    const found = owner < 0 ? [{ key: own, role: 'primary' as KeyRole }] : this.index.keysOf(owner);
    for (const [extra, of] of this.#extra) if (of === own) found.push({ key: extra, role: 'routing' });
    return found.sort((a, b) => Number(b.role === 'primary') - Number(a.role === 'primary'));
  }

  *entries(): Iterable<DirectoryEntry> {
    for (let owner = 0; owner < this.index.size; owner++) if (!this.index.isGone(owner)) yield this.#entry(owner);
    for (const overlay of this.#alone.values()) yield entryOf(overlay);
  }

  /** Recipients by route without test users (`kind: probe`), who never count as migrated. Yields to mail. */
  async people(): Promise<Readonly<Record<DirectoryRoute, number>>> {
    const people = { ...this.counts };
    for (let owner = 0; owner < this.index.size; owner++) {
      if (owner % LOOKS_IN_ONE_GO === LOOKS_IN_ONE_GO - 1) await setImmediate();
      if (!this.index.isGone(owner) && this.index.kindOf(owner) === 'probe') people[this.#entry(owner).route]--;
    }
    return people;
  }

  #entry(owner: number): DirectoryEntry {
    const entry = this.index.entry(owner);
    const overlay = this.#overlays.get(mailboxKey(entry.address));
    return overlay === undefined
      ? entry
      : {
          ...entry,
          route: overlay.route,
          ...(overlay.routingAddress !== undefined && { routingAddress: overlay.routingAddress }),
          ...(overlay.primary !== undefined && { primary: overlay.primary }),
          source: overlay.source,
        };
  }
}

interface Layers {
  readonly overlays: ReadonlyMap<string, KeptOverlay>;
  readonly extra: ReadonlyMap<string, string>;
  readonly alone: ReadonlyMap<string, KeptOverlay>;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
}

const entryOf = ({ address, route, routingAddress, primary, source }: Overlay): DirectoryEntry => ({
  address,
  route,
  ...(routingAddress !== undefined && { routingAddress }),
  primary: primary ?? 'on-premises',
  source,
});
