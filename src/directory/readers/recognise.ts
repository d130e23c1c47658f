/** Which format a file has, by its content: names of files lie. Pure. */
import { isCloudCsvHeader } from './cloud-csv.ts';
import type { Delimiter } from './csv-rows.ts';
import { isExchangeHeader } from './exchange-csv.ts';

/** What `--format` takes. The last two are lists of mailboxes, and no directories. */
export const FORMATS = [
  'recipients-csv',
  'exchange-csv',
  'cloud-csv',
  'ldif',
  'graph-json',
  'postfix-transport',
  'postfix-virtual',
  'zimbra',
  'migration-batch',
  'address-list',
] as const;
export type Format = (typeof FORMATS)[number];

export interface Recognised {
  readonly format: Format;
  /** Of a CSV; a comma for the others. */
  readonly delimiter: Delimiter;
  /** A CSV's header: names in lower case. */
  readonly columns?: readonly string[];
}

/** `text`: the beginning of the file. `undefined`: nothing that we know. */
export function recognise(text: string): Recognised | undefined {
  const lines = text.split(/\r\n|\n|\r/, 200);
  const content = lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const [first = ''] = content;
  if (/^\s*[[{]/.test(first)) return of('graph-json');
  // `# name user@example.com` before each account of `zmprov -l gaa -v`
  if (/^# name \S+@\S+\s*$/m.test(text) && /^zimbra\w+: /m.test(text)) return of('zimbra');
  if (/^(?:dn::? ?\S|version: *\d+\s*$)/i.test(first)) return of('ldif');
  return ofCsv(first) ?? ofTable(content) ?? (isAddressAlone(first) ? of('address-list') : undefined);
}

const of = (format: Format): Recognised => ({ format, delimiter: ',' });

/** A file that is no text: what it may be, for a finding. */
export function foreignFile(text: string): string | undefined {
  if (text.startsWith('PK\u0003\u0004')) return 'an Excel workbook or a ZIP archive';
  if (text.startsWith('%PDF')) return 'a PDF';
  return text.includes('\0') ? 'no text file' : undefined;
}

/** Names in lower case of columns that have the address of a mailbox, the best first. */
const ADDRESS_COLUMNS = [
  'emailaddress',
  'address',
  'primarysmtpaddress',
  'email address [required]',
  'email address',
  'email',
  'mail',
  'windowsemailaddress',
  'userprincipalname',
  'user principal name',
];

/** Which column of a header (names in lower case) has the addresses. */
export function addressColumn(names: readonly string[]): number | undefined {
  for (const name of ADDRESS_COLUMNS) {
    const index = names.indexOf(name);
    if (index !== -1) return index;
  }
  return undefined;
}

/** Columns that batch files of Exchange have beside EmailAddress (EX:csv-files-for-migration). */
const BATCH_COLUMNS = [
  'password',
  'forcechangepassword',
  'username',
  'mailboxtype',
  'targetdatabase',
  'baditemlimit',
  'largeitemlimit',
];
const OWN_COLUMNS = ['route', 'routing-address', 'aliases', 'connector'];

/** What reads a header: the delimiter under which it has the most names that we know. */
export function headerOf(line: string): { readonly delimiter: Delimiter; readonly columns: readonly string[] } {
  const DELIMITERS: readonly Delimiter[] = [',', ';', '\t'];
  const split = DELIMITERS.map((delimiter) => ({
    delimiter,
    columns: line.split(delimiter).map((cell) =>
      cell
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim()
        .toLowerCase(),
    ),
  }));
  return split.reduce((best, one) => (one.columns.length > best.columns.length ? one : best));
}

function ofCsv(line: string): Recognised | undefined {
  const { delimiter, columns } = headerOf(line);
  const has = (name: string): boolean => columns.includes(name);
  const as = (format: Format): Recognised => ({ format, delimiter, columns });
  // first: a file with passwords is never read as anything else
  if (has('password') || (has('emailaddress') && BATCH_COLUMNS.some(has))) return as('migration-batch');
  if (isCloudCsvHeader(columns)) return as('cloud-csv');
  if ((has('address') && columns.length > 1) || OWN_COLUMNS.some(has)) return as('recipients-csv');
  if (isExchangeHeader(columns)) return as('exchange-csv');
  return addressColumn(columns) === undefined ? undefined : as('migration-batch');
}

/** Postfix tables: a pattern, white space, and what it means. `transport` has a colon where `virtual` has an address. */
function ofTable(content: readonly string[]): Recognised | undefined {
  for (const line of content) {
    const [, key = '', value = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (value === '' || /[,;"<>]/.test(key) || !/[@.*]/.test(key)) return undefined;
    if (/^[a-z][a-z0-9_-]*:|^:/.test(value)) return of('postfix-transport');
    if (/^[^\s@:]+@[^\s@:]+/.test(value)) return of('postfix-virtual');
  }
  return undefined;
}

const isAddressAlone = (line: string): boolean => /^<?[^\s,;<>"]+@[^\s,;<>"@]+>?$/.test(line.trim());
