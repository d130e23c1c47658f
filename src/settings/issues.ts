/** Turns what the schema finds into mistakes that people can mend, and mends a copy so that later checks can go on. */
import type { z } from 'zod';
import { MAX_MISTAKES, type SettingsDocument } from './document.ts';
import { type Mistake, nearest, type SettingPath } from './mistakes.ts';
import { jsonSchema, type SchemaNode } from './reference.ts';

/** Mistakes of a value that had the right shape. */
const FITS: ReadonlySet<string | undefined> = new Set(['unrecognized_keys', 'custom']);

type Issue = z.core.$ZodIssue;

/** Every issue of the schema as a mistake with its place, up to as many as help. */
export function describeIssues(issues: readonly Issue[], document: SettingsDocument): Mistake[] {
  const root = jsonSchema();
  const mistakes: Mistake[] = [];
  for (const issue of issues) {
    if (mistakes.length >= MAX_MISTAKES) break;
    mistakes.push(...describe(issue, pathOf(issue), document, root));
  }
  return mistakes.slice(0, MAX_MISTAKES);
}

function describe(issue: Issue, path: SettingPath, document: SettingsDocument, root: SchemaNode): Mistake[] {
  const written = valueAt(document.value, path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = namesAt(root, path);
      return issue.keys.slice(0, MAX_MISTAKES).map((name) => {
        const meant = nearest(name, known);
        const remedy = meant === undefined ? `Known here: ${known.join(', ') || 'nothing'}` : `Did you mean "${meant}"`;
        return document.mistake([...path, name], `there is no setting "${name}"`, remedy, 'key');
      });
    }
    case 'invalid_union': {
      // the branch that fits the shape of what was written tells most; else all of them are named
      const branch = issue.errors.find(
        (errors) => errors.length > 0 && errors.every((inner) => inner.path.length > 0 || FITS.has(inner.code)),
      );
      if (branch !== undefined) {
        return branch.flatMap((inner) => describe(inner, [...path, ...pathOf(inner)], document, root));
      }
      return [document.mistake(path, `${show(written)} is not allowed here`, `Write ${expectation(nodeAt(root, path))}`)];
    }
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      const meant = typeof written === 'string' ? nearest(written, allowed) : undefined;
      const hint = meant === undefined ? '' : `; did you mean "${meant}"`;
      return [document.mistake(path, `${show(written)} is not allowed here`, `Write ${oneOf(allowed)}${hint}`)];
    }
    case 'invalid_type':
      if (written === undefined) {
        return [
          document.mistake(
            path,
            `"${path.at(-1)}" is missing`,
            `Add it: ${nodeAt(root, path)?.description ?? `a ${issue.expected}`}`,
          ),
        ];
      }
      return [
        document.mistake(
          path,
          `this should be ${article(issue.expected)}, and is ${article(typeName(written))}`,
          unitHint(written, nodeAt(root, path)),
        ),
      ];
    case 'too_small':
      return [
        document.mistake(
          path,
          issue.origin === 'array' ? 'the list is empty' : `${show(written)} is too small`,
          issue.origin === 'array' ? 'Name at least one' : `At least ${issue.minimum}`,
        ),
      ];
    case 'too_big':
      return [
        document.mistake(
          path,
          issue.origin === 'array' ? 'the list is too long' : `${show(written)} is too large`,
          `At most ${issue.maximum}`,
        ),
      ];
    case 'custom': {
      const remedy: unknown = issue.params?.['remedy'];
      return [document.mistake(path, issue.message, typeof remedy === 'string' ? remedy : 'See config/README.md')];
    }
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
      return [document.mistake(path, `${show(written)} is not allowed here`, 'See config/README.md')];
  }
}

/** Words that stand in for a missing required setting, so that the other checks can look at the rest. */
const STAND_INS = new Map<string, unknown>(
  Object.entries({
    hostname: 'stand-in.invalid',
    name: 'stand-in.invalid',
    domains: [{ name: 'stand-in.invalid', 'unknown-recipients': 'reject' }],
    connectors: [{ name: 'stand-in.invalid', 'address-spaces': ['*'], 'next-hop': { mx: true } }],
    'address-spaces': ['stand-in.invalid'],
    'next-hop': { 'smart-hosts': ['stand-in.invalid'] },
    // oxlint-disable-next-line unicorn/no-thenable -- a rule is data
    then: { hold: true },
  }),
);

