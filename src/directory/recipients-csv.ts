/** Our own plain form, `recipients.csv`: one recipient a line, a header line, `#` comments (contract.md). */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { parse } from 'csv-parse';
import { type Mailbox, parseMailbox } from '../mail/address.ts';
import type { DirectoryRecord, DirectorySource, RecordSink } from './ports.ts';

const COLUMNS = ['address', 'route', 'routing-address', 'aliases', 'kind', 'connector', 'primary'] as const;
type Column = (typeof COLUMNS)[number];
const ROUTES = ['on-premises', 'cloud', 'hold', 'both'] as const;
const PRIMARIES = ['on-premises', 'cloud'] as const;
/** Characters; a longer line is a file of another kind. */
const MAX_LINE = 100_000;

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/** The recipients in a file of our plain form. */
export function recipientsCsv(name: string, file: string): DirectorySource {
  return { name, origin: basename(file), read: (sink) => readFile(file, basename(file), sink) };
}

async function readFile(file: string, shown: string, sink: RecordSink): Promise<void> {
  // rows of unequal length are told with their own words below, so the parser lets them pass
  const parser = parse({
    bom: true,
    comment: '#',
    comment_no_infix: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    max_record_size: MAX_LINE,
  });
  const stream = createReadStream(file);
  stream.on('error', (failure) => parser.destroy(failure));
  stream.pipe(parser);
  const error = (line: number, address: string, problem: string, remedy: string): void =>
    sink.finding({ severity: 'error', file: shown, line, address, problem, remedy });
  let header: Map<Column, number> | undefined;
  let line = 0;
  try {
    for await (const { record: cells, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      line = info.lines;
      if (header === undefined) {
        header = readHeader({ cells, line }, error);
        if (header === undefined) return;
        continue;
      }
      if (cells.every((cell) => cell === '')) continue;
      const record = readRow({ cells, line }, header, error);
      if (record !== undefined) sink.record(record);
    }
  } catch (thrown) {
    stream.destroy();
    if ((thrown as NodeJS.ErrnoException).syscall !== undefined) throw thrown;
    const { message, lines } = thrown as { message: string; lines?: number };
    error(
      lines ?? line + 1,
      '',
      `this is no CSV: ${message.split('\n')[0]}`,
      'Quote cells that hold a comma or a quote, and close each quote',
    );
    return;
  }
  if (header === undefined) error(1, '', 'the file is empty', `Begin it with the header line ${COLUMNS.join(',')}`);
}

type Report = (line: number, address: string, problem: string, remedy: string) => void;

function readHeader(row: Row, error: Report): Map<Column, number> | undefined {
  const header = new Map<Column, number>();
  let good = true;
  const wrong = (problem: string): void => {
    good = false;
    error(row.line, '', problem, `The header line is ${COLUMNS.join(',')}; columns behind route may be absent`);
  };
  for (const [index, cell] of row.cells.entries()) {
    const column = COLUMNS.find((name) => name === cell.toLowerCase());
    if (column === undefined) wrong(`there is no column "${cell.slice(0, 60)}"`);
    else if (header.has(column)) wrong(`the column "${column}" stands here twice`);
    else header.set(column, index);
  }
  for (const needed of ['address', 'route'] as const) if (!header.has(needed)) wrong(`the column "${needed}" is missing`);
  return good ? header : undefined;
}

function readRow(row: Row, header: ReadonlyMap<Column, number>, report: Report): DirectoryRecord | undefined {
  let good = true;
  const cell = (column: Column): string => {
    const index = header.get(column);
    return index === undefined ? '' : (row.cells[index] ?? '');
  };
  const written = cell('address');
  const error = (problem: string, remedy: string): undefined => {
    good = false;
    report(row.line, written, problem, remedy);
  };
  if (row.cells.length > header.size)
    error(
      `${row.cells.length} cells under ${header.size} columns`,
      'Quote cells that hold a comma; aliases are separated by spaces',
    );
  const box = (text: string, what: string): Mailbox | undefined =>
    text.includes('\ufffd')
      ? error(`the ${what} is not written in UTF-8`, 'Save the file as UTF-8')
      : (parseMailbox(text) ??
        error(`the ${what} "${text.slice(0, 100)}" is no e-mail address`, 'Write it like user@example.com'));
  const address =
    written === ''
      ? error('the address is missing', 'Write it in the first column, like user@example.com')
      : box(written, 'address');
  const route =
    oneOf(cell('route'), ROUTES) ?? error(`there is no route "${cell('route')}"`, `Write one of ${ROUTES.join(', ')}`);
  const routing = cell('routing-address');
  const routingAddress = routing === '' ? undefined : box(routing, 'routing address');
  const aliases =
    cell('aliases') === ''
      ? []
      : cell('aliases')
          .split(/\s+/)
          .map((alias) => box(alias, 'alias'));
  const primary =
    cell('primary') === ''
      ? 'on-premises'
      : (oneOf(cell('primary'), PRIMARIES) ??
        error(`there is no side "${cell('primary')}"`, 'Write on-premises or cloud, or leave it empty'));
  const kind = cell('kind');
  const connector = cell('connector');
  if (!good || address === undefined || route === undefined || primary === undefined) return undefined;
  return {
    address,
    route,
    ...(routingAddress === undefined ? {} : { routingAddress }),
    aliases: aliases as Mailbox[],
    ...(kind === '' ? {} : { kind }),
    ...(connector === '' ? {} : { connector }),
    primary,
    line: row.line,
  };
}

const oneOf = <T extends string>(text: string, words: readonly T[]): T | undefined =>
  words.find((word) => word === text.toLowerCase());
