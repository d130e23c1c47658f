/** The Received field that the relay writes (contract.md, "What the relay writes"; RFC 5321 §4.4). Pure. */
import type { Mailbox } from './address.ts';
import type { SpoolId } from './spooled.ts';
import type { TlsEvidence } from './tls.ts';

export interface ReceivedFacts {
  /** What the client called itself, as it said it. */
  readonly helo: string;
  /** The client's address; IPv4-mapped IPv6 as IPv4. */
  readonly address: string;
  /** The name its address leads to, where it was looked up; else `unknown` stands in its place, as Postfix has it. */
  readonly reverseName?: string;
  /** EHLO was said, not HELO. */
  readonly esmtp: boolean;
  /** The client's side; absent in clear. */
  readonly tls?: TlsEvidence;
  /** Our own name. */
  readonly by: string;
  readonly id: SpoolId;
  /** The recipient, where there is only one: a list would show who was in Bcc (R19). */
  readonly recipient?: Mailbox;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** The field with its final CRLF, ASCII. */
export function receivedField(facts: ReceivedFacts): string {
  const { tls } = facts;
  const client = facts.reverseName === undefined ? 'unknown' : safeName(facts.reverseName);
  return `Received: from ${safeName(facts.helo)} (${client} ${addressLiteral(facts.address)})${
    tls === undefined ? '' : tlsComments(tls)
  }\r\n\tby ${facts.by} (Bridgehead) with ${protocolWord(facts.esmtp, tls)} id ${facts.id}${
    facts.recipient === undefined ? '' : `\r\n\tfor <${facts.recipient.address}>`
  }; ${mailDate(facts.time)}\r\n`;
}

/** RFC 3848: ESMTPS after STARTTLS. HELO over TLS has no word of its own; the comment tells of it. */
function protocolWord(esmtp: boolean, tls: TlsEvidence | undefined): string {
  return esmtp ? (tls === undefined ? 'ESMTP' : 'ESMTPS') : 'SMTP';
}

function tlsComments(tls: TlsEvidence): string {
  const bits = tls.bits === undefined ? '' : ` (${tls.bits}/${tls.bits} bits)`;
  const certificate = tls['peer-certificate'];
  const shown =
    certificate === undefined
      ? 'none'
      : `${safeComment(certificate.subject)}, ${tls.verified === true ? 'verified' : 'unverified'}`;
  return `\r\n\t(using ${tls.protocol ?? 'unknown'} with cipher ${tls.cipher ?? 'unknown'}${bits})\r\n\t(client certificate: ${shown})`;
}

/** RFC 5321 §4.1.3 */
export function addressLiteral(address: string): string {
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}

/** A name that a stranger chose: what is neither a name's nor an address literal's becomes `?`, so that nothing injects. */
function safeName(name: string): string {
  const short = name.length > 255 ? name.slice(0, 255) : name;
  return short === '' ? 'unknown' : short.replace(/[^A-Za-z0-9.:_[\]-]/g, '?');
}

/** A comment's text that a stranger chose: ASCII, without what ends a comment or a line; at most 200 characters. */
function safeComment(text: string): string {
  return text.slice(0, 200).replace(/[^ -~]|[()\\]/g, '?');
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
let lastSecond = Number.NaN;
let lastDate = '';

/** RFC 5322 §3.3, in UTC: `Sun, 22 Nov 2026 10:00:00 +0000`. Milliseconds since the epoch. */
export function mailDate(time: number): string {
  const second = Math.floor(time / 1000);
  if (second === lastSecond) return lastDate;
  const date = new Date(second * 1000);
  const clock = date.toISOString().slice(11, 19);
  lastDate = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${clock} +0000`;
  lastSecond = second;
  return lastDate;
}
