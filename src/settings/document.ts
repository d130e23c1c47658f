/** One YAML file: its plain value, and the line of every part of it. */
import { type Document, isMap, isScalar, LineCounter, type Node, type Pair, type ParsedNode, parseDocument, visit } from 'yaml';
import { printable } from '../platform/printable.ts';
import { formatPath, type Mistake, type SettingPath } from './mistakes.ts';

/**
 * Octets. A settings file is read by people: ours has 4 KiB, one with 3,500 domains, a line each, 256 KiB; recipients and
 * networks have files of their own. A reload reads it beside mail: the worst file of this size takes under a second.
 */
const MAX_FILE = 256 * 1024;
/** Aliases can multiply a small file into a huge value ("billion laughs"); a few are fine. */
const MAX_ALIASES = 50;
/** Values in it, groups and lists included; 3,500 domains have some 11,000. */
const MAX_VALUES = 40_000;
/** Characters of a problem or a remedy. */
const MAX_TEXT = 1_000;
/** More of them help nobody, and each is looked up in the file. */
export const MAX_MISTAKES = 200;

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
        at(
          1,
          1,
          'the file is larger than 256 KiB',
          'Is this the settings file? Recipients and networks belong into files of their own',
        ),
      ],
    };
  }
  const lines = new LineCounter();
  const yaml = parse(text, lines);
  const wrong = [...yaml.errors, ...yaml.warnings].map(({ pos, message }) => ({ at: pos[0], message: firstLine(message) }));
  const mistakes: Mistake[] = [];
  const seen = new Set<number>();
  for (const { at: offset, message } of wrong.length > 0 ? wrong : doubleNames(yaml)) {
    const { line, col } = lines.linePos(offset);
    // what follows the first on the same line is its echo
    if (seen.has(line)) continue;
    seen.add(line);
    mistakes.push(
      at(line, col, printable(message), 'Mend the YAML here; indent with spaces, and quote values with : # or * in them'),
    );
    if (mistakes.length === MAX_MISTAKES) break;
  }
  if (mistakes.length > 0) return { ok: false, mistakes };

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
    problem: inShort(problem),
    remedy: inShort(remedy),
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
  if (countValues(value) > MAX_VALUES)
    return {
      ok: false,
      mistakes: [at(1, 1, 'the file has more than 40,000 values', 'Recipients and networks belong into files of their own')],
    };
  const document = { file, value, locate, mistake };
  const forbidden = [...forbiddenNames(value, [])].map((path) =>
    mistake(path, `the name "${path.at(-1)}" is not allowed`, 'Remove it; no setting is called so', 'key'),
  );
  return forbidden.length > 0 ? { ok: false, mistakes: forbidden } : { ok: true, document };
}

/** Without stack traces: they were nine tenths of the time for a file of nothing but mistakes. */
function parse(text: string, lineCounter: LineCounter): Document.Parsed {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parseDocument(text, {
      lineCounter,
      uniqueKeys: false, // it looks at all names before each: doubleNames
      merge: false,
      strict: true,
      prettyErrors: false,
      logLevel: 'silent',
      stringKeys: true,
    });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Names that stand twice in a group. */
function doubleNames(yaml: Document.Parsed): { at: number; message: string }[] {
  const found: { at: number; message: string }[] = [];
  visit(yaml, {
    Map(_, { items }) {
      const names = new Set<unknown>();
      for (const { key } of items as Pair<ParsedNode>[]) {
        if (!isScalar(key)) continue;
        if (names.has(key.value)) found.push({ at: key.range[0], message: 'Map keys must be unique' });
        names.add(key.value);
      }
    },
  });
  return found;
}

/** As they are after aliases; no further than matters. */
function countValues(value: unknown): number {
  let count = 0;
  for (const open = [value]; open.length > 0 && count <= MAX_VALUES; count++) {
    const next = open.pop();
    if (typeof next === 'object' && next !== null) for (const inner of Object.values(next)) open.push(inner);
  }
  return count;
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

/** What quotes a value of any length keeps its beginning and its end. */
function inShort(text: string): string {
  return printable(text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 300)}...${text.slice(-200)}`);
}

const firstLine = (message: string): string => (message.split('\n')[0] ?? message).replace(/[.:]+$/, '');
