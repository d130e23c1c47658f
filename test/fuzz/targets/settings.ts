/** Settings files: keys that are missing or of another kind, values that are huge, NUL or not text, and what YAML can be made to do. */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { checkSettings } from '../../../src/settings/load.ts';
import { corpusOf } from '../corpus.ts';
import { below, must, pick, type Target } from '../target.ts';

const JUNK: readonly ((chance: () => number) => unknown)[] = [
  () => undefined, // the key is gone
  () => null,
  (chance) => chance() < 0.5,
  (chance) => pick(chance, [-1, 0, 3.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 65_536]),
  (chance) =>
    pick(chance, [
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
      '9'.repeat(400) + 'd',
      '[::1]',
      'a@b',
      'ａ.example',
      'xn--zzzzzz',
    ]),
  () => [],
  () => ({}),
  () => ['x', null, 5],
  () => ({ x: { y: { z: [] } } }),
  () => Array.from({ length: 5_000 }, (_, i) => `e${i}.example`),
  () => Array.from({ length: 500 }).reduce<unknown>((inner) => [inner], 'deep'),
  () => Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`key-${i}`, i])),
  () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}') as unknown,
];

type Path = readonly string[];
function paths(value: unknown, here: Path = []): Path[] {
  if (here.length > 20 || typeof value !== 'object' || value === null) return [here];
  return [here, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...here, key]))];
}

function put(root: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (typeof root !== 'object' || root === null) return root;
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...root }) as Record<string, unknown>;
  const inner = put(copy[key], rest, value);
  if (inner === undefined) delete copy[key];
  else Object.defineProperty(copy, key, { value: inner, enumerable: true, configurable: true, writable: true });
  return copy;
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

/** Files that are small or legal and cost more than they look. */
const BOMBS = [
  `hostname: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`,
  Array.from({ length: 800 }, (_, depth) => `${'  '.repeat(depth)}k${depth}:\n`).join(''),
  `${'x'.repeat(200_000)}: 1\n`,
  '---\n...\n'.repeat(5_000),
  `a: "${'\\"'.repeat(100_000)}"\n`,
  `domains:\n${Array.from({ length: 1_000 }, (_, i) => `  - { name: d${i}.example }\n`).join('')}`,
  `${'&a '.repeat(5_000)}x\n`,
  `hostname: ${'- '.repeat(5_000)}\n`,
  `${'? '.repeat(800)}x\n`,
];

export const settings: Target = {
  name: 'settings',
  inputs: 'file',
  long: 10_000,
  short: 400,
  async open() {
    const shipped = readFileSync(new URL('../../../config/bridgehead.yaml', import.meta.url), 'utf8');
    const files = [Buffer.from(shipped), ...corpusOf('settings')];
    const bombs = BOMBS.map((bomb) => Buffer.from(bomb));
    const values = files.map((file) => asValue(file.toString())).filter((value) => typeof value === 'object' && value !== null);
    const places = values.map((value) => ({ value: value as unknown, paths: paths(value) }));
    return {
      corpus: [...files, ...bombs],
      words: WORDS,
      most: 1_200_000,
      make(chance) {
        if (chance() < 0.4) return undefined;
        const base = pick(chance, places);
        let { value } = base;
        for (let count = 1 + below(chance, 2); count > 0; count--)
          value = put(value, pick(chance, base.paths), pick(chance, JUNK)(chance));
        return Buffer.from(stringify(value ?? null));
      },
      async run(input) {
        const loaded = await checkSettings('/nowhere/bridgehead.yaml', input.toString());
        must((Object.prototype as { polluted?: boolean }).polluted === undefined, 'Object.prototype was written to');
        if (loaded.ok) return must(Object.isFrozen(loaded.settings), 'settings that can be changed');
        must(loaded.mistakes.length > 0, 'refused without a reason');
        for (const { line, column, problem, remedy } of loaded.mistakes) {
          must(line > 0 && column > 0 && problem !== '' && remedy !== '', 'a mistake without place or remedy');
          must(problem.length + remedy.length < 4_000, `a mistake of ${problem.length + remedy.length} characters`);
          must(!/[\u0000-\u0008\u000a-\u001f\u007f]/.test(problem + remedy), 'control characters in a mistake');
        }
      },
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

function asValue(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
