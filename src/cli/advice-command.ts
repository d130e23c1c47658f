/** `advice REPLY`: what a reply means that stands in somebody's notification or log. */
import { type AdvisedReply, adviceLines, adviceOn } from '../mail/reply-advice.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT, UsageError } from './command.ts';

export const advice: Command = {
  name: 'advice',
  summary: 'what a reply of a mail server means, and what to do: 550 5.7.64 ..., or the line of a notification that holds it',
  positionals: ['REPLY...'],
  local: true,
  run({ ports, json, positionals }) {
    const text = positionals.join(' ');
    const reply = findReply(text);
    if (reply === undefined)
      throw new UsageError(`"${text.slice(0, 100)}" has no status code in it, such as 5.7.64 or 450 4.4.317`);
    const found = adviceOn(reply, 'unknown');
    if (json) ports.stdout.write(`${JSON.stringify({ reply, advice: found ?? null })}\n`);
    else if (found === undefined)
      ports.stderr.write(printable(`nothing is known of ${reply.enhanced} but what it says itself`) + '\n');
    else ports.stdout.write(`${adviceLines(found).join('\n')}\n`);
    return Promise.resolve(found === undefined ? EXIT.no : EXIT.done);
  },
};

/** The first status code in a text, with the reply code in front of it where there is one. */
function findReply(text: string): AdvisedReply | undefined {
  const match = /(?:\b([45]\d\d)[ -])?\s*#?\b([45]\.\d{1,2}\.\d{1,3})\b/.exec(text);
  const enhanced = match?.[2];
  if (enhanced === undefined) return undefined;
  return { code: Number(match?.[1] ?? `${enhanced.charAt(0)}50`), enhanced, text };
}
