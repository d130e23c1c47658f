/** The part of a notification that people read (RFC 3464 §2): what happened, to whom, and what they can do. Pure. */
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import { entryFor } from '../mail/reply-advice.ts';
import { rfc5322Date } from './date.ts';
import type { Action } from './policy.ts';
import type { BounceSettings, Happening } from './ports.ts';

export const SUBJECTS: Readonly<Record<Action, string>> = {
  failed: 'Your message could not be delivered',
  delayed: 'Your message is delayed (we keep trying)',
  relayed: 'Your message was passed on',
  delivered: 'Your message was delivered',
};

const OPENINGS: Readonly<Record<Action, string>> = {
  failed: 'could not be delivered to the recipients below. We have given up on it.',
  delayed: 'has not been delivered yet to the recipients below. We keep trying;\r\nyou need not send it again.',
  relayed:
    'was passed on for the recipients below to a system that does not\r\nsend notices of its own. You may not hear of it again.',
  delivered: 'was delivered to the recipients below.',
};

/** The happenings come gravest first. Lines end in CRLF, and none begins with a dot. */
export function humanPart(
  happenings: readonly Happening[],
  settings: BounceSettings,
  receivedAt: number,
  clean: (text: string) => string,
): string {
  const lines = [`This is the mail relay ${settings.hostname}.`, ''];
  let told: Action | undefined;
  for (const happening of happenings) {
    const { action } = happening;
    if (told === undefined) lines.push(`Your message of ${rfc5322Date(receivedAt)}`, OPENINGS[action]);
    else if (told !== action) lines.push('', `It ${OPENINGS[action]}`);
    told = action;
    lines.push('', ...aboutOne(happening, clean));
  }
  lines.push('', `If you need help, write to <${clean(settings.postmaster.address)}> and enclose this notice.`, '');
  return lines.join('\r\n');
}

function aboutOne(happening: Happening, clean: (text: string) => string): string[] {
  const { recipient, action, attempt, willRetryUntil } = happening;
  // As the sender wrote it: an address that routing made of it would mean nothing to them.
  const lines = [`<${clean(recipient.address.address)}>`];
  const reply = attempt?.outcome.reply ?? recipient.lastReply;
  const expired = action === 'failed' && (attempt === undefined || attempt.outcome.kind === 'deferred');
  if (expired) lines.push('    We tried for as long as we may, without success.');
  if (reply !== undefined && action !== 'delivered') lines.push(`    ${clean(said(attempt))} ${clean(formatReply(reply))}`);
  if (action === 'delayed' && willRetryUntil !== undefined) lines.push(`    We try until ${rfc5322Date(willRetryUntil)}.`);
  if (action === 'failed') lines.push(...advice(reply, expired));
  return lines;
}

function said(attempt: Happening['attempt']): string {
  const mta = attempt?.remoteMta;
  if (mta === undefined) return 'The last result:';
  return `The mail server ${mta.name}${mta.address === undefined || mta.address === mta.name ? '' : ` [${mta.address}]`} answered:`;
}

/** What the sender can do, and then a word for administrators where the reply is one we know. */
function advice(reply: SmtpReply | undefined, expired: boolean): string[] {
  const known = reply === undefined ? undefined : entryFor(reply);
  // a fault between this relay and the next hop is nobody's to mend but ours: the sender and the recipient can do nothing
  const ours = known?.whose === 'relay';
  const what = ours ? OURS : known?.policy === 'not-there' ? CHECK_ADDRESS : whatToDo(reply, expired);
  const lines = [`    What you can do: ${what}`];
  if (known !== undefined) lines.push(`    For administrators: ${known.meaning}.`);
  return lines;
}

const CHECK_ADDRESS = 'check the address for mistakes, and send the message again.';
const OURS = 'nothing is wrong with your message; tell the postmaster named below.';

/** By the status code (RFC 3463 §3). */
function whatToDo(reply: SmtpReply | undefined, expired: boolean): string {
  const [, subject, detail] = (reply?.enhanced ?? '').split('.');
  if (subject === '1') return CHECK_ADDRESS;
  if (subject === '2' && detail === '2') return 'the mailbox is full; tell the recipient another way, or try later.';
  if ((subject === '3' && detail === '4') || (subject === '2' && detail === '3'))
    return 'the message is too large there; send it again in smaller parts.';
  if (subject === '7') return 'it was refused by a rule there; ask the recipient, by other means, to have it allowed.';
  if (expired) return 'send the message again later, or reach the recipient another way.';
  return 'show this notice to the recipient or to the postmaster named below.';
}
