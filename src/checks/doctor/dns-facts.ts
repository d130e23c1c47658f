/** Gathers what DNS says of the relay, of its ways out, and of each accepted domain. Nothing is judged here. */
import type { Connector } from '../../mail/route.ts';
import type { DnsAnswer, DnsQuery } from '../../platform/dns-query.ts';
import { addressesOf, canonical, type HostAddresses, isPrivate, pointerName } from './addresses.ts';
import type { DoctorDomain, DoctorSettings, FetchedPolicy, Machine, ProvenDomain } from './ports.ts';
import { readSpf, type SpfReading } from './spf.ts';

/** An address by which others see our mail come. */
export interface OutgoingAddress {
  readonly address: string;
  readonly connectors: readonly string[];
  /** `source-address`; else the hostname's address, which is only what we must assume. */
  readonly isSet: boolean;
  readonly ptr: DnsAnswer;
  /** The addresses of the names in it. */
  readonly names: readonly HostAddresses[];
}

export interface WayOut {
  readonly connector: Connector;
  readonly helo: HostAddresses;
  /** Hosts of the next hop: smart hosts, or the exchangers of the routing domains among its address spaces. */
  readonly hosts: readonly HostAddresses[];
}

export interface RelayDns {
  readonly hostname: HostAddresses;
  /** Addresses of this machine. */
  readonly machine: readonly string[];
  readonly outgoing: readonly OutgoingAddress[];
  readonly waysOut: readonly WayOut[];
  readonly routingDomains: readonly { readonly name: string; readonly mx: DnsAnswer; readonly host: HostAddresses }[];
}

export interface DomainDns {
  readonly domain: DoctorDomain;
  /** Where the MX is meant to point: as `domain mx` switched it, else as the settings say. */
  readonly mxSide: 'relay' | 'cloud';
  readonly mx: DnsAnswer;
  /** The exchangers, those with the best preference first. */
  readonly exchangers: readonly { readonly preference: number; readonly host: HostAddresses; readonly tlsa: DnsAnswer }[];
  readonly spf: SpfReading;
  /** `isGated`: the relay refuses the cloud routes of the domain until it has seen the proof itself. */
  readonly proof?: {
    readonly wanted: ProvenDomain;
    readonly isGated: boolean;
    readonly cname?: DnsAnswer;
    readonly txt?: DnsAnswer;
  };
  readonly mtaSts: { readonly txt: DnsAnswer; readonly policy?: FetchedPolicy };
  readonly tlsRpt: DnsAnswer;
  readonly dmarc: DnsAnswer;
}

export async function gatherRelayDns(settings: DoctorSettings, dns: DnsQuery, machine: Machine): Promise<RelayDns> {
  const { hostname, routing } = settings;
  const own = await addressesOf(dns, hostname);
  const [waysOut, outgoing, routingDomains] = await Promise.all([
    Promise.all(
      routing.connectors.map(async (connector) => ({
        connector,
        helo: await addressesOf(dns, connector.helo ?? hostname),
        hosts: await hostsOf(connector, routing.routingDomains, dns),
      })),
    ),
    outgoingAddresses(routing.connectors, own, dns),
    Promise.all(
      routing.routingDomains.map(async (name) => ({ name, mx: await dns.ask(name, 'MX'), host: await addressesOf(dns, name) })),
    ),
  ]);
  return { hostname: own, machine: machine.addresses().map(canonical), outgoing, waysOut, routingDomains };
}

/** Of the ways that leave the premises: other servers judge us by these addresses. */
async function outgoingAddresses(
  connectors: readonly Connector[],
  own: HostAddresses,
  dns: DnsQuery,
): Promise<OutgoingAddress[]> {
  const found = new Map<string, { connectors: string[]; isSet: boolean }>();
  for (const { name, side, nextHop, sourceAddress, ip } of connectors) {
    if (side === 'on-premises' || nextHop.kind === 'maildir' || nextHop.kind === 'lmtp') continue;
    // behind address translation others see another address than we bind: the hostname's, where nothing else is known
    const isSet = sourceAddress !== undefined && !isPrivate(sourceAddress);
    const addresses = isSet
      ? [canonical(sourceAddress)]
      : own.addresses.filter((one) => ip === 'any' || one.includes(':') === (ip === 6));
    for (const address of addresses) {
      const entry = found.get(address) ?? { connectors: [], isSet: false };
      found.set(address, { connectors: [...entry.connectors, name], isSet: entry.isSet || isSet });
    }
  }
  return await Promise.all(
    [...found].map(async ([address, entry]) => {
      const ptr = await dns.ask(pointerName(address), 'PTR');
      const names = ptr.kind === 'found' ? ptr.records.slice(0, 10).map(({ value }) => value) : [];
      return { address, ...entry, ptr, names: await Promise.all(names.map((name) => addressesOf(dns, name))) };
    }),
  );
}

