/**
 * The PROXY header, versions 1 and 2 (proxy-protocol.txt of HAProxy, "The PROXY protocol"): what a load balancer says of
 * the client before the first octet of the session. Pure.
 */
import ipaddr from 'ipaddr.js';
import { plainAddress } from './peers.ts';

/** Octets of a header of version 1 with its CRLF (§2.1). */
const TEXT_LIMIT = 107;
/** Octets of a header of version 2: the addresses, and far more than the fields that balancers add for a TCP client. */
export const PROXY_HEADER_LIMIT = 536;

const TEXT_START = Buffer.from('PROXY ', 'latin1');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const FIXED = 16;
const TLV_CRC32C = 0x03;

/** What came so far. `more`: it may become a header yet. */
export type ProxyHeader =
  | 'more'
  | { readonly broken: string }
  /** `length`: octets of the header. `client`: its address; absent where the balancer speaks for itself or does not know. */
  | { readonly length: number; readonly client?: string };

/** Reads the header that `octets` begin with. */
export function parseProxyHeader(octets: Buffer): ProxyHeader {
  if (startsAs(octets, TEXT_START)) return octets.length < TEXT_START.length ? 'more' : parseText(octets);
  if (startsAs(octets, SIGNATURE)) return octets.length < FIXED ? 'more' : parseBinary(octets);
  return { broken: 'no PROXY header' };
}

/** The two agree as far as both go. */
function startsAs(octets: Buffer, expected: Buffer): boolean {
  const length = Math.min(octets.length, expected.length);
  return octets.compare(expected, 0, length, 0, length) === 0;
}

function parseText(octets: Buffer): ProxyHeader {
  const end = octets.subarray(0, TEXT_LIMIT).indexOf('\r\n');
  if (end < 0) return octets.length < TEXT_LIMIT ? 'more' : { broken: 'version 1: no CRLF within 107 octets' };
  const length = end + 2;
  const words = octets.toString('latin1', TEXT_START.length, end).split(' ');
  const [family, source, destination, ...ports] = words;
  // what follows UNKNOWN is to be ignored (§2.1)
  if (family === 'UNKNOWN') return { length };
  const client = textAddress(family, source);
  if (client === undefined || textAddress(family, destination) === undefined) return { broken: 'version 1: bad addresses' };
  if (ports.length !== 2 || !ports.every(isPort)) return { broken: 'version 1: bad ports' };
  return { length, client };
}

function textAddress(family: string | undefined, text = ''): string | undefined {
  // ipaddr.js also takes 0x7f.1 and the like, which are no addresses here
  if (family === 'TCP4') return ipaddr.IPv4.isValidFourPartDecimal(text) && !/(?:^|\.)0\d/.test(text) ? text : undefined;
  if (family !== 'TCP6' || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  return canonical(ipaddr.IPv6.parse(text));
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function canonical(address: ipaddr.IPv6): string {
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : plainAddress(address.toString());
}

function parseBinary(octets: Buffer): ProxyHeader {
  const command = octets.readUInt8(12);
  const length = FIXED + octets.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return { broken: 'version 2: unknown version or command' };
  if (length > PROXY_HEADER_LIMIT) return { broken: `version 2: more than ${PROXY_HEADER_LIMIT} octets` };
  if (octets.length < length) return 'more';
  const header = octets.subarray(0, length);
  // LOCAL: the balancer itself, as in a health check; the rest is to be ignored (§2.2)
  if (command === 0x20) return { length };
  const kind = header.readUInt8(13);
  if (kind === 0x00) return { length };
  const size = kind === 0x11 ? 4 : kind === 0x21 ? 16 : undefined;
  if (size === undefined) return { broken: 'version 2: neither TCP over IPv4 nor over IPv6' };
  const fields = FIXED + 2 * size + 4;
  if (length < fields) return { broken: 'version 2: addresses cut short' };
  const wrong = checkFields(header, fields);
  if (wrong !== undefined) return { broken: wrong };
  const address = ipaddr.fromByteArray([...header.subarray(FIXED, FIXED + size)]);
  return { length, client: address instanceof ipaddr.IPv6 ? canonical(address) : address.toString() };
}

/** The type-length-value fields: skipped, but for a checksum, which must be right where there is one (§2.2.3). */
function checkFields(header: Buffer, from: number): string | undefined {
  let at = from;
  while (at < header.length) {
    const value = at + 3;
    const end = value <= header.length ? value + header.readUInt16BE(at + 1) : Number.POSITIVE_INFINITY;
    if (end > header.length) return 'version 2: a field cut short';
    if (header[at] === TLV_CRC32C) {
      if (end !== value + 4) return 'version 2: bad checksum field';
      const zeroed = Buffer.from(header);
      zeroed.fill(0, value, end);
      if (crc32c(zeroed) !== header.readUInt32BE(value)) return 'version 2: wrong checksum';
    }
    at = end;
  }
  return undefined;
}

/** CRC-32C (RFC 9260 appendix A), bit by bit: a header is short, and few carry one. */
export function crc32c(octets: Buffer): number {
  let crc = 0xffffffff;
  for (const octet of octets) {
    crc ^= octet;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
