/** The reports for spreadsheets: one table, whose first column says what a row is of. */
import type { MigrationReport, TlsExceptions, TlsReport } from '../admin/report-contract.ts';
import { csvRow } from '../platform/csv.ts';

const HOPS = ['hops', 'encrypted', 'verified', 'in-clear', 'unknown', 'local'] as const;
const EXCEPTION = [
  'time',
  'kind',
  'reason',
  'spool-id',
  'message-id',
  'sender',
  'recipient',
  'way',
  'remote',
  'protocol',
  'cipher',
] as const;

const TLS_COLUMNS = ['section', 'direction', 'name', ...HOPS, ...EXCEPTION] as const;

/** Every row has as many cells as the title: not every reader forgives less. */
const filled = (cells: readonly (string | number | null | undefined)[], width: number): string =>
  csvRow([...cells, ...Array.from({ length: Math.max(0, width - cells.length) }, () => '')]);
const tlsRow = (cells: readonly (string | number | null | undefined)[]): string => filled(cells, TLS_COLUMNS.length);

/** Title, sums and the heads of the chain; the rows of the exceptions follow. */
export function tlsCsvHead(report: TlsReport): string {
  const row = (section: string, direction: string, name: string, counts: TlsReport['in'] | undefined): string =>
    tlsRow([section, direction, name, ...HOPS.map((fact) => counts?.[fact])]);
  const { messages } = report;
  return [
    csvRow(TLS_COLUMNS),
    tlsRow([
      'report',
      '',
      `${report.hostname} ${report.since} ${report.until} ${report.domain ?? 'all domains'}, made ${report.made}`,
    ]),
    ...Object.entries(messages).map(([name, count]) => tlsRow(['messages', '', name, count])),
    row('hops', 'in', 'all', report.in),
    row('hops', 'out', 'all', report.out),
    ...(['protocols', 'ciphers', 'peers', 'connectors', 'remotes'] as const).flatMap((section) =>
      report[section].map((one) => row(section.replace(/s$/, ''), one.direction, one.name, one)),
    ),
    ...report.chain.map(({ day, records, head }) => tlsRow(['chain', '', `${day} ${head ?? 'not chained'}`, records])),
  ].join('');
}

export function tlsCsvRows(rows: TlsExceptions['rows']): string {
  return rows
    .map((one) => csvRow(['exception', one.direction, '', ...HOPS.map(() => ''), ...EXCEPTION.map((fact) => one[fact])]))
    .join('');
}

export function migrationCsv({ waves, days, directory }: MigrationReport): string {
  const columns = ['cloud', 'on-premises', 'hold', 'both', 'internet', 'confirmed', 'confirmed-so-far', 'confirmed-encrypted'];
  const titles = ['section', 'name', 'mailboxes', ...columns];
  const row = (cells: readonly (string | number | null)[]): string => filled(cells, titles.length);
  return [
    csvRow(titles),
    row([
      'directory',
      `version ${directory.version}`,
      directory.recipients,
      directory.cloud,
      directory['on-premises'],
      directory.hold,
      directory.both,
    ]),
    ...waves.map((one) =>
      row([
        'wave',
        one.name,
        one.mailboxes,
        one.cloud,
        one['on-premises'],
        one.hold,
        one.both,
        '',
        one.confirmed,
        '',
        one.encrypted,
      ]),
    ),
    ...days.map((day) =>
      row([
        'deliveries',
        day.day,
        '',
        day.cloud,
        day['on-premises'],
        '',
        '',
        day.internet,
        day.confirmed,
        day['confirmed-so-far'],
      ]),
    ),
  ].join('');
}
