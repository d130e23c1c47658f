/** `directory ...`: the recipients, looked at and changed as whole versions. */
import type {
  DirectoryChange,
  DirectoryDiff,
  DirectoryImported,
  DirectoryRolledBack,
  FileFinding,
} from '../admin/directory-contract.ts';
import {
  diffOptions,
  historyQuery,
  importOptions,
  refreshRequest,
  rollbackRequest,
  setRequest,
} from '../admin/directory-contract.ts';
import { printable } from '../platform/printable.ts';
import { checkText } from './check-text.ts';
import { type Command, EXIT, type Invocation, type Option, text, UsageError } from './command.ts';
import { entryText, historyTable, listText } from './directory-text.ts';
import { filesToRead } from './files.ts';
import { checked } from './questions.ts';
import { countOf, table } from './table.ts';

export const READING: Readonly<Record<string, Option>> = {
  format: { type: 'string', value: 'F', help: 'what the files are, where it should not be recognised' },
  side: { type: 'string', value: 'SIDE', help: 'where an Exchange export was made: on-premises (default), cloud' },
};
const SOURCE: Readonly<Record<string, Option>> = {
  source: { type: 'string', value: 'NAME', help: 'the source that the files become (imported)' },
};
const REASON: Readonly<Record<string, Option>> = {
  reason: { type: 'string', value: 'TEXT', help: 'why; it stands in the history' },
};

const importFiles: Command = {
  name: 'directory import',
  summary: 'take recipients from files: a new version, active at once and as a whole, or refused as a whole',
  positionals: ['FILE...'],
  options: {
    ...SOURCE,
    ...READING,
    'dry-run': { type: 'boolean', help: 'tell what would change, and change nothing' },
    'yes-shrink': { type: 'boolean', help: 'recipients are meant to go' },
    ...REASON,
  },
  run: (invocation) => {
    const { ports, json, positionals, values, withOperations } = invocation;
    const options = checked(importOptions, {
      ...readingOf(invocation),
      'dry-run': values['dry-run'],
      'yes-shrink': values['yes-shrink'],
      reason: values['reason'],
      who: ports.user,
    });
    return withOperations(async (operations) => {
      const files = await filesToRead(ports, positionals, options.format);
      if (!files.ok) return refusedFiles(invocation, files.findings);
      const answer = await operations.importDirectory(files.files, options);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : importText(answer, options['dry-run'] === true));
      const isRefused = answer.findings.some(({ severity }) => severity === 'error');
      return answer.applied || (options['dry-run'] === true && !isRefused) ? EXIT.done : EXIT.no;
    });
  },
};

const diff: Command = {
  name: 'directory diff',
  summary: 'what an import of these files would change: how many, each one on demand, and which queued mail moves',
  positionals: ['FILE...'],
  options: {
    ...SOURCE,
    ...READING,
    limit: { type: 'string', value: 'N', help: 'recipients listed (100)' },
    offset: { type: 'string', value: 'N', help: 'how many are left out first' },
  },
  run: (invocation) => {
    const { ports, json, positionals, values, withOperations } = invocation;
    const options = checked(diffOptions, { ...readingOf(invocation), limit: values['limit'], offset: values['offset'] });
    return withOperations(async (operations) => {
      const files = await filesToRead(ports, positionals, options.format);
      if (!files.ok) return refusedFiles(invocation, files.findings);
      const answer = await operations.diffDirectory(files.files, options);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : diffText(answer, ports.stdout.columns));
      return answer.ok ? EXIT.done : EXIT.no;
    });
  },
};

const readingOf = ({ values }: Invocation): Record<string, unknown> => ({
  source: values['source'],
  format: values['format'],
  side: values['side'],
});

/** Said here and now: a file that is no directory, or has passwords, is not sent anywhere. */
export function refusedFiles(
  { ports, json }: Invocation,
  findings: readonly FileFinding[],
  outcome = 'refused, and nothing has changed',
): number {
  if (json) ports.stdout.write(`${JSON.stringify({ findings, applied: false })}\n`);
  else ports.stdout.write(`${findings.map(findingLine).join('')}${outcome}\n`);
  return EXIT.no;
}

