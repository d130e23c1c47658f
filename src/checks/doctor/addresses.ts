/** IP addresses as the checks compare them: one text for one address. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type DnsQuery, reverseName } from '../../platform/dns-query.ts';

/** A host and what DNS has for it. */
export interface HostAddresses {
  readonly name: string;
  readonly addresses: readonly string[];
  /** CNAMEs on the way. */
  readonly aliases: readonly string[];
  /** Seconds: the shortest; absent where there is no address. */
  readonly ttl?: number;
  /** Why DNS did not answer, for one of the two families at least; then `addresses` may be incomplete. */
  readonly unanswered?: string;
}

/** A and AAAA of a name; an address is its own. Never rejects. */
export async function addressesOf(dns: DnsQuery, name: string): Promise<HostAddresses> {
  if (isIP(name) !== 0) return { name, addresses: [canonical(name)], aliases: [] };
  const answers = await Promise.all([dns.ask(name, 'A'), dns.ask(name, 'AAAA')]);
  const found = answers.filter((answer) => answer.kind === 'found');
  const records = found.flatMap((answer) => answer.records);
  const why = answers.find((answer) => answer.kind === 'unanswered')?.why;
  return {
    name,
    addresses: records.map(({ value }) => value),
    aliases: found[0]?.aliases ?? [],
    ...(records.length > 0 && { ttl: Math.min(...records.map(({ ttl }) => ttl)) }),
    ...(why !== undefined && { unanswered: why }),
  };
}

/** Nobody else can see the relay by it: RFC 1918, link-local, unique local and the like. Loopback counts as seen. */
export function isPrivate(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  return ['private', 'linkLocal', 'uniqueLocal', 'carrierGradeNat'].includes(ipaddr.process(address).range());
}

export const isLoopbackAddress = (address: string): boolean => address === '::1' || address.startsWith('127.');

export const canonical = (address: string): string => (ipaddr.isValid(address) ? ipaddr.process(address).toString() : address);

/** The name under which an address has its PTR record. */
export const pointerName = (address: string): string => reverseName(ipaddr.process(address).toByteArray());

export interface Network {
  readonly text: string;
  readonly bits: number;
  readonly family: 4 | 6;
  readonly isPrivate: boolean;
}

export function networkOf(text: string): Network | undefined {
  const [address = '', bits] = text.split('/');
  if (!ipaddr.isValid(address)) return undefined;
  const family = isIPv6(address) ? 6 : 4;
  return {
    text,
    bits: bits === undefined ? (family === 4 ? 32 : 128) : Number(bits),
    family,
    isPrivate: isPrivate(address) || isLoopbackAddress(address),
  };
}

/** Whether an address is in one of the networks (`address` or `address/bits`). */
export function isIn(networks: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', bits] = network.split('/');
    const family = isIPv6(base) ? 'ipv6' : 'ipv4';
    if (isIP(base) !== 0) list.addSubnet(base, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
