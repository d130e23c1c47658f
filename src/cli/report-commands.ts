/** `report ...`: for people who ask. */
import { appendFileSync, writeFileSync } from 'node:fs';
import type { Operations } from '../admin/contract.ts';
import {
  type ClientsReport,
  clientsQuery,
  migrationQuery,
  type TlsQuery,
  tlsQuery,
  verifyEvidenceQuery,
} from '../admin/report-contract.ts';
import { type Command, EXIT, type Invocation, type Option, text, UsageError } from './command.ts';
import { checked } from './questions.ts';
import { migrationCsv, tlsCsvHead, tlsCsvRows } from './report-csv.ts';
import { migrationHtml, tlsHtml } from './report-html.ts';
import { migrationText, tlsText, verificationText } from './report-text.ts';
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
    const query = checked(clientsQuery, { ...spanOf({ ports, values }), domain: values['domain'] });
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

const SPAN: Readonly<Record<string, Option>> = {
  from: { type: 'string', value: 'TIME', help: 'ISO 8601, how long ago (30d), today; absent: 7d before --to' },
  to: { type: 'string', value: 'TIME', help: 'the same; absent: now' },
};
const DOMAIN: Option = { type: 'string', value: 'D', help: 'messages of which a sender or recipient is in this domain' };
const FILES: Readonly<Record<string, Option>> = {
  html: { type: 'string', value: 'FILE', help: 'one HTML file to print or to send on' },
  csv: { type: 'string', value: 'FILE', help: 'for spreadsheets' },
};

const tls: Command = {
  name: 'report tls',
  summary: 'how mail was protected: shares, protocols, ciphers, peers, and every exception with its reason',
  options: { ...SPAN, domain: DOMAIN, ...FILES },
  run: ({ ports, json, values, withOperations }) => {
    const query = checked(tlsQuery, { ...spanOf({ ports, values }), domain: values['domain'] });
    return withOperations(async (operations) => {
      const report = await operations.reportTls(query);
      write(values, 'html', () => tlsHtml(report), ports);
      const csv = text(values, 'csv');
      if (csv !== undefined) {
        write(values, 'csv', () => tlsCsvHead(report), ports);
        // the span as it was answered: what came since does not belong to this report
        await exceptionsInto(csv, operations, { ...query, since: report.since, until: report.until });
      }
      if (json) ports.stdout.write(`${JSON.stringify(report)}\n`);
      else ports.stdout.write(tlsText(report, ports.stdout.columns));
      return EXIT.done;
    });
  },
};

/** Page by page: there may be millions. */
async function exceptionsInto(file: string, operations: Operations, query: TlsQuery): Promise<void> {
  for (let after: string | undefined; ; ) {
    const page = await operations.reportTlsExceptions({ ...query, after });
    if (page.rows.length > 0) appendFileSync(file, tlsCsvRows(page.rows));
    if (page.next === null) return;
    after = page.next;
  }
}

const migration: Command = {
  name: 'report migration',
  summary: 'how far the move has come: mailboxes by side, waves, confirmed mailboxes and deliveries day by day',
  options: { ...SPAN, domain: { ...DOMAIN, help: 'deliveries from and to this domain alone' }, ...FILES },
  run: ({ ports, json, values, withOperations }) => {
    const query = checked(migrationQuery, { ...spanOf({ ports, values }), domain: values['domain'] });
    return withOperations(async (operations) => {
      const report = await operations.reportMigration(query);
      write(values, 'html', () => migrationHtml(report), ports);
      write(values, 'csv', () => migrationCsv(report), ports);
      ports.stdout.write(json ? `${JSON.stringify(report)}\n` : migrationText(report, ports.stdout.columns));
      return EXIT.done;
    });
  },
};

const verify: Command = {
  name: 'report verify',
  summary: 'follows the hash chain of the records; names each that was changed, taken out or put in',
  options: {
    from: { type: 'string', value: 'TIME', help: 'the days from here on; absent: from the oldest' },
    to: { type: 'string', value: 'TIME', help: 'the days up to here' },
  },
  run: ({ ports, json, values, withOperations }) => {
    const query = checked(verifyEvidenceQuery, spanOf({ ports, values }));
    return withOperations(async (operations) => {
      const verification = await operations.verifyEvidence(query);
      ports.stdout.write(json ? `${JSON.stringify(verification)}\n` : verificationText(verification));
      return verification.ok ? EXIT.done : EXIT.no;
    });
  },
};

function spanOf({ ports, values }: Pick<Invocation, 'ports' | 'values'>): {
  since: string | undefined;
  until: string | undefined;
} {
  const time = (name: string): string | undefined => {
    const written = text(values, name);
    const parsed = written === undefined ? undefined : parseTime(written, ports.now());
    if (written !== undefined && parsed === undefined)
      throw new UsageError(`--${name} ${written}: write it like 2026-11-22T10:00:00Z, 7d, today`);
    return parsed;
  };
  return { since: time('from'), until: time('to') };
}

/** Writes a file that was asked for; what it says goes to standard error, since standard output carries the answer alone. */
function write(values: Invocation['values'], name: 'html' | 'csv', render: () => string, { stderr }: Invocation['ports']): void {
  const file = text(values, name);
  if (file === undefined) return;
  try {
    writeFileSync(file, render());
  } catch (error) {
    throw new UsageError(`--${name} ${file}: it cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  stderr.write(`wrote ${file}\n`);
}

export const reportCommands: readonly Command[] = [clients, tls, migration, verify];
