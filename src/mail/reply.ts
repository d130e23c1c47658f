/** SMTP replies (RFC 5321 §4.2) and enhanced status codes (RFC 3463). */

/** An enhanced status code, `class.subject.detail`, such as `5.1.1` (RFC 3463 §2). */
export type EnhancedStatus = `${2 | 4 | 5}.${number}.${number}`;

/** One reply: code, enhanced status where there is one, and its text without either. */
export interface SmtpReply {
  readonly code: number;
  readonly enhanced?: EnhancedStatus;
  readonly text: string;
}

/** A reply of ours. */
export function reply(code: number, enhanced: EnhancedStatus, text: string): SmtpReply {
  return { code, enhanced, text };
}

/** `550 5.1.1 User unknown`, as it stands on the wire and in `explain`. */
export function formatReply(r: SmtpReply): string {
  return `${r.code}${r.enhanced === undefined ? '' : ` ${r.enhanced}`} ${r.text}`;
}

export const isPositive = (r: SmtpReply): boolean => r.code >= 200 && r.code < 400;
export const isTransient = (r: SmtpReply): boolean => r.code >= 400 && r.code < 500;
export const isPermanent = (r: SmtpReply): boolean => r.code >= 500;

/** What we keep of a peer's words; some peers send pages. */
const MAX_TEXT = 512;
const LINE = /^(\d{3})(?:[ -](?:([245]\.\d{1,3}\.\d{1,3})(?:\s|$))?(.*))?$/s;

/** Reads a peer's reply, one line or several; `undefined` where it is none. The text is cut at 512 characters. */
export function parseReply(text: string): SmtpReply | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const first = LINE.exec(lines[0] ?? '');
  const code = Number(first?.[1]);
  if (first === null || code < 200 || code > 599) return undefined;
  let words = first[3] ?? '';
  for (const line of lines.slice(1)) {
    const further = LINE.exec(line);
    words += ` ${further === null ? line : (further[3] ?? '')}`;
    if (words.length > MAX_TEXT) break;
  }
  words = words.trim().slice(0, MAX_TEXT);
  // RFC 2034 §4: the class of the enhanced code must agree with the first digit of the reply
  const enhanced = first[2]?.startsWith(String(Math.floor(code / 100))) ? (first[2] as EnhancedStatus) : undefined;
  return enhanced === undefined ? { code, text: words } : { code, enhanced, text: words };
}
