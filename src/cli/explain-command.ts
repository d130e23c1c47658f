/** `explain ADDRESS`: the route a recipient would take now, and every step that decided it. */
import type { Explanation } from '../admin/contract.ts';
import { explainQuery } from '../admin/contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, text } from './command.ts';
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
  },
  run: ({ ports, json, positionals, values, withOperations }) => {
    const query = checked(explainQuery, {
      recipient: positionals[0],
      from: text(values, 'from'),
      peer: text(values, 'peer'),
      size: text(values, 'size'),
    });
    return withOperations(async (operations) => {
      const answer = await operations.explain(query);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : explanationText(answer, ports.stdout.columns));
      return EXIT.done; // also for `reject`: the question was what would happen (contract.md)
    });
  },
};

export function explanationText(answer: Explanation, width?: number): string {
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
    ['because', answer.reason],
    ['directory', `version ${answer['directory-version']}`],
  ];
  const lines = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(10)} ${printable(value ?? '')}\n`);
  const steps = table(
    [{ title: 'STEP' }, { title: 'RESULT' }, { title: 'SOURCE' }],
    answer.steps.map(({ step, result, source }) => [step, result, source]),
    width,
  );
  return `${lines.join('')}\n${steps}`;
}
