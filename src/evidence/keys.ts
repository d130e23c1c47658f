/**
 * The keys under which a record is found: 24-bit hashes of the facts that people ask by. A hash only leads to
 * candidates; every answer is verified against the record itself.
 */

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

// A quote inside a JSON string is always written \", so that `"name":"` can only be a member's name and the start of
// its value. To search for it costs half of what JSON.parse does, and this runs for every record.
const SPOOL_ID = '"spool-id":"';
const RELATED_ID = '"related-spool-id":"';
const MESSAGE_ID = '"message-id":"';
const SENDER = '"sender":"';
const RECIPIENT = '"recipient":"';
const ORIGINAL_RECIPIENT = '"original-recipient":"';
const CLIENT = '"client":{"address":"';
const TIME = '"time":"';

/**
 * Adds the hashes of one serialised record to `into`. `seen` holds the spool ids of the same segment so far: what
 * never changes within a message (sender, message id, client) is indexed once a segment, the rest is found by the id.
 */
export function keysOf(line: string, seen: Set<string>, into: number[]): void {
  const id = member(line, SPOOL_ID);
  if (id !== undefined) into.push(hashKey('id', id));
  const recipient = member(line, RECIPIENT);
  if (recipient !== undefined) into.push(hashKey('recipient', recipient));
  const original = member(line, ORIGINAL_RECIPIENT);
  if (original !== undefined && original !== recipient) into.push(hashKey('recipient', original));
  if (line.includes(RELATED_ID)) into.push(hashKey('id', member(line, RELATED_ID) ?? ''));
  if (id !== undefined) {
    if (seen.has(id)) return;
    seen.add(id);
  }
  const messageId = member(line, MESSAGE_ID);
  if (messageId !== undefined) into.push(hashKey('message-id', messageId));
  const sender = member(line, SENDER);
  if (sender !== undefined) into.push(hashKey('sender', sender));
  const client = member(line, CLIENT);
  if (client !== undefined) into.push(hashKey('client', client));
}

/** The record's time in milliseconds since the epoch; `fallback` where it states none. */
export function timeOf(line: string, fallback: number): number {
  const time = Date.parse(member(line, TIME) ?? '');
  return Number.isNaN(time) ? fallback : time;
}

/** The string value behind `name`, which is a constant above. */
function member(line: string, name: string): string | undefined {
  const at = line.indexOf(name);
  if (at === -1) return undefined;
  const start = at + name.length;
  const end = line.indexOf('"', start);
  if (end === -1) return undefined;
  const raw = line.slice(start, end);
  return raw.includes('\\') ? escaped(line, start) : raw;
}

/** Reads a JSON string with escapes (a quoted local part) from `start` to its closing quote. */
function escaped(line: string, start: number): string | undefined {
  let end = start;
  while (end < line.length && line[end] !== '"') end += line[end] === '\\' ? 2 : 1;
  try {
    return JSON.parse(`"${line.slice(start, end)}"`) as string;
  } catch {
    return undefined;
  }
}
