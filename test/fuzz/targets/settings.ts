/** Settings files: keys that are missing or of another kind, values that are huge, NUL or not text, and what YAML can be made to do. */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { checkSettings } from '../../../src/settings/load.ts';
import { corpusOf } from '../corpus.ts';
import { Mutator } from '../mutate.ts';
import { below, must, pick, strided, type Target } from '../target.ts';
import { BOMBS, repeated, TOKENS } from './settings-bombs.ts';

const TEXTS = [
  '',
  ' ',
  '*',
  '0.0.0.0/0',
  '\0',
  'a\0b',
  '\u202eexe',
  '\u{1f600}',
  '\ud800',
  'x'.repeat(100_000),
  '__proto__',
  '../../etc/passwd',
  '5m',
  '1e400MiB',
  `${'9'.repeat(400)}d`,
  '[::1]',
  'a@b',
  'ａ.example',
  'xn--zzzzzz',
];
const NUMBERS = [-1, 0, 3.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 65_536];
const GROUPS: readonly unknown[] = [
  [],
  {},
  ['x', null, 5],
  { x: { y: { z: [] } } },
  Array.from({ length: 5_000 }, (_, i) => `e${i}.example`),
  Array.from({ length: 500 }).reduce<unknown>((inner) => [inner], 'deep'),
  Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`key-${i}`, i])),
  JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
];
/** `undefined`: the key is gone. */
const WRONG: readonly unknown[] = [undefined, null, true, false, ...NUMBERS, ...TEXTS, ...GROUPS];
const KINDS: readonly (readonly unknown[])[] = [
  [undefined],
  [null],
  [true, false],
  NUMBERS,
  TEXTS,
  ...GROUPS.map((group) => [group]),
];

const valueOf = (chance: () => number): unknown => {
  const kind = pick(chance, KINDS);
  return kind[below(chance, kind.length)];
};

type Path = readonly string[];
function paths(value: unknown, here: Path = []): Path[] {
  if (here.length > 20 || typeof value !== 'object' || value === null) return [here];
  return [here, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...here, key]))];
}

function put(root: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (typeof root !== 'object' || root === null) return root;
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...root }) as Record<string, unknown>;
  const inner = put(Object.hasOwn(copy, key) ? copy[key] : undefined, rest, value);
  if (inner === undefined) delete copy[key];
  else Object.defineProperty(copy, key, { value: inner, enumerable: true, configurable: true, writable: true });
  return copy;
}

/** The same, where what leads there may be missing; `0` is the first of a list. */
function putAnywhere(root: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const isList = key === '0';
  const there: unknown = typeof root === 'object' && root !== null && Array.isArray(root) === isList ? root : isList ? [] : {};
  const inner = Object.hasOwn(there as object, key) ? (there as Record<string, unknown>)[key] : undefined;
  return put(there, [key], putAnywhere(inner, rest, value));
}

interface SchemaNode {
  readonly properties?: Record<string, SchemaNode>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

/** Every setting that there is. */
function settingPaths(node: SchemaNode, here: Path = []): Path[] {
  const inner = [
    ...Object.entries(node.properties ?? {}).flatMap(([key, one]) => settingPaths(one, [...here, key])),
    ...(node.items === undefined ? [] : settingPaths(node.items, [...here, '0'])),
    ...(node.anyOf ?? []).flatMap((one) => settingPaths(one, here)),
  ];
  const all = here.length === 0 ? inner : [here, ...inner];
  return [...new Map(all.map((path) => [path.join('.'), path])).values()];
}

const WORDS = [
  '&a ',
  '*a',
  '<<: *a',
  '!!js/function ',
  '!!binary ',
  '!<tag:yaml.org,2002:map> ',
  '? ',
  '- ',
  ': ',
  '|\n',
  '>-\n',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '\t',
  '{',
  '[',
  '"',
  "'",
  '#',
  '__proto__: ',
  'connectors: ',
  'tls: ',
  'rules: ',
];

/** Every so many inputs are one of the bombs, until all were. */
const EVERY = 10;

export const settings: Target = {
  name: 'settings',
  inputs: 'file',
  long: 10_000,
  short: 450,
  async open() {
    const shipped = readFileSync(new URL('../../../config/bridgehead.yaml', import.meta.url), 'utf8');
    const files = [Buffer.from(shipped), ...corpusOf('settings')];
    const bombs = BOMBS.map((bomb) => Buffer.from(bomb));
    const values = files.map((file) => asValue(file.toString())).filter((value) => typeof value === 'object' && value !== null);
    const places = values.map((value) => ({ value: value as unknown, paths: paths(value) }));
    const mutator = new Mutator(files, WORDS, 270_000);
    const wild = new Mutator(bombs, WORDS, 270_000);
    return {
      corpus: files,
      words: WORDS,
      most: 270_000,
      make(chance, number) {
        // half a second each: all of them in the short form, a few in a test run
        if (number % EVERY === 0 && number < EVERY * bombs.length) return strided(bombs, number / EVERY);
        const way = chance();
        if (way < 0.4) return mutator.next(chance);
        if (way < 0.405)
          return Buffer.from(repeated(Array.from({ length: 1 + below(chance, 3) }, () => pick(chance, TOKENS)).join('')));
        const base = pick(chance, places);
        if (way < 0.407) return wild.next(chance);
        let { value } = base;
        for (let count = 1 + below(chance, 2); count > 0; count--) value = put(value, pick(chance, base.paths), valueOf(chance));
        return Buffer.from(stringify(value ?? null));
      },
      run: readsOrNames,
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

/** One frozen value, or mistakes with a place and a remedy. */
async function readsOrNames(input: Buffer): Promise<void> {
  const loaded = await checkSettings('/nowhere/bridgehead.yaml', input.toString());
  must((Object.prototype as { polluted?: boolean }).polluted === undefined, 'Object.prototype was written to');
  if (loaded.ok) return must(Object.isFrozen(loaded.settings), 'settings that can be changed');
  must(loaded.mistakes.length > 0, 'refused without a reason');
  must(loaded.mistakes.length <= 1_000, `${loaded.mistakes.length} mistakes at once`);
  for (const { line, column, problem, remedy } of loaded.mistakes) {
    must(line > 0 && column > 0 && problem !== '' && remedy !== '', 'a mistake without place or remedy');
    must(problem.length + remedy.length < 8_000, `a mistake of ${problem.length + remedy.length} characters`);
    must(!/[\u0000-\u0008\u000a-\u001f\u007f]/.test(problem + remedy), 'control characters in a mistake');
  }
}

function asValue(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** Each setting that there is, missing and with each value that is none. */
export const settingsKeys: Target = {
  name: 'settings-keys',
  inputs: 'file',
  long: 12_000,
  short: 300,
  async open() {
    const full = corpusOf('settings').find((file) => file.includes('relay-names'));
    const schema = readFileSync(new URL('../../../config/bridgehead.schema.json', import.meta.url), 'utf8');
    if (full === undefined) throw new Error('no full settings in the corpus');
    const base = parse(full.toString()) as unknown;
    const cases = settingPaths(JSON.parse(schema) as SchemaNode).flatMap((path) => WRONG.map((value) => ({ path, value })));
    return {
      corpus: [full],
      words: [],
      make: (_, number) => {
        const { path, value } = strided(cases, number);
        return Buffer.from(stringify(putAnywhere(base, path, value)));
      },
      run: readsOrNames,
      [Symbol.asyncDispose]: async () => {},
    };
  },
};
