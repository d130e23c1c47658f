/**
 * The header as it goes out where something was asked for beyond our Received: an Authentication-Results field in front
 * (RFC 8601), and fields that outsiders may not write left out (header-firewall.ts). Everything else stays octet for octet
 * (design.md P2), and so does the body.
 */
import { authenticationResultsField, authservIdOf } from '../mail/authentication.ts';
import { isReserved } from '../mail/header-firewall.ts';
import type { SpooledBody, SpooledMessage } from '../mail/spooled.ts';
import type { DeliverySettings } from './ports.ts';

/** Octets that are looked at, as at reception; what follows counts as body. */
const HEADER_LIMIT = 256 * 1024;
const EMPTY_LINE = '\r\n\r\n';

export interface HeaderEdits {
  /** Fields, each with its CRLF. */
  readonly prepend: string;
  /** Our own ids: Authentication-Results of outsiders by one of them are forged (RFC 8601 §5). */
  readonly authservIds: readonly string[];
  readonly firewall: boolean;
}

/** `undefined` for most messages: nothing of them changes. */
export function headerEdits(message: SpooledMessage, settings: DeliverySettings): HeaderEdits | undefined {
  const { removedFields, authentication } = message;
  if (removedFields === undefined && authentication === undefined) return undefined;
  const adds = authentication !== undefined && settings.addAuthenticationResults?.includes(message.origin.peer) === true;
  if (!adds && removedFields === undefined) return undefined;
  return {
    prepend: adds ? authenticationResultsField(settings.hostname, authentication) : '',
    authservIds: [settings.hostname, ...settings.relayNames].map((name) => name.toLowerCase()),
    firewall: removedFields?.some(isReserved) === true,
  };
}

/** The body of a spooled message with its header edited, and how many octets it is longer. Rejects where it cannot be read. */
export async function withEdits(body: SpooledBody, edits: HeaderEdits): Promise<{ body: SpooledBody; longer: number }> {
  const header = await readHeader(body);
  const octets = Buffer.from(editHeader(header, edits), 'latin1');
  const longer = octets.length - header.length;
  const length = body.length + longer;
  if (body.bytes !== undefined) {
    const bytes = Buffer.concat([octets, body.bytes.subarray(header.length)], length);
    return { body: { length, bytes, chunks: () => only(bytes) }, longer };
  }
  return { body: { length, chunks: () => withHeader(octets, header.length, body) }, longer };
}

// oxlint-disable-next-line typescript/require-await -- the port is a stream; this one has nothing to wait for
async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function* withHeader(header: Buffer, replaced: number, body: SpooledBody): AsyncGenerator<Buffer> {
  yield header;
  let skip = replaced;
  for await (const chunk of body.chunks()) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = 0;
    }
  }
}

/** The header as far as it is looked at, up to the end of a line; octets as Latin-1. */
async function readHeader(body: SpooledBody): Promise<string> {
  if (body.bytes !== undefined) return cut(body.bytes.toString('latin1', 0, HEADER_LIMIT));
  let text = '';
  for await (const chunk of body.chunks()) {
    text += chunk.toString('latin1', 0, HEADER_LIMIT - text.length);
    if (text.length >= HEADER_LIMIT || text.includes(EMPTY_LINE)) break;
  }
  return cut(text);
}

/** Up to the empty line, or to the end of the last whole line. The line itself stays with the body. */
function cut(text: string): string {
  const empty = text.indexOf(EMPTY_LINE);
  const end = empty < 0 ? text.lastIndexOf('\r\n') : empty;
  return end < 0 ? '' : text.slice(0, end + 2);
}

/** Leaves out whole fields with their folded lines (RFC 5322 §2.2.3). */
export function editHeader(header: string, { prepend, authservIds, firewall }: HeaderEdits): string {
  let out = prepend;
  let kept = 0;
  for (let start = 0; start < header.length; ) {
    const end = endOfField(header, start);
    if (isRemoved(header.slice(start, end), authservIds, firewall)) {
      out += header.slice(kept, start);
      kept = end;
    }
    start = end;
  }
  return out + header.slice(kept);
}

function endOfField(header: string, start: number): number {
  for (let line = start; ; ) {
    const crlf = header.indexOf('\r\n', line);
    if (crlf < 0) return header.length;
    line = crlf + 2;
    const next = header.charCodeAt(line);
    if (next !== 32 && next !== 9) return line;
  }
}

function isRemoved(field: string, authservIds: readonly string[], firewall: boolean): boolean {
  const first = field.charCodeAt(0) | 32;
  if (first !== 97 && first !== 120) return false; // a, x
  const colon = field.indexOf(':');
  const name = field.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase();
  if (firewall && isReserved(name)) return true;
  if (name !== 'authentication-results') return false;
  const id = authservIdOf(field.slice(colon + 1).replace(/\r\n/g, ''));
  return id !== undefined && authservIds.includes(id);
}
