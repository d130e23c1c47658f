/** From the form on the wire to the form in a file: dots unstuffed (RFC 5321 §4.5.2), CRLF into LF. Nothing else changes. */

const CR = 13;
const LF = 10;
const DOT = 46;

export class WireDecoder {
  #lineStart = true;
  /** A CR ended the last chunk: whether LF follows is not known yet. */
  #heldCr = false;

  decode(chunk: Buffer): Buffer {
    const out = Buffer.allocUnsafe(chunk.length + 1);
    let written = 0;
    let at = 0;
    if (this.#heldCr && chunk.length > 0) {
      this.#heldCr = false;
      if (chunk[0] === LF) {
        out[written++] = LF;
        at = 1;
        this.#lineStart = true;
      } else {
        out[written++] = CR;
      }
    }
    while (at < chunk.length) {
      if (this.#lineStart && chunk[at] === DOT) at++;
      this.#lineStart = false;
      let cr = chunk.indexOf(CR, at);
      while (cr >= 0 && cr + 1 < chunk.length && chunk[cr + 1] !== LF) cr = chunk.indexOf(CR, cr + 1);
      const end = cr < 0 ? chunk.length : cr;
      written += chunk.copy(out, written, at, end);
      if (cr < 0) break;
      if (cr + 1 === chunk.length) {
        this.#heldCr = true;
        break;
      }
      out[written++] = LF;
      at = cr + 2;
      this.#lineStart = true;
    }
    return out.subarray(0, written);
  }

  /** What was held back. */
  end(): Buffer {
    const rest = this.#heldCr ? Buffer.from([CR]) : Buffer.alloc(0);
    this.#heldCr = false;
    return rest;
  }
}
