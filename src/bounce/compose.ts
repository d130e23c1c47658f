/** A delivery status notification: multipart/report of three parts (RFC 6522, RFC 3464, RFC 3461 §6). Pure. */
import type { Mailbox } from '../mail/address.ts';
import { formatReply } from '../mail/reply.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import { rfc5322Date } from './date.ts';
import { humanPart, SUBJECTS } from './human.ts';
import type { Action } from './policy.ts';
import type { BounceSettings, Happening } from './ports.ts';

/** What of the original goes back, in wire form (dot-stuffed), cut at a line's end. */
export interface Excerpt {
  /** `message` is the whole of it. */
  readonly kind: 'message' | 'headers';
  readonly bytes: Buffer;
}

export interface Dsn {
  readonly messageId: string;
  /** Wire form: CRLF, dot-stuffed, without the final dot. */
  readonly body: Buffer;
  /** Octets, dots unstuffed. */
  readonly size: number;
  readonly eightBit: boolean;
  readonly smtputf8: boolean;
}

export interface Occasion {
  readonly id: SpoolId;
  readonly now: number;
  readonly message: SpooledMessage;
  /** The message's sender: who is told. */
  readonly to: Mailbox;
  /** The gravest of the happenings, which come gravest first. */
  readonly action: Action;
  readonly happenings: readonly Happening[];
  readonly excerpt: Excerpt;
}

