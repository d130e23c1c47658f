/** CSV row by row, with exact line numbers and our own words for what is wrong: the parser's would show the cells. */
import { type CsvError, parse } from 'csv-parse';
import { utf8Octets } from './text-file.ts';

export type Delimiter = ',' | ';' | '\t';

export interface CsvShape {
  readonly delimiter: Delimiter;
  /** `false`: quotes are characters like any other. */
  readonly hasQuotes?: boolean;
  /** Cells are as they stand, with the white space around them. */
  readonly keepsSpaces?: boolean;
  /** Lines that begin with `#` are comments. */
  readonly hasComments?: boolean;
  /** Quotes in the middle of a cell are characters like any other: for logs, whose writers quote as they like. */
  readonly isLax?: boolean;
  /** Whether a cell may be kept. What may not is dropped where the parser hands it over: the row has an empty text there. */
  readonly keeps?: (column: number) => boolean;
}

/** What ends the reading of a file. */
export interface CsvMistake {
  readonly line: number;
  readonly problem: string;
  readonly remedy: string;
}

/** Octets; a longer row is a file of another kind, or has an open quote. */
const MAX_ROW = 1_000_000;

type OnRow = (cells: readonly string[], line: number) => boolean | undefined;

/**
 * Calls `onRow` with the cells of each row and the line it begins on, until that says `false`. Answers the
 * mistake that makes the rest unreadable; rejects as the file system does.
 */
export async function eachRow(file: string, shape: CsvShape, onRow: OnRow): Promise<CsvMistake | undefined> {
  const reading = rowsByChunk(file, shape, onRow);
  for (;;) {
    const step = await reading.next();
    if (step.done === true) return step.value;
  }
}

/** The same chunk by chunk: each step has read one. */
export async function* rowsByChunk(file: string, shape: CsvShape, onRow: OnRow): AsyncGenerator<void, CsvMistake | undefined> {
  let stopped = false;
  let last = 0;
  // the parser counts CRLF inside quotes as two lines
  let counted = 0;
  const { keeps } = shape;
  const parser = parse({
    delimiter: shape.delimiter,
    quote: shape.hasQuotes === false ? null : '"',
    escape: shape.hasQuotes === false ? null : '"',
    ...(shape.hasComments === true ? { comment: '#', comment_no_infix: true } : {}),
    ...(keeps === undefined ? {} : { cast: (cell: string, { index }: { index: number }) => (keeps(index) ? cell : '') }),
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    relax_quotes: shape.isLax === true,
    skip_empty_lines: true,
    trim: shape.keepsSpaces !== true,
    max_record_size: MAX_ROW,
    on_record: (cells: string[], { lines }: { lines: number }) => {
      // each row is compared with the first in its number of cells, and an error with its stack made for each that
      // differs, wanted or not: 30 µs a row. A parser that has seen no row yet compares with none.
      (parser.info as { records: number }).records = 0;
      if (stopped) return null;
      const end = lines - counted;
      let first = end;
      for (const cell of cells) {
        if (!cell.includes('\n')) continue;
        const pairs = cell.split('\r\n').length - 1;
        counted += pairs;
        first -= cell.split('\n').length - 1 + pairs;
      }
      last = lines - counted;
      if (onRow(cells, first) === false) stopped = true;
      return null;
    },
  });
  const ended = new Promise<void>((resolve, reject) => {
    parser.once('end', resolve);
    parser.once('error', reject);
  });
  ended.catch(() => undefined); // awaited below, or told by the write that failed
  parser.resume();
  try {
    for await (const octets of utf8Octets(file)) {
      if (!parser.write(octets)) await Promise.race([ended, new Promise((resolve) => parser.once('drain', resolve))]);
      if (stopped) break;
      yield;
    }
    if (stopped) return undefined;
    parser.end();
    await ended;
    return undefined;
  } catch (thrown) {
    const { code } = thrown as CsvError;
    const words = MISTAKES[code];
    if (words === undefined) throw thrown;
    return { line: last + 1, problem: `this is no CSV: ${words.problem}`, remedy: words.remedy };
  } finally {
    parser.destroy();
  }
}

const CLOSE = 'Quote cells that hold a delimiter or a quote, double the quotes inside, and close each one';
const MISTAKES: Readonly<Record<string, { readonly problem: string; readonly remedy: string }>> = {
  CSV_QUOTE_NOT_CLOSED: { problem: 'a quote is opened in this row and never closed; the file may be cut short', remedy: CLOSE },
  CSV_INVALID_CLOSING_QUOTE: { problem: 'a quote stands in the middle of a quoted cell of this row', remedy: CLOSE },
  INVALID_OPENING_QUOTE: { problem: 'a quote stands in the middle of a cell of this row', remedy: CLOSE },
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: { problem: 'text stands behind a closing quote of this row', remedy: CLOSE },
  CSV_MAX_RECORD_SIZE: { problem: 'this row is over a million octets long', remedy: CLOSE },
};
