/** Options turned into what the operations take, checked by the same schemas as over HTTP. */
import type { z } from 'zod';
import { UsageError } from './command.ts';

/** The value as the schema has it; what was not given is left out. Wrong words are wrong usage. */
export function checked<T extends z.ZodType>(schema: T, value: Readonly<Record<string, unknown>>): z.output<T> {
  const given = Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new UsageError(
    parsed.error.issues.map(({ path, message }) => (path.length === 0 ? message : `--${path.join('.')}: ${message}`)).join('; '),
  );
}
