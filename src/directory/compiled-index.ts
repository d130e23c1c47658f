/**
 * The recipients of one directory version, by every address of theirs (design.md D7). A million recipients are a few
 * large arrays, not millions of objects: the garbage collector has nothing to walk, a look-up reads one entry out, and
 * a finished index is shared memory that another thread or a file can hand over as it is.
 */
import type { Domain, Mailbox } from '../mail/address.ts';
import { Column, type Part, Texts, Words } from './columns.ts';
import { KEY_PARTS, KeyTable } from './key-table.ts';
import type { DirectoryEntry, DirectoryRecord, DirectoryRoute } from './ports.ts';

const ROUTES: readonly DirectoryRoute[] = ['on-premises', 'cloud', 'hold', 'both'];
const CLOUD_FIRST = 4;
/** The address, or the routing address, is written with quotes in SMTP. */
const QUOTED = 8;
const QUOTED_ROUTING = 16;
/** Another recipient took its place while the index was built (C7). */
const GONE = 32;

/** What an address is to its owner. */
export type KeyRole = 'primary' | 'alias' | 'routing' | 'x500';
const ROLES: readonly KeyRole[] = ['primary', 'alias', 'routing', 'x500'];

/** Who has an address, and as what. */
export interface Claim {
  readonly owner: number;
  readonly role: KeyRole;
}

/** A finished index as it crosses to another thread or a file. */
export interface IndexImage {
  readonly meta: {
    readonly size: number;
    readonly gone: number;
    readonly moved: readonly number[];
    readonly words: readonly string[];
    readonly domains: readonly string[];
  };
  /** Texts, addresses, and the columns in their order. */
  readonly parts: readonly Part[];
}

export class CompiledIndex {
  readonly #words: Words;
  readonly #domains: Words;
  readonly #texts: Texts;
  /** Eight times the owner's number and the role, per address. */
  readonly #claims: KeyTable;
  /** Per recipient. Texts and domains of its two addresses; 0 in `#routingTexts`: the default routing address. */
  readonly #addressTexts: Column;
  readonly #addressDomains: Column;
  readonly #routingTexts: Column;
  readonly #routingDomains: Column;
  readonly #flags: Column;
  readonly #kinds: Column;
  readonly #connectors: Column;
  readonly #sources: Column;
  readonly #lines: Column;
  /** How many addresses there were when it came. */
  readonly #firstKeys: Column;
  /** Addresses that went from one recipient to another (C7). */
  readonly #moved: number[];
  #gone: number;

  /** `image`: of a finished index; without it it is empty. */
  constructor(image?: IndexImage) {
    const [texts, ...parts] = image?.parts ?? [];
    const column = (number: number): Column => {
      const part = parts[KEY_PARTS + number];
      return new Column(part?.memory, (part?.octets ?? 0) / 4);
    };
    this.#words = new Words(image?.meta.words);
    this.#domains = new Words(image?.meta.domains);
    this.#texts = new Texts(texts?.memory, texts?.octets);
    this.#claims = new KeyTable(this.#texts, this.#domains, parts.slice(0, KEY_PARTS));
    this.#addressTexts = column(0);
    this.#addressDomains = column(1);
    this.#routingTexts = column(2);
    this.#routingDomains = column(3);
    this.#flags = column(4);
    this.#kinds = column(5);
    this.#connectors = column(6);
    this.#sources = column(7);
    this.#lines = column(8);
    this.#firstKeys = column(9);
    this.#moved = [...(image?.meta.moved ?? [])];
    this.#gone = image?.meta.gone ?? 0;
  }

  /** How many recipients there are numbers for; those whose place was taken are among them. */
  get size(): number {
    return this.#flags.length;
  }

  /** How many recipients. */
  get recipients(): number {
    return this.#flags.length - this.#gone;
  }

  /** How many addresses. */
  get keys(): number {
    return this.#claims.length;
  }

