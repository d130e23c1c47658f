/** A mistake in the settings or in a file they name: where it stands, what is wrong, and what to type instead. */

export interface Mistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The setting, as `connectors[0].tls.mode`; empty for the file as a whole. */
  readonly path: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Something an administrator may want to know of, though the relay starts with it. */
export type Note = Mistake;

/** Where a setting stands in a value: keys and list indexes. */
export type SettingPath = readonly (string | number)[];

/** Where checks put what they find. */
export interface Findings {
  mistake(path: SettingPath, problem: string, remedy: string): void;
  note(path: SettingPath, problem: string, remedy: string): void;
}

/** `['connectors', 0, 'tls']` as `connectors[0].tls`. */
export function formatPath(path: SettingPath): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${part}`;
  return text;
}

/** One mistake in one line, the place first, as compilers write it, so that editors can jump there. */
export function formatMistake(mistake: Mistake): string {
  const path = mistake.path === '' ? '' : `${mistake.path}: `;
  return `${mistake.file}:${mistake.line}:${mistake.column}: ${path}${mistake.problem}. ${mistake.remedy}.`;
}

/** The names that could have been written, as many as one reads. */
export const known = (names: readonly string[]): string =>
  `Known: ${names.slice(0, MOST_NAMES).join(', ')}${names.length > MOST_NAMES ? ', ...' : ''}`;
const MOST_NAMES = 20;

/** The known word nearest to what was written, where one is near enough to be meant. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const word of known) {
    const distance = editDistance(written.toLowerCase().replaceAll('_', '-'), word);
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance; names are short, so the plain table will do. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8 || a.length > 64) return 99;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 99;
}
