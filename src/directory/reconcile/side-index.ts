/** What one side itself says about who is there: its objects by all of their addresses, compact like a directory version. */
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import { CompiledIndex } from '../compiled-index.ts';
import type { DirectoryEntry, DirectoryRecord, DirectorySource, Finding } from '../ports.ts';

export type SideName = 'on-premises' | 'cloud';

/** A source, and whose word it is. */
export interface SideSource {
  readonly side: SideName;
  readonly source: DirectorySource;
  /** When the export was made or the server was read; milliseconds since the epoch, absent where nobody knows. */
  readonly takenAt?: number;
}

/** What an object is on its own side. */
export type Presence =
  /** A mailbox that takes mail here. */
  | 'mailbox'
  /** It stands for a mailbox on the other side. */
  | 'remote'
  | 'contact'
  | 'group'
  /** Mail for it goes somewhere else, or it is a public folder. */
  | 'other';

/** Two objects that claim one address; the first has it. */
export interface Clash {
  readonly address: Mailbox;
  readonly owner: Claimant;
  readonly other: Claimant;
}

export type Claimant = Pick<DirectoryEntry, 'address' | 'kind' | 'source'>;

export interface SideEvents {
  /** After the record is in the index; `owner` is its number there, `source` its place. Not called for one that stands there already. */
  record?(record: DirectoryRecord, owner: number, source: string): void;
  clash?(clash: Clash): void;
  finding?(finding: Finding): void;
}

const MAILBOXES = new Set(['mailbox', 'shared', 'room', 'equipment', 'remote-mailbox']);

export class SideIndex {
  readonly side: SideName;
  readonly #index = new CompiledIndex();
  #takenAt: number | undefined;
  #mailboxes = 0;
  readonly #origins: string[] = [];
  /** Where a targetAddress sends on to; few have one. */
  readonly #forwards = new Map<number, Mailbox>();

  constructor(side: SideName) {
    this.side = side;
  }

  /** Adds a source; what an earlier one has, a later one does not change. Rejects only where the machine is broken. */
  async read({ source, takenAt }: SideSource, events: SideEvents = {}): Promise<void> {
    this.#origins.push(source.origin);
    // the oldest counts: what all of them know is as old as that
    if (takenAt !== undefined) this.#takenAt = Math.min(this.#takenAt ?? takenAt, takenAt);
    await source.read({
      record: (record) => this.#add(record, `${source.name} ${source.origin}`, events),
      finding: (finding) => events.finding?.(finding),
    });
  }

  get size(): number {
    return this.#index.size;
  }

  get facts(): {
    readonly origins: readonly string[];
    readonly recipients: number;
    readonly mailboxes: number;
    readonly takenAt: number | null;
  } {
    return { origins: this.#origins, recipients: this.size, mailboxes: this.#mailboxes, takenAt: this.#takenAt ?? null };
  }

  /** The number of the object that has this address; the key is a `mailboxKey`. */
  ownerOf(key: string): number | undefined {
    return this.#index.claimOf(key)?.owner;
  }

  /** The number of the object that one of these addresses belongs to; earlier ones count first. */
  ownerOfAny(...boxes: readonly (Mailbox | undefined)[]): number | undefined {
    for (const box of boxes) {
      const owner = box === undefined ? undefined : this.ownerOf(mailboxKey(box));
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  entry(owner: number): DirectoryEntry {
    return this.#index.entry(owner);
  }

  /** Where the targetAddress of a mailbox sends on to. */
  forwardOf(owner: number): Mailbox | undefined {
    return this.#forwards.get(owner);
  }

  presence(entry: Pick<DirectoryEntry, 'kind' | 'route'>): Presence {
    const { kind, route } = entry;
    if (kind === 'group' || kind === 'contact') return kind;
    if (kind === 'public-folder') return 'other';
    const isMailbox = kind === undefined || kind === 'probe' || MAILBOXES.has(kind);
    // The cloud's own exports call its mailboxes mailboxes; "remote" is said of them only from on-premises
    if (this.side === 'cloud') return isMailbox && (kind !== undefined || route === 'cloud') ? 'mailbox' : 'other';
    if (route === 'cloud') return 'remote';
    return isMailbox ? 'mailbox' : 'other';
  }

  #add(record: DirectoryRecord, source: string, events: SideEvents): void {
    const key = mailboxKey(record.address);
    const standing = this.#index.claimOf(key);
    if (standing?.role === 'primary') {
      const owner = this.#index.entry(standing.owner);
      // the same object again, in another source
      if (!owner.source.startsWith(`${source}:`) && owner.source !== source) return;
    }
    const owner = this.#index.add(record, source);
    if (this.presence(record) === 'mailbox') this.#mailboxes++;
    if (record.forwardsTo !== undefined) this.#forwards.set(owner, record.forwardsTo);
    const routing = record.routingAddress === undefined ? [] : [record.routingAddress];
    for (const address of [record.address, ...record.aliases, ...routing]) {
      const role = address === record.address ? 'primary' : address === record.routingAddress ? 'routing' : 'alias';
      const taken = this.#index.claim(mailboxKey(address), owner, role);
      if (taken === undefined || taken.owner === owner) continue;
      events.clash?.({ address, owner: this.#index.entry(taken.owner), other: this.#index.entry(owner) });
    }
    events.record?.(record, owner, record.line === 0 ? source : `${source}:${record.line}`);
  }
}

/** Reads all sources of one side; `undefined` where there is none, for then nothing is known of it. */
export async function readSide(
  side: SideName,
  sources: readonly SideSource[],
  events?: SideEvents,
): Promise<SideIndex | undefined> {
  const own = sources.filter((one) => one.side === side);
  if (own.length === 0) return undefined;
  const index = new SideIndex(side);
  for (const source of own) await index.read(source, events);
  return index;
}
