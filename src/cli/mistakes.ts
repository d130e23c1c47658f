/** Mistakes in the settings, as compilers write them: the place first. */
import type { CheckReport } from '../admin/contract.ts';
import { printable } from '../platform/printable.ts';

export function mistakeLine({ file, line, column, path, problem, remedy }: CheckReport['mistakes'][number]): string {
  return `${printable(`${file}${line > 0 ? `:${line}:${column}` : ''}: ${path === '' ? '' : `${path}: `}${problem}. ${remedy}.`)}\n`;
}
