/** The event records of spooled mail, in the contract's form and order. Pure. */
import type { Attempt } from '../mail/attempt.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { EventName, EventRecord } from '../mail/event.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Notification, SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { Suppressed } from './ports.ts';

type Draft = { -readonly [Key in keyof EventRecord]: EventRecord[Key] };

/** What a record says of the way: absent parts are unknown (P9). */
export interface Way {
  readonly route?: string;
  readonly connector?: string;
  readonly reason?: string;
  readonly directoryVersion?: number;
}

/** What came of it; `attempt` is the number of the try, absent where none was made. */
export interface Result {
  readonly reply?: SmtpReply;
  readonly attempt?: number;
  readonly nextAttempt?: number;
}

/** What may come after a connection lost behind the final dot, whatever became of the message there. */
const ENDINGS: ReadonlySet<EventName> = new Set(['SEND', 'DEFER', 'FAIL', 'EXPIRE']);

/** One record about one recipient. `address` is the recipient at the next hop. */
export function recordOf(
  event: EventName,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  address: string,
  now: number,
  way: Way,
  result: Result,
  attempt?: Attempt,
): EventRecord {
  const { origin } = message;
  const record: Draft = { time: new Date(now).toISOString(), event, 'spool-id': message.id };
  if (origin.sessionId !== undefined) record['session-id'] = origin.sessionId;
  if (message.messageId !== undefined) record['message-id'] = message.messageId;
  record.sender = formatReversePath(message.sender);
  record.recipient = address;
  record['original-recipient'] = recipient.address.address;
  // A message of our own making came from no peer.
  if (origin.address !== undefined) {
    record.peer = origin.peer;
    record.client = origin.name === undefined ? { address: origin.address } : { address: origin.address, name: origin.name };
  }
  if (way.route !== undefined) record.route = way.route;
  if (way.connector !== undefined) record.connector = way.connector;
  if (way.reason !== undefined) record.reason = way.reason;
  if (way.directoryVersion !== undefined) record['directory-version'] = way.directoryVersion;
  if (attempt?.remoteMta !== undefined) record['remote-mta'] = attempt.remoteMta;
  if (result.reply !== undefined) record.reply = result.reply;
  record.size = message.size;
  if (result.attempt !== undefined) record.attempt = result.attempt;
  if (attempt !== undefined) record['duration-ms'] = Math.round(attempt.durationMs);
  if (result.nextAttempt !== undefined) record['next-attempt'] = new Date(result.nextAttempt).toISOString();
  const lostNow = attempt?.outcome.kind === 'deferred' && attempt.outcome.possibleDuplicate === true;
  if (lostNow || (recipient.possibleDuplicate === true && ENDINGS.has(event))) record['possible-duplicate'] = true;
  if (recipient.copyTo !== undefined) record.copy = true;
  if (message.authentication !== undefined) record.authentication = message.authentication;
  if (attempt?.bodySha256 !== undefined) record['body-sha256'] = attempt.bodySha256;
  if (attempt !== undefined) record.tls = attempt.tls;
  return record;
}

/** The record of a notification that was owed and is not sent. What it would have told stands in the FAIL records beside it. */
export function suppressedRecord(about: SpooledMessage, { suppressed, action }: Suppressed, now: number): EventRecord {
  const sender = formatReversePath(about.sender);
  return {
    time: new Date(now).toISOString(),
    event: 'DSN',
    'spool-id': about.id,
    sender: '',
    recipient: sender,
    reason: suppressed,
    action,
    'related-spool-id': about.id,
  };
}

/** The record of a notification that is born with a settlement. */
export function dsnRecord(
  about: SpooledMessage,
  notification: Notification,
  action: NonNullable<EventRecord['action']>,
  now: number,
): EventRecord {
  const { message } = notification;
  const record: Draft = { time: new Date(now).toISOString(), event: 'DSN', 'spool-id': message.id };
  if (message.messageId !== undefined) record['message-id'] = message.messageId;
  record.sender = formatReversePath(message.envelope.sender);
  const [recipient] = message.envelope.recipients;
  if (recipient !== undefined) record.recipient = recipient.address.address;
  record.size = message.size;
  if (message.bodySha256 !== undefined) record['body-sha256'] = message.bodySha256;
  record.action = action;
  record['related-spool-id'] = about.id;
  return record;
}
