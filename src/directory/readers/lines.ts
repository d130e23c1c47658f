/** A text line by line, in bounded memory. */

/** Octets of one line that are kept; a longer one is cut. */
const MAX_LINE = 1_048_576;
const LF = 10;

type OnLine = (line: string, number: number) => boolean | undefined;

/**
 * Calls `onLine` with every line and its number, the first being 1, without its line end (LF or CRLF), until it says
 * `false`. Faster than an async iterator by the promise for each line.
 */
export async function eachLine(octets: AsyncIterable<Buffer>, onLine: OnLine): Promise<void> {
  const reading = linesByChunk(octets, onLine);
  for (;;) if ((await reading.next()).done === true) return;
}

/** The same chunk by chunk: each step has read one. */
export async function* linesByChunk(octets: AsyncIterable<Buffer>, onLine: OnLine): AsyncGenerator<void, void> {
  let begun: Buffer[] = [];
  let length = 0;
  let number = 0;
  const keep = (part: Buffer): void => {
    if (part.length === 0 || length >= MAX_LINE) return;
    begun.push(part.subarray(0, MAX_LINE - length));
    length += part.length;
  };
  const line = (part: Buffer): boolean | undefined => {
    number++;
    if (length === 0) return onLine(textOf(part), number);
    keep(part);
    const whole = Buffer.concat(begun);
    begun = [];
    length = 0;
    return onLine(textOf(whole), number);
  };
  for await (const chunk of octets) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      if (line(chunk.subarray(start, end)) === false) return;
      start = end + 1;
    }
    keep(Buffer.from(chunk.subarray(start)));
    yield;
  }
  if (length > 0) line(Buffer.alloc(0));
}

function textOf(octets: Buffer): string {
  const end = octets[octets.length - 1] === 13 ? octets.length - 1 : octets.length;
  return octets.toString('utf8', 0, Math.min(end, MAX_LINE));
}
