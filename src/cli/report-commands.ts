/** `report ...`: for people who ask. */
import { type ClientsReport, clientsQuery } from '../admin/report-contract.ts';
import { type Command, EXIT, text, UsageError } from './command.ts';
import { checked } from './questions.ts';
import { agoOf, table } from './table.ts';
import { parseTime } from './times.ts';

const clients: Command = {
  name: 'report clients',
  summary: 'who sends through the relay; for a domain whose MX moved to the cloud: who still does',
  options: {
    from: { type: 'string', value: 'TIME', help: 'ISO 8601, how long ago (7d), today; absent: since the MX moved, or 7d' },
    to: { type: 'string', value: 'TIME', help: 'the same' },
    domain: { type: 'string', value: 'D', help: 'recipients of this domain alone' },
  },
  run: ({ ports, json, values, withOperations }) => {
    const time = (name: string): string | undefined => {
      const written = text(values, name);
      const parsed = written === undefined ? undefined : parseTime(written, ports.now());
      if (written !== undefined && parsed === undefined)
        throw new UsageError(`--${name} ${written}: write it like 2026-11-22T10:00:00Z, 7d, today`);
      return parsed;
    };
    const query = checked(clientsQuery, { since: time('from'), until: time('to'), domain: values['domain'] });
    return withOperations(async (operations) => {
      const report = await operations.reportClients(query);
      ports.stdout.write(json ? `${JSON.stringify(report)}\n` : clientsText(report, ports.now(), ports.stdout.columns));
      if (report.more) ports.stderr.write('there are more records than were looked at: --from, --to\n');
      return EXIT.done;
    });
  },
};

function clientsText({ since, domain, clients: all, omitted }: ClientsReport, now: number, width?: number): string {
  const head = `Clients${domain === null ? '' : ` that write to ${domain}`}${since === null ? '' : ` since ${since}`}`;
  if (all.length === 0) return `${head}: none\n`;
  const rows = all.map((one) => [
    one.address,
    one.name ?? '',
    one.peer ?? '',
    String(one.taken),
    String(one.refused),
    agoOf(one.last, now),
    `${one.examples.recipients.slice(0, 2).join(', ')}${one.recipients > 2 ? ` and ${one.recipients - 2} more` : ''}`,
  ]);
  const columns = [
    { title: 'CLIENT' },
    { title: 'NAME' },
    { title: 'PEER' },
    { title: 'TAKEN', right: true },
    { title: 'REFUSED', right: true },
    { title: 'LAST' },
    { title: 'RECIPIENTS' },
  ];
  return `${head}: ${all.length}\n\n${table(columns, rows, width)}${omitted === 0 ? '' : `${omitted} records of further clients\n`}`;
}

export const reportCommands: readonly Command[] = [clients];
