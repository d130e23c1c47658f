/** One YAML file: its plain value, and the line of every part of it. */
import { isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import { printable } from '../platform/printable.ts';
import { formatPath, type Mistake, type SettingPath } from './mistakes.ts';

/** Octets; a settings file is read by people. */
const MAX_FILE = 1024 * 1024;
/** Aliases can multiply a small file into a huge value ("billion laughs"); a few are fine. */
const MAX_ALIASES = 50;

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface SettingsDocument {
  readonly file: string;
  readonly value: unknown;
  /** Where a setting stands, or the nearest thing around it that does; `key`: its name rather than its value. */
  locate(path: SettingPath, part?: 'key' | 'value'): Place;
  mistake(path: SettingPath, problem: string, remedy: string, part?: 'key' | 'value'): Mistake;
}

export type ReadDocument =
  | { readonly ok: true; readonly document: SettingsDocument }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** Reads YAML 1.2. Syntax mistakes, names given twice and `__proto__` are refused with their place. */
export function readDocument(file: string, text: string): ReadDocument {
  const at = (line: number, column: number, problem: string, remedy: string): Mistake => ({
    file,
    line,
    column,
    path: '',
    problem,
    remedy,
  });
  if (Buffer.byteLength(text) > MAX_FILE) {
    return {
      ok: false,
      mistakes: [
        at(1, 1, 'the file is larger than 1 MiB', 'Is this the settings file? Recipients belong into a file of their own'),
      ],
    };
  }
  const lines = new LineCounter();
  const yaml = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    merge: false,
    strict: true,
    prettyErrors: false,
    logLevel: 'silent',
    stringKeys: true,
  });
  const mistakes = [...yaml.errors, ...yaml.warnings].map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return at(
      line,
      col,
      printable(firstLine(error.message)),
      'Mend the YAML here; indent with spaces, and quote values with : # or * in them',
    );
  });
  // what follows the first on the same line is its echo
  const distinct = mistakes.filter((mistake, index) => mistakes.findIndex((other) => other.line === mistake.line) === index);
  if (distinct.length > 0) return { ok: false, mistakes: distinct };

  const placeOf = (node: unknown): Place | undefined => {
    const range = (node as Node | undefined | null)?.range;
    if (range === undefined || range === null) return undefined;
    const { line, col } = lines.linePos(range[0]);
    return { line, column: col };
  };
  const pairOf = (path: SettingPath): Pair | undefined => {
    const parent = path.length === 1 ? yaml.contents : yaml.getIn(path.slice(0, -1), true);
    const key = path.at(-1);
    return isMap(parent) ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === key) : undefined;
  };
  const locate = (path: SettingPath, part: 'key' | 'value' = 'value'): Place => {
    for (let end = path.length; end > 0; end--) {
      const here = path.slice(0, end);
      const place = (part === 'key' ? placeOf(pairOf(here)?.key) : undefined) ?? placeOf(yaml.getIn(here, true));
      if (place !== undefined) return place;
    }
    return { line: 1, column: 1 };
  };
  const mistake = (path: SettingPath, problem: string, remedy: string, part?: 'key' | 'value'): Mistake => ({
    file,
    ...locate(path, part),
    path: printable(formatPath(path)),
    problem: printable(problem),
    remedy: printable(remedy),
  });

  let value: unknown;
  try {
    value = yaml.toJS({ maxAliasCount: MAX_ALIASES }) ?? {};
  } catch (error) {
    return {
      ok: false,
      mistakes: [at(1, 1, firstLine(String((error as Error).message)), 'Write the value out instead of using so many aliases')],
    };
  }
  const document = { file, value, locate, mistake };
  const forbidden = [...forbiddenNames(value, [])].map((path) =>
    mistake(path, `the name "${path.at(-1)}" is not allowed`, 'Remove it; no setting is called so', 'key'),
  );
  return forbidden.length > 0 ? { ok: false, mistakes: forbidden } : { ok: true, document };
}

/** Names that mean something to JavaScript objects, wherever they stand. */
function* forbiddenNames(value: unknown, path: SettingPath): Iterable<SettingPath> {
  if (typeof value !== 'object' || value === null || path.length > 32) return;
  for (const [name, inner] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(name) : name];
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') yield here;
    else yield* forbiddenNames(inner, here);
  }
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? message).replace(/[.:]+$/, '');
