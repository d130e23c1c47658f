/** Who a client is: by its address, and once it has shown one, by its certificate (coexistence.md G6). Pure. */
import ipaddr from 'ipaddr.js';
import type { PeerClass } from '../mail/peer.ts';
import type { PeerRule } from './ports.ts';

/** A socket's address: IPv4-mapped IPv6 as IPv4, and without the zone of a link-local one. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}

/** The eight groups of a plain IPv6 address, with the zeros that `::` stands for. */
export function ipv6Groups(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail === undefined) return groups;
  const right = tail === '' ? [] : tail.split(':');
  while (groups.length + right.length < 8) groups.push('0');
  return [...groups, ...right];
}

/** A set of CIDR networks, for look-ups on every connection: one per prefix length that occurs. */
export class NetworkSet {
  private readonly v4: { readonly mask: number; readonly networks: Set<number> }[] = [];
  private readonly v6: [ipaddr.IPv6, number][] = [];

  /** Throws on what is no network; settings are checked before. */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const [network, prefix] = text.includes('/') ? ipaddr.parseCIDR(text) : single(ipaddr.parse(text));
      if (network instanceof ipaddr.IPv6) {
        this.v6.push([network, prefix]);
        continue;
      }
      const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) | 0;
      let group = this.v4.find((one) => one.mask === mask);
      if (group === undefined) this.v4.push((group = { mask, networks: new Set() }));
      group.networks.add(toNumber(network.toString()) & mask);
    }
  }

  /** `address` as a socket tells it; IPv4-mapped is taken as IPv4. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    if (!plain.includes(':')) {
      if (this.v4.length === 0) return false;
      const number = toNumber(plain);
      for (const { mask, networks } of this.v4) if (networks.has(number & mask)) return true;
      return false;
    }
    if (this.v6.length === 0 || !ipaddr.IPv6.isValid(plain)) return false;
    const parsed = ipaddr.IPv6.parse(plain);
    return this.v6.some(([network, prefix]) => parsed.match(network, prefix));
  }
}

function single(address: ipaddr.IPv4 | ipaddr.IPv6): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  return [address, address instanceof ipaddr.IPv4 ? 32 : 128];
}

/** Dotted quad to a signed 32-bit number. */
function toNumber(address: string): number {
  let number = 0;
  let octet = 0;
  for (let i = 0; i < address.length; i++) {
    const c = address.charCodeAt(i);
    if (c === 46) {
      number = (number << 8) | octet;
      octet = 0;
    } else octet = octet * 10 + c - 48;
  }
  return (number << 8) | octet;
}

/** What a client's certificate says, where it showed one. */
export interface ClientCertificate {
  /** The chain leads to a trusted root: an untrusted certificate proves nothing, whatever it says. */
  readonly verified: boolean;
  /** Lower case. */
  readonly names: readonly string[];
}

/** The peers of the settings, made ready; the first that matches counts. */
export class Peers {
  private readonly rules: { readonly rule: PeerRule; readonly networks: NetworkSet; readonly names: readonly string[] }[];

  constructor(rules: readonly PeerRule[]) {
    this.rules = rules.map((rule) => ({
      rule,
      networks: new NetworkSet(rule.networks),
      names: rule.certificateNames.map((name) => name.toLowerCase()),
    }));
  }

  /** The class of a client. Ask again after STARTTLS: the certificate is known only then. */
  classify(address: string, certificate?: ClientCertificate): PeerClass {
    for (const { rule, networks, names } of this.rules) {
      const byNetwork = rule.networks.length > 0 && networks.has(address);
      const byName = names.length > 0 && certificate?.verified === true && named(certificate.names, names);
      if (rule.match === 'any' || rule.networks.length === 0 || names.length === 0) {
        if (byNetwork || byName) return rule.peer;
      } else if (byNetwork && byName) return rule.peer;
    }
    return 'external';
  }

  /** Whether a certificate could yet make a client one of this class. */
  mayShowItself(peer: PeerClass, address: string): boolean {
    return this.rules.some(
      ({ rule, networks, names }) =>
        rule.peer === peer && names.length > 0 && (rule.match === 'any' || rule.networks.length === 0 || networks.has(address)),
    );
  }
}

/** Whether one of the certificate's names is, or covers (`*.`, one label: RFC 6125 §6.4.3), or is covered by a wanted one. */
function named(has: readonly string[], wanted: readonly string[]): boolean {
  return wanted.some((want) => has.some((name) => name === want || covers(name, want) || covers(want, name)));
}

function covers(pattern: string, name: string): boolean {
  if (!pattern.startsWith('*.')) return false;
  const dot = name.indexOf('.');
  return dot > 0 && name.slice(dot) === pattern.slice(1);
}
