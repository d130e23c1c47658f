/**
 * Lists of mailboxes to move: a migration batch file as Exchange takes it (coexistence.md 4.3 c), any CSV with a column of
 * addresses, or one address a line. A batch file may hold passwords: the one column that is wanted is kept, every other
 * cell is dropped where the parser hands it over, and no finding shows what stood in the file but an address that is one.
 */
import { basename } from 'node:path';
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { Finding } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import { type Delimiter, eachRow } from './csv-rows.ts';
import { eachLine } from './lines.ts';
import { readingFile } from './reading-file.ts';
import { addressColumn, recognise } from './recognise.ts';
import type { Report } from './report.ts';
import { readHead, utf8Octets } from './text-file.ts';

export interface WaveListEntry {
  readonly mailbox: Mailbox;
  readonly line: number;
}

/** `addresses` is what could be read, also where there are errors among the findings. */
export interface WaveList {
  readonly addresses: readonly WaveListEntry[];
  readonly findings: readonly Finding[];
}

const REMEDY = 'A wave list is a CSV with a column EmailAddress, or one address a line';

/** Reads the mailboxes of a wave. Rejects for a broken machine alone. */
export async function readWaveList(file: string): Promise<WaveList> {
  const findings: Finding[] = [];
  const list = new Map<string, WaveListEntry>();
  await readingFile(file, { finding: (finding) => findings.push(finding) }, async (report) => {
    const recognised = recognise(await readHead(file));
    const put = (mailbox: Mailbox, line: number): void => {
      const standing = list.get(mailboxKey(mailbox));
      if (standing === undefined) list.set(mailboxKey(mailbox), { mailbox, line });
      else report.warning(line, mailbox.address, `it stands in line ${standing.line} already`, 'Remove one of the two');
    };
    if (recognised?.format === 'address-list') await readLines(file, report, put);
    else if (recognised?.columns === undefined)
      report.error(
        1,
        '',
        recognised === undefined
          ? 'this is no list of mailboxes'
          : `${basename(file)} is ${recognised.format}, and no list of mailboxes`,
        REMEDY,
      );
    else await readColumn(file, recognised.delimiter, report, put);
    if (list.size === 0 && !report.hasErrors) report.error(1, '', 'there is no address in this list', REMEDY);
  });
  return { addresses: [...list.values()], findings };
}

async function readColumn(
  file: string,
  delimiter: Delimiter,
  report: Report,
  put: (mailbox: Mailbox, line: number) => void,
): Promise<void> {
  let columns = 0;
  let wanted: number | undefined;
  const keeps = (column: number): boolean => columns === 0 || column === wanted;
  const mistake = await eachRow(file, { delimiter, keeps, hasComments: true }, (cells, line) => {
    if (columns === 0) {
      columns = cells.length;
      wanted = addressColumn(cells.map((cell) => cell.toLowerCase()));
      if (wanted === undefined) report.error(line, '', 'the header has no column of addresses', REMEDY);
      return wanted !== undefined;
    }
    const text = cells[wanted ?? 0] ?? '';
    if (cells.length !== columns) {
      // a row with an address alone is as good as one with its empty cells
      if (cells.length === 1 && text === '') return true;
      report.error(line, '', `${cells.length} cells under ${columns} columns`, `Quote cells that hold a delimiter. ${REMEDY}`);
    } else if (text === '') report.error(line, '', 'the address is missing', REMEDY);
    else take(text, line, report, put);
    return !report.isFull;
  });
  if (mistake !== undefined) report.error(mistake.line, '', mistake.problem, mistake.remedy);
}

async function readLines(file: string, report: Report, put: (mailbox: Mailbox, line: number) => void): Promise<void> {
  await eachLine(utf8Octets(file), (line, number) => {
    const text = line.trim();
    if (text !== '' && !text.startsWith('#')) take(text.replace(/^<(.*)>$/, '$1'), number, report, put);
    return !report.isFull;
  });
}

/** The text of what is no address is not shown: in a file whose columns slipped it may be a password. */
function take(text: string, line: number, report: Report, put: (mailbox: Mailbox, line: number) => void): void {
  const read = readAddress(text.replace(/^smtp:\s*/i, ''), 'address');
  if (!isMistake(read)) put(read, line);
  else if (read.isDeceptive)
    report.error(line, '', 'the address holds characters that deceive the eye (invisible, or of another script)', read.remedy);
  else report.error(line, '', 'this is no e-mail address', `${read.remedy}. ${REMEDY}`);
}
