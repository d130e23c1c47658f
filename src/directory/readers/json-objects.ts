/**
 * The objects of JSON as they come from Graph: pages (`{"value": [...]}`), several of them one behind the other or in an
 * array, a bare array, or one object a line. Cut out one by one, so that a file of any size needs little memory.
 */
import { utf8Octets } from './text-file.ts';

export interface JsonMistake {
  readonly line: number;
  readonly problem: string;
}

/** Octets of one object; a group with 100,000 members is under it. */
const MAX_OBJECT = 64 * 1024 * 1024;
const LF = 10;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const BOM_FIRST = 0xef;

/** Calls `onObject` with each object and the line it begins on, until that says `false`. */
export async function eachObject(
  file: string,
  onObject: (object: Readonly<Record<string, unknown>>, line: number) => boolean | undefined,
): Promise<JsonMistake | undefined> {
  const cutter = new Cutter(onObject);
  for await (const octets of utf8Octets(file)) if (!cutter.take(octets)) break;
  return cutter.finish();
}

class Cutter {
  readonly #onObject: (object: Readonly<Record<string, unknown>>, line: number) => boolean | undefined;
  /** What is open, outermost first: octets `{` and `[`. */
  readonly #open: number[] = [];
  #line = 1;
  #isInString = false;
  #isEscaped = false;
  /** Depth at which the object begins that is being kept; 0: none. */
  #keptAt = 0;
  #keptLine = 0;
  #kept: Buffer[] = [];
  #keptLength = 0;
  /** The last string at the depth of the kept object, while it may be the key `value` of a page. */
  #key = '';
  #isStopped = false;
  #mistake: JsonMistake | undefined;

  constructor(onObject: (object: Readonly<Record<string, unknown>>, line: number) => boolean | undefined) {
    this.#onObject = onObject;
  }

  /** `false`: no more is wanted. */
  take(octets: Buffer): boolean {
    let begin = this.#keptAt === 0 ? -1 : 0;
    for (let at = 0; at < octets.length; at++) {
      const octet = octets[at] ?? 0;
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (octet === BACKSLASH) this.#isEscaped = true;
        else if (octet === QUOTE) this.#isInString = false;
        else if (octet === LF) this.#line++;
        else if (this.#keptAt === this.#open.length && this.#key.length < 8) this.#key += String.fromCharCode(octet);
        continue;
      }
      switch (octet) {
        case LF:
          this.#line++;
          break;
        case QUOTE:
          this.#isInString = true;
          this.#key = '';
          break;
        case COMMA:
          this.#key = '';
          break;
        case OPEN_OBJECT:
          this.#open.push(octet);
          if (this.#keptAt !== 0) break;
          this.#keptAt = this.#open.length;
          this.#keptLine = this.#line;
          begin = at;
          break;
        case OPEN_ARRAY:
          if (this.#keptAt !== 0 && this.#keptAt === this.#open.length && this.#key === 'value') {
            // what was kept is a page around the objects
            this.#forget();
            begin = -1;
          }
          this.#open.push(octet);
          break;
        case CLOSE_OBJECT:
        case CLOSE_ARRAY:
          if (this.#open.pop() !== octet - 2) return this.#wrong('a bracket closes what is not open');
          if (octet === CLOSE_ARRAY || this.#keptAt !== this.#open.length + 1) break;
          this.#keep(octets.subarray(begin, at + 1));
          begin = -1;
          if (!this.#give()) return false;
          break;
        default:
          if (this.#open.length === 0 && octet > 32 && octet !== COLON && octet < BOM_FIRST)
            return this.#wrong('text stands outside of every object');
      }
    }
    if (begin !== -1) this.#keep(Buffer.from(octets.subarray(begin)));
    return this.#keptLength <= MAX_OBJECT || this.#wrong('an object is over 64 MiB long');
  }

  finish(): JsonMistake | undefined {
    if (this.#mistake !== undefined || this.#isStopped) return this.#mistake;
    if (this.#open.length > 0 || this.#isInString)
      return {
        line: this.#keptAt === 0 ? this.#line : this.#keptLine,
        problem: 'the file ends in the middle of an object or a list',
      };
    return undefined;
  }

  #keep(part: Buffer): void {
    this.#kept.push(part);
    this.#keptLength += part.length;
  }

  #forget(): void {
    this.#keptAt = 0;
    this.#kept = [];
    this.#keptLength = 0;
  }

  #give(): boolean {
    const text = Buffer.concat(this.#kept).toString('utf8');
    this.#forget();
    let object: unknown;
    try {
      object = JSON.parse(text);
    } catch {
      return this.#wrong('the object that begins here is no JSON', this.#keptLine);
    }
    this.#isStopped = this.#onObject(object as Record<string, unknown>, this.#keptLine) === false;
    return !this.#isStopped;
  }

  #wrong(problem: string, line = this.#line): false {
    this.#mistake = { line, problem };
    return false;
  }
}