/** A copy of the value without what the issues complain of: dropped, or where it is required, a stand-in. */
export function mend(value: unknown, issues: readonly Issue[]): unknown {
  const copy: unknown = structuredClone(value);
  for (const issue of issues) {
    const path = pathOf(issue);
    if (issue.code === 'unrecognized_keys') for (const name of issue.keys) drop(copy, [...path, name]);
    else drop(copy, path);
  }
  return copy;
}

function drop(root: unknown, path: SettingPath): void {
  const name = path.at(-1);
  const parent = valueAt(root, path.slice(0, -1));
  if (name === undefined || typeof parent !== 'object' || parent === null) return;
  const holder = parent as Record<string | number, unknown>;
  if (Array.isArray(parent) && typeof name === 'number') {
    // an entry of the long lists keeps its place, so that paths still lead to the right lines
    if (typeof parent[name] === 'object') holder[name] = {};
    else parent.splice(name, 1);
    return;
  }
  const standIn = STAND_INS.get(String(name));
  if (standIn === undefined || (name === 'name' && path[0] === 'directory')) delete holder[name];
  else holder[name] = structuredClone(name === 'name' ? `stand-in-${path.at(-2)}.invalid` : standIn);
}

const pathOf = (issue: Issue): SettingPath => issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));

function valueAt(value: unknown, path: SettingPath): unknown {
  let here: unknown = value;
  for (const part of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return undefined;
    here = (here as Record<string | number, unknown>)[part];
  }
  return here;
}

function nodeAt(root: SchemaNode, path: SettingPath): SchemaNode | undefined {
  let nodes: SchemaNode[] = [root];
  for (const part of path) {
    nodes = nodes.flatMap((node) => {
      const branches = node.anyOf ?? [node];
      return branches.flatMap((branch) => {
        if (typeof part === 'number') return branch.items ?? [];
        return branch.properties !== undefined && Object.hasOwn(branch.properties, part) ? (branch.properties[part] ?? []) : [];
      });
    });
  }
  return nodes[0];
}

function namesAt(root: SchemaNode, path: SettingPath): string[] {
  const node = nodeAt(root, path);
  return (node?.anyOf ?? [node]).flatMap((branch) => Object.keys(branch?.properties ?? {}));
}

function expectation(node: SchemaNode | undefined): string {
  if (node?.anyOf?.some(({ pattern }) => pattern?.startsWith('^(off|') === true)) return 'it like 100, "100 monitor" or off';
  const branches = (node?.anyOf ?? []).map((branch) => {
    if (branch.const !== undefined) return String(branch.const);
    if (branch.enum !== undefined) return oneOf(branch.enum.map(String));
    return branch.properties === undefined ? (branch.type ?? 'a value') : `{ ${Object.keys(branch.properties).join(', ')} }`;
  });
  return branches.length === 0 ? 'what config/README.md says' : branches.join(', or ');
}

function unitHint(written: unknown, node: SchemaNode | undefined): string {
  if (typeof written === 'number' && node?.pattern?.includes('smhd') === true)
    return `Write it with its unit, such as ${written}s or ${written}m`;
  if (typeof written === 'number' && node?.pattern?.includes('MiB') === true)
    return `Write it with its unit, such as ${written}MiB`;
  if (node?.type === 'array') return 'Write a list: [one, two]';
  return node?.description ?? 'See config/README.md';
}

const oneOf = (words: readonly string[]): string => words.join(' | ');
const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};
const typeName = (value: unknown): string =>
  value === null
    ? 'nothing'
    : Array.isArray(value)
      ? 'list'
      : typeof value === 'object'
        ? 'group of settings'
        : typeof value === 'string'
          ? 'text'
          : typeof value;
function article(name: string): string {
  const words: Record<string, string> = {
    string: 'text',
    text: 'text',
    nothing: 'empty',
    array: 'a list',
    object: 'a group of settings',
    record: 'a group of names and values',
    int: 'a whole number',
    boolean: 'true or false',
  };
  return words[name] ?? `a ${name}`;
}
