/** Checks for people: the reconciliation of the directory, and whether a wave may be switched. */
import type { DirectoryCheck, TypedCommand } from '../admin/directory-contract.ts';
import type { WaveCheck } from '../admin/wave-contract.ts';
import { printable } from '../platform/printable.ts';
import { countOf } from './table.ts';

/** Findings of each kind that a person reads at once. */
const OF_EACH_KIND = 5;
/** Where each line is typed. */
const WHERE = { 'on-premises': 'Exchange on-premises', cloud: 'Exchange Online', relay: 'here' } as const;

export function checkText(answer: DirectoryCheck, all: boolean): string {
  const { severities, counts, sides } = answer;
  const lines = [
    `Version ${answer.version}, ${countOf(answer.recipients, 'recipient')}`,
    `  on-premises  ${sideText(sides['on-premises'])}`,
    `  cloud        ${sideText(sides.cloud)}`,
    ...notesText(answer.notes),
    '',
  ];
  const seen = new Map<string, number>();
  for (const { severity, kind, address, problem, cause, remedy, commands, sources } of answer.findings) {
    const before = seen.get(kind) ?? 0;
    seen.set(kind, before + 1);
    if (!all && before >= OF_EACH_KIND) continue;
    lines.push(`${severity}  ${kind}  ${address}`, `  ${problem}.`, `  ${cause}.`, `  ${remedy}:`, ...commands.map(commandText));
    if (sources.length > 0) lines.push(`    (${sources.join(', ')})`);
  }
  for (const [kind, count = 0] of Object.entries(counts)) {
    const shown = all ? (seen.get(kind) ?? 0) : Math.min(seen.get(kind) ?? 0, OF_EACH_KIND);
    if (count > shown) lines.push(`... and ${count - shown} more ${kind} (${all ? 'too many to list' : '--all, --json'})`);
  }
  lines.push(
    severities.error + severities.warning + severities.info === 0
      ? 'Nothing disagrees.'
      : `${countOf(severities.error, 'error')}, ${countOf(severities.warning, 'warning')}, ${severities.info} to know`,
  );
  return `${lines.map(printable).join('\n')}\n`;
}

const sideText = (side: DirectoryCheck['sides']['cloud']): string =>
  side === null
    ? 'not known'
    : `${countOf(side.recipients, 'object')}, ${side.mailboxes} of them mailboxes, from ${side.origins.join(', ')}${side['taken-at'] === null ? '' : ` of ${side['taken-at']}`}`;

const commandText = ({ where, line }: TypedCommand): string => `    [${WHERE[where]}] ${line}`;

const notesText = (notes: DirectoryCheck['notes']): string[] =>
  notes.flatMap(({ text, commands }) => ['', text, ...commands.map(commandText)]);

export function waveCheckText(name: string, answer: WaveCheck): string {
  const lines: string[] = [];
  for (const { address, verdict, reasons } of answer.mailboxes) {
    if (reasons.length === 0 && verdict !== 'unsafe') continue;
    lines.push(`${verdict}  ${address}`);
    for (const { problem, remedy, commands } of reasons)
      lines.push(`  ${problem}.`, `  ${remedy}${commands.length > 0 ? ':' : '.'}`, ...commands.map(commandText));
  }
  lines.push(...notesText(answer.notes).slice(1));
  lines.push(
    `wave ${name}, to ${answer.to === 'cloud' ? 'the cloud' : 'on-premises'}: ${answer.safe} safe, ${answer.unsafe} unsafe, ${answer.unknown} unknown`,
  );
  return `${lines.map(printable).join('\n')}\n`;
}
