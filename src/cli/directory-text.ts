/** The directory for people: its list, one recipient, its versions. */
import type { DirectoryEntryShown, DirectoryHistory, DirectoryList } from '../admin/directory-contract.ts';
import { printable } from '../platform/printable.ts';
import { ageOf, agoOf, countOf, table } from './table.ts';

export function listText(answer: DirectoryList, now: number, width?: number): string {
  const { version, recipients, counts, pinned } = answer;
  const parts = [
    `Version ${version}: ${countOf(recipients, 'recipient')}, ${counts.cloud} cloud, ${counts['on-premises']} on-premises, ${counts.hold} hold, ${counts.both} both`,
    ...(pinned === null ? [] : [`It restores version ${pinned}; sources do not change it until the next import`]),
    '',
    table(
      [
        { title: 'SOURCE' },
        { title: 'KIND' },
        { title: 'RECIPIENTS', right: true },
        { title: 'STATE' },
        { title: 'LAST SUCCESS' },
        { title: 'FROM' },
      ],
      answer.sources.map((one) => [
        one.name,
        one.kind,
        String(one.recipients),
        one.state,
        one['last-success'] === null ? 'never' : agoOf(one['last-success'], now),
        one.origins.join(', '),
      ]),
      width,
    ).trimEnd(),
    ...(answer.sources.length > 1
      ? ['The first that has a recipient counts: what was imported, then the sources of the settings in their order']
      : []),
  ];
  const problems = [
    ...answer.sources
      .filter(({ name }) => !answer.live.some((one) => one.name === name && one.error !== null))
      .flatMap(({ name, error }) => (error === null ? [] : [`${name}: ${error}`])),
    ...answer.live.flatMap(({ name, error }) => (error === null ? [] : [`${name}: ${error.problem}. ${error.remedy}`])),
  ];
  if (problems.length > 0) parts.push('', 'Not read', ...problems.map((line) => printable(`  ${line}`)));
  if (answer.set.length > 0) parts.push('', setTable(answer.set, width).trimEnd());
  if (answer.waves.length > 0)
    parts.push('', `Waves  ${answer.waves.map(({ wave, mailboxes }) => `${wave} (${mailboxes})`).join(', ')}`);
  return `${parts.join('\n')}\n`;
}

const setTable = (set: DirectoryList['set'], width?: number): string =>
  table(
    ['SET', 'ROUTE', 'SOURCES SAY', 'AGE', 'BY', 'REASON'].map((title) => ({ title })),
    set.map((one) => [one.address, one.route, one['sources-say'] ?? 'nothing', ageOf(one.age * 1000), one.who, one.reason]),
    width,
  );

export function entryText(entry: DirectoryEntryShown): string {
  const rows: [string, string][] = [
    ['address', entry.address],
    ['route', entry.route === 'both' ? `both, ${entry.primary ?? 'on-premises'} counts` : entry.route],
    ['routing address', entry['routing-address'] ?? 'the default one'],
    ...(entry.kind === null ? [] : [['kind', entry.kind] as [string, string]]),
    ...(entry.connector === null ? [] : [['connector', entry.connector] as [string, string]]),
    ['from', `${entry.source} (version ${entry.version})`],
  ];
  const aliases = entry.addresses.filter(({ role }) => role !== 'primary');
  for (const { address, role } of aliases) rows.push([role, address]);
  if (entry.set !== null)
    rows.push(['set', `${entry.set.route} by ${entry.set.who}, ${ageOf(entry.set.age * 1000)} ago: ${entry.set.reason}`]);
  for (const { wave, route } of entry.waves) rows.push(['wave', `${wave}: ${route}`]);
  if (entry.set !== null || entry.waves.length > 0) {
    const own = entry['of-sources'];
    rows.push(['sources say', own === null ? 'nothing' : `${own.route} (${own.source})`]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${printable(`${name.padEnd(width)}  ${value}`)}\n`).join('');
}

export function historyTable({ active, versions }: DirectoryHistory, width?: number): string {
  return table(
    [
      { title: 'VERSION', right: true },
      { title: 'TIME' },
      { title: 'WHO' },
      { title: 'WHAT' },
      { title: 'RECIPIENTS', right: true },
      { title: 'CLOUD', right: true },
      { title: 'DIGEST' },
      { title: '' },
    ],
    versions.map((one) => [
      String(one.version),
      one.time.replace(/\.\d+Z$/, 'Z'),
      one.who,
      `${one.what}${one.reason === null ? '' : `: ${one.reason}`}`,
      String(one.recipients),
      String(one.counts.cloud),
      one.digest.slice(0, 12),
      one.version === active ? 'active' : one.restorable ? '' : 'not kept',
    ]),
    width,
  );
}
