/**
 * The octets behind DATA: one walk that finds the end and notes what a record or a refusal needs. Pure.
 *
 * The message ends at CRLF.CRLF and nowhere else (RFC 5321 §4.1.1.4): a server that also took LF.LF or a mix would let a
 * second message be smuggled through a sender that does not (CVE-2023-51764).
 */

const CR = 13;
const LF = 10;
const DOT = 46;
const HELD_DOT = Buffer.from('.');
const HELD_DOT_CR = Buffer.from('.\r');

/** RFC 5321 §4.5.3.1.6: octets of a text line, without its CRLF. Longer lines are passed on and noted. */
export const LINE_LIMIT = 998;

const IN_LINE = 0; // somewhere in a line
const AFTER_CR = 1; // the last octet was CR
const LINE_START = 2; // the last octets were CRLF, or nothing came yet
const AFTER_DOT = 3; // CRLF and one dot, which is held back
const AFTER_DOT_CR = 4; // CRLF, a dot and CR, the latter two held back

/**
 * Walks over the chunks of one message in the order of their arrival. After each `take(chunk, from)` the octets of the body
 * are `held` (where it is set) and then `chunk.subarray(from, bodyEnd)`, in wire form.
 */
export class DataWalk {
  /** Octets that the chunk before ended with and that proved to be body. */
  held: Buffer | undefined;
  /** Where the body's octets end in the chunk just taken. */
  bodyEnd = 0;
  /** CR without LF, or LF without CR (RFC 5321 §2.3.8). */
  bareLineEnds = 0;
  nuls = 0;
  /** Octets of the longest line, dots unstuffed. */
  longestLine = 0;
  /** Dots that were put in front of a line (RFC 5321 §4.5.2). */
  stuffedDots = 0;

  private state = LINE_START;
  /** Octets of the current line that came before this chunk; less than zero by a stuffed dot. */
  private lineBefore = 0;

  /** Where the octets behind the final dot begin, or -1 while the message goes on. */
  take(chunk: Buffer, from: number): number {
    const end = chunk.length;
    this.held = undefined;
    if (from >= end) {
      this.bodyEnd = end;
      return -1;
    }
    let lineStart = from - this.lineBefore;
    if (this.state === LINE_START) {
      if (chunk[from] === DOT) {
        const behind = this.lineWithDot(chunk, from, end);
        if (behind !== 0) return behind;
        lineStart += 1;
      }
    } else if (this.state !== IN_LINE) {
      const behind = this.resume(chunk, from, end);
      if (behind !== 0) return behind;
      lineStart = from - this.lineBefore;
    }

    // Almost every octet is 14 or more. Eight at a time are passed over where no one is less.
    const aligned = from + (-(chunk.byteOffset + from) & 3);
    const words = aligned < end ? ((end - aligned) >> 3) * 2 : 0;
    const word = words === 0 ? undefined : new Int32Array(chunk.buffer, chunk.byteOffset + aligned, words);
    let next = from;
    let w = 0;
    while (next < end) {
      let stop = next < aligned ? Math.min(aligned, end) : end;
      if (word !== undefined && next >= aligned) {
        while (w < words) {
          const four = word[w] as number;
          const more = word[w + 1] as number;
          if (((((four - 0x0e0e0e0e) & ~four) | ((more - 0x0e0e0e0e) & ~more)) & 0x80808080) !== 0) break;
          w += 2;
        }
        next = aligned + w * 4;
        if (w < words) {
          stop = next + 8;
          w += 2;
        }
      }
      for (let i = next; i < stop; i++) {
        const octet = chunk[i] as number;
        if (octet > CR) continue;
        if (octet === LF) {
          const strict = i > from ? chunk[i - 1] === CR : this.state === AFTER_CR;
          if (!strict) {
            this.bareLineEnds += 1;
            continue;
          }
          const length = i - 1 - lineStart;
          if (length > this.longestLine) this.longestLine = length;
          lineStart = i + 1;
          if (chunk[lineStart] === DOT) {
            const behind = this.lineWithDot(chunk, lineStart, end);
            if (behind !== 0) return behind;
            lineStart += 1;
          }
        } else if (octet === CR) {
          if (i + 1 < end && chunk[i + 1] !== LF) this.bareLineEnds += 1;
        } else if (octet === 0) {
          this.nuls += 1;
        }
      }
      next = stop;
    }
    this.lineBefore = end - lineStart;
    this.state = lineStart === end ? LINE_START : chunk[end - 1] === CR ? AFTER_CR : IN_LINE;
    this.bodyEnd = end;
    return -1;
  }