  /** Makes room, before anything is added; more comes when it is needed. `texts`: octets. */
  reserve({ recipients, keys, texts }: { readonly recipients: number; readonly keys: number; readonly texts: number }): void {
    for (const column of this.#columns()) column.reserve(recipients);
    this.#texts.reserve(texts);
    this.#claims.reserve(keys);
  }

  /** Octets of all texts. */
  get textOctets(): number {
    return this.#texts.part().octets;
  }

  /** Adds a recipient without any key; its number. `source`: `plain recipients.csv`. */
  add(record: DirectoryRecord, source: string): number {
    const { address, routingAddress } = record;
    this.#addressTexts.push(this.#texts.add(address.localPart));
    this.#addressDomains.push(this.#domains.number(address.domain));
    this.#routingTexts.push(routingAddress === undefined ? 0 : this.#texts.add(routingAddress.localPart));
    this.#routingDomains.push(routingAddress === undefined ? 0 : this.#domains.number(routingAddress.domain));
    this.#flags.push(
      ROUTES.indexOf(record.route) |
        (record.primary === 'cloud' ? CLOUD_FIRST : 0) |
        (isQuoted(address) ? QUOTED : 0) |
        (routingAddress !== undefined && isQuoted(routingAddress) ? QUOTED_ROUTING : 0),
    );
    this.#kinds.push(this.#words.number(record.kind));
    this.#connectors.push(this.#words.number(record.connector));
    this.#sources.push(this.#words.number(source));
    this.#lines.push(record.line);
    this.#firstKeys.push(this.#claims.length);
    return this.size - 1;
  }

  /** Takes a recipient out again, with its addresses: a stronger one has its place (C7). */
  remove(owner: number): void {
    this.#flags.set(owner, this.#flags.at(owner) | GONE);
    this.#gone++;
  }

