/**
 * `cloud.csv` of Microsoft's ExportO365UserInfo.ps1 (coexistence.md 4.3 d): who has a mailbox in the cloud, and where. The
 * script takes all quotes away, so that a comma in the LegacyExchangeDN makes more cells: read from the right.
 */
import { basename } from 'node:path';
import type { DirectoryChecks, DirectoryRecord, DirectorySource, RecordSink } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import { type Delimiter, eachRow } from './csv-rows.ts';
import { withRoutingAlias } from './object-records.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';

const HEADER = ['legacyexchangedn', 'cloudemailaddress', 'onpremiseemailaddress', 'mailboxguid'];
const REMEDY = 'Make it anew with ExportO365UserInfo.ps1, and do not sort or edit its columns';
const GUID = /^\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$/i;

/** Whether a header of these names, in lower case, is this one. */
export function isCloudCsvHeader(names: readonly string[]): boolean {
  return names.length === HEADER.length && HEADER.every((name, index) => names[index] === name);
}

export function cloudCsv(name: string, file: string, checks: DirectoryChecks, delimiter: Delimiter = ','): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, delimiter, checks, sink, report)),
  };
}

async function readFile(
  file: string,
  delimiter: Delimiter,
  checks: DirectoryChecks,
  sink: RecordSink,
  report: Report,
): Promise<void> {
  const routingDomains = new Set(checks.routingDomains);
  let isHeaderSeen = false;
  const mistake = await eachRow(file, { delimiter, hasQuotes: false, keepsSpaces: true }, (cells, line) => {
    if (!isHeaderSeen) {
      if (cells[0]?.startsWith('#') === true) return true;
      isHeaderSeen = true;
      const isOurs = isCloudCsvHeader(cells.map((cell) => unquoted(cell).toLowerCase()));
      if (!isOurs)
        report.error(line, '', 'the header is not LegacyExchangeDN,CloudEmailAddress,OnPremiseEmailAddress,MailboxGUID', REMEDY);
      return isOurs;
    }
    if (cells.every((cell) => cell.trim() === '')) return true;
    const record = readRow(cells, delimiter, line, report);
    if (record !== undefined) sink.record(withRoutingAlias(record, routingDomains));
    return !report.isFull;
  });
  if (mistake !== undefined) report.error(mistake.line, '', mistake.problem, mistake.remedy);
  else if (!isHeaderSeen) report.error(1, '', 'the file is empty', REMEDY);
}

function readRow(cells: readonly string[], delimiter: string, line: number, report: Report): DirectoryRecord | undefined {
  const guid = unquoted(cells.at(-1) ?? '');
  const home = unquoted(cells.at(-2) ?? '');
  const cloud = unquoted(cells.at(-3) ?? '').replace(/^smtp:\s*/i, '');
  if (cells.length < HEADER.length || !GUID.test(guid))
    return report.error(line, '', 'the row does not end with a MailboxGUID; it may be cut short', REMEDY);
  const address = readAddress(home.replace(/^smtp:\s*/i, ''), 'OnPremiseEmailAddress');
  if (isMistake(address)) return report.error(line, home, address.problem, address.remedy);
  const routingAddress = readAddress(cloud, 'CloudEmailAddress');
  if (isMistake(routingAddress)) return report.error(line, address.address, routingAddress.problem, routingAddress.remedy);
  const legacy = unquoted(cells.slice(0, -3).join(delimiter));
  return {
    address,
    route: 'cloud',
    routingAddress,
    aliases: [],
    kind: 'remote-mailbox',
    primary: 'on-premises',
    ...(legacy.startsWith('/') ? { x500: [legacy] } : {}),
    line,
  };
}

/** Somebody may have put the quotes back. */
const unquoted = (cell: string): string => cell.trim().replace(/^"(.*)"$/, '$1');
