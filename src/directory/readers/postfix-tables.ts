/**
 * Postfix's `transport` and `virtual` tables as they stand on a gateway (coexistence.md 4.3 h): the text, not the compiled map.
 */
import { basename } from 'node:path';
import { type Domain, isWithin } from '../../mail/address.ts';
import type { DirectoryChecks, DirectorySource, RecordSink } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import { eachLine } from './lines.ts';
import { readingFile } from './reading-file.ts';
import type { Report } from './report.ts';
import { utf8Octets } from './text-file.ts';
import { VirtualTable } from './virtual-table.ts';

/** Where Microsoft takes mail for every tenant; the host before it is the tenant's domain. */
const MICROSOFT_MX = ['mail.protection.outlook.com', 'mx.microsoft', 'mail.eo.outlook.com'];

/** `user@domain transport:nexthop`: a next hop at or under a routing domain means the cloud. */
export function postfixTransport(name: string, file: string, checks: DirectoryChecks): DirectorySource {
  return tableSource(name, file, (sink, report) => {
    let domains = 0;
    let firstDomain = 0;
    return {
      row: ({ key, value, line }) => {
        if (!key.includes('@') || key.startsWith('@')) {
          domains++;
          if (firstDomain === 0) firstDomain = line;
          return;
        }
        const address = readAddress(key, 'address');
        if (isMistake(address)) return report.error(line, key, address.problem, address.remedy);
        const [, transport = '', hop = ''] = /^([^:\s]*):?(.*)$/s.exec(value) ?? [];
        if (['error', 'retry', 'discard'].includes(transport))
          return report.warning(
            line,
            address.address,
            `its transport is ${transport}: it was left out`,
            'Nothing, where nobody is to write to it',
          );
        const route = isCloud(hop, checks.routingDomains) ? 'cloud' : 'on-premises';
        return sink.record({ address, route, aliases: [], primary: 'on-premises', line });
      },
      finish: () => {
        if (domains > 0)
          report.warning(
            firstDomain,
            '',
            `${domains} rows for whole domains are no recipients and were left out (the first stands here)`,
            'Where the rest of a domain goes is unknown-recipients of the domain in the settings',
          );
      },
    };
  });
}

/** `user@domain target`: a target in a routing domain is the routing address; another one of ours makes an alias. */
export function postfixVirtual(name: string, file: string, checks: DirectoryChecks): DirectorySource {
  return tableSource(name, file, (sink, report) => {
    const table = new VirtualTable(checks, report);
    return {
      row: (row) => table.row(row),
      finish: () => {
        for (const record of table.records()) sink.record(record);
      },
    };
  });
}

export interface TableRow {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

interface TableReader {
  row(row: TableRow): void;
  finish(): void;
}

function tableSource(name: string, file: string, open: (sink: RecordSink, report: Report) => TableReader): DirectorySource {
  return {
    name,
    origin: basename(file),
    read: (sink) =>
      readingFile(file, sink, async (report) => {
        const reader = open(sink, report);
        if ((await eachTableRow(file, report, (row) => reader.row(row))) === 0 && !report.hasErrors)
          report.error(1, '', 'the table is empty', 'Give the text of the table, not its compiled map');
        reader.finish();
      }),
  };
}

/** postmap(1): comments, empty lines, and lines that begin with white space and go on from the one before. */
async function eachTableRow(file: string, report: Report, onRow: (row: TableRow) => void): Promise<number> {
  let begun = '';
  let begunAt = 0;
  let rows = 0;
  const finish = (): void => {
    if (begun === '') return;
    const [, key = '', value = ''] = /^(\S+)\s+(.*?)\s*$/s.exec(begun) ?? [];
    rows++;
    if (key === '') report.error(begunAt, '', 'the row has no right-hand side', 'Write it as "pattern result"');
    // what stands in it is not shown: it is a row of another kind of file
    else if (/[,;"<>]/.test(key)) report.error(begunAt, '', 'the pattern is no address and no domain', 'Is this a CSV?');
    else onRow({ key, value, line: begunAt });
    begun = '';
  };
  await eachLine(utf8Octets(file), (line, number) => {
    if (/^\s*(?:#|$)/.test(line)) return !report.isFull;
    if (/^\s/.test(line)) {
      if (begun === '')
        report.error(number, '', 'a line begins with white space, and there is none before it to go on from', 'Remove the space');
      else if (begun.length < 1_048_576) begun += line;
      return !report.isFull;
    }
    finish();
    begun = line.includes('\0') ? '' : line;
    begunAt = number;
    if (begun === '') report.error(number, '', 'this is no text', 'Give the text of the table, not its compiled map');
    return !report.isFull;
  });
  finish();
  return rows;
}

/** The next hop as Postfix writes it: `[host]:port`, `host`, `host:port`. */
function isCloud(hop: string, routingDomains: readonly Domain[]): boolean {
  const host = hop
    .trim()
    .replace(/^\[([^\]]*)\](?::\w+)?$/, '$1')
    .replace(/:\w+$/, '')
    .replace(/\.$/, '')
    .toLowerCase();
  return [...routingDomains, ...MICROSOFT_MX].some((domain) => isWithin(host, domain));
}
