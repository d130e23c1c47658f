/** `explain ADDRESS`: the route a recipient would take now, and every step that decided it. */
import type { Explanation } from '../admin/contract.ts';
import { explainQuery } from '../admin/contract.ts';
import { whatIfOptions } from '../admin/directory-contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, text, UsageError } from './command.ts';
import { READING, refusedFiles } from './directory-commands.ts';
import { filesToRead } from './files.ts';
import { checked } from './questions.ts';
import { table } from './table.ts';

export const explain: Command = {
  name: 'explain',
  summary: 'the route this recipient would take now, and every step that decided it',
  positionals: ['ADDRESS'],
  options: {
    from: { type: 'string', value: 'ADDRESS', help: 'the sender; "" is the null sender' },
    peer: { type: 'string', value: 'NAME', help: 'who asks: external (default), on-premises, cloud, gateway' },
    size: { type: 'string', value: 'N', help: 'size of the message in octets' },
    'directory-version': { type: 'string', value: 'N', help: 'by this version of the directory, in place of the active one' },
    with: { type: 'string', multiple: true, value: 'FILE', help: 'as if this file were imported; may be given again' },
    source: { type: 'string', value: 'NAME', help: 'with --with: the source that the files become (imported)' },
    ...READING,
  },
  run: (invocation) => {
    const { ports, json, positionals, values, withOperations } = invocation;
    const query = checked(explainQuery, {
      recipient: positionals[0],
      from: text(values, 'from'),
      peer: text(values, 'peer'),
      size: text(values, 'size'),
      'directory-version': text(values, 'directory-version'),
    });
    const names = values['with'];
    if (Array.isArray(names) && query['directory-version'] !== undefined)
      throw new UsageError('--with and --directory-version: one of the two');
    const options = checked(whatIfOptions, { source: values['source'], format: values['format'], side: values['side'] });
    return withOperations(async (operations) => {
      const files = Array.isArray(names) ? await filesToRead(ports, names.map(String), options.format) : undefined;
      if (files?.ok === false) return refusedFiles(invocation, files.findings, 'refused: there is nothing to explain by');
      const answer = await (files === undefined
        ? operations.explain(query)
        : operations.explainWith(files.files, { ...query, ...options }));
      const imagined =
        files === undefined ? undefined : `the version that ${files.files.map(({ name }) => name).join(', ')} would make`;
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : explanationText(answer, ports.stdout.columns, imagined));
      return EXIT.done; // also for `reject`: the question was what would happen (contract.md)
    });
  },
};

/** `imagined`: what to call the version where it is none yet. */
export function explanationText(answer: Explanation, width?: number, imagined?: string): string {
  const number = `version ${answer['directory-version']}`;
  const named = (text: string): string =>
    imagined === undefined ? text : text.replaceAll(new RegExp(`\\b${number}\\b`, 'g'), imagined);
  const facts: [string, string | null][] = [
    ['recipient', answer.canonical === answer.recipient ? answer.recipient : `${answer.recipient} (${answer.canonical})`],
    ['route', answer.route],
    ['goes as', answer['routing-address']],
    [
      'connector',
      answer.connector === null
        ? null
        : `${answer.connector}, ${answer['next-hop'] ?? 'next hop unknown'}, TLS ${answer['tls-mode'] ?? 'unknown'}`,
    ],
    ['at RCPT', answer.reply],
    ['because', named(answer.reason)],
    ['directory', named(number)],
  ];
  const lines = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(10)} ${printable(value ?? '')}\n`);
  const steps = table(
    [{ title: 'STEP' }, { title: 'RESULT' }, { title: 'SOURCE' }],
    answer.steps.map(({ step, result, source }) => [step, named(result), named(source)]),
    width,
  );
  return `${lines.join('')}\n${steps}`;
}
