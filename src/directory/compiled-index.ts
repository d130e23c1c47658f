/**
 * The recipients of one directory version, by every address of theirs (design.md D7). A million recipients are a few
 * large arrays, not millions of objects: the garbage collector has nothing to walk, and a look-up reads one entry out.
 */
import { type Domain, type Mailbox, mailbox } from '../mail/address.ts';
import type { DirectoryEntry, DirectoryRecord, DirectoryRoute } from './ports.ts';

const ROUTES: readonly DirectoryRoute[] = ['on-premises', 'cloud', 'hold', 'both'];
const CLOUD_FIRST = 4;

/** What an address is to its owner. */
export type KeyRole = 'primary' | 'alias' | 'routing';
const ROLES: readonly KeyRole[] = ['primary', 'alias', 'routing'];

/** Who has an address, and as what. */
export interface Claim {
  readonly owner: number;
  readonly role: KeyRole;
}

/** A growing array of numbers. */
class Numbers {
  #values = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Uint32Array(this.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }
}

/** Texts one behind the other in one buffer; a text is named by its number. */
class Texts {
  #bytes = Buffer.allocUnsafe(65_536);
  #used = 0;
  readonly #starts = new Numbers();

  add(text: string): number {
    const most = text.length * 3;
    if (this.#used + most > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + most));
      this.#bytes.copy(grown, 0, 0, this.#used);
      this.#bytes = grown;
    }
    this.#starts.push(this.#used);
    this.#used += this.#bytes.write(text, this.#used);
    return this.#starts.length - 1;
  }

  get(index: number): string {
    const end = index + 1 < this.#starts.length ? this.#starts.at(index + 1) : this.#used;
    return this.#bytes.toString('utf8', this.#starts.at(index), end);
  }
}

/** Few different words (kinds, connectors, sources), each kept once; 0 is none. */
class Words {
  readonly #words: string[] = [''];
  readonly #numbers = new Map<string, number>([['', 0]]);

  number(word: string | undefined): number {
    const known = this.#numbers.get(word ?? '');
    if (known !== undefined) return known;
    this.#words.push(word ?? '');
    this.#numbers.set(word ?? '', this.#words.length - 1);
    return this.#words.length - 1;
  }

  word(index: number): string | undefined {
    return index === 0 ? undefined : this.#words[index];
  }
}

export class CompiledIndex {
  /** Open addressing over key numbers + 1; its length is a power of two, at most half full. */
  #table = new Uint32Array(4096);
  readonly #keys = new Texts();
  readonly #hashes = new Numbers();
  /** Four times the owner's number, and the role. */
  readonly #claims = new Numbers();

  readonly #addresses = new Texts();
  /** Number of the routing address among `#addresses`, plus one; 0: the default one. */
  readonly #routingAddresses = new Numbers();
  readonly #primaries = new Numbers();
  readonly #flags = new Numbers();
  readonly #kinds = new Numbers();
  readonly #connectors = new Numbers();
  readonly #sources = new Numbers();
  readonly #lines = new Numbers();
  readonly #words = new Words();

  /** How many recipients. */
  get size(): number {
    return this.#flags.length;
  }

  /** Adds a recipient without any key; its number. `source`: `plain recipients.csv`. */
  add(record: DirectoryRecord, source: string): number {
    this.#primaries.push(this.#addresses.add(plain(record.address)));
    this.#routingAddresses.push(record.routingAddress === undefined ? 0 : this.#addresses.add(plain(record.routingAddress)) + 1);
    this.#flags.push(ROUTES.indexOf(record.route) | (record.primary === 'cloud' ? CLOUD_FIRST : 0));
    this.#kinds.push(this.#words.number(record.kind));
    this.#connectors.push(this.#words.number(record.connector));
    this.#sources.push(this.#words.number(source));
    this.#lines.push(record.line);
    return this.size - 1;
  }

