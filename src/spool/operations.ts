/** What an operator asks of the spool: which messages, and what to do with them. */
import type { Mailbox } from '../mail/address.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { EventName, EventRecord } from '../mail/event.ts';
import type { SpooledMessage, SpooledRecipient, SpoolId } from '../mail/spooled.ts';
import { expire, hold, isFinal, release, reroute, retry } from './states.ts';

/** What is named must all be true. A selector that names nothing selects nothing; `all` selects everything. */
export interface Selector {
  readonly id?: SpoolId;
  /** By the address that the sender wrote; upper and lower case are the same. */
  readonly recipient?: string;
  /** `""` is the null sender. */
  readonly sender?: string;
  /** The recipient's domain. */
  readonly domain?: string;
  /** The connector of the last attempt, or the one it is bound to. */
  readonly connector?: string;
  /** Milliseconds since it was received, at least. */
  readonly olderThan?: number;
  /** How the hold begins: `operator`, `directory`, `rule`. */
  readonly heldBy?: string;
  readonly all?: boolean;
}

export type Steering =
  | { readonly kind: 'retry' | 'expire'; readonly reason?: string }
  /** `by` is who holds; an operator where absent. */
  | { readonly kind: 'hold'; readonly reason?: string; readonly by?: string }
  | {
      readonly kind: 'release';
      readonly reason?: string;
      /** Who holds this recipient whatever an operator says (its route); `undefined` where nobody does. */
      readonly holder?: (message: SpooledMessage, recipient: SpooledRecipient) => string | undefined;
    }
  | { readonly kind: 'reroute'; readonly connector: string; readonly reason?: string };

/** Whether the message can have a selected recipient. */
export function selectsMessage(selector: Selector, message: SpooledMessage, now: number): boolean {
  const { id, sender, olderThan } = selector;
  if (id !== undefined && message.id !== id) return false;
  if (sender !== undefined && !sameAddress(formatReversePath(message.sender), sender)) return false;
  if (olderThan !== undefined && message.receivedAt > now - olderThan) return false;
  return message.recipients.some((recipient) => selectsRecipient(selector, recipient));
}

/** Whether this recipient of a selected message is meant. Final ones never are. */
export function selectsRecipient(selector: Selector, recipient: SpooledRecipient): boolean {
  const { domain, connector, heldBy } = selector;
  if (isFinal(recipient.state)) return false;
  if (selector.recipient !== undefined && !sameAddress(recipient.address.address, selector.recipient)) return false;
  if (domain !== undefined && recipient.address.domain !== domain.toLowerCase()) return false;
  if (connector !== undefined && (recipient.rerouteTo ?? recipient.copyTo ?? recipient.lastConnector) !== connector) return false;
  if (heldBy !== undefined && recipient.heldBy?.startsWith(heldBy) !== true) return false;
  return true;
}

export function selectsAnything(selector: Selector): boolean {
  return selector.all === true || Object.entries(selector).some(([name, value]) => name !== 'all' && value !== undefined);
}

/** The message as steered, with the records to write; `undefined` where nothing changes. */
export function steer(
  message: SpooledMessage,
  selector: Selector,
  steering: Steering,
  now: number,
): { message: SpooledMessage; events: EventRecord[]; recipients: number } | undefined {
  const events: EventRecord[] = [];
  let changed = 0;
  let isOther = false;
  const recipients = message.recipients.map((before) => {
    if (!selectsRecipient(selector, before)) return before;
    const holder = steering.kind === 'release' && before.state === 'held' ? steering.holder?.(message, before) : undefined;
    if (holder !== undefined) {
      // The operator's part of the hold ends; the other's goes on, and is theirs to end
      isOther ||= before.heldBy !== holder;
      return before.heldBy === holder ? before : { ...before, heldBy: holder };
    }
    const after = steered(before, steering, now);
    if (after === before) return before;
    changed += 1;
    isOther = true;
    const event = eventOf(steering);
    if (event !== undefined) events.push(eventRecord(event, message, after, steering, now));
    return after;
  });
  return isOther ? { message: { ...message, recipients }, events, recipients: changed } : undefined;
}

function steered(recipient: SpooledRecipient, steering: Steering, now: number): SpooledRecipient {
  switch (steering.kind) {
    case 'hold':
      return hold(recipient, now, steering.by);
    case 'release':
      return release(recipient, now);
    case 'retry':
      return retry(recipient, now);
    case 'expire':
      return expire(recipient, now);
    case 'reroute':
      return reroute(recipient, steering.connector, now);
  }
}

/** `retry` changes no more than a time; the EXPIRE record is delivery's, with the DSN. */
function eventOf(steering: Steering): EventName | undefined {
  switch (steering.kind) {
    case 'hold':
      return 'HOLD';
    case 'release':
      return 'RELEASE';
    case 'reroute':
      return 'REDIRECT';
    case 'retry':
    case 'expire':
      return undefined;
  }
}

function eventRecord(
  event: EventName,
  message: SpooledMessage,
  { address }: { address: Mailbox },
  steering: Steering,
  now: number,
): EventRecord {
  return {
    time: new Date(now).toISOString(),
    event,
    'spool-id': message.id,
    ...(message.messageId !== undefined && { 'message-id': message.messageId }),
    sender: formatReversePath(message.sender),
    recipient: address.address,
    'original-recipient': address.address,
    ...(steering.kind === 'reroute' && { connector: steering.connector }),
    reason: steering.reason ?? 'operator',
  };
}

function sameAddress(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
