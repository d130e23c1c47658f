/** XCLIENT as Postfix has it (XCLIENT_README): a filter in front of us tells who its client is. Pure. */
import { isIP } from 'node:net';
import { asAddress } from './original-client.ts';

/** What EHLO offers. REVERSE_NAME and DESTPORT are no use to us, and unknown attributes are refused. */
const OFFER = 'XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR';

/** The answer to EHLO with XCLIENT in it, for the few who may use it. */
export const withXclient = (ehlo: string): string => ehlo.replace(/\r\n250 (.*)$/, `\r\n250-$1\r\n250 ${OFFER}`);

/** What one command tells; what it does not name stays as it was. `null`: not known (`[UNAVAILABLE]`, `[TEMPUNAVAIL]`). */
export interface XclientFacts {
  readonly address?: string | null;
  /** From DNS, by the address. */
  readonly reverseName?: string | null;
  readonly helo?: string | null;
  readonly esmtp?: boolean;
}

const ATTRIBUTES = new Set(['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN', 'DESTADDR']);
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})$/;

/** `XCLIENT name=value ...`; the line is known to begin with XCLIENT. `undefined`: refused, and nothing of it counts. */
export function parseXclient(line: string): XclientFacts | undefined {
  const words = line.split(' ').slice(1);
  if (words.length === 0) return undefined;
  const facts: { -readonly [K in keyof XclientFacts]: XclientFacts[K] } = {};
  const seen = new Set<string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = word.slice(0, Math.max(equals, 0)).toUpperCase();
    const value = equals < 0 ? undefined : decode(word.slice(equals + 1));
    if (value === undefined || !ATTRIBUTES.has(name) || seen.has(name) || !apply(facts, name, value)) return undefined;
    seen.add(name);
  }
  return facts;
}

/** RFC 3461 §4 xtext; older senders write values as they are, so that a `+` which begins no code stays. */
function decode(text: string): string | undefined {
  const value = text.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return value === '' || value.length > 255 || /[^!-~]/.test(value) ? undefined : value;
}

/** Whether the value is one of its attribute's. */
function apply(facts: { -readonly [K in keyof XclientFacts]: XclientFacts[K] }, name: string, value: string): boolean {
  const known = /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value) ? null : value;
  switch (name) {
    case 'ADDR':
      facts.address = known === null ? null : (asAddress(known.replace(/^IPV6:/i, '')) ?? null);
      return known === null || facts.address !== null;
    case 'NAME':
      facts.reverseName = known;
      return known === null || HOST_NAME.test(known);
    case 'HELO':
      facts.helo = known;
      return true;
    case 'PROTO':
      facts.esmtp = value.toUpperCase() === 'ESMTP';
      return /^E?SMTP$/i.test(value);
    case 'PORT':
      return known === null || (/^\d{1,5}$/.test(known) && Number(known) <= 65_535);
    case 'DESTADDR':
      return known === null || isIP(known.replace(/^IPV6:/i, '')) !== 0;
    default:
      return true; // LOGIN: no right comes of it, for there is no AUTH here
  }
}