  isGone(owner: number): boolean {
    return (this.#flags.at(owner) & GONE) !== 0;
  }

  /** Gives an address (a `mailboxKey`) to a recipient; the claim that stands already, where there is one. */
  claim(key: string, owner: number, role: KeyRole): Claim | undefined {
    const value = owner * 8 + ROLES.indexOf(role);
    const number = this.#claims.add(key, value, this.#addressTexts.at(owner));
    if (number < 0) return undefined;
    const standing = this.#claim(number);
    if (!this.isGone(standing.owner)) return standing;
    this.#claims.set(number, value);
    this.#moved.push(number);
    return undefined;
  }

  /** Gives an address that somebody has to another recipient (C7: the stronger kind). */
  reclaim(key: string, owner: number, role: KeyRole): void {
    const number = this.#claims.find(key);
    if (number < 0) return;
    this.#claims.set(number, owner * 8 + ROLES.indexOf(role));
    this.#moved.push(number);
  }

  /** Who has this address. */
  claimOf(key: string): Claim | undefined {
    const number = this.#claims.find(key);
    if (number < 0) return undefined;
    const claim = this.#claim(number);
    return this.isGone(claim.owner) ? undefined : claim;
  }

  /** The number of who has this address; -1 where nobody does. For the hot path: no object is made. */
  ownerOf(key: string): number {
    const number = this.#claims.find(key);
    if (number < 0) return -1;
    const owner = Math.floor(this.#claims.value(number) / 8);
    return this.isGone(owner) ? -1 : owner;
  }

  find(key: string): DirectoryEntry | undefined {
    const owner = this.ownerOf(key);
    return owner < 0 ? undefined : this.entry(owner);
  }

  #claim(number: number): Claim {
    const claim = this.#claims.value(number);
    return { owner: Math.floor(claim / 8), role: ROLES[claim & 7] ?? 'alias' };
  }

  /** The recipient with this number. */
  entry(owner: number): DirectoryEntry {
    const flags = this.#flags.at(owner);
    const routing = this.#routingTexts.at(owner);
    const kind = this.#words.word(this.#kinds.at(owner));
    const connector = this.#words.word(this.#connectors.at(owner));
    const line = this.#lines.at(owner);
    const source = this.#words.word(this.#sources.at(owner)) ?? '';
    return {
      address: this.#mailbox(this.#addressTexts.at(owner), this.#addressDomains.at(owner), (flags & QUOTED) !== 0),
      route: ROUTES[flags & 3] ?? 'on-premises',
      ...(routing === 0
        ? {}
        : { routingAddress: this.#mailbox(routing, this.#routingDomains.at(owner), (flags & QUOTED_ROUTING) !== 0) }),
      ...(kind === undefined ? {} : { kind }),
      ...(connector === undefined ? {} : { connector }),
      primary: (flags & CLOUD_FIRST) === 0 ? 'on-premises' : 'cloud',
      source: line === 0 ? source : `${source}:${line}`,
    };
  }

  #mailbox(text: number, domainNumber: number, quoted: boolean): Mailbox {
    const localPart = this.#texts.get(text);
    const domain = (this.#domains.word(domainNumber) ?? '') as Domain;
    return {
      localPart,
      domain,
      address: quoted ? `"${localPart.replace(/["\\]/g, '\\$&')}"@${domain}` : `${localPart}@${domain}`,
    };
  }

  /** The `mailboxKey` of the primary address, without making the whole entry. */
  keyOf(owner: number): string {
    return `${this.#texts.get(this.#addressTexts.at(owner)).toLowerCase()}@${this.#domains.word(this.#addressDomains.at(owner)) ?? ''}`;
  }

  /** Every address of every recipient; for questions that may look at all of them. */
  *allKeys(): Iterable<Claim & { readonly key: string }> {
    for (let number = 0; number < this.#claims.length; number++) {
      const claim = this.#claim(number);
      if (!this.isGone(claim.owner)) yield { ...claim, key: this.#claims.key(number) };
    }
  }

  /** The addresses of one recipient. */
  keysOf(owner: number): { readonly key: string; readonly role: KeyRole }[] {
    // what it brought with it, what it took of others, and what was derived for it behind all of them
    const numbers = new Set(this.#moved);
    const end = owner + 1 < this.size ? this.#firstKeys.at(owner + 1) : this.#claims.length;
    for (let number = this.#firstKeys.at(owner); number < end; number++) numbers.add(number);
    const localPart = this.#texts.get(this.#addressTexts.at(owner)).toLowerCase();
    for (const domain of this.#domains.all()) if (domain !== '') numbers.add(this.#claims.find(`${localPart}@${domain}`));
    const found: { key: string; role: KeyRole }[] = [];
    for (const number of numbers) {
      if (number < 0) continue;
      const claim = this.#claim(number);
      if (claim.owner === owner) found.push({ key: this.#claims.key(number), role: claim.role });
    }
    return found;
  }

  /** Whether a recipient has no routing address of its own, without making the whole entry. */
  hasDefaultRouting(owner: number): boolean {
    return this.#routingTexts.at(owner) === 0;
  }

  /** The side of a recipient, without making the whole entry. */
  routeOf(owner: number): DirectoryRoute {
    return ROUTES[this.#flags.at(owner) & 3] ?? 'on-premises';
  }

  /** Whether a recipient is routed as one of another index is: side, routing address, kind, connector. */
  isSame(owner: number, other: CompiledIndex, theirs: number): boolean {
    const routing = this.#routingTexts.at(owner);
    const theirRouting = other.#routingTexts.at(theirs);
    return (
      this.#flags.at(owner) === other.#flags.at(theirs) &&
      this.#words.word(this.#kinds.at(owner)) === other.#words.word(other.#kinds.at(theirs)) &&
      this.#words.word(this.#connectors.at(owner)) === other.#words.word(other.#connectors.at(theirs)) &&
      (routing === 0
        ? theirRouting === 0
        : theirRouting !== 0 &&
          this.#domains.word(this.#routingDomains.at(owner)) === other.#domains.word(other.#routingDomains.at(theirs)) &&
          this.#texts.get(routing) === other.#texts.get(theirRouting))
    );
  }

  kindOf(owner: number): string | undefined {
    return this.#words.word(this.#kinds.at(owner));
  }

  /** Where a recipient was read, without making the whole entry. */
  lineOf(owner: number): { readonly source: string; readonly line: number } {
    return { source: this.#words.word(this.#sources.at(owner)) ?? '', line: this.#lines.at(owner) };
  }

  /** Every recipient, in the order of the sources. */
  *entries(): Iterable<DirectoryEntry> {
    for (let owner = 0; owner < this.size; owner++) if (!this.isGone(owner)) yield this.entry(owner);
  }

  /** Hands all of it over as it is; nothing may be added afterwards. */
  finish(): IndexImage {
    return {
      meta: { size: this.size, gone: this.#gone, moved: this.#moved, words: this.#words.all(), domains: this.#domains.all() },
      parts: [this.#texts.part(), ...this.#claims.parts(), ...this.#columns().map((column) => column.part())],
    };
  }

  /** In the order in which they stand in an image, behind the texts and the addresses. */
  #columns(): readonly Column[] {
    return [
      this.#addressTexts,
      this.#addressDomains,
      this.#routingTexts,
      this.#routingDomains,
      this.#flags,
      this.#kinds,
      this.#connectors,
      this.#sources,
      this.#lines,
      this.#firstKeys,
    ];
  }
}

const isQuoted = (box: Mailbox): boolean => box.address.startsWith('"');
