/** Reads the settings file once: every mistake named, or one frozen value (design.md P7, D8). */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compileSettings } from './compile.ts';
import { crossCheck } from './cross-checks.ts';
import { MAX_MISTAKES, readDocument, type SettingsDocument } from './document.ts';
import { describeIssues, mend } from './issues.ts';
import type { Mistake, Note } from './mistakes.ts';
import { checkNamedFiles } from './named-files.ts';
import { type SettingsFile, settingsSchema } from './schema.ts';
import type { Settings } from './settings.ts';

export type Loaded =
  | { readonly ok: true; readonly settings: Settings; readonly notes: readonly Note[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** The one that comes with the program, in a checkout as in node_modules. */
const SHIPPED = fileURLToPath(new URL('../../config/bridgehead.yaml', import.meta.url));

/** Loads a settings file. Never rejects: a file that cannot be read is a mistake too. */
export async function loadSettings(file: string): Promise<Loaded> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const problem =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
          ? 'the file is not UTF-8'
          : `the file cannot be read (${code ?? String(error)})`;
    return {
      ok: false,
      mistakes: [
        {
          file,
          line: 1,
          column: 1,
          path: '',
          problem,
          remedy: `Name the settings file with --config FILE; ${SHIPPED} is one to begin with: copy it, and recipients.csv beside it`,
        },
      ],
    };
  }
  return checkSettings(file, text);
}

/** Checks a text as if it were the settings file `file` (relative paths count from there). */
export async function checkSettings(file: string, text: string): Promise<Loaded> {
  const read = readDocument(file, text);
  if (!read.ok) return read;
  const { document } = read;
  const parsed = settingsSchema.safeParse(document.value);
  const mistakes = parsed.success ? [] : describeIssues(parsed.error.issues, document);
  // with that many of them the rest is better looked at when they are mended
  const raw =
    mistakes.length >= MAX_MISTAKES ? undefined : parsed.success ? parsed.data : parseMended(document, parsed.error.issues);
  if (raw === undefined) return { ok: false, mistakes: inOrder(mistakes) };

  const crossed = crossCheck(raw, document);
  const named = await checkNamedFiles(raw, document);
  const first = [...mistakes];
  for (const mistake of [...crossed.mistakes, ...named.mistakes]) {
    if (!isEcho(mistake, first)) mistakes.push(mistake);
  }
  if (mistakes.length > 0) return { ok: false, mistakes: inOrder(mistakes) };
  return {
    ok: true,
    settings: compileSettings(raw, document, named.networks),
    notes: inOrder([...crossed.notes, ...named.notes]),
  };
}

/** The rest of a file with mistakes, so that one look finds as many of them as there are. */
function parseMended(document: SettingsDocument, issues: Parameters<typeof mend>[1]): SettingsFile | undefined {
  let value = document.value;
  let found = issues;
  for (let round = 0; round < 6; round++) {
    value = mend(value, found);
    const parsed = settingsSchema.safeParse(value);
    if (parsed.success) return parsed.data;
    found = parsed.error.issues;
  }
  return undefined;
}

/** Settings that others lean on: while one of them cannot be read, "there is no connector" would only be an echo. */
const LEANED_ON = /^(connectors(\[\d+\](\.(name|address-spaces|next-hop)\b.*)?)?|cloud(\.routing-domains.*)?)$/;

function isEcho({ path, problem, remedy }: Mistake, first: readonly Mistake[]): boolean {
  if (problem.includes('stand-in') || remedy.includes('stand-in')) return true;
  if (first.some((other) => other.path === path || other.path.startsWith(`${path}.`) || other.path.startsWith(`${path}[`)))
    return true;
  return /no connector|^R20|no routing domain/.test(problem) && first.some((other) => LEANED_ON.test(other.path));
}

const inOrder = <T extends Mistake>(mistakes: readonly T[]): T[] =>
  [...mistakes].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column);
