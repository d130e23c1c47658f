/**
 * The keys under which a record is found: 24-bit hashes of the facts that people ask by. A hash only leads to
 * candidates; every answer is verified against the record itself.
 */

import type { EventRecord } from '../mail/event.ts';
import { stringAfter } from '../platform/json-line.ts';

/** What one can ask by. Any address of a recipient is a `recipient`; a DSN is also found by the message it speaks of. */
export type KeyKind = 'id' | 'message-id' | 'sender' | 'recipient' | 'client';

const SEEDS: Record<KeyKind, number> = { id: 1, 'message-id': 2, sender: 3, recipient: 4, client: 5 };
const FIRST_NON_ASCII = 0x80;

/** FNV-1a, folded to 24 bits, without regard to case. */
export function hashKey(kind: KeyKind, value: string): number {
  let hash = 0x811c9dc5 ^ SEEDS[kind];
  for (let i = 0; i < value.length; i++) {
    let code = value.charCodeAt(i);
    if (code >= 65 && code <= 90) code += 32;
    // Case beyond ASCII is the engine's business: local parts with SMTPUTF8 are rare
    else if (code >= FIRST_NON_ASCII && value !== value.toLowerCase()) return hashKey(kind, value.toLowerCase());
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return (hash ^ (hash >>> 24)) & 0xffffff;
}

// Without the first quote where no other name ends so: a search that begins with a rarer character is three times as fast
const SPOOL_ID = '"spool-id":"';
const RELATED_ID = 'related-spool-id":"';
const MESSAGE_ID = 'message-id":"';
const SENDER = 'sender":"';
const RECIPIENT = '"recipient":"';
const ORIGINAL_RECIPIENT = 'original-recipient":"';
const CLIENT = 'client":{';
const CLIENT_ADDRESS = 'client":{"address":"';
const TIME = 'time":"';

/**
 * Adds the hashes of one serialised record to `into`. `seen` holds the spool ids of the same segment so far: what
 * never changes within a message (sender, message id, client) is indexed once a segment, the rest is found by the id.
 */
export function keysOf(line: string, seen: Set<string>, into: number[]): void {
  const id = stringAfter(line, SPOOL_ID);
  if (id !== undefined) into.push(hashKey('id', id));
  const recipient = stringAfter(line, RECIPIENT);
  if (recipient !== undefined) into.push(hashKey('recipient', recipient));
  const original = stringAfter(line, ORIGINAL_RECIPIENT);
  if (original !== undefined && original !== recipient) into.push(hashKey('recipient', original));
  if (line.includes(RELATED_ID)) into.push(hashKey('id', stringAfter(line, RELATED_ID) ?? ''));
  if (id !== undefined) {
    if (seen.has(id)) return;
    // a copy: what is kept must not hold on to the transaction that it was cut from (8 MiB a segment)
    seen.add(Buffer.from(id).toString());
  }
  const messageId = stringAfter(line, MESSAGE_ID);
  if (messageId !== undefined) into.push(hashKey('message-id', messageId));
  const sender = stringAfter(line, SENDER);
  if (sender !== undefined) into.push(hashKey('sender', sender));
  const client = stringAfter(line, CLIENT_ADDRESS) ?? (line.includes(CLIENT) ? clientOf(line) : undefined);
  if (client !== undefined) into.push(hashKey('client', client));
}

/** The record's time in milliseconds since the epoch; `fallback` where it states none. */
export function timeOf(line: string, fallback: number): number {
  const time = Date.parse(stringAfter(line, TIME) ?? '');
  return Number.isNaN(time) ? fallback : time;
}

/** A client whose address is not its first member. */
function clientOf(line: string): string | undefined {
  try {
    return (JSON.parse(line) as EventRecord).client?.address;
  } catch {
    return undefined;
  }
}