export function composeDsn(occasion: Occasion, settings: BounceSettings): Dsn {
  const { id, now, message, to, action, happenings, excerpt } = occasion;
  // RFC 6533: addresses outside ASCII need the internationalised forms, and hops that take them.
  const utf8 = !isAscii(to.address) || happenings.some(({ recipient }) => !isAscii(recipient.address.address));
  const clean = utf8 ? cleanUtf8 : cleanAscii;
  const eightBitExcerpt = excerpt.bytes.some((octet) => octet > 127);
  const eightBit = utf8 || eightBitExcerpt;
  const messageId = `<${id}@${settings.hostname}>`;
  const boundary = `=_${id}`;
  const text = [
    // RFC 3464 §2: the From of a DSN reaches a human. The null reverse path is in the envelope.
    `From: "Mail Delivery System (MAILER-DAEMON@${settings.hostname})" <${clean(settings.postmaster.address)}>`,
    `To: <${clean(to.address)}>`,
    `Subject: ${SUBJECTS[action]}`,
    `Date: ${rfc5322Date(now)}`,
    `Message-ID: ${messageId}`,
    ...(message.messageId === undefined ? [] : [fold(`References: ${cleanAscii(message.messageId)}`)]),
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status;',
    ` boundary="${boundary}"`,
    `Content-Transfer-Encoding: ${eightBit ? '8bit' : '7bit'}`,
    '',
    `--${boundary}`,
    `Content-Type: text/plain; charset=${utf8 ? 'utf-8' : 'us-ascii'}`,
    `Content-Transfer-Encoding: ${utf8 ? '8bit' : '7bit'}`,
    'Content-Description: Notification',
    '',
    humanPart(happenings, settings, message.receivedAt, clean),
    `--${boundary}`,
    `Content-Type: message/${utf8 ? 'global-' : ''}delivery-status`,
    `Content-Transfer-Encoding: ${utf8 ? '8bit' : '7bit'}`,
    '',
    ...perMessage(message, settings, clean),
    ...happenings.flatMap((happening) => ['', ...perRecipient(happening, now, utf8, clean)]),
    '',
    `--${boundary}`,
    `Content-Type: ${originalType(excerpt.kind, utf8)}`,
    `Content-Transfer-Encoding: ${eightBitExcerpt ? '8bit' : '7bit'}`,
    '',
    '',
  ].join('\r\n');
  // The excerpt is stuffed as the notification must be: its lines are the same octets in both (design.md D3a).
  const body = Buffer.concat([Buffer.from(text), excerpt.bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { messageId, body, size: unstuffedLength(body), eightBit, smtputf8: utf8 };
}

function originalType(kind: Excerpt['kind'], utf8: boolean): string {
  if (utf8) return kind === 'message' ? 'message/global' : 'message/global-headers';
  return kind === 'message' ? 'message/rfc822' : 'text/rfc822-headers';
}

/** RFC 3464 §2.2 */
function perMessage(message: SpooledMessage, settings: BounceSettings, clean: (text: string) => string): string[] {
  const fields = [`Reporting-MTA: dns; ${settings.hostname}`, `Arrival-Date: ${rfc5322Date(message.receivedAt)}`];
  if (message.envid !== undefined) fields.unshift(fold(`Original-Envelope-Id: ${clean(message.envid)}`));
  return fields;
}

/** RFC 3464 §2.3 */
function perRecipient(happening: Happening, now: number, utf8: boolean, clean: (text: string) => string): string[] {
  const { recipient, action, attempt, willRetryUntil } = happening;
  const type = utf8 ? 'utf-8' : 'rfc822';
  const address = clean(recipient.address.address);
  const mta = attempt?.remoteMta;
  const reply = attempt?.outcome.reply ?? recipient.lastReply;
  const fields = [
    // G7: what the sender typed, also where no ORCPT was given.
    fold(`Original-Recipient: ${recipient.orcpt === undefined ? `${type}; ${address}` : clean(recipient.orcpt)}`),
    // RFC 3464 §2.3.2: the address as it was when this relay accepted the message, not what routing made of it.
    fold(`Final-Recipient: ${type}; ${address}`),
    `Action: ${action}`,
    `Status: ${statusOf(happening)}`,
  ];
  if (mta !== undefined) fields.push(`Remote-MTA: dns; ${mta.name === mta.address ? `[${mta.name}]` : clean(mta.name)}`);
  // RFC 3464 §2.3.6: `smtp` is for what a remote MTA answered; what we found ourselves has a type of our own.
  if (reply !== undefined)
    fields.push(fold(`Diagnostic-Code: ${mta === undefined ? 'X-Bridgehead' : 'smtp'}; ${clean(formatReply(reply))}`));
  if (attempt !== undefined) fields.push(`Last-Attempt-Date: ${rfc5322Date(now)}`);
  if (action === 'delayed' && willRetryUntil !== undefined) fields.push(`Will-Retry-Until: ${rfc5322Date(willRetryUntil)}`);
  return fields;
}

function statusOf({ action, attempt, recipient }: Happening): string {
  const enhanced = (attempt?.outcome.reply ?? recipient.lastReply)?.enhanced;
  switch (action) {
    case 'failed':
      // RFC 3463 §3.5, X.4.7: delivery time expired; what kept it from being delivered is in Diagnostic-Code.
      if (attempt === undefined || attempt.outcome.kind === 'deferred') return '4.4.7';
      return enhanced?.startsWith('5') === true ? enhanced : '5.0.0';
    case 'delayed':
      return enhanced?.startsWith('4') === true ? enhanced : '4.0.0';
    case 'relayed':
    case 'delivered':
      return enhanced?.startsWith('2') === true ? enhanced : '2.0.0';
  }
}

const isAscii = (text: string): boolean => !/[^\u0000-\u007f]/.test(text);
/** Peers' words and addresses must not end a line or a field. */
const cleanUtf8 = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, 900);
const cleanAscii = (text: string): string => cleanUtf8(text).replace(/[^\u0020-\u007e]/g, '?');

/** Folds a field at spaces to 78 columns where it can (RFC 5322 §2.1.1, §2.2.3). */
function fold(field: string): string {
  let line = '';
  const lines: string[] = [];
  for (const word of field.split(' ')) {
    if (line !== '' && line.trim() !== '' && line.length + word.length + 1 > 78 && word !== '') {
      lines.push(line);
      line = ` ${word}`;
    } else {
      line = line === '' && lines.length === 0 ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.join('\r\n');
}

/** RFC 5321 §4.5.2: every line that begins with a dot carries one dot more on the wire. */
function unstuffedLength(wire: Buffer): number {
  let dots = 0;
  for (let at = wire.indexOf('\r\n.'); at !== -1; at = wire.indexOf('\r\n.', at + 3)) dots += 1;
  return wire.length - dots;
}