const check: Command = {
  name: 'directory check',
  summary: 'compare on-premises, the cloud and the active version; each disagreement with its cause and what to type',
  options: {
    cloud: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'an export of the cloud, kept for comparing alone; may be given again',
    },
    'on-premises': { type: 'string', multiple: true, value: 'FILE', help: 'the same of the on-premises side' },
    format: { type: 'string', value: 'F', help: 'what these files are, where it should not be recognised' },
    all: { type: 'boolean', help: 'list every finding, not the first of each kind' },
  },
  run: (invocation) => {
    const { ports, json, values, withOperations } = invocation;
    const format = text(values, 'format');
    return withOperations(async (operations) => {
      for (const side of ['on-premises', 'cloud'] as const) {
        const names = values[side];
        if (!Array.isArray(names)) continue;
        const files = await filesToRead(ports, names.map(String), format);
        if (!files.ok) return refusedFiles(invocation, files.findings);
        const kept = await operations.keepExport(files.files, { side, ...(format !== undefined && { format }) });
        if (!kept.kept) return refusedFiles(invocation, kept.findings);
      }
      const answer = await operations.checkDirectory();
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : checkText(answer, values['all'] === true));
      return answer.severities.error > 0 ? EXIT.no : EXIT.done;
    });
  },
};

const list: Command = {
  name: 'directory list',
  summary: 'the active version, each source and how it fares, and what administrators set',
  run: ({ ports, json, withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.listDirectory();
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : listText(answer, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

const show: Command = {
  name: 'directory show',
  summary: 'one recipient, by any of its addresses',
  positionals: ['ADDRESS'],
  run: ({ ports, json, positionals, withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.showRecipient(positionals[0] ?? '');
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : entryText(answer));
      return EXIT.done;
    }),
};

const set: Command = {
  name: 'directory set',
  summary: "an administrator's word for one address: it wins over waves and sources",
  positionals: ['ADDRESS'],
  options: {
    route: { type: 'string', value: 'R', help: 'on-premises, cloud, hold, both' },
    'routing-address': { type: 'string', value: 'ADDRESS', help: 'where it lives in the cloud' },
    primary: { type: 'string', value: 'SIDE', help: 'which side counts in route both' },
    lift: { type: 'boolean', help: 'take the word back: waves and sources count again' },
    ...REASON,
  },
  run: ({ ports, json, positionals: [address = ''], values, withOperations }) => {
    if (text(values, 'reason') === undefined) throw new UsageError('--reason is missing: say why, for those who come after you');
    const request = checked(setRequest, {
      address,
      route: values['route'],
      'routing-address': values['routing-address'],
      primary: values['primary'],
      lift: values['lift'],
      reason: values['reason'],
      who: ports.user,
    });
    return withOperations(async (operations) => {
      const answer = await operations.setRecipient(request);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : changeText(answer));
      return EXIT.done;
    });
  },
};

const history: Command = {
  name: 'directory history',
  summary: 'the versions, the newest first: who, when, from what',
  options: { limit: { type: 'string', value: 'N', help: 'versions at most (50)' } },
  run: ({ ports, json, values, withOperations }) => {
    const query = checked(historyQuery, { limit: values['limit'] });
    return withOperations(async (operations) => {
      const answer = await operations.directoryHistory(query);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : historyTable(answer, ports.stdout.columns));
      return EXIT.done;
    });
  },
};

const rollback: Command = {
  name: 'directory rollback',
  summary: 'make a version active that was (absent: the one before this); sources do not change it until the next import',
  positionals: ['[VERSION]'],
  options: REASON,
  run: ({ ports, json, positionals: [version], values, withOperations }) => {
    if (version !== undefined && !/^\d{1,9}$/.test(version)) throw new UsageError(`"${version}" is no version: write its number`);
    const request = checked(rollbackRequest, {
      version: version === undefined ? undefined : Number(version),
      reason: values['reason'],
      who: ports.user,
    });
    return withOperations(async (operations) => {
      const answer = await operations.rollbackDirectory(request);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : rolledBackText(answer));
      return EXIT.done;
    });
  },
};

const refresh: Command = {
  name: 'directory refresh',
  summary: 'ask a live source (LDAP, Graph), or read a file of the settings, now',
  positionals: ['NAME'],
  options: { 'yes-shrink': { type: 'boolean', help: 'recipients of this source are meant to go' } },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const request = checked(refreshRequest, { source: name, 'yes-shrink': values['yes-shrink'], who: ports.user });
    return withOperations(async (operations) => {
      const answer = await operations.refreshSource(request);
      if (json) ports.stdout.write(`${JSON.stringify(answer)}\n`);
      else {
        const outcome = answer.ok
          ? `${name}: ${countOf(answer.recipients ?? 0, 'recipient')}`
          : `${name} was not refreshed: ${answer.problem ?? ''}. ${answer.remedy ?? ''}`;
        const others = answer.findings.filter(({ problem }) => answer.problem !== `refused: ${problem}`);
        ports.stdout.write(`${printable(outcome)}\n${others.map(findingLine).join('')}`);
      }
      return answer.ok ? EXIT.done : EXIT.no;
    });
  },
};

