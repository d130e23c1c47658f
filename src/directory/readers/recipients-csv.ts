/** Our own plain form, `recipients.csv`: one recipient a line, a header line, `#` comments (contract.md). */
import { basename } from 'node:path';
import type { Mailbox } from '../../mail/address.ts';
import type { DirectoryRecord, DirectorySource, RecordSink } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import { type Delimiter, eachRow } from './csv-rows.ts';
import { readingFile } from './reading-file.ts';
import { type Report, shown } from './report.ts';

const COLUMNS = ['address', 'route', 'routing-address', 'aliases', 'kind', 'connector', 'primary'] as const;
type Column = (typeof COLUMNS)[number];
const ROUTES = ['on-premises', 'cloud', 'hold', 'both'] as const;
const PRIMARIES = ['on-premises', 'cloud'] as const;

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/** The recipients in a file of our plain form. */
export function recipientsCsv(name: string, file: string, delimiter: Delimiter = ','): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, delimiter, sink, report)),
  };
}

async function readFile(file: string, delimiter: Delimiter, sink: RecordSink, report: Report): Promise<void> {
  let header: Map<Column, number> | undefined;
  const mistake = await eachRow(file, { delimiter, hasComments: true }, (cells, line) => {
    if (header === undefined) {
      header = readHeader({ cells, line }, report);
      return header !== undefined;
    }
    if (cells.every((cell) => cell === '')) return true;
    const record = readRow({ cells, line }, header, report);
    if (record !== undefined) sink.record(record);
    return !report.isFull;
  });
  if (mistake !== undefined) report.error(mistake.line, '', mistake.problem, mistake.remedy);
  else if (header === undefined && !report.hasErrors)
    report.error(1, '', 'the file is empty', `Begin it with the header line ${COLUMNS.join(',')}`);
}

function readHeader(row: Row, report: Report): Map<Column, number> | undefined {
  const header = new Map<Column, number>();
  let good = true;
  const wrong = (problem: string): void => {
    good = false;
    report.error(row.line, '', problem, `The header line is ${COLUMNS.join(',')}; columns behind route may be absent`);
  };
  const columns = row.cells.map((cell) => oneOf(cell, COLUMNS));
  // nothing of it is shown: the first line of a file of another kind may hold anything, a password too
  if (columns.every((column) => column === undefined)) {
    wrong('the file does not begin with our header line');
    return undefined;
  }
  for (const [index, column] of columns.entries()) {
    if (column === undefined) wrong(`there is no column "${shown(row.cells[index] ?? '')}"`);
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
    report.error(row.line, written, problem, remedy);
  };
  if (row.cells.length > header.size)
    error(
      `${row.cells.length} cells under ${header.size} columns`,
      'Quote cells that hold a comma; aliases are separated by spaces',
    );
  const box = (text: string, what: string): Mailbox | undefined => {
    const read = readAddress(text, what);
    return isMistake(read) ? error(read.problem, read.remedy) : read;
  };
  const address =
    written === ''
      ? error('the address is missing', 'Write it in the first column, like user@example.com')
      : box(written, 'address');
  const route =
    oneOf(cell('route'), ROUTES) ??
    error(`there is no route "${cell('route').slice(0, 60)}"`, `Write one of ${ROUTES.join(', ')}`);
  const routing = cell('routing-address');
  const routingAddress = routing === '' ? undefined : box(routing, 'routing address');
  const aliases =
    cell('aliases') === ''
      ? []
      : cell('aliases')
          .split(/[ \t\n]+/)
          .map((alias) => box(alias, 'alias'));
  const primary =
    cell('primary') === ''
      ? 'on-premises'
      : (oneOf(cell('primary'), PRIMARIES) ??
        error(`there is no side "${cell('primary').slice(0, 60)}"`, 'Write on-premises or cloud, or leave it empty'));
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
