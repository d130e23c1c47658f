/** `probe`: a test message to a mailbox, and back. */
import type { ProbeHistory, ProbeList, ProbeReport } from '../admin/probe-contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { probeText } from './probe-text.ts';
import { agoOf, table } from './table.ts';

export const probe: Command = {
  name: 'probe',
  summary: 'send a test message each way, wait for it and its answer, report both directions with TLS; without NAME all of them',
  positionals: ['[NAME]'],
  options: {
    list: { type: 'boolean', help: 'each probe and its last run; sends nothing' },
    history: { type: 'boolean', help: 'past runs, the newest first; sends nothing' },
    limit: { type: 'string', value: 'N', help: 'runs of the history at most (20)' },
  },
  run: ({ ports, json, values, positionals: [name], withOperations }) => {
    const limit = Number(values['limit'] ?? 20);
    if (!Number.isInteger(limit) || limit < 1 || limit > 10_000)
      throw new UsageError(`--limit ${String(values['limit'])}: a number up to 10000`);
    return withOperations(async (operations) => {
      if (values['history'] === true) {
        const history = await operations.probeHistory({ limit, ...(name === undefined ? {} : { name }) });
        ports.stdout.write(json ? `${JSON.stringify(history)}\n` : historyText(history, ports.now(), ports.stdout.columns));
        return history.results.length === 0 ? EXIT.no : EXIT.done;
      }
      const list = await operations.listProbes();
      if (values['list'] === true) {
        ports.stdout.write(json ? `${JSON.stringify(list)}\n` : listText(list, ports.now(), ports.stdout.columns));
        return EXIT.done;
      }
      const names = name === undefined ? list.probes.map((one) => one.name) : [name];
      if (names.length === 0) ports.stderr.write('the settings have no probe: add one under probes (config/README.md)\n');
      const reports: ProbeReport[] = [];
      for (const one of names) {
        if (!json) ports.stderr.write(`probe ${printable(one)} is on its way ...\n`);
        const report = await operations.runProbe(one);
        reports.push(report);
        if (!json) ports.stdout.write(`${reports.length > 1 ? '\n' : ''}${probeText(report)}`);
      }
      if (json) ports.stdout.write(`${JSON.stringify(name === undefined ? { probes: reports } : reports[0])}\n`);
      return reports.length > 0 && reports.every(({ ok }) => ok) ? EXIT.done : EXIT.no;
    });
  },
};

type Result = ProbeHistory['results'][number];

function legText({ ok, seconds, tls }: Result['there']): string {
  if (ok === null) return '-';
  return ok ? [`${seconds ?? '?'} s`, tls].filter((word) => word !== null).join(', ') : 'FAILED';
}

const COLUMNS = [
  { title: 'PROBE' },
  { title: 'WHEN' },
  { title: 'RESULT' },
  { title: 'THERE' },
  { title: 'BACK' },
  { title: 'PROBLEM' },
];
const rowOf = (one: Result, now: number): string[] => [
  one.probe,
  agoOf(one.time, now),
  one.ok ? 'ok' : 'FAILED',
  legText(one.there),
  legText(one.back),
  one.problem ?? '',
];

function historyText({ results }: ProbeHistory, now: number, width?: number): string {
  if (results.length === 0) return 'no probe has run yet\n';
  return table(
    COLUMNS,
    results.map((one) => rowOf(one, now)),
    width,
  );
}

function listText({ probes }: ProbeList, now: number, width?: number): string {
  if (probes.length === 0) return 'the settings have no probe: add one under probes (config/README.md)\n';
  const rows = probes.map(({ name, last }) => (last === null ? [name, 'never', '', '', '', ''] : rowOf(last, now)));
  const every = probes.map(({ name, to, every: seconds }) =>
    printable(`  ${name} goes to ${to}${seconds === null ? ', when asked for' : `, every ${seconds / 60} min`}`),
  );
  return `${table(COLUMNS, rows, width)}\n${every.join('\n')}\n`;
}
