/** Test messages that are awkward in every legal way, each with its token and the hash of its octets. */
import { createHash } from 'node:crypto';

/** Chance that can be repeated: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const TOKEN_FIELD = 'X-Bridgehead-Token: ';

export interface TestMessage {
  readonly token: string;
  /** As the sender wrote it: CRLF line ends, dots not stuffed. */
  readonly bytes: Buffer;
  readonly hash: string;
}

const LINES = [
  'A plain line of text, as most lines are.',
  '.',
  '..',
  '.leading dot',
  'From somewhere a line that looks like the start of an mbox message',
  '>From quoted already',
  'trailing blanks   \t ',
  '',
  'caf\u00e9, na\u00efve, \u4f60\u597d: eight bits',
  'x'.repeat(990),
  'QUIT',
  'Subject: not a header here',
];

/** A message of about `size` octets whose first field is its token. */
export function testMessage(token: string, size: number, chance: () => number, to = 'someone@example.com'): TestMessage {
  const head = [
    `${TOKEN_FIELD}${token}`,
    'Date: Sun, 22 Nov 2026 10:00:00 +0000',
    'From: "Sender, with a comma" <sender@source.example>',
    `To: ${to}`,
    `Message-ID: <${token}@source.example>`,
    'Subject: folded over',
    '\tseveral lines  with   odd    blanks',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    'x-lower-case-FIELD:no blank behind the colon',
    '',
    '',
  ].join('\r\n');
  const parts = [head];
  let length = head.length;
  while (length < size) {
    const line = LINES[Math.floor(chance() * LINES.length * 3)] ?? `line ${length} ${Math.floor(chance() * 1e9).toString(36)}`;
    parts.push(line, '\r\n');
    length += line.length + 2;
  }
  const bytes = Buffer.from(parts.join(''));
  return { token, bytes, hash: hashOf(bytes) };
}

export function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Sizes between `least` and `most`, as many small as large by order of magnitude. */
export function someSize(chance: () => number, least: number, most: number): number {
  return Math.round(least * (most / least) ** chance());
}

export function stuff(bytes: Buffer): Buffer {
  if (!bytes.includes('\n.') && bytes[0] !== 0x2e) return bytes;
  const text = bytes.toString('latin1');
  return Buffer.from((text.startsWith('.') ? `.${text}` : text).replaceAll('\n.', '\n..'), 'latin1');
}

export function unstuff(bytes: Buffer): Buffer {
  if (!bytes.includes('\n.') && bytes[0] !== 0x2e) return bytes;
  const text = bytes.toString('latin1');
  return Buffer.from((text.startsWith('.') ? text.slice(1) : text).replaceAll('\n.', '\n'), 'latin1');
}

/**
 * What arrived, without the fields that hops put in front: its token, those fields, and the hash of the rest.
 * `undefined` where there is no token.
 */
export function arrived(bytes: Buffer): { token: string; hash: string; trace: string } | undefined {
  const start = bytes.indexOf(TOKEN_FIELD);
  if (start < 0) return undefined;
  const end = bytes.indexOf('\r\n', start);
  const token = bytes.toString('latin1', start + TOKEN_FIELD.length, end);
  return { token, hash: hashOf(bytes.subarray(start)), trace: bytes.toString('latin1', 0, start) };
}