  /** Gives an address (a `mailboxKey`) to a recipient; the claim that stands already, where there is one. */
  claim(key: string, owner: number, role: KeyRole): Claim | undefined {
    const hash = hashOf(key);
    const slot = this.#slot(key, hash);
    const taken = this.#table[slot] ?? 0;
    if (taken !== 0) return this.#claim(taken - 1);
    this.#keys.add(key);
    this.#hashes.push(hash);
    this.#claims.push(owner * 4 + ROLES.indexOf(role));
    this.#table[slot] = this.#claims.length;
    if (this.#claims.length * 2 > this.#table.length) this.#grow();
    return undefined;
  }

  /** Who has this address. */
  claimOf(key: string): Claim | undefined {
    const taken = this.#table[this.#slot(key, hashOf(key))] ?? 0;
    return taken === 0 ? undefined : this.#claim(taken - 1);
  }

  find(key: string): DirectoryEntry | undefined {
    const taken = this.#table[this.#slot(key, hashOf(key))] ?? 0;
    return taken === 0 ? undefined : this.entry(Math.floor(this.#claims.at(taken - 1) / 4));
  }

  #claim(key: number): Claim {
    const claim = this.#claims.at(key);
    return { owner: Math.floor(claim / 4), role: ROLES[claim & 3] ?? 'alias' };
  }

  /** The recipient with this number. */
  entry(owner: number): DirectoryEntry {
    const flags = this.#flags.at(owner);
    const routing = this.#routingAddresses.at(owner);
    const kind = this.#words.word(this.#kinds.at(owner));
    const connector = this.#words.word(this.#connectors.at(owner));
    const line = this.#lines.at(owner);
    const source = this.#words.word(this.#sources.at(owner)) ?? '';
    return {
      address: unplain(this.#addresses.get(this.#primaries.at(owner))),
      route: ROUTES[flags & 3] ?? 'on-premises',
      ...(routing === 0 ? {} : { routingAddress: unplain(this.#addresses.get(routing - 1)) }),
      ...(kind === undefined ? {} : { kind }),
      ...(connector === undefined ? {} : { connector }),
      primary: (flags & CLOUD_FIRST) === 0 ? 'on-premises' : 'cloud',
      source: line === 0 ? source : `${source}:${line}`,
    };
  }

  /** Whether a recipient has no routing address of its own, without making the whole entry. */
  hasDefaultRouting(owner: number): boolean {
    return this.#routingAddresses.at(owner) === 0;
  }

  /** The side of a recipient, without making the whole entry. */
  routeOf(owner: number): DirectoryRoute {
    return ROUTES[this.#flags.at(owner) & 3] ?? 'on-premises';
  }

  /** Where a recipient was read, without making the whole entry. */
  lineOf(owner: number): { readonly source: string; readonly line: number } {
    return { source: this.#words.word(this.#sources.at(owner)) ?? '', line: this.#lines.at(owner) };
  }

  /** Every recipient, in the order of the sources. */
  *entries(): Iterable<DirectoryEntry> {
    for (let owner = 0; owner < this.size; owner++) yield this.entry(owner);
  }

  /** The slot that holds the key, or the free one where it belongs. */
  #slot(key: string, hash: number): number {
    const mask = this.#table.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#table[slot] ?? 0;
      if (taken === 0 || (this.#hashes.at(taken - 1) === hash && this.#keys.get(taken - 1) === key)) return slot;
    }
  }

  #grow(): void {
    const grown = new Uint32Array(this.#table.length * 2);
    const mask = grown.length - 1;
    for (let key = 0; key < this.#claims.length; key++) {
      let slot = this.#hashes.at(key) & mask;
      while (grown[slot] !== 0) slot = (slot + 1) & mask;
      grown[slot] = key + 1;
    }
    this.#table = grown;
  }
}

/** FNV-1a over UTF-16 units, mixed once more so that the low bits are good. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 0;
}

/** Kept without quotes: the domain has no `@`, so the last one parts the two. */
const plain = (box: Mailbox): string => `${box.localPart}@${box.domain}`;

function unplain(text: string): Mailbox {
  const at = text.lastIndexOf('@');
  const localPart = text.slice(0, at);
  const domain = text.slice(at + 1) as Domain;
  return mailbox(localPart, domain) ?? { localPart, domain, address: text };
}
