/**
 * The proof of a message's body: SHA-256 of the octets behind the first empty line, its dots unstuffed and its lines
 * ended by CRLF (RFC 5322 §2.1, RFC 5321 §4.5.2). That is the body as a mail file has it, so that anybody can compare it,
 * and no trace field changes it: those stand in the header.
 */
import { createHash, type Hash, hash } from 'node:crypto';

const CR = 13;
const LF = 10;
const DOT = 46;
const EMPTY_LINE = Buffer.from('\r\n\r\n');
const STUFFED = Buffer.from('\r\n.');

/** Octets of CRLF.CRLF or CRLF that the chunk before ended with. */
type Matched = 0 | 1 | 2 | 3;

/** Digests one message as it streams by in wire form. One piece of body costs one call of the hash and no copy. */
export class BodyDigest {
  #inBody = false;
  /** A message may begin with its empty line. */
  #matched: Matched = 2;
  #first: Buffer | undefined;
  #hash: Hash | undefined;

  /** `stuffed` tells that a line of the chunk may begin with a stuffed dot (an unnecessary true costs a search). */
  take(chunk: Buffer, stuffed = true): void {
    const from = this.#inBody ? 0 : this.#behindHeader(chunk);
    if (from < 0 || from >= chunk.length) return;
    if (stuffed) this.#unstuff(chunk, from);
    else this.#add(from === 0 ? chunk : chunk.subarray(from));
    const last = chunk.at(-1);
    // a line that ends here: behind its LF, or (3) between its CR and its LF
    if (last === CR) this.#matched = 3;
    else if (last === LF && (chunk.length > 1 ? chunk.at(-2) === CR : this.#matched === 3)) this.#matched = 2;
    else this.#matched = 0;
  }

  /** Lower-case hex; the message is over. */
  hex(): string {
    return this.#hash === undefined ? hash('sha256', this.#first ?? Buffer.alloc(0), 'hex') : this.#hash.digest('hex');
  }

  /** Where the body begins in this chunk; its length where the header ends with it; -1 while the header goes on. */
  #behindHeader(chunk: Buffer): number {
    let at = 0;
    // an empty line that the chunk before may have begun
    while (this.#matched > 0 && at < chunk.length) {
      const octet = chunk[at] as number;
      if (octet === (this.#matched % 2 === 0 ? CR : LF)) {
        at += 1;
        if (this.#matched === 3) return this.#bodyFrom(at);
        this.#matched = (this.#matched + 1) as Matched;
      } else {
        this.#matched = octet === CR ? 1 : 0;
        at += 1;
      }
    }
    if (this.#matched > 0) return -1;
    const found = chunk.indexOf(EMPTY_LINE, Math.max(0, at - 1));
    if (found >= 0) return this.#bodyFrom(found + 4);
    for (const length of [3, 2, 1] as const) {
      if (chunk.length - at >= length && chunk.subarray(-length).equals(EMPTY_LINE.subarray(0, length))) {
        this.#matched = length;
        break;
      }
    }
    return -1;
  }

  #bodyFrom(at: number): number {
    this.#inBody = true;
    this.#matched = 2;
    return at;
  }

  #unstuff(chunk: Buffer, from: number): void {
    let start = from;
    if (this.#matched === 2 && chunk[start] === DOT) start += 1;
    else if (this.#matched === 3 && chunk[start] === LF && chunk[start + 1] === DOT) {
      this.#add(chunk.subarray(start, start + 1));
      start += 2;
    }
    for (;;) {
      const found = chunk.indexOf(STUFFED, start);
      if (found < 0) break;
      this.#add(chunk.subarray(start, found + 2));
      start = found + 3;
    }
    if (start < chunk.length) this.#add(start === 0 ? chunk : chunk.subarray(start));
  }

  #add(octets: Buffer): void {
    if (this.#hash !== undefined) this.#hash.update(octets);
    else if (this.#first === undefined) this.#first = octets;
    else this.#hash = createHash('sha256').update(this.#first).update(octets);
  }
}

/** Of a message at hand as a whole, in wire form. */
export function digestOf(wire: Buffer, stuffed = true): string {
  const digest = new BodyDigest();
  digest.take(wire, stuffed);
  return digest.hex();
}

/** Of a message as a file has it: lines end with CRLF or LF, no dot is stuffed. A file that is kept as mail came. */
export function digestOfFile(file: Buffer): string {
  const { at, unix } = bodyOfFile(file);
  const body = file.subarray(at);
  if (!unix) return hash('sha256', body, 'hex');
  const digest = createHash('sha256');
  let start = 0;
  for (;;) {
    const lf = body.indexOf(LF, start);
    if (lf < 0) break;
    const end = lf > start && body[lf - 1] === CR ? lf - 1 : lf;
    digest.update(body.subarray(start, end)).update('\r\n');
    start = lf + 1;
  }
  return digest.update(body.subarray(start)).digest('hex');
}

function bodyOfFile(file: Buffer): { at: number; unix: boolean } {
  for (let line = 0; ; ) {
    const lf = file.indexOf(LF, line);
    if (lf < 0) return { at: file.length, unix: false };
    const end = lf > line && file[lf - 1] === CR ? lf - 1 : lf;
    if (end === line) return { at: lf + 1, unix: !isCrlf(file, lf + 1) };
    line = lf + 1;
  }
}

/** Whether every line from here on ends with CRLF: the common case is digested in one go. */
function isCrlf(file: Buffer, from: number): boolean {
  for (let lf = file.indexOf(LF, from); lf >= 0; lf = file.indexOf(LF, lf + 1)) if (file[lf - 1] !== CR) return false;
  return true;
}
