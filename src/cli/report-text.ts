/** The reports on the terminal. */
import type { EvidenceVerification, MigrationReport, TlsReport } from '../admin/report-contract.ts';
import { printable } from '../platform/printable.ts';
import { crossings, KINDS, settled, shareOf, spanInWords } from './report-words.ts';
import { type Column, countOf, table } from './table.ts';

const MOST_EXCEPTIONS = 20;
const number = (count: number): string => count.toLocaleString('en-US');
const right = (title: string): Column => ({ title, right: true });

export function tlsText(report: TlsReport, width?: number): string {
  const { messages } = report;
  const whose = report.domain === null ? '' : `, mail from and to ${report.domain}`;
  const sides = (['in', 'out'] as const).map((direction) => {
    const one = report[direction];
    return [
      direction,
      number(one.hops),
      number(one.encrypted),
      number(one.verified),
      number(one['in-clear']),
      number(one.unknown),
      number(one.local),
      shareOf(one.encrypted, crossings(one)),
    ];
  });
  const hops = ['HOPS', 'ALL', 'ENCRYPTED', 'VERIFIED', 'IN CLEAR', 'UNKNOWN', 'LOCAL', 'SHARE'];
  const parts = [
    `TLS on ${report.hostname}, ${spanInWords(report)}${whose}`,
    '',
    `${countOf(messages.all, 'message')}: ${shareOf(messages.encrypted, settled(messages))} encrypted on every hop of ours (${number(messages.encrypted)} of ${number(settled(messages))});`,
    `  ${number(messages['in-clear'])} in clear on a hop, ${number(messages.unknown)} unknown, ${number(messages['under-way'])} under way, ${number(messages.local)} crossed no network`,
    '',
    table(
      hops.map((title, i) => (i === 0 ? { title } : right(title))),
      sides,
      width,
    ),
    table(
      [{ title: 'HOPS' }, { title: 'PROTOCOL' }, right('ALL'), right('SHARE')],
      report.protocols.map((one) => [one.direction, one.name, number(one.hops), shareOf(one.hops, report[one.direction].hops)]),
      width,
    ),
    table(
      [{ title: 'HOPS' }, { title: 'PEER OR CONNECTOR' }, right('ALL'), right('ENCRYPTED'), right('IN CLEAR'), right('UNKNOWN')],
      [...report.peers, ...report.connectors].map((one) => [
        one.direction,
        one.name,
        number(one.hops),
        number(one.encrypted),
        number(one['in-clear']),
        number(one.unknown),
      ]),
      width,
    ),
    exceptionsText(report, width),
    report.chain.length === 0
      ? 'No records in this time.'
      : `It rests on ${countOf(report.records, 'record')}, of these days ("report verify" follows their chains):\n${report.chain
          .map(
            ({ day, records, head }) =>
              `  ${day}  ${head ?? 'not chained (written by an earlier version)'}${records === null ? '' : `  ${countOf(records, 'record')}`}`,
          )
          .join('\n')}`,
  ];
  return `${parts.join('\n')}\n`;
}

function exceptionsText(report: TlsReport, width: number | undefined): string {
  const { exceptions } = report;
  if (exceptions.length === 0) return 'Exceptions: none\n';
  const rows = exceptions
    .slice(0, MOST_EXCEPTIONS)
    .map((one) => [
      KINDS[one.kind].title.toLowerCase(),
      one.direction,
      one.way,
      one.remote,
      number(one.hops),
      one.last.slice(0, 16),
      one.example ?? '',
      one.reason,
    ]);
  const columns = ['EXCEPTION', 'HOPS', 'BY', 'OTHER END', 'COUNT', 'LAST', 'ONE OF THEM', 'REASON'];
  const rest = exceptions.length - rows.length;
  const more = rest > 0 ? `and ${number(rest)} more kinds: --html and --csv have them\n` : '';
  const kinds = Object.entries(report['exception-hops'])
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${KINDS[kind as keyof typeof KINDS].title.toLowerCase()} ${number(count)}`);
  return `Exceptions (hops): ${kinds.join(', ')}\n${table(
    columns.map((title) => (title === 'COUNT' ? right(title) : { title })),
    rows,
    width,
  )}${more}`;
}

export function migrationText(report: MigrationReport, width?: number): string {
  const { directory, waves, days } = report;
  const parts = [
    `The move on ${report.hostname}: ${number(directory.cloud)} of ${countOf(directory.recipients, 'recipient')} in the cloud (directory version ${directory.version})`,
    `  ${number(directory['on-premises'])} on-premises, ${number(directory.hold)} held, ${number(directory.both)} on both sides${directory.probes === 0 ? '' : `; ${countOf(directory.probes, 'test user')} not counted`}`,
    '',
    waves.length === 0
      ? 'Waves: none\n'
      : table(
          ['WAVE', 'MAILBOXES', 'ON-PREMISES', 'BOTH', 'HOLD', 'CLOUD', 'CONFIRMED', 'ENCRYPTED'].map((title, i) =>
            i === 0 ? { title } : right(title),
          ),
          waves.map((one) => [
            one.name,
            ...[one.mailboxes, one['on-premises'], one.both, one.hold, one.cloud, one.confirmed, one.encrypted].map(number),
          ]),
          width,
        ),
    `Deliveries, ${spanInWords(report)}${report.domain === null ? '' : `, ${report.domain}`}`,
    days.length === 0
      ? 'none\n'
      : table(
          ['DAY', 'CLOUD', 'ON-PREMISES', 'INTERNET', 'CONFIRMED', 'SO FAR'].map((title, i) =>
            i === 0 ? { title } : right(title),
          ),
          days.map((day) => [
            day.day,
            ...[day.cloud, day['on-premises'], day.internet, day.confirmed, day['confirmed-so-far']].map(number),
          ]),
          width,
        ),
  ];
  return `${parts.join('\n')}`;
}

export function verificationText({ ok, days, findings }: EvidenceVerification): string {
  if (days.length === 0 && ok) return 'there are no records of these days\n';
  const rows = days.map((day) => [
    day.day,
    number(day.records),
    day.findings > 0
      ? `BROKEN: ${countOf(day.findings, 'finding')}`
      : day['not-chained'] === 0
        ? 'whole'
        : day['not-chained'] === day.records
          ? 'not chained (made by an earlier version)'
          : `whole, but for ${number(day['not-chained'])} records that an earlier version made`,
    day.head ?? '',
  ]);
  const told = findings.map(({ day, record, time, 'spool-id': id, problem }) => {
    const which = record === null ? day : `${day} record ${record}`;
    const facts = [time, id].filter((fact) => fact !== null).join(' ');
    return printable(`  ${which}${facts === '' ? '' : ` (${facts})`}: ${problem}`);
  });
  const all = days.reduce((sum, day) => sum + day.findings, 0);
  return [
    table([{ title: 'DAY' }, right('RECORDS'), { title: 'CHAIN' }, { title: 'HEAD (SHA-256)' }], rows),
    ...(told.length === 0 ? [] : [`Findings:\n${told.join('\n')}\n`]),
    ...(all > findings.length ? [`  and ${number(all - findings.length)} more\n`] : []),
    ok
      ? 'Nothing was changed, taken out or put in since the chain was made. Compare the heads with those that you kept elsewhere (a printed "report tls", the log).\n'
      : 'The records are not as they were written: a damaged disk, a restored backup, or a person. Copies elsewhere: the log (the same records), a backup of the data directory.\n',
  ].join('\n');
}
