/** Waves for people. */
import type { WaveDetails, WaveReplay, WaveReport, WaveRolledBack, WaveSummary, WaveSwitched } from '../admin/wave-contract.ts';
import { printable } from '../platform/printable.ts';
import { tlsWords } from './status-command.ts';
import { agoOf, countOf, octetsOf, table } from './table.ts';

export function waveTable(waves: readonly WaveSummary[], now: number, width?: number): string {
  const numbers = ['MAILBOXES', 'ON-PREMISES', 'BOTH', 'HOLD', 'CLOUD', 'CONFIRMED'];
  return table(
    [
      { title: 'WAVE' },
      ...numbers.map((title) => ({ title, right: true })),
      { title: 'HELD' },
      { title: 'SWITCH' },
      { title: 'MADE' },
    ],
    waves.map(({ name, counts, held, schedule, created, ...wave }) => [
      name,
      ...[counts.mailboxes, counts['on-premises'], counts.both, counts.hold, counts.cloud, counts.confirmed].map(String),
      held.messages === 0 ? '-' : `${countOf(held.messages, 'message')}, ${octetsOf(held.octets)}`,
      schedule === null
        ? '-'
        : `${schedule.state === 'waiting' ? '' : `${schedule.state}, was `}${schedule.at.replace(/\.\d+Z$/, 'Z')}`,
      `${agoOf(created, now)} by ${wave['created-by']}`,
    ]),
    width,
  );
}

export function waveText(wave: WaveDetails, now: number, width?: number): string {
  const rows = wave.mailboxes.map((one) => {
    const last = one.steps.at(-1);
    return [
      one.address,
      one.kind ?? '',
      one.state,
      agoOf(one.since, now),
      last === undefined ? '' : `${last.who}: ${last.reason}`,
      one['overruled-by'] ?? '',
    ];
  });
  const columns = ['MAILBOX', 'KIND', 'STATE', 'SINCE', 'BY', 'OVERRULED BY'].map((title) => ({ title }));
  const note = wave.schedule?.note ?? null;
  return `${waveTable([wave], now, width)}${note === null ? '' : `${printable(note)}\n`}\n${table(columns, rows, width)}`;
}

export function reportText(report: WaveReport, now: number, width?: number): string {
  const rows = report.mailboxes.map((one) => [
    one.address,
    one.state,
    one.confirmed === null
      ? one.state === 'cloud'
        ? 'not yet'
        : '-'
      : `${agoOf(one.confirmed.time, now)}, ${tlsWords(one.confirmed.tls)}`,
    String(one.delivered.cloud),
    String(one.delivered['on-premises']),
    one.held === 0 ? '-' : `${one.held}${one['held-now'] === 0 ? '' : `, ${one['held-now']} still`}`,
    String(one.bounced.length),
  ]);
  const bounced = report.mailboxes.flatMap(({ address, bounced: all }) =>
    all.map((one) => `  ${one.time}  ${address}  ${one.reply ?? one.event}  ${one['message-id'] ?? ''}`),
  );
  const waiting = report.mailboxes.filter(({ state }) => state === 'cloud').length;
  return [
    waveTable([report], now, width),
    '\n',
    table(
      [
        { title: 'MAILBOX' },
        { title: 'STATE' },
        { title: 'CONFIRMED' },
        { title: 'TO CLOUD', right: true },
        { title: 'ON-PREMISES', right: true },
        { title: 'HELD', right: true },
        { title: 'BOUNCED', right: true },
      ],
      rows,
      width,
    ),
    ...(bounced.length === 0 ? [] : ['\nBounced\n', ...bounced.map((line) => `${printable(line)}\n`)]),
    ...(waiting === 0 ? [] : [`\n${waiting} in the cloud without a first delivery yet\n`]),
    ...(report.incomplete.length === 0
      ? []
      : [`\nmore records than were looked at: ${printable(report.incomplete.join(', '))}\n`]),
  ].join('');
}

export function replayText({ messages, incomplete, instructions }: WaveReplay): string {
  if (messages.length === 0) return 'no message is on the other side\n';
  const lines = messages.flatMap((one) => [
    `${one.time}  ${one.address}  ${one.from} → ${one.to}  ${one['message-id'] ?? 'no Message-ID'}  from ${one.sender === '' ? '<>' : (one.sender ?? 'unknown')}`,
    `    ${one.search}`,
  ]);
  return `${[
    `${countOf(messages.length, 'message')} on the other side:`,
    ...lines,
    ...(incomplete.length === 0 ? [] : [`more than could be looked at: ${incomplete.join(', ')}`]),
    ...instructions,
  ]
    .map(printable)
    .join('\n')}\n`;
}

/** Attempts that had not ended when the list was made. */
export function underWayText({ name, 'under-way': count }: WaveRolledBack): string {
  return count === 0
    ? ''
    : `${countOf(count, 'attempt')} at the other side had not ended yet, so a message may be missing here: ask once more in a while with bridgehead wave replay ${name}\n`;
}

/** A switch that nobody could check goes ahead, and says so. */
export function uncheckedText({ name, unchecked }: WaveSwitched): string {
  return unchecked === 0
    ? ''
    : `warning: ${countOf(unchecked, 'mailbox', 'mailboxes')} not checked: no export of the cloud is known, so nobody can tell whether ${unchecked === 1 ? 'it is' : 'they are'} there.\n  bridgehead wave check ${name}  tells how to make one; then  bridgehead directory check --cloud FILE  and once more  bridgehead wave check ${name}\n`;
}
