/** `shadow FILE...`: past logs of another relay, and how each message would be routed here. */
import { type ShadowReport, shadowOptions } from '../admin/report-contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { namedFiles } from './files.ts';
import { checked } from './questions.ts';
import { countOf, octetsOf, table } from './table.ts';

export const shadow: Command = {
  name: 'shadow',
  summary: 'past logs of another relay (Postfix, Exim, Exchange; or a list of recipients): how each message would be routed here',
  positionals: ['FILE...'],
  options: {
    top: { type: 'string', value: 'N', help: 'entries of each list (50)' },
  },
  run: ({ ports, json, positionals, values, withOperations }) => {
    const options = checked(shadowOptions, { top: values['top'] });
    const files = namedFiles(positionals);
    return withOperations(async (operations) => {
      const report = await operations.shadow(files, options);
      ports.stdout.write(json ? `${JSON.stringify(report)}\n` : shadowText(report, ports.stdout.columns));
      if (report.recipients === 0) ports.stderr.write('no message was found in these files\n');
      return report.recipients === 0 ? EXIT.no : EXIT.done;
    });
  },
};

export function shadowText(report: ShadowReport, width?: number): string {
  const { routes, unknown, refused, outgoing } = report;
  const span = report.first === null ? '' : `, ${report.first} to ${report.last ?? ''}`;
  const ours = report.recipients - outgoing.count;
  const parts = [
    `${report.recipients} recipients of past messages${span}; by directory version ${report['directory-version']}`,
    '',
    `For our domains: ${ours}`,
    ...Object.entries(routes).flatMap(([route, count = 0]) =>
      count === 0 ? [] : [`  ${String(count).padStart(9)}  ${route === 'reject' ? 'refused' : route}`],
    ),
    ...report.connectors.map(({ connector, count }) => `  ${String(count).padStart(9)}  by connector ${connector}`),
  ];
  if (report.domains.length > 0)
    parts.push(
      '',
      table(
        [
          { title: 'DOMAIN' },
          ...['MESSAGES', 'CLOUD', 'ON-PREMISES', 'UNKNOWN', 'REFUSED'].map((title) => ({ title, right: true })),
        ],
        report.domains.map((one) => [
          one.domain,
          ...[one.count, one.routes['cloud'] ?? 0, one.routes['on-premises'] ?? 0, one.unknown, one.refused].map(String),
        ]),
        width,
      ).trimEnd(),
    );
  if (unknown.count > 0)
    parts.push(
      '',
      `Unknown to the directory: ${countOf(unknown.distinct, 'recipient')}, ${countOf(unknown.count, 'message')}`,
      table(
        [{ title: 'RECIPIENT' }, { title: 'MESSAGES', right: true }, { title: 'LAST' }, { title: 'ANSWER' }],
        unknown.top.map((one) => [
          one.address,
          String(one.count),
          one.last ?? `line ${one.line}`,
          one.asks === null ? one.reply : `as connector ${one.asks} answers, which is asked`,
        ]),
        width,
      ).trimEnd(),
    );
  if (refused.length > 0) {
    parts.push('', 'Would be refused');
    for (const one of refused)
      parts.push(
        printable(`  ${String(one.count).padStart(9)}  ${one.reply}`),
        printable(`             ${one.reason}: ${one.examples.join(', ')}`),
      );
  }
  const large = report['too-large'];
  if (large.count > 0)
    parts.push(
      '',
      `Too large for their way: ${large.count}, the largest ${octetsOf(large.largest)}`,
      ...large.examples.map((one) => printable(`  ${one}`)),
    );
  if (outgoing.count > 0) {
    const domains = outgoing.domains.slice(0, 5).map(({ domain, count }) => `${domain} (${count})`);
    parts.push('', printable(`For other domains: ${outgoing.count}, such as ${domains.join(', ')}`));
    if (outgoing.refused > 0)
      parts.push(
        `  ${outgoing.refused} of them could not go out by this relay: peers.on-premises.relay-to has no "internet", or no connector is for "*"`,
      );
  }
  parts.push(...report.notes.map((note) => printable(`note: ${note}`)));
  return `${parts.join('\n')}\n`;
}
