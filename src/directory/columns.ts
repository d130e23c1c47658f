/** What a million recipients are kept in: a few large arrays. They grow while an index is built and are fixed afterwards. */

/** Memory, and how much of it is used. */
export interface Part {
  readonly memory: SharedArrayBuffer;
  readonly octets: number;
}

/** Numbers one behind the other, in shared memory: what one thread built another reads, and nothing is copied. */
export class Column {
  #values: Uint32Array<SharedArrayBuffer>;
  length: number;

  constructor(memory?: SharedArrayBuffer, length = 0) {
    this.#values = new Uint32Array(memory ?? new SharedArrayBuffer(4096));
    this.length = length;
  }

  push(value: number): void {
    if (this.length === this.#values.length) this.reserve(Math.max(1024, this.length * 2));
    this.#values[this.length++] = value;
  }

  /** Room for so many, so that growing leaves no old memory behind. What is not used is never touched, so it costs nothing. */
  reserve(count: number): void {
    if (count <= this.#values.length) return;
    const grown = new Uint32Array(new SharedArrayBuffer(count * 4));
    grown.set(this.#values.subarray(0, this.length));
    this.#values = grown;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  part(): Part {
    return { memory: this.#values.buffer, octets: this.length * 4 };
  }
}

/** Texts one behind the other, each behind its length; a text is named by where it begins. */
export class Texts {
  #bytes: Buffer<SharedArrayBuffer>;
  #used: number;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(65_536), used = 1) {
    this.#bytes = Buffer.from(memory);
    this.#used = used; // 0 is no text
  }

  /** Room for so many octets. */
  reserve(octets: number): void {
    if (octets <= this.#bytes.length) return;
    const grown = Buffer.from(new SharedArrayBuffer(octets));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }

  /** At most 65,535 octets in UTF-8; what is longer is no address and no name. */
  add(text: string): number {
    const length = Buffer.byteLength(text);
    if (length > 0xffff) throw new RangeError('a text of more than 65,535 octets');
    if (this.#used + length + 3 > this.#bytes.length) this.reserve(Math.max(this.#bytes.length * 2, this.#used + length + 3));
    const start = this.#used;
    if (length < LONG) this.#bytes[this.#used++] = length;
    else {
      this.#bytes[this.#used++] = LONG;
      this.#used = this.#bytes.writeUInt16LE(length, this.#used);
    }
    this.#used += this.#bytes.write(text, this.#used);
    return start;
  }

  get(start: number): string {
    const short = this.#bytes[start] ?? 0;
    const begin = short === LONG ? start + 3 : start + 1;
    const length = short === LONG ? this.#bytes.readUInt16LE(start + 1) : short;
    return this.#bytes.toString('utf8', begin, begin + length);
  }

  /** Whether the text is the first `length` characters of `key`. */
  isPrefix(start: number, key: string, length: number): boolean {
    const octets = this.#bytes[start] ?? 0;
    if (octets !== LONG) {
      if (octets < length) return false;
      let i = 0;
      for (; i < length; i++) {
        const unit = key.charCodeAt(i);
        if (unit >= 0x80) break; // not ASCII: compare the texts themselves
        if (this.#bytes[start + 1 + i] !== unit) return false;
      }
      if (i === length) return octets === length;
    }
    return this.get(start) === key.slice(0, length);
  }

  part(): Part {
    return { memory: this.#bytes.buffer, octets: this.#used };
  }
}

/** A length that does not fit one octet: two more follow. */
const LONG = 255;

/** Few different words (domains, kinds, connectors, sources), each kept once; 0 is none. */
export class Words {
  readonly #words: string[];
  readonly #numbers: Map<string, number>;

  constructor(words: readonly string[] = ['']) {
    this.#words = [...words];
    this.#numbers = new Map(this.#words.map((word, number) => [word, number]));
  }

  number(word: string | undefined): number {
    const known = this.#numbers.get(word ?? '');
    if (known !== undefined) return known;
    this.#words.push(word ?? '');
    this.#numbers.set(word ?? '', this.#words.length - 1);
    return this.#words.length - 1;
  }

  /** The number of a word that is there already. */
  known(word: string): number | undefined {
    return this.#numbers.get(word);
  }

  word(number: number): string | undefined {
    return number === 0 ? undefined : this.#words[number];
  }

  all(): readonly string[] {
    return this.#words;
  }
}
