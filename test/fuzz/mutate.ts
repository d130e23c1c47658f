/** Inputs made of others: octets flipped, cut, doubled and moved, and words put where they do not belong. */
import { below, pick } from './target.ts';

const ODD = [
  '\0',
  '\r',
  '\n',
  '\r\n',
  '\r\n.\r\n',
  '\t',
  ' ',
  '"',
  '\\',
  '<',
  '>',
  '@',
  ':',
  ';',
  ',',
  '(',
  ')',
  '=',
  '+',
  '%',
  '!',
  '{',
  '}',
  '[',
  ']',
  '&a',
  '*a',
  '-',
  '~',
  '\u007f',
  '\u0080',
  '\u00a0',
  '\u200b',
  '\ufeff',
  '\u2028',
  '\ud83d\ude00',
  '\u202e',
  'xn--',
  '0',
  '-1',
  '65536',
  '4294967296',
  '9'.repeat(40),
  '1e400',
  'NaN',
  '__proto__',
  'constructor',
  '../../../../etc/passwd',
  '%00',
  '%2e%2e%2f',
].map((text) => Buffer.from(text));
const INVALID_UTF8 = Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80]);

type Mutation = (octets: Buffer, chance: () => number, words: readonly Buffer[], corpus: readonly Buffer[]) => Buffer;

const put = (octets: Buffer, at: number, what: Uint8Array, over = 0): Buffer =>
  Buffer.concat([octets.subarray(0, at), what, octets.subarray(at + over)]);
const place = (octets: Buffer, chance: () => number): number => below(chance, octets.length + 1);

const MUTATIONS: readonly Mutation[] = [
  (octets, chance) => put(octets, place(octets, chance), Buffer.of(below(chance, 256)), 1),
  (octets, chance) => put(octets, place(octets, chance), pick(chance, ODD), below(chance, 2)),
  (octets, chance, words) =>
    put(octets, place(octets, chance), words.length === 0 ? INVALID_UTF8 : pick(chance, words), below(chance, 3)),
  (octets, chance) => put(octets, place(octets, chance), Buffer.alloc(0), 1 + below(chance, 20)),
  (octets, chance) => octets.subarray(0, place(octets, chance)),
  (octets, chance) => octets.subarray(place(octets, chance)),
  (octets, chance) => {
    const from = place(octets, chance);
    return put(octets, place(octets, chance), octets.subarray(from, from + 1 + below(chance, 200)));
  },
  (octets, chance) => {
    const from = place(octets, chance);
    const piece = octets.subarray(from, from + 1 + below(chance, 8));
    return put(octets, from, Buffer.concat(Array.from({ length: 1 + below(chance, 600) }, () => piece)));
  },
  (octets, chance) => {
    const lines = octets.toString('latin1').split('\n');
    const [line = ''] = lines.splice(below(chance, lines.length), 1);
    lines.splice(below(chance, lines.length + 1), 0, line);
    return Buffer.from(lines.join('\n'), 'latin1');
  },
  (octets, chance, _, corpus) => {
    const other = pick(chance, corpus);
    return Buffer.concat([octets.subarray(0, place(octets, chance)), other.subarray(place(other, chance))]);
  },
  (octets, chance) => put(octets, place(octets, chance), INVALID_UTF8),
];

export class Mutator {
  readonly #corpus: readonly Buffer[];
  readonly #words: readonly Buffer[];
  readonly #most: number;

  constructor(corpus: readonly Buffer[], words: readonly string[], most = 64 * 1024) {
    this.#corpus = corpus;
    this.#words = words.map((word) => Buffer.from(word));
    this.#most = most;
  }

  next(chance: () => number): Buffer {
    let octets = pick(chance, this.#corpus);
    for (let count = 1 + below(chance, 4); count > 0; count--)
      octets = pick(chance, MUTATIONS)(octets, chance, this.#words, this.#corpus);
    return octets.subarray(0, this.#most);
  }
}
