/** A file that somebody names as a source of the directory: its format recognised, its reader opened. */
import { basename } from 'node:path';
import type { DirectoryChecks, DirectorySource, Finding } from '../ports.ts';
import { cloudCsv } from './cloud-csv.ts';
import { exchangeCsv } from './exchange-csv.ts';
import { graphJson } from './graph-json.ts';
import { ldif } from './ldif.ts';
import type { Side } from './object-records.ts';
import { postfixTransport, postfixVirtual } from './postfix-tables.ts';
import { readingFile } from './reading-file.ts';
import { recipientsCsv } from './recipients-csv.ts';
import { FORMATS, type Format, foreignFile, headerOf, type Recognised, recognise } from './recognise.ts';
import { readHead } from './text-file.ts';
import { zimbra } from './zimbra.ts';

export interface FileSourceOptions {
  /** The source's name in the directory. */
  readonly name: string;
  readonly file: string;
  /** What the file is, where it should not be recognised (`--format`). */
  readonly format?: Format;
  readonly checks: DirectoryChecks;
  /** Where an Exchange export was made; in the cloud's own a UserMailbox is in the cloud. */
  readonly side?: Side;
  /** For Graph: keys (`mailboxKey`) of mailboxes known to be in the cloud. */
  readonly cloudMailboxes?: ReadonlySet<string>;
}

export type OpenedSource =
  | { readonly ok: true; readonly source: DirectorySource; readonly format: Format }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** Whether `--format` knows this word. */
export function isFormat(text: string): text is Format {
  return FORMATS.includes(text as Format);
}

/** Opens a file. Its source can be read more than once. Rejects for a broken machine alone. */
export async function openFileSource(options: FileSourceOptions): Promise<OpenedSource> {
  const findings: Finding[] = [];
  let recognised: Recognised | undefined;
  await readingFile(options.file, { finding: (finding) => findings.push(finding) }, async (report) => {
    const head = await readHead(options.file);
    const foreign = foreignFile(head);
    if (head.trim() === '') report.error(1, '', 'the file is empty', 'Export it again');
    else if (foreign !== undefined) report.error(1, '', `this is ${foreign}`, 'Save it as CSV (UTF-8), or export it as text');
    else recognised = formatOf(head, options.format);
    if (recognised === undefined && !report.hasErrors)
      report.error(
        1,
        '',
        'what kind of file this is cannot be told from its content',
        `Begin it with its header line, or name its format: --format ${FORMATS.slice(0, -2).join(' | ')}`,
      );
  });
  if (recognised === undefined) return { ok: false, findings };
  const source = sourceOf(recognised, options);
  if (source !== undefined) return { ok: true, source, format: recognised.format };
  return { ok: false, findings: [noDirectory(recognised.format, options.file)] };
}

/** A CSV's delimiter is found in the file whatever its format is said to be; a password column is seen all the same. */
function formatOf(head: string, format: Format | undefined): Recognised | undefined {
  const recognised = recognise(head);
  if (format === undefined || recognised?.columns?.includes('password') === true) return recognised;
  const first = head.split(/\r\n|\n|\r/).find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '';
  return { format, delimiter: headerOf(first).delimiter };
}

function sourceOf(
  { format, delimiter }: Recognised,
  { name, file, checks, side, cloudMailboxes }: FileSourceOptions,
): DirectorySource | undefined {
  switch (format) {
    case 'recipients-csv':
      return recipientsCsv(name, file, delimiter);
    case 'exchange-csv':
      return exchangeCsv(name, file, checks, { delimiter, ...(side === undefined ? {} : { side }) });
    case 'cloud-csv':
      return cloudCsv(name, file, checks, delimiter);
    case 'ldif':
      return ldif(name, file, checks);
    case 'graph-json':
      return graphJson(name, file, checks, cloudMailboxes);
    case 'postfix-transport':
      return postfixTransport(name, file, checks);
    case 'postfix-virtual':
      return postfixVirtual(name, file, checks);
    case 'zimbra':
      return zimbra(name, file, checks);
    case 'migration-batch':
    case 'address-list':
      return undefined;
  }
}

const noDirectory = (format: Format, file: string): Finding => ({
  severity: 'error',
  file: basename(file),
  line: 1,
  address: '',
  problem:
    format === 'address-list'
      ? 'this is a list of addresses, and no directory: it does not say where they live'
      : 'this is a migration batch file or a list of names, and no directory: it does not say where its mailboxes live',
  remedy: `To move these mailboxes as a wave: bridgehead wave create NAME ${basename(file)}`,
});
