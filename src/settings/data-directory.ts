/** Where the data lies, also while the rest of the settings file has mistakes: a running relay is found there. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { settingsSchema } from './schema.ts';

/** Absolute path; `undefined` where the file cannot be read, or does not say it. Names no mistake: `loadSettings` does. */
export async function dataDirectoryOf(file: string): Promise<string | undefined> {
  try {
    const written: unknown = parseDocument(await readFile(file, 'utf8'), { logLevel: 'silent' }).get('data-directory');
    const { data } = settingsSchema.shape['data-directory'].safeParse(written);
    return data === undefined ? undefined : resolve(dirname(file), data);
  } catch {
    return undefined;
  }
}
