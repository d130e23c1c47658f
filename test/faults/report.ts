/** Tables and verdicts on standard output. */

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      /^-?[\d.]+%?$/.test(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
  return all.map((row) => line(row).join('  ').trimEnd()).join('\n');
}

/** Prints each broken promise, or that all held; the exit status to end with. */
export function verdict(name: string, broken: readonly string[]): number {
  for (const promise of broken.slice(0, 20)) say(`BROKEN  ${promise}`);
  say(broken.length === 0 ? `${name}: ok` : `${name}: ${broken.length} promises broken`);
  return broken.length === 0 ? 0 : 1;
}

/** The first few of a list that should be empty. */
export function some(list: readonly string[]): string {
  return `${list.slice(0, 5).join(', ')}${list.length > 5 ? ` and ${list.length - 5} more` : ''}`;
}