async function hostsOf(
  { nextHop, addressSpaces }: Connector,
  routingDomains: readonly string[],
  dns: DnsQuery,
): Promise<HostAddresses[]> {
  if (nextHop.kind === 'smart-hosts') return await Promise.all(nextHop.hosts.map(({ host }) => addressesOf(dns, host)));
  if (nextHop.kind !== 'mx') return [];
  const domains = addressSpaces.map(({ pattern }) => pattern).filter((pattern) => routingDomains.includes(pattern));
  const answers = await Promise.all(domains.map((domain) => dns.ask(domain, 'MX')));
  const hosts = new Set(answers.flatMap((answer) => (answer.kind === 'found' ? answer.records.map(({ value }) => value) : [])));
  hosts.delete('');
  return await Promise.all([...hosts].slice(0, 20).map((host) => addressesOf(dns, host)));
}

export interface DomainAsking {
  readonly dns: DnsQuery;
  readonly proofs: readonly ProvenDomain[];
  readonly isGated: (domain: string) => boolean;
  readonly mxSide: (domain: string) => 'relay' | 'cloud';
  readonly fetchPolicy: (domain: string) => Promise<FetchedPolicy>;
}

export async function gatherDomainDns(domain: DoctorDomain, asking: DomainAsking): Promise<DomainDns> {
  const { name } = domain;
  const { dns, proofs, isGated, mxSide, fetchPolicy } = asking;
  const wanted = proofs.find((one) => one.name === name);
  const [mx, spf, proof, mtaSts, tlsRpt, dmarc] = await Promise.all([
    dns.ask(name, 'MX'),
    readSpf(dns, name),
    wanted === undefined ? undefined : proofOf(wanted, isGated(name), dns),
    mtaStsOf(name, dns, fetchPolicy),
    dns.ask(`_smtp._tls.${name}`, 'TXT'),
    dns.ask(`_dmarc.${name}`, 'TXT'),
  ]);
  const records = mx.kind === 'found' ? mx.records.toSorted((a, b) => (a.preference ?? 0) - (b.preference ?? 0)) : [];
  const exchangers = await Promise.all(
    records.slice(0, 20).map(async ({ value, preference = 0 }) => ({
      preference,
      host: value === '' ? { name: '', addresses: [], aliases: [] } : await addressesOf(dns, value),
      tlsa:
        value === '' ? ({ kind: 'absent', nameExists: true, aliases: [] } as const) : await dns.ask(`_25._tcp.${value}`, 'TLSA'),
    })),
  );
  return { domain, mxSide: mxSide(name), mx, exchangers, spf, ...(proof !== undefined && { proof }), mtaSts, tlsRpt, dmarc };
}

async function proofOf(wanted: ProvenDomain, isGated: boolean, dns: DnsQuery): Promise<NonNullable<DomainDns['proof']>> {
  return {
    wanted,
    isGated,
    ...(wanted.cname !== undefined && { cname: await dns.ask(wanted.cname.record, 'CNAME') }),
    ...(wanted.txt !== undefined && { txt: await dns.ask(wanted.name, 'TXT') }),
  };
}

/** RFC 8461 §3.1: without the record nobody fetches the policy. */
async function mtaStsOf(domain: string, dns: DnsQuery, fetchPolicy: DomainAsking['fetchPolicy']): Promise<DomainDns['mtaSts']> {
  const txt = await dns.ask(`_mta-sts.${domain}`, 'TXT');
  const isThere = txt.kind === 'found' && txt.records.some(({ value }) => /^v=STSv1\s*(?:;|$)/.test(value));
  return isThere ? { txt, policy: await fetchPolicy(domain) } : { txt };
}
