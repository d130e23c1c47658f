/**
 * What PowerShell exports of Exchange (Get-RemoteMailbox, Get-Recipient, Get-Mailbox) and csvde of Active Directory
 * (coexistence.md 4.3 a, b), in any delimiter and with any joiner of addresses.
 */
import { basename } from 'node:path';
import type { DirectoryObject, ObjectAttribute } from '../directory-object.ts';
import type { DirectoryChecks, DirectorySource, RecordSink } from '../ports.ts';
import { type Delimiter, eachRow } from './csv-rows.ts';
import { ObjectRecords, type Side } from './object-records.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';

/** The export that has all we ask for; an administrator can paste it. */
const COMMAND =
  "Get-Recipient -ResultSize Unlimited | Select-Object Name,PrimarySmtpAddress,@{n='EmailAddresses';e={$_.EmailAddresses -join ';'}},ExternalEmailAddress,RecipientTypeDetails | Export-Csv recipients.csv -NoTypeInformation -Encoding UTF8";
const REMEDY = `Export it again: ${COMMAND}`;

/** Column names in lower case, by what they give; the first that is there counts. */
const NAMES = {
  name: ['distinguishedname', 'dn', 'name', 'displayname', 'alias'],
  primary: ['primarysmtpaddress', 'windowsemailaddress', 'mail'],
  proxies: ['emailaddresses', 'proxyaddresses', 'proxy addresses'],
  target: ['remoteroutingaddress', 'externalemailaddress', 'targetaddress'],
  details: ['recipienttypedetails', 'msexchrecipienttypedetails'],
  type: ['recipienttype'],
  legacy: ['legacyexchangedn'],
  home: ['homemdb', 'msexchhomeservername'],
  classes: ['objectclass'],
} as const;
type What = keyof typeof NAMES;
type Header = ReadonlyMap<What, number>;

/** What PowerShell writes where it was given a list and no text: the addresses themselves are lost. */
const LOST =
  /^(?:System\.(?:Collections\.|String\[\]|Object\[\])|(?:Deserialized\.)?Microsoft\.Exchange\.[\w.]*(?:Collection|MultiValuedProperty)|Microsoft\.ActiveDirectory\.[\w.]*Collection)/;
const isLost = (cell: string): boolean =>
  // a list that Format-List cut: {SMTP:ann@example.com, smtp:a@example.com...}
  cell.endsWith('...}') ||
  ((cell.startsWith('System.') || cell.startsWith('Microsoft.') || cell.startsWith('Deserialized.')) && LOST.test(cell));

/** Whether a header of these names, in lower case, is one of ours. */
export function isExchangeHeader(names: readonly string[]): boolean {
  const header = columnsOf(names);
  return (
    (header.has('primary') || header.has('proxies')) &&
    ['proxies', 'target', 'details', 'type', 'home'].some((what) => header.has(what as What))
  );
}

export interface ExchangeCsvOptions {
  readonly delimiter?: Delimiter;
  readonly side?: Side;
}

export function exchangeCsv(
  name: string,
  file: string,
  checks: DirectoryChecks,
  { delimiter = ',', side = 'on-premises' }: ExchangeCsvOptions = {},
): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) => readingFile(file, sink, (report) => readFile(file, delimiter, side, checks, sink, report)),
  };
}

async function readFile(
  file: string,
  delimiter: Delimiter,
  side: Side,
  checks: DirectoryChecks,
  sink: RecordSink,
  report: Report,
): Promise<void> {
  const records = new ObjectRecords(report, checks, side);
  let header: Header | undefined;
  let names: readonly string[] = [];
  let typeLine = '';
  const mistake = await eachRow(file, { delimiter }, (cells, line) => {
    if (header === undefined) {
      if (cells[0]?.startsWith('#') === true) {
        typeLine = cells.join(delimiter);
        return true;
      }
      names = cells;
      header = readHeader(cells, line, typeLine, report);
      return header !== undefined;
    }
    if (cells.length !== names.length) {
      if (cells.every((cell) => cell === '')) return true;
      report.error(line, '', `${cells.length} cells under ${names.length} columns`, `The file may be cut short. ${REMEDY}`);
      return !report.isFull;
    }
    if (losesData(cells, header, names, line, report)) return false;
    const record = records.read(objectOf(cells, header), line);
    if (record !== undefined) sink.record(record);
    return !report.isFull;
  });
  records.finish();
  if (mistake !== undefined) report.error(mistake.line, '', mistake.problem, mistake.remedy);
  else if (header === undefined && !report.hasErrors) report.error(1, '', 'the file is empty', REMEDY);
}

