/** Addresses and what stands for each: a hash table of numbers in shared memory. */
import { Column, type Part, type Texts, type Words } from './columns.ts';

/** So many parts it has in an image. */
export const KEY_PARTS = 5;

export class KeyTable {
  readonly #texts: Texts;
  readonly #domains: Words;
  /** Open addressing over key numbers + 1; its length is a power of two, at most half full. */
  #slots: Uint32Array<SharedArrayBuffer>;
  /** Per key: the part before the last `@`, the domain behind it, the hash of both, and what stands for it. */
  readonly #keyTexts: Column;
  readonly #keyDomains: Column;
  readonly #hashes: Column;
  readonly #values: Column;

  /** `parts`: of a finished table; without them it is empty. */
  constructor(texts: Texts, domains: Words, parts: readonly Part[] = []) {
    const [slots, ...columns] = parts;
    const column = (number: number): Column => new Column(columns[number]?.memory, (columns[number]?.octets ?? 0) / 4);
    this.#texts = texts;
    this.#domains = domains;
    this.#slots = slots === undefined ? slotsOf(4096) : new Uint32Array(slots.memory);
    this.#keyTexts = column(0);
    this.#keyDomains = column(1);
    this.#hashes = column(2);
    this.#values = column(3);
  }

  get length(): number {
    return this.#values.length;
  }

  /** Makes room for so many keys, before there is one. */
  reserve(keys: number): void {
    for (const column of this.#columns()) column.reserve(keys);
    let slots = this.#slots.length;
    while (slots < keys * 1.8) slots *= 2;
    if (slots > this.#slots.length) this.#slots = slotsOf(slots);
  }

  /** The number of a key; -1 where it is not there. */
  find(key: string): number {
    const length = lengthOfLocalPart(key);
    const domain = this.#domains.known(key.slice(length + 1));
    return domain === undefined ? -1 : (this.#slots[this.#slot(key, length, domain, hashOf(key, length, domain))] ?? 0) - 1;
  }

  /** Adds a key, where it is not there; the number of the one that is, else -1. `text`: one that may be the same as its local part. */
  add(key: string, value: number, text: number): number {
    const length = lengthOfLocalPart(key);
    const domain = this.#domains.number(key.slice(length + 1));
    const hash = hashOf(key, length, domain);
    const slot = this.#slot(key, length, domain, hash);
    const taken = this.#slots[slot] ?? 0;
    if (taken !== 0) return taken - 1;
    // the same local part at another domain, and one that is in lower case already, are kept once
    this.#keyTexts.push(this.#texts.isPrefix(text, key, length) ? text : this.#texts.add(key.slice(0, length)));
    this.#keyDomains.push(domain);
    this.#hashes.push(hash);
    this.#values.push(value);
    this.#slots[slot] = this.#values.length;
    if (this.#values.length * 2 > this.#slots.length) this.#grow();
    return -1;
  }

  value(number: number): number {
    return this.#values.at(number);
  }

  set(number: number, value: number): void {
    this.#values.set(number, value);
  }

  key(number: number): string {
    const domain = this.#domains.word(this.#keyDomains.at(number));
    const text = this.#texts.get(this.#keyTexts.at(number));
    return domain === undefined ? text : `${text}@${domain}`;
  }

  parts(): Part[] {
    const slots = { memory: this.#slots.buffer, octets: this.#slots.byteLength };
    return [slots, ...this.#columns().map((column) => column.part())];
  }

  #columns(): readonly Column[] {
    return [this.#keyTexts, this.#keyDomains, this.#hashes, this.#values];
  }

  /** The slot that holds the key, or the free one where it belongs. `length`: of the part before the last `@`. */
  #slot(key: string, length: number, domain: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot] ?? 0;
      if (taken === 0) return slot;
      const number = taken - 1;
      if (
        this.#hashes.at(number) === hash &&
        this.#keyDomains.at(number) === domain &&
        this.#texts.isPrefix(this.#keyTexts.at(number), key, length)
      )
        return slot;
    }
  }

  #grow(): void {
    const grown = slotsOf(this.#slots.length * 2);
    const mask = grown.length - 1;
    for (let key = 0; key < this.#values.length; key++) {
      let slot = this.#hashes.at(key) & mask;
      while (grown[slot] !== 0) slot = (slot + 1) & mask;
      grown[slot] = key + 1;
    }
    this.#slots = grown;
  }
}

const slotsOf = (count: number): Uint32Array<SharedArrayBuffer> => new Uint32Array(new SharedArrayBuffer(count * 4));

/** What stands before the last `@`; all of a key that is no address (X500). */
function lengthOfLocalPart(key: string): number {
  const at = key.lastIndexOf('@');
  return at < 0 || at === key.length - 1 ? key.length : at;
}

/** FNV-1a over the UTF-16 units before the last `@` and the number of the domain, mixed so that the low bits are good. */
function hashOf(key: string, length: number, domain: number): number {
  let hash = 0x811c9dc5 ^ domain;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 0;
}