  /** A line begins with a dot at `at`. Behind the end: where; may be the end: -1, the rest is held back; else 0. */
  private lineWithDot(chunk: Buffer, at: number, end: number): number {
    if (at + 1 === end || (at + 2 === end && chunk[at + 1] === CR)) {
      this.state = at + 1 === end ? AFTER_DOT : AFTER_DOT_CR;
      this.bodyEnd = at;
      return -1;
    }
    if (chunk[at + 1] === CR && chunk[at + 2] === LF) {
      this.bodyEnd = at;
      return at + 3;
    }
    this.stuffedDots += 1;
    return 0;
  }

  /** Goes on from a chunk that ended in a CR, or in what may have been the final dot. Answers as `lineWithDot`. */
  private resume(chunk: Buffer, from: number, end: number): number {
    const first = chunk[from];
    if (this.state === AFTER_CR) {
      if (first !== LF) this.bareLineEnds += 1;
      return 0;
    }
    this.bodyEnd = from;
    if (this.state === AFTER_DOT_CR) {
      if (first === LF) return from + 1;
      this.held = HELD_DOT_CR;
      this.bareLineEnds += 1;
      this.lineBefore = 1;
    } else {
      if (first === CR && from + 1 === end) {
        this.state = AFTER_DOT_CR;
        return -1;
      }
      if (first === CR && chunk[from + 1] === LF) return from + 2;
      this.held = HELD_DOT;
      this.lineBefore = 0;
    }
    this.stuffedDots += 1;
    this.state = IN_LINE;
    return 0;
  }
}

const STRICT = 1; // behind a CRLF that the sender wrote
const MENDED = 2; // behind a line end that was made here

/**
 * Makes CRLF of bare CR and bare LF, in wire form. The line that begins behind a mended line end was none to the sender,
 * so a dot in front of it was not stuffed and is stuffed here. And a dot that the sender did stuff, in front of a line
 * that a mended end now leaves empty, is taken off: on the next wire it would be the final dot (CVE-2023-51764).
 */
export class LineEndMender {
  /** Dots that were stuffed here, less those that were taken off. */
  addedDots = 0;
  private heldCr = false;
  private heldDot = false;
  private lineStart: 0 | typeof STRICT | typeof MENDED = STRICT;

  /** `bare` tells that the chunk holds a bare line end (an unnecessary true costs a copy, no more). */
  take(chunk: Buffer, bare: boolean): Buffer {
    if (chunk.length === 0) return chunk;
    const last = chunk[chunk.length - 1];
    if (!bare && !this.heldCr && !this.heldDot && this.lineStart !== MENDED && last !== CR && last !== DOT) {
      this.lineStart = last === LF ? STRICT : 0;
      return chunk;
    }
    const out: number[] = [];
    for (const octet of chunk) {
      if (this.heldCr) {
        this.heldCr = false;
        out.push(CR, LF);
        this.lineStart = octet === LF ? STRICT : MENDED;
        if (octet === LF) continue;
      }
      if (this.heldDot) {
        this.heldDot = false;
        if (octet === CR || octet === LF) this.addedDots -= 1;
        else out.push(DOT);
      }
      if (octet === CR) {
        this.heldCr = true;
      } else if (octet === LF) {
        out.push(CR, LF);
        this.lineStart = MENDED;
      } else {
        const { lineStart } = this;
        this.lineStart = 0;
        if (octet === DOT && lineStart === STRICT) {
          this.heldDot = true;
          continue;
        }
        if (octet === DOT && lineStart === MENDED) {
          out.push(DOT);
          this.addedDots += 1;
        }
        out.push(octet);
      }
    }
    return Buffer.from(out);
  }
}
