/** What one may ask of the evidence, and when a record answers it. */
import type { EventRecord } from '../mail/event.ts';
import type { KeyKind } from './keys.ts';

export interface EvidenceFilter {
  /** Any address of the recipient: as the client wrote it, or as it was at the next hop. */
  readonly recipient?: string;
  /** One of these, in place of `recipient`: all addresses of one mailbox. */
  readonly recipients?: readonly string[];
  /** `""` is the null sender. */
  readonly sender?: string;
  /** With or without angle brackets. */
  readonly messageId?: string;
  /** A spool id; a DSN is found by its own and by that of the message it speaks of. */
  readonly id?: string;
  /** The client's IP address. */
  readonly client?: string;
  /** Milliseconds since the epoch, inclusive. */
  readonly since?: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly until?: number;
  /** Records at most; the newest messages are kept, each one whole. Default 1,000. */
  readonly limit?: number;
}

export interface EvidenceAnswer {
  /** Every event of the matching messages, ordered by time. Where only a time was asked: the events of that time. */
  readonly records: readonly EventRecord[];
  /** More matched than `limit` allows. */
  readonly more: boolean;
}

/** One fact asked for: how to find it, and whether a record states it. */
export interface Criterion {
  readonly kind: KeyKind;
  /** The values under which it may be indexed. */
  readonly values: readonly string[];
  matches(record: EventRecord): boolean;
}

/** The facts of a filter, the most selective one first. */
export function criteriaOf(filter: EvidenceFilter): Criterion[] {
  const criteria: Criterion[] = [];
  if (filter.id !== undefined) criteria.push(criterion('id', [filter.id], (r) => [r['spool-id'], r['related-spool-id']]));
  if (filter.messageId !== undefined) {
    const bare = filter.messageId.replace(/^<|>$/g, '');
    criteria.push(criterion('message-id', [`<${bare}>`, bare], (r) => [r['message-id']]));
  }
  const recipients = filter.recipients ?? (filter.recipient === undefined ? [] : [filter.recipient]);
  if (recipients.length > 0) {
    criteria.push(criterion('recipient', recipients, (r) => [r.recipient, r['original-recipient']]));
  }
  if (filter.sender !== undefined) {
    criteria.push(criterion('sender', [filter.sender === '<>' ? '' : filter.sender], (r) => [r.sender]));
  }
  if (filter.client !== undefined) criteria.push(criterion('client', [filter.client], (r) => [r.client?.address]));
  return criteria;
}

function criterion(kind: KeyKind, values: readonly string[], facts: (record: EventRecord) => (string | undefined)[]): Criterion {
  const wanted = new Set(values.map((value) => value.toLowerCase()));
  return {
    kind,
    values,
    matches: (record) => facts(record).some((fact) => fact !== undefined && wanted.has(fact.toLowerCase())),
  };
}
