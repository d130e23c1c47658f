/** The event records of reception: RECEIVE and REJECT, exactly as contract.md has them. Pure. */
import type { Envelope, Recipient, ReversePath } from '../mail/envelope.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { EventRecord } from '../mail/event.ts';
import type { Client } from '../mail/peer.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { NewMessage } from '../mail/spooled.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import type { Admission } from './ports.ts';

/** What every record of a session says. */
export interface SessionFacts {
  readonly sessionId: string;
  readonly client: Client;
  readonly tls: TlsEvidence;
}

/** One RCPT TO that was taken, and why. */
export interface Admitted {
  readonly recipient: Recipient;
  readonly admission: Admission;
}

export const IN_CLEAR: TlsEvidence = { result: 'not-used' };

type Draft = { -readonly [K in keyof EventRecord]: EventRecord[K] };

/** One record per recipient of an accepted message. `note` is added to each reason (what was mended in the message). */
export function receiveRecords(
  session: SessionFacts,
  message: NewMessage,
  admitted: readonly Admitted[],
  reply: SmtpReply,
  notes: { readonly longestLine?: number; readonly note?: string; readonly received?: readonly string[] },
): EventRecord[] {
  const time = new Date(message.receivedAt).toISOString();
  const sender = formatReversePath(message.envelope.sender);
  return admitted.map(({ recipient, admission }, i) => {
    const record = start(time, 'RECEIVE', session);
    record['spool-id'] = message.id;
    if (message.messageId !== undefined) record['message-id'] = message.messageId;
    record.sender = sender;
    record.recipient = recipient.address.address;
    decided(record, admission, notes.note);
    record.reply = reply;
    record.size = message.size;
    if (message.bodySha256 !== undefined) record['body-sha256'] = message.bodySha256;
    if (message.removedFields !== undefined) record['removed-fields'] = message.removedFields;
    const behind = message.origin.originalAddress;
    if (behind !== undefined) record['original-client-ip'] = behind;
    if (notes.longestLine !== undefined) record['longest-line'] = notes.longestLine;
    // the same for all: said once
    if (notes.received !== undefined && i === 0) record.received = notes.received;
    record.tls = session.tls;
    return record;
  });
}

/** A refusal in session. The addresses are as the client wrote them where they were not even addresses. */
export interface Refusal {
  readonly sender?: ReversePath | string;
  readonly recipient?: string;
  readonly reply: SmtpReply;
  readonly admission?: Admission;
  readonly messageId?: string;
  readonly size?: number;
  /** Where no decision about a recipient tells it. */
  readonly reason?: string;
}

export function rejectRecord(session: SessionFacts, now: number, refusal: Refusal): EventRecord {
  const record = start(new Date(now).toISOString(), 'REJECT', session);
  if (refusal.messageId !== undefined) record['message-id'] = refusal.messageId;
  const { sender } = refusal;
  if (sender !== undefined) record.sender = typeof sender === 'string' ? sender : formatReversePath(sender);
  if (refusal.recipient !== undefined) record.recipient = refusal.recipient;
  if (refusal.admission !== undefined) decided(record, refusal.admission, undefined);
  if (refusal.reason !== undefined) record.reason = refusal.reason;
  record.reply = refusal.reply;
  if (refusal.size !== undefined) record.size = refusal.size;
  record.tls = session.tls;
  return record;
}

/** A message refused behind DATA: one record per recipient. */
export function rejectRecords(
  session: SessionFacts,
  now: number,
  envelope: Pick<Envelope, 'sender'>,
  admitted: readonly Admitted[],
  reply: SmtpReply,
  facts: { readonly messageId?: string; readonly size?: number },
): EventRecord[] {
  return admitted.map(({ recipient, admission }) =>
    rejectRecord(session, now, { sender: envelope.sender, recipient: recipient.address.address, reply, admission, ...facts }),
  );
}

function start(time: string, event: 'RECEIVE' | 'REJECT', session: SessionFacts): Draft {
  const { client } = session;
  return {
    time,
    event,
    'session-id': session.sessionId,
    peer: client.peer,
    client: clientFacts(client),
  };
}

function clientFacts({ address, helo, via }: Client): NonNullable<EventRecord['client']> {
  if (via !== undefined) return helo === undefined ? { address, via } : { address, name: helo, via };
  return helo === undefined ? { address } : { address, name: helo };
}

function decided(record: Draft, admission: Admission, note: string | undefined): void {
  if (admission.route !== undefined) record.route = admission.route;
  if (admission.connector !== undefined) record.connector = admission.connector;
  const reason = note === undefined ? admission.reason : admission.reason === undefined ? note : `${admission.reason}; ${note}`;
  if (reason !== undefined) record.reason = reason;
  if (admission.directoryVersion !== undefined) record['directory-version'] = admission.directoryVersion;
}
