/** What is made of the schema: the JSON schema for editors, and the table of every setting with its default and reason. */
import { z } from 'zod';
import { settingsSchema } from './schema.ts';

/** The part of JSON schema that ours uses. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly reason?: string;
  readonly otherwise?: string;
  readonly default?: unknown;
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number | boolean)[];
  readonly pattern?: string;
  readonly anyOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
}

/** The schema of the file as it is written, draft 7 (what the YAML plug-ins of editors understand). */
export function jsonSchema(): SchemaNode {
  return z.toJSONSchema(settingsSchema, { io: 'input', target: 'draft-7' }) as SchemaNode;
}

/** The text of config/bridgehead.schema.json. */
export function schemaFile(): string {
  const ours = new Set(['reason', 'otherwise']);
  const known = { title: 'Bridgehead settings', ...jsonSchema() };
  return `${JSON.stringify(known, (name, value: unknown) => (ours.has(name) && typeof value === 'string' ? undefined : value), 2)}\n`;
}

const INTRODUCTION = `# The settings

\`bridgehead.yaml\` is read once at the start and again on SIGHUP; \`bridgehead check\` reads it without starting anything.
A file with a mistake is refused as a whole, and every mistake is named with its line. Only \`hostname\`, \`domains\` and one
connector must be there. Durations are \`30s 5m 2h 4d\`, sizes \`512KiB 35MiB\`; relative paths count from the settings file.
For completion and checks in an editor, keep the first line of \`bridgehead.yaml\`, which names \`bridgehead.schema.json\`.

\`[]\` behind a name means a list of such things. This page is made from the schema (\`node src/settings/generate.ts\`).

| setting | default | what it is | why so |
| --- | --- | --- | --- |
`;

const RECIPIENTS = `
## recipients.csv

Our own plain form. The first line names the columns; those after \`route\` may be absent. Lines that begin with \`#\` are comments.

| column | what stands there |
| --- | --- |
| \`address\` | the primary address |
| \`route\` | \`on-premises\`, \`cloud\`, \`hold\` (accepted and kept, while a mailbox moves) or \`both\` (the second side gets a copy) |
| \`routing-address\` | where the mailbox is reached in the cloud; empty: the local part at the first routing domain |
| \`aliases\` | further addresses of the same recipient, with spaces between them; an address has one owner only |
| \`kind\` | \`user\`, \`shared\`, \`room\`, \`group\`, \`contact\` ...; for you and for reports |
| \`connector\` | the connector for this recipient, where there are several sites |
| \`primary\` | of route \`both\`: the side whose result counts, \`on-premises\` (default) or \`cloud\` |
`;

/** The text of config/README.md. */
export function referencePage(): string {
  return INTRODUCTION + [...rows(jsonSchema(), '')].join('') + RECIPIENTS;
}

function* rows(node: SchemaNode, path: string): Iterable<string> {
  for (const branch of node.anyOf ?? [node]) {
    if (branch.items !== undefined && isGroup(branch.items)) yield* rows(branch.items, `${path}[]`);
    for (const [name, inner] of Object.entries(branch.properties ?? {})) {
      const here = path === '' ? name : `${path}.${name}`;
      const required = branch.required?.includes(name) === true;
      yield `| \`${here}\` | ${cell(defaultOf(inner, required))} | ${cell(meaning(inner))} | ${cell(inner.reason ?? '')} |\n`;
      yield* rows(inner, here);
    }
  }
}

const isGroup = (node: SchemaNode): boolean => node.properties !== undefined;

function defaultOf(node: SchemaNode, required: boolean): string {
  if (node.otherwise !== undefined) return node.otherwise;
  if (node.default !== undefined)
    return isEmpty(node.default) ? (Array.isArray(node.default) ? 'none' : '') : `\`${plain(node.default)}\``;
  return required ? '**required**' : 'none';
}

function meaning(node: SchemaNode): string {
  const words = (node.anyOf ?? [node]).flatMap((branch) => branch.enum ?? branch.const ?? branch.items?.enum ?? []);
  return `${node.description ?? ''}${words.length > 1 ? ` (${words.map((word) => `\`${String(word)}\``).join(' ')})` : ''}`;
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
const plain = (value: unknown): string =>
  Array.isArray(value) ? value.map((item) => (isEmpty(item) ? 'one' : String(item))).join(', ') : String(value);
const cell = (text: string): string => text.replaceAll('|', '\\|');