function columnsOf(cells: readonly string[]): Map<What, number> {
  const names = cells.map((cell) => cell.toLowerCase());
  const header = new Map<What, number>();
  for (const [what, spellings] of Object.entries(NAMES) as [What, readonly string[]][]) {
    for (const spelling of spellings) {
      const index = names.indexOf(spelling);
      if (index === -1) continue;
      header.set(what, index);
      break;
    }
  }
  return header;
}

function readHeader(cells: readonly string[], line: number, typeLine: string, report: Report): Header | undefined {
  const header = columnsOf(cells);
  if (!header.has('primary') && !header.has('proxies'))
    return report.error(line, '', 'there is neither a column PrimarySmtpAddress nor EmailAddresses', REMEDY);
  // without a type, the cmdlet that made the file may tell
  const isRemote = /RemoteMailbox/i.test(typeLine) || cells.some((cell) => cell.toLowerCase() === 'remoteroutingaddress');
  if (!isRemote && !['details', 'type', 'home', 'classes'].some((what) => header.has(what as What)))
    return report.error(line, '', 'no column tells where a mailbox stands (RecipientTypeDetails)', REMEDY);
  return header;
}

function losesData(cells: readonly string[], header: Header, names: readonly string[], line: number, report: Report): boolean {
  for (const what of ['primary', 'proxies', 'target', 'details'] as const) {
    const index = header.get(what);
    const cell = index === undefined ? undefined : cells[index];
    if (cell === undefined || !isLost(cell)) continue;
    report.error(
      line,
      '',
      `the export has lost its data: the column ${names[index ?? 0] ?? ''} holds "${cell.slice(0, 80)}" and no addresses`,
      REMEDY,
    );
    return true;
  }
  return false;
}

/** A row with the names that the same object has in Active Directory. */
function objectOf(cells: readonly string[], header: Header): DirectoryObject {
  const cell = (what: What): string => {
    const index = header.get(what);
    return index === undefined ? '' : (cells[index] ?? '');
  };
  const one = (what: What): string[] => (cell(what) === '' ? [] : [cell(what)]);
  const primary = cell('primary').replace(/^smtp:\s*/i, '');
  const addresses = splitAddresses(cell('proxies'));
  if (primary !== '' && addresses[0] !== `SMTP:${primary}`) addresses.unshift(`SMTP:${primary}`);
  return {
    dn: cell('name') === '' ? primary : cell('name'),
    values(attribute: ObjectAttribute): readonly string[] {
      switch (attribute) {
        case 'proxyAddresses':
          return addresses;
        case 'mail':
          return primary === '' ? [] : [primary];
        case 'targetAddress':
          return one('target');
        case 'msExchRecipientTypeDetails':
          return typeOf(cell('details'), cell('type'), header);
        case 'legacyExchangeDN':
          return one('legacy');
        case 'homeMDB':
          return one('home');
        case 'objectClass':
          return one('classes').flatMap((classes) => classes.split(/[;,\s]+/));
        case 'msExchHomeServerName':
        case 'member':
          return [];
      }
    },
  };
}

/** Get-RemoteMailbox has remote mailboxes alone, so no column need say so. */
function typeOf(details: string, type: string, header: Header): readonly string[] {
  if (details !== '') return [details];
  if (type !== '') return [type];
  return header.has('details') || header.has('type') || header.has('home') || header.has('classes') ? [] : ['RemoteUserMailbox'];
}

/** Where an address with its type begins: at a type that Exchange has, whatever stands before it, or at any behind a joiner. */
const BEGINS =
  /(?=(?:smtp|sip|x500|x400|eum|spo):)|(?<![A-Za-z0-9])(?=(?:ms|ccmail):)|(?<=[;,|+\s])(?=[A-Za-z][A-Za-z0-9-]{1,15}:)/i;
const TYPED = /^[A-Za-z][A-Za-z0-9-]{1,15}:/;
const JOINERS = /^[{\s]+|[;,|+\s}]+$/g;

/** The addresses of a cell, whatever they were joined with. */
export function splitAddresses(cell: string): string[] {
  if (cell === '') return [];
  // one type in each part: no other joiner can be among them
  const parts = cell.split(';');
  if (parts.every((part) => TYPED.test(part) && part.indexOf(':') === part.lastIndexOf(':'))) return parts;
  if (!cell.includes(':')) {
    // addresses without types; a plus behind a domain is a joiner, for no domain has one
    return cell.split(/[;,|\s]+|(?<=@[^+@;,|\s]*)\+/).filter((address) => address !== '');
  }
  return cell
    .split(BEGINS)
    .map((address) => address.replace(JOINERS, ''))
    .filter((address) => address !== '');
}