export const directoryCommands: readonly Command[] = [importFiles, diff, check, list, show, set, history, rollback, refresh];

/** As compilers write them: the place first. No full stop at the end: a remedy often ends in what to type. */
export function findingLine({ severity, file, line, address, problem, remedy }: FileFinding): string {
  return `${printable(`${file}${line > 0 ? `:${line}` : ''}: ${severity}: ${address === '' ? '' : `${address}: `}${problem}. ${remedy}`)}\n`;
}

function changeText({ version, changed, findings }: DirectoryChange): string {
  return `${changed ? `version ${version} is active` : `nothing changed: version ${version} stays active`}\n${findings.map(findingLine).join('')}`;
}

function rolledBackText(answer: DirectoryRolledBack): string {
  const { version, changed, restored, differences, queued } = answer;
  const what = `version ${version}${restored === version ? '' : `, which restores version ${restored}`}`;
  return changed
    ? `${what}, is active: ${countsText(answer)}\n${movesText({ ...differences, queued })}sources do not change it until the next import\n`
    : `nothing changed: ${what}, is active already\n`;
}

/** Findings that a person reads at once; the rest is in the JSON. */
const SHOWN = 50;

function importText(answer: DirectoryImported, isDryRun: boolean): string {
  const { findings, applied } = answer;
  const isRefused = !applied && findings.some(({ severity }) => severity === 'error');
  const head = applied
    ? `version ${answer.version} is active: ${countsText(answer)}`
    : isRefused
      ? `refused, and nothing has changed: version ${answer.version} stays active`
      : isDryRun
        ? `an import would make version ${answer.version}: ${countsText(answer)}`
        : `nothing changed: version ${answer.version} stays active`;
  return `${shownFindings(findings)}${head}\n${isRefused ? '' : movesText(answer)}`;
}

function shownFindings(findings: readonly FileFinding[]): string {
  const rest = findings.length - SHOWN;
  return `${findings.slice(0, SHOWN).map(findingLine).join('')}${rest > 0 ? `... and ${rest} more (--json has them)\n` : ''}`;
}

const countsText = (answer: Pick<DirectoryImported, 'recipients' | 'cloud' | 'on-premises' | 'hold' | 'both'>): string =>
  `${countOf(answer.recipients, 'recipient')}, ${answer.cloud} cloud, ${answer['on-premises']} on-premises${answer.hold > 0 ? `, ${answer.hold} hold` : ''}${answer.both > 0 ? `, ${answer.both} both` : ''}`;

type Moves = Pick<DirectoryImported, 'added' | 'removed' | 'changed' | 'moves' | 'queued'>;

function movesText({ added, removed, changed, moves, queued }: Moves): string {
  const lines = [`  ${added} added, ${removed} removed, ${changed} changed`];
  for (const [move, count] of Object.entries(moves))
    lines.push(
      `  ${String(count).padStart(8)}  ${move === 'as before' ? 'same route; an address or another detail changed' : move}`,
    );
  if (queued !== null && queued.moves > 0) {
    lines.push(`  queued mail: ${queued.moves} of ${countOf(queued.recipients, 'recipient')} move with it`);
    for (const [change, count] of Object.entries(queued.changes)) lines.push(`  ${String(count).padStart(8)}  ${change}`);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function diffText(answer: DirectoryDiff, width?: number): string {
  if (!answer.ok) return `${shownFindings(answer.findings)}refused: an import would change nothing\n`;
  const rows = answer.entries.map(({ address, from, to }) => [
    address,
    from?.route ?? 'new',
    to?.route ?? 'unknown',
    to?.['routing-address'] ?? '',
    to?.source ?? from?.source ?? '',
  ]);
  const columns = ['ADDRESS', 'NOW', 'THEN', 'ROUTING ADDRESS', 'SOURCE'].map((title) => ({ title }));
  return `${shownFindings(answer.findings)}${rows.length === 0 ? '' : table(columns, rows, width)}${answer.more ? 'there are more: --limit, --offset\n' : ''}${movesText(answer)}`;
}
