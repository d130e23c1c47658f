/** Reads as much of the original as a notification gives back (RFC 3461 §6.2). */
import type { SpooledBody, SpooledMessage } from '../mail/spooled.ts';
import type { Excerpt } from './compose.ts';
import type { Action } from './policy.ts';

const HEADER_END = '\r\n\r\n';

/**
 * The whole message where it failed, the sender did not ask for less, and it is not over `most` octets; else its header,
 * cut at `most`. A message cut in its middle would be broken MIME. Where the body cannot be read, nothing: a notice
 * without it is better than silence.
 */
export async function readExcerpt(message: SpooledMessage, body: SpooledBody, action: Action, most: number): Promise<Excerpt> {
  const whole = action === 'failed' && message.ret !== 'HDRS' && body.length <= most;
  const bytes = await readHead(body, most, whole);
  if (whole && bytes.length === body.length) return { kind: 'message', bytes };
  const end = bytes.indexOf(HEADER_END);
  const header = end === -1 ? bytes : bytes.subarray(0, end + 2);
  return { kind: 'headers', bytes: header.subarray(0, header.lastIndexOf('\r\n') + 2) };
}

async function readHead(body: SpooledBody, most: number, whole: boolean): Promise<Buffer> {
  if (body.bytes !== undefined) return body.bytes.subarray(0, most);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= most || (!whole && chunk.includes(HEADER_END))) break;
    }
  } catch {
    // Told by whoever stores it; here it only means that less goes back.
  }
  return Buffer.concat(chunks).subarray(0, most);
}
