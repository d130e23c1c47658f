/**
 * BDAT (RFC 3030): a message in counted chunks. They are made what DATA brings (dots stuffed, a final dot), so that all
 * behind them, from the walk over the octets to the next hop, knows one form of a message (design.md D3a). Pure.
 */
const CR = 13;
const LF = 10;
const DOT = Buffer.from('.');
const LINE_WITH_DOT = Buffer.from('\r\n.');
const END = Buffer.from('.\r\n');
const LINE_END_AND_END = Buffer.from('\r\n.\r\n');
const BARE_LF = Buffer.from('\n');
const BARE_LF_AND_END = Buffer.from('\n\r\n.\r\n');

/** `BDAT octets [LAST]`. */
export interface BdatCommand {
  readonly octets: number;
  readonly last: boolean;
}

const SYNTAX = /^BDAT (\d{1,15})(?: (LAST))?$/i;

/** The command of a line that begins with BDAT, or `undefined` where it is none. */
export function parseBdat(line: string): BdatCommand | undefined {
  const match = SYNTAX.exec(line);
  return match === null ? undefined : { octets: Number(match[1]), last: match[2] !== undefined };
}

const IN_LINE = 0;
const AFTER_CR = 1;
const LINE_START = 2;
/** Behind an LF without CR, which is held back: at the end of the message it may be all of a line end that there is. */
const AFTER_BARE_LF = 3;

/** Puts a dot in front of each line that begins with one (RFC 5321 §4.5.2), whatever way the octets are cut. */
export class DotStuffer {
  private state = LINE_START;

  /** The octets in wire form; those given, where nothing is to be stuffed. */
  take(given: Buffer): Buffer {
    if (given.length === 0) return given;
    const octets = this.state === AFTER_BARE_LF ? Buffer.concat([BARE_LF, given]) : given;
    const { length } = octets;
    const parts: Buffer[] = [];
    let from = 0;
    if (this.state === LINE_START && octets[0] === DOT[0]) parts.push(DOT);
    else if (this.state === AFTER_CR && octets[0] === LF && octets[1] === DOT[0]) {
      parts.push(octets.subarray(0, 1), DOT);
      from = 1;
    }
    for (let at = octets.indexOf(LINE_WITH_DOT, from); at >= 0; at = octets.indexOf(LINE_WITH_DOT, from)) {
      parts.push(octets.subarray(from, at + 2), DOT);
      from = at + 2;
    }
    const last = octets[length - 1];
    const afterCr = length > 1 ? octets[length - 2] === CR : this.state === AFTER_CR;
    if (last === LF) this.state = afterCr ? LINE_START : AFTER_BARE_LF;
    else this.state = last === CR ? AFTER_CR : IN_LINE;
    const to = this.state === AFTER_BARE_LF ? length - 1 : length;
    if (parts.length === 0) return to === length ? octets : octets.subarray(0, to);
    parts.push(octets.subarray(from, to));
    return Buffer.concat(parts);
  }

  /**
   * The final dot; a line that was left open is ended first, for the next hop takes nothing else. `mending` tells that a
   * bare LF is made a line end.
   */
  end(mending: boolean): Buffer {
    if (this.state === LINE_START) return END;
    return this.state === AFTER_BARE_LF && !mending ? BARE_LF_AND_END : LINE_END_AND_END;
  }
}
