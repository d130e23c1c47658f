/**
 * The client behind a filter (peer class `gateway`), as the filter's own Received fields tell it (RFC 5321 §4.4). Only for
 * records and for checks of the sender: what stands in a header grants nothing. Pure.
 */
import ipaddr from 'ipaddr.js';
import { type NetworkSet, plainAddress } from './peers.ts';

/**
 * The client's address. `fields`: the Received fields from the top, unfolded, with their names. The top one is the
 * filter's. While it names the filter itself as the client (its networks, or loopback), the filter wrote the next one as
 * well; the first other address is the client. Where a field tells none, nothing is guessed: what stands below may be the
 * sender's invention.
 */
export function originalClient(fields: readonly string[], gateways: NetworkSet): string | undefined {
  let writer: string | undefined;
  for (const field of fields) {
    const hop = readHop(field);
    if (writer !== undefined && hop.by !== writer) return undefined;
    if (hop.handedOver) {
      // no client: a program of that very host handed it over, and the same host wrote the field below
      if (hop.by === undefined) return undefined;
      writer = hop.by;
      continue;
    }
    if (hop.from === undefined) return undefined;
    if (!gateways.has(hop.from) && !isLoopback(hop.from)) return hop.from;
    writer = undefined;
  }
  return undefined;
}

interface Hop {
  /** There is no `from`. */
  readonly handedOver: boolean;
  /** The address of who was connected; never what the client called itself. */
  readonly from?: string;
  readonly by?: string;
}

function readHop(field: string): Hop {
  const text = field.slice(field.indexOf(':') + 1).trimStart();
  const by = /(?:^|\s)by\s+([^\s;()]+)/i.exec(text)?.[1]?.toLowerCase();
  // RFC 5321 §4.4: From-domain is one word and, in a comment right behind it, what the server saw (TCP-info)
  const from = /^from\s+([^\s()]+)(?:\s+\(([^()]*))?/i.exec(text);
  if (from === null) return { handedOver: !/^from\s/i.test(text), ...(by === undefined ? undefined : { by }) };
  const [, name = '', comment] = from;
  const address = comment === undefined ? undefined : seenAddress(name, comment);
  return {
    handedOver: false,
    ...(address === undefined ? undefined : { from: address }),
    ...(by === undefined ? undefined : { by }),
  };
}

function seenAddress(name: string, comment: string): string | undefined {
  // Exim writes `from [192.0.2.1] (helo=name)`: the word is what it saw and the comment what it was told
  const told = /(?:^|\s)helo=\S*/i;
  const seen = told.test(comment) ? comment.replace(told, '') : comment;
  return (
    inBrackets(seen) ??
    // Exchange writes `from name (192.0.2.1)`
    asAddress(seen.trim()) ??
    (told.test(comment) ? inBrackets(name) : undefined)
  );
}

function inBrackets(text: string): string | undefined {
  const literal = /\[(?:IPv6:)?([0-9a-f:.]+)\]/i.exec(text)?.[1];
  return literal === undefined ? undefined : asAddress(literal);
}

/** An address in its usual form; IPv4-mapped as IPv4. */
export function asAddress(text: string): string | undefined {
  if (!text.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text).toString() : undefined;
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : plainAddress(address.toString());
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
