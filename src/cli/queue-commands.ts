/** `queue ...`: see and steer what is spooled. */
import {
  type Operations,
  type QueueChange,
  type QueueMessage,
  queueQuery,
  queueReroute,
  queueSelection,
} from '../admin/contract.ts';
import { adviceLines } from '../mail/reply-advice.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, type Option, text, type Values } from './command.ts';
import { checked } from './questions.ts';
import { ageOf, agoOf, countOf, octetsOf, table } from './table.ts';

const SELECTORS: Readonly<Record<string, Option>> = {
  id: { type: 'string', multiple: true, value: 'ID', help: 'a spool id; may be given again' },
  recipient: { type: 'string', value: 'ADDRESS', help: 'the address the sender wrote' },
  sender: { type: 'string', value: 'ADDRESS', help: 'the sender; "" is the null sender' },
  domain: { type: 'string', value: 'DOMAIN', help: 'the domain of the recipient' },
  connector: { type: 'string', value: 'NAME', help: 'the connector of the last attempt' },
  'older-than': { type: 'string', value: 'TIME', help: 'in the queue for at least this long: 30m, 2h, 4d' },
  all: { type: 'boolean', help: 'everything' },
};

const selectionOf = (values: Values): Record<string, unknown> =>
  Object.fromEntries(Object.keys(SELECTORS).map((name) => [name, values[name]]));

const list: Command = {
  name: 'queue list',
  summary: 'what waits, in the order it came',
  options: {
    ...SELECTORS,
    limit: { type: 'string', value: 'N', help: 'messages at most (100)' },
    after: { type: 'string', value: 'ID', help: 'go on behind this one' },
  },
  run: ({ ports, json, values, withOperations }) => {
    const { all: _, ...selection } = selectionOf(values);
    const query = checked(queueQuery, { ...selection, limit: text(values, 'limit'), after: text(values, 'after') });
    return withOperations(async (operations) => {
      const answer = await operations.listQueue(query);
      if (json) ports.stdout.write(`${JSON.stringify(answer)}\n`);
      else
        ports.stdout.write(
          answer.messages.length === 0 ? 'nothing waits\n' : queueTable(answer.messages, ports.now(), ports.stdout.columns),
        );
      if (answer.next !== null) ports.stderr.write(`there are more: --after ${answer.next}\n`);
      const searched = Object.values(selection).some((value) => value !== undefined);
      return answer.messages.length === 0 && searched ? EXIT.no : EXIT.done;
    });
  },
};

export function queueTable(messages: readonly QueueMessage[], now: number, width?: number): string {
  const rows = messages.flatMap((message) =>
    message.recipients.map((one, i) => [
      i === 0 ? message.id : '',
      i === 0 ? ageOf(now - Date.parse(message.received)) : '',
      i === 0 ? octetsOf(message.size) : '',
      i === 0 ? message.sender || '<>' : '',
      one.recipient,
      one.state,
      String(one.attempts),
      nextOf(one, now),
      one['last-reply'] ?? one['held-by'] ?? '',
    ]),
  );
  const titles = ['ID', 'AGE', 'SIZE', 'SENDER', 'RECIPIENT', 'STATE', 'TRIES', 'NEXT', 'LAST REPLY'];
  return table(
    titles.map((title) => ({ title, right: title === 'AGE' || title === 'SIZE' || title === 'TRIES' })),
    rows,
    width,
  );
}

function nextOf(recipient: QueueMessage['recipients'][number], now: number): string {
  const next = recipient['next-attempt'];
  if (next === null) return '-';
  const wait = Date.parse(next) - now;
  return wait <= 0 ? 'now' : `in ${ageOf(wait)}`;
}

const show: Command = {
  name: 'queue show',
  summary: 'one message and each of its recipients',
  positionals: ['ID'],
  run: ({ ports, json, positionals, withOperations }) =>
    withOperations(async (operations) => {
      const message = await operations.showMessage(positionals[0] ?? '');
      ports.stdout.write(json ? `${JSON.stringify(message)}\n` : messageText(message, ports.now()));
      return EXIT.done;
    }),
};

export function messageText(message: QueueMessage, now: number): string {
  const lines = [
    `${message.id}  ${message['message-id'] ?? 'no Message-ID'}`,
    `  received  ${message.received}, ${agoOf(message.received, now)}, ${octetsOf(message.size)}`,
    `  from      ${message.sender === '' ? '<>' : message.sender}${message.client === null ? '' : `, by [${message.client}] (${message.peer})`}`,
  ];
  let told = '';
  for (const one of message.recipients) {
    lines.push(`  to        ${one.recipient}`);
    const next = one['next-attempt'] === null ? '' : `, next attempt ${nextOf(one, now)} (${one['next-attempt']})`;
    lines.push(
      `            ${one.state}${one['held-by'] === null ? '' : ` by ${one['held-by']}`}, ${countOf(one.attempts, 'attempt')}${one.connector === null ? '' : `, connector ${one.connector}`}${next}`,
    );
    if (one['last-reply'] !== null) lines.push(`            ${one['last-reply']}`);
    const { advice } = one;
    if (advice != null && JSON.stringify(advice) !== told)
      for (const line of adviceLines(advice)) lines.push(`              ${line}`);
    // most often all recipients wait for the same reason
    if (advice != null) told = JSON.stringify(advice);
  }
  return `${lines.map(printable).join('\n')}\n`;
}

function steering(
  verb: string,
  summary: string,
  done: string,
  steer: (operations: Operations, values: Values) => Promise<QueueChange>,
  more: Record<string, Option> = {},
): Command {
  return {
    name: `queue ${verb}`,
    summary,
    options: { ...SELECTORS, ...more },
    run: ({ ports, json, values, withOperations }) => {
      // Checked before anybody is asked: wrong usage is told as such wherever the work is done
      checked(verb === 'reroute' ? queueReroute : queueSelection, { ...selectionOf(values), to: values['to'] });
      return withOperations(async (operations) => {
        const change = await steer(operations, values);
        if (json) ports.stdout.write(`${JSON.stringify(change)}\n`);
        else if (change.recipients === 0 && change['still-held'] === undefined)
          ports.stderr.write('nothing matches, or nothing was to be done\n');
        else if (change.recipients > 0)
          ports.stdout.write(`${done}: ${countOf(change.recipients, 'recipient')} of ${countOf(change.messages, 'message')}\n`);
        for (const { by, recipients } of change['still-held'] ?? [])
          ports.stderr.write(
            printable(`still held by ${by}: ${countOf(recipients, 'recipient')}; end that hold, or queue reroute --to NAME`) +
              '\n',
          );
        return change.recipients === 0 ? EXIT.no : EXIT.done;
      });
    },
  };
}

const selection = (values: Values) => checked(queueSelection, selectionOf(values));

export const queueCommands: readonly Command[] = [
  list,
  show,
  steering('hold', 'hold until released', 'held', (operations, values) => operations.hold(selection(values))),
  steering('release', 'release what is held', 'released', (operations, values) => operations.release(selection(values))),
  steering('retry', 'try now', 'due now', (operations, values) => operations.retry(selection(values))),
  steering('expire', 'give up now; senders get a notification', 'expired', (operations, values) =>
    operations.expire(selection(values)),
  ),
  steering(
    'reroute',
    'send by another connector',
    'rerouted',
    (operations, values) => operations.reroute(checked(queueReroute, { ...selectionOf(values), to: values['to'] })),
    { to: { type: 'string', value: 'NAME', help: 'the connector to send by' } },
  ),
];
