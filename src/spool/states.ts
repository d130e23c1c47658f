/** The states of a spooled recipient and the ways between them (README.md here). Pure. */
import type { NewMessage, RecipientChange, RecipientState, SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';

/** `relayed`, `failed` and `expired`: nothing more happens to this recipient. */
export function isFinal(state: RecipientState): boolean {
  switch (state) {
    case 'relayed':
    case 'failed':
    case 'expired':
      return true;
    case 'queued':
    case 'deferred':
    case 'held':
      return false;
  }
}

/** Who holds on behalf of an operator; such a hold ends by an operator or by a final outcome, never by a route. */
export const OPERATOR = 'operator';

/** A message as it stands right after the 250: every recipient queued and due at once. */
export function accepted(message: NewMessage, wireSize: number): SpooledMessage {
  const { envelope } = message;
  const recipients: SpooledRecipient[] = [];
  for (const { address, notify, orcpt } of envelope.recipients) {
    recipients.push({
      index: recipients.length,
      address,
      state: 'queued',
      attempts: 0,
      nextAttemptAt: message.receivedAt,
      ...(notify !== undefined && { notify }),
      ...(orcpt !== undefined && { orcpt }),
    });
  }
  return {
    id: message.id,
    receivedAt: message.receivedAt,
    sender: envelope.sender,
    ...(envelope.ret !== undefined && { ret: envelope.ret }),
    ...(envelope.envid !== undefined && { envid: envelope.envid }),
    eightBit: envelope.eightBit,
    smtputf8: envelope.smtputf8,
    origin: message.origin,
    ...(message.messageId !== undefined && { messageId: message.messageId }),
    size: message.size,
    wireSize,
    ...(message.bodySha256 !== undefined && { bodySha256: message.bodySha256 }),
    ...(message.removedFields !== undefined && { removedFields: message.removedFields }),
    recipients,
  };
}

/**
 * One recipient after a change. A final state stays. An operator's hold stays over `queued` and `deferred`, so that an
 * attempt which was under way when the operator said "hold" does not undo it; what the attempt learned is kept.
 */
export function change(recipient: SpooledRecipient, wanted: RecipientChange, now: number): SpooledRecipient {
  if (isFinal(recipient.state)) return recipient;
  const after: Mutable<SpooledRecipient> = { ...recipient, ...wanted, index: recipient.index, address: recipient.address };
  if (recipient.state === 'held') {
    const stays = after.state !== 'held' && !isFinal(after.state) && recipient.heldBy?.startsWith(OPERATOR) === true;
    if (stays) {
      after.state = 'held';
      after.heldBy = OPERATOR;
      if (recipient.heldSince !== undefined) after.heldSince = recipient.heldSince;
    } else if (after.state !== 'held') endHold(after, recipient, wanted, now);
  } else if (after.state === 'held') after.heldSince ??= now;
  return after;
}

/** Who holds what brought the process down; such a hold ends by an operator, never by a route. */
export const CRASH = 'crash';

export function hold(recipient: SpooledRecipient, now: number, by = OPERATOR): SpooledRecipient {
  // what is held is in nobody's hands: its hold is not this one's to end
  if (isFinal(recipient.state) || (by === CRASH && recipient.state === 'held')) return recipient;
  return { ...recipient, state: 'held', heldBy: by, heldSince: recipient.heldSince ?? now };
}

/** From `held` back to `queued`, due at once; the time it was held is kept, it does not count towards expiry (C9). */
export function release(recipient: SpooledRecipient, now: number): SpooledRecipient {
  if (recipient.state !== 'held') return recipient;
  const after: Mutable<SpooledRecipient> = { ...recipient, state: 'queued', nextAttemptAt: now };
  endHold(after, recipient, undefined, now);
  return after;
}

/** Due at once. What is held stays held. */
export function retry(recipient: SpooledRecipient, now: number): SpooledRecipient {
  if (isFinal(recipient.state) || recipient.state === 'held') return recipient;
  return { ...recipient, state: 'queued', nextAttemptAt: now };
}

/** Given to delivery to give up: it writes the EXPIRE record and the DSN, which are its to write. */
export function expire(recipient: SpooledRecipient, now: number): SpooledRecipient {
  if (isFinal(recipient.state)) return recipient;
  return { ...release(recipient, now), state: 'queued', nextAttemptAt: now, expireNow: true };
}

/** Bound to one connector whatever the route says, and due at once unless held. */
export function reroute(recipient: SpooledRecipient, connector: string, now: number): SpooledRecipient {
  if (isFinal(recipient.state)) return recipient;
  return { ...retry(recipient, now), rerouteTo: connector };
}

/** The message with these changes and copies; the copies' index follows the last one. */
export function settled(
  message: SpooledMessage,
  changes: readonly RecipientChange[],
  copies: readonly SpooledRecipient[] | undefined,
  now: number,
): SpooledMessage {
  const recipients = message.recipients.slice();
  for (const wanted of changes) {
    const before = recipients[wanted.index];
    if (before !== undefined) recipients[wanted.index] = change(before, wanted, now);
  }
  if (copies !== undefined) for (const copy of copies) recipients.push({ ...copy, index: recipients.length });
  return { ...message, recipients };
}

/** Whether the last recipient came to its end: the message leaves the spool. */
export function isDone(message: SpooledMessage): boolean {
  return message.recipients.every((recipient) => isFinal(recipient.state));
}

/** When the message falls due: the earliest of its waiting recipients; `Infinity` where all wait for a release. */
export function dueAt(message: SpooledMessage): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { state, nextAttemptAt } of message.recipients) {
    if ((state === 'queued' || state === 'deferred') && nextAttemptAt < due) due = nextAttemptAt;
  }
  return due;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function endHold(
  after: Mutable<SpooledRecipient>,
  before: SpooledRecipient,
  wanted: RecipientChange | undefined,
  now: number,
): void {
  // A change that says itself how long the hold was is believed.
  if (wanted?.heldFor === undefined && before.heldSince !== undefined) {
    after.heldFor = (before.heldFor ?? 0) + Math.max(0, now - before.heldSince);
  }
  delete after.heldSince;
  delete after.heldBy;
}
