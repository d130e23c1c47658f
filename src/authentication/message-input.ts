/** A message in wire form as mailauth reads it: dots unstuffed, and its body only where a signature covers it. */

const EMPTY_LINE = Buffer.from('\r\n\r\n');
const STUFFED = Buffer.from('\r\n.');
const DOT = 46;
const CR = 13;
/** Octets of header that are looked at, as at reception. */
const HEADER_LIMIT = 256 * 1024;
const SIGNATURE = /^(?:dkim-signature)[ \t]*:/im;

/** Why a message is not given to mailauth: its header is larger than any that we take for one. */
export class HeaderTooLong extends Error {}

/** The header alone where it has no DKIM-Signature; rejects with `HeaderTooLong`, or as the chunks do. */
export async function* messageInput(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let header: Buffer | undefined = Buffer.alloc(0);
  const unstuffer = new Unstuffer();
  for await (const chunk of chunks) {
    if (header === undefined) {
      yield* unstuffer.take(chunk);
      continue;
    }
    header = header.length === 0 ? chunk : Buffer.concat([header, chunk]);
    const empty = header.indexOf(EMPTY_LINE);
    if (empty < 0) {
      if (header.length > HEADER_LIMIT) throw new HeaderTooLong();
      continue;
    }
    if (empty > HEADER_LIMIT) throw new HeaderTooLong();
    const whole: Buffer = header;
    header = undefined;
    if (!SIGNATURE.test(whole.toString('latin1', 0, empty))) {
      yield whole.subarray(0, empty + 4);
      return;
    }
    yield* unstuffer.take(whole);
  }
  if (header !== undefined) yield* unstuffer.take(header);
}

/** RFC 5321 §4.5.2, the other way round. */
class Unstuffer {
  #lineStart = true;
  /** The last octets, where a line end may go on in the next chunk: nothing, CR, CRLF. */
  #held: Buffer = Buffer.alloc(0);

  *take(next: Buffer): Generator<Buffer> {
    let chunk = this.#held.length === 0 ? next : Buffer.concat([this.#held, next]);
    this.#held = Buffer.alloc(0);
    if (chunk.length === 0) return;
    if (this.#lineStart && chunk[0] === DOT) chunk = chunk.subarray(1);
    this.#lineStart = false;
    let start = 0;
    for (let at = chunk.indexOf(STUFFED); at >= 0; at = chunk.indexOf(STUFFED, start)) {
      yield chunk.subarray(start, at + 2);
      start = at + 3;
    }
    const rest = chunk.subarray(start);
    if (rest.at(-1) === CR) {
      this.#held = Buffer.from([CR]);
      if (rest.length > 1) yield rest.subarray(0, -1);
    } else {
      this.#lineStart = rest.length >= 2 && rest.subarray(-2).equals(EMPTY_LINE.subarray(0, 2));
      if (rest.length > 0) yield rest;
    }
  }
}
