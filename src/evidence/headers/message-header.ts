/**
 * Finds the header in what an administrator has at hand: a message file, an mbox, a header copied out of a mail program,
 * in whatever encoding and with whatever line ends. Pure.
 */
import { isUtf8 } from 'node:buffer';

/** Octets of a message that are looked at. */
export const HEADER_LIMIT = 1024 * 1024;
/** Characters of one field that are kept. */
const FIELD_LIMIT = 64 * 1024;
/** Lines before the first field that are passed over: mbox's From line, "Microsoft Mail Internet Headers Version 2.0". */
const PREAMBLE_LIMIT = 40;

export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  /** Folded as it came, with single LF at line ends. */
  readonly value: string;
}

/** RFC 5322 §2.2, and white space before the colon (§4.5). */
const FIELD = /^([!-9;-~]{1,100})[ \t]*:(.*)$/s;

/** The header fields of a message or of a header alone, from the top; none where there is no header. */
export function headerFields(octets: Uint8Array): HeaderField[] {
  const text = decoded(octets.subarray(0, 2 * HEADER_LIMIT)).slice(0, HEADER_LIMIT);
  const lines = singleSpaced(unquoted(text.split(/\r\n|\n|\r/)));
  const first = firstField(lines);
  const fields: { name: string; value: string }[] = [];
  for (const line of lines.slice(first)) {
    if (line.trim() === '') break;
    const begun = /^[ \t]/.test(line) ? undefined : fieldIn(line);
    const last = fields.at(-1);
    if (begun !== undefined) fields.push(begun);
    // Also a line at the margin that is no field: a mail program that shows a header may eat the white space
    else if (last !== undefined && last.value.length < FIELD_LIMIT) last.value += `\n${line.slice(0, FIELD_LIMIT)}`;
  }
  return fields;
}

/** The values of the Received fields, from the top: the newest first. */
export function receivedValues(octets: Uint8Array): string[] {
  return headerFields(octets)
    .filter(({ name }) => name === 'received')
    .map(({ value }) => value);
}

function fieldIn(line: string): { name: string; value: string } | undefined {
  const match = FIELD.exec(line);
  return match === null ? undefined : { name: (match[1] ?? '').toLowerCase(), value: (match[2] ?? '').slice(0, FIELD_LIMIT) };
}

/** UTF-8, UTF-16 with its mark or without, else one character an octet. */
function decoded(octets: Uint8Array): string {
  const [a, b, c, d] = octets;
  if (a === 0xff && b === 0xfe) return utf16(octets.subarray(2));
  if (a === 0xfe && b === 0xff) return utf16(swapped(octets.subarray(2)));
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return utf16(octets);
  if (a === 0 && b !== 0 && c === 0 && d !== 0) return utf16(swapped(octets));
  const buffer = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  // The cut may have gone through a character
  const whole = isUtf8(buffer) || [1, 2, 3].some((cut) => isUtf8(buffer.subarray(0, -cut)));
  return buffer.toString(whole ? 'utf8' : 'latin1').replace(/^\ufeff/, '');
}

function utf16(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength - (octets.byteLength % 2)).toString('utf16le');
}

function swapped(octets: Uint8Array): Uint8Array {
  return Buffer.from(octets.subarray(0, octets.byteLength - (octets.byteLength % 2))).swap16();
}

/** Without `> ` or spaces before every line, as a quoted or indented header has them. */
function unquoted(lines: string[]): string[] {
  const head = lines.slice(0, 200).filter((line) => line.trim() !== '');
  const mark = /^(?:> ?|[ \t]+)(?=[!-9;-~]+[ \t]*:)/.exec(head[0] ?? '')?.[0];
  if (mark === undefined) return lines;
  const quote = mark.trimEnd();
  const marked = (line: string): boolean => line.startsWith(mark) || line.trim() === quote;
  let end = 0;
  while (end < lines.length && ((lines[end] ?? '').trim() === '' || marked(lines[end] ?? ''))) end += 1;
  // A first line that stands in by itself is a folded field whose beginning was not copied
  if (quote === '' && end < 2) return lines;
  return lines.slice(0, end).map((line) => (line.startsWith(mark) ? line.slice(mark.length) : ''));
}

/** Without the blank lines between all lines, as a header has them that was copied out of a web page. */
function singleSpaced(lines: string[]): string[] {
  const start = lines.findIndex((line) => line.trim() !== '');
  const [first = '', gap = 'x', second = '', next = 'x', third = ''] = lines.slice(Math.max(0, start), start + 5);
  const headerLine = (line: string): boolean => /^[ \t]+\S/.test(line) || FIELD.test(line);
  const spaced = gap.trim() === '' && next.trim() === '' && [first, second, third].every(headerLine);
  return spaced ? lines.filter((line) => line.trim() !== '') : lines;
}

function firstField(lines: readonly string[]): number {
  const limit = Math.min(lines.length, PREAMBLE_LIMIT);
  for (let i = 0; i < limit; i++) {
    const line = lines[i] ?? '';
    // mbox: `From sender date` begins a message, and `>From ` a field of old senders' making
    if (!/^>?From /.test(line) && fieldIn(line) !== undefined) return i;
  }
  return lines.length;
}
