/** Tables and times for people. */
import { printable } from '../platform/printable.ts';

const GAP = '  ';
const NARROWEST = 12;

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/**
 * Rows under their titles, as wide as their content. Where that is too wide, the widest columns are cut, with an
 * ellipsis; without a `width` nothing is.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width?: number): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  if (width !== undefined) shrink(widths, width - GAP.length * (columns.length - 1));
  const lines = cells.map((row) =>
    columns
      .map(({ right }, i) => {
        const text = cut(row[i] ?? '', widths[i] ?? 0);
        return right === true ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
      })
      .join(GAP)
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function shrink(widths: number[], room: number): void {
  let surplus = widths.reduce((sum, one) => sum + one, 0) - room;
  while (surplus > 0) {
    const widest = Math.max(...widths);
    if (widest <= NARROWEST) return;
    widths[widths.indexOf(widest)] = widest - 1;
    surplus -= 1;
  }
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

const STEPS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
] as const;

/** `3 d 4 h`, `12 min`, `5 s`: the two largest units at most. */
export function ageOf(milliseconds: number): string {
  const first = STEPS.findIndex(([step]) => milliseconds >= step);
  const [step, unit] = STEPS[first] ?? [1000, 's'];
  const count = Math.max(0, Math.floor(milliseconds / step));
  const [nextStep, nextUnit] = STEPS[first + 1] ?? [0, ''];
  const rest = first === 0 || first === 1 ? Math.floor((milliseconds - count * step) / nextStep) : 0;
  return rest > 0 ? `${count} ${unit} ${rest} ${nextUnit}` : `${count} ${unit}`;
}

/** How long ago an ISO 8601 time was. */
export function agoOf(time: string, now: number): string {
  return `${ageOf(Math.max(0, now - Date.parse(time)))} ago`;
}

export function octetsOf(octets: number): string {
  const units = ['octets', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = octets;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `1 message`, `3 messages`. */
export function countOf(count: number, word: string, plural = `${word}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? word : plural}`;
}
