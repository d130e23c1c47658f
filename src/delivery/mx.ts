/** Names into addresses: mail exchangers of a domain (RFC 5321 §5.1, RFC 7505) and addresses of a host. */
import { lookup, Resolver } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import resolveIp from 'mx-connect/lib/resolve-ip.js';
import resolveMx from 'mx-connect/lib/resolve-mx.js';
import type { Outcome } from '../mail/attempt.ts';
import { type EnhancedStatus, reply } from '../mail/reply.ts';

/** One host that takes mail, with its addresses in the order in which they are tried. */
export interface MailHost {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Hosts in the order in which they are tried, or what their lack means for the mail. */
export type Resolution = { readonly hosts: readonly MailHost[] } | { readonly outcome: Outcome };

export interface ResolverOptions {
  /** `host:port`; empty: the system's resolver. */
  readonly servers: readonly string[];
  /** Whether we are this host: such an exchanger, and those behind it, are left out (RFC 5321 §5.1, R20). */
  readonly isOurself: (name: string, address: string | undefined) => boolean;
  /** In [0, 1): spreads the load over exchangers of one preference. */
  readonly random: () => number;
}

/**
 * Exchangers that are looked up, the preferred ones: a domain may name a few thousand in one answer, and each costs two
 * questions.
 */
const MOST_EXCHANGERS = 32;

/** Addresses that are nobody's on the Internet, and lead to this very machine or beside it: whose MX names them, lies. */
const NOWHERE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], // Linux takes 0.0.0.0 for itself
  ['169.254.0.0', 16], // link-local, where clouds keep secrets of a machine
  ['224.0.0.0', 3], // multicast, reserved, broadcast
] as const) {
  NOWHERE.addSubnet(network, prefix);
}
for (const [network, prefix] of [
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  NOWHERE.addSubnet(network, prefix, 'ipv6');
}
const isSomewhere = (address: string): boolean => !NOWHERE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

export class MailResolver {
  readonly #options: ResolverOptions;
  readonly #resolver = new Resolver({ timeout: 3_000, tries: 2 });

  constructor(options: ResolverOptions) {
    this.#options = options;
    if (options.servers.length > 0) this.#resolver.setServers(options.servers);
  }

  /** Who takes mail for `domain`. Never rejects. */
  async exchangers(domain: string, family: 4 | 6 | 'any'): Promise<Resolution> {
    let entries: { exchange: string; priority: number; addresses: string[] }[];
    try {
      const delivery = {
        domain,
        decodedDomain: domain,
        isIp: false,
        dnsOptions: {
          ignoreIPv6: family === 4,
          resolveRecords: async (name: string, type: string) => {
            const records = await this.#records(name, type, family);
            return type === 'A' || type === 'AAAA' ? (records as string[]).filter(isSomewhere) : records;
          },
        },
      };
      const named = await resolveMx(delivery); // by preference
      const { mx = [] } = await resolveIp({ ...named, mx: named.mx?.slice(0, MOST_EXCHANGERS) ?? [] });
      entries = mx.map(({ exchange, priority, A, AAAA }) => ({
        exchange: exchange.toLowerCase(),
        priority,
        addresses: [...A, ...AAAA],
      }));
    } catch (error) {
      return { outcome: dnsOutcome(domain, error as DnsError, family) };
    }
    const { isOurself } = this.#options;
    const ourselves = entries.filter(
      ({ exchange, addresses }) => isOurself(exchange, undefined) || addresses.some((a) => isOurself(exchange, a)),
    );
    // RFC 5321 §5.1: where we are an exchanger ourselves, only better ones than us are asked
    const bound = Math.min(Number.POSITIVE_INFINITY, ...ourselves.map(({ priority }) => priority));
    const better = this.#spread(entries.filter(({ priority, addresses }) => priority < bound && addresses.length > 0));
    if (better.length === 0)
      return { outcome: failed('5.4.6', `mail for ${domain} loops back to this relay: its MX leads here`) };
    return { hosts: better.map(({ exchange, addresses }) => ({ name: exchange, addresses })) };
  }

  /** By preference; equal ones in random order (RFC 5321 §5.1). */
  #spread<T extends { readonly priority: number }>(entries: readonly T[]): T[] {
    return entries
      .map((entry) => ({ entry, lot: this.#options.random() }))
      .sort((a, b) => a.entry.priority - b.entry.priority || a.lot - b.lot)
      .map(({ entry }) => entry);
  }

  /** The addresses of a smart host, which may be an address already. Never rejects. */
  async host(name: string, family: 4 | 6 | 'any'): Promise<Resolution> {
    if (isIP(name) !== 0) return { hosts: [{ name, addresses: [name] }] };
    try {
      const addresses = await this.#addresses(name, family);
      if (addresses.length > 0) return { hosts: [{ name, addresses }] };
    } catch (error) {
      return {
        outcome: deferred('4.4.3', `the address of ${name} could not be looked up (${(error as DnsError).code ?? 'EDNS'})`),
      };
    }
    // a smart host is our own setting: a mistake there must not bounce a company's mail
    return { outcome: deferred('4.4.4', `the host ${name} has no address`) };
  }

  async #addresses(name: string, family: 4 | 6 | 'any'): Promise<string[]> {
    if (this.#options.servers.length === 0) {
      try {
        // also what /etc/hosts says, which the resolver of c-ares leaves out
        return (await lookup(name, { all: true, family: family === 'any' ? 0 : family })).map(({ address }) => address);
      } catch (error) {
        if ((error as DnsError).code === 'ENOTFOUND') return [];
        throw error;
      }
    }
    const found = await Promise.all(
      ['A', 'AAAA'].map(async (type) => {
        try {
          return (await this.#records(name, type, family)) as string[];
        } catch (error) {
          const { code } = error as DnsError;
          if (code === 'ENODATA' || code === 'ENOTFOUND') return [];
          throw error;
        }
      }),
    );
    return found.flat();
  }

  async #records(name: string, type: string, family: 4 | 6 | 'any'): Promise<unknown[]> {
    switch (type) {
      case 'MX':
        return this.#resolver.resolveMx(name);
      case 'A':
        return family === 6 ? [] : this.#resolver.resolve4(name);
      case 'AAAA':
        return family === 4 ? [] : this.#resolver.resolve6(name);
      default:
        return [];
    }
  }
}

interface DnsError extends Error {
  readonly code?: string;
  readonly temporary?: boolean;
}

function dnsOutcome(domain: string, error: DnsError, family: 4 | 6 | 'any'): Outcome {
  if (error.code === 'ENULLMX') return failed('5.1.10', `${domain} takes no mail: its MX is null (RFC 7505)`, 556);
  if (error.temporary === true) return deferred('4.4.3', `DNS of ${domain} failed for now (${error.code ?? 'EDNS'})`);
  if (error.code === 'ENOTFOUND' && error.message.startsWith('Failed to resolve')) {
    const which = family === 'any' ? 'an address' : `an IPv${family} address`;
    return failed('5.4.4', `no mail exchanger of ${domain} has ${which} on the Internet`);
  }
  if (error.code === 'ENOTFOUND') return failed('5.1.2', `the domain ${domain} has neither MX nor address`);
  return failed('5.4.4', `mail for ${domain} cannot be routed: ${error.message.slice(0, 200)}`);
}

function failed(status: EnhancedStatus, text: string, code = 550): Outcome {
  return { kind: 'failed', reply: reply(code, status, text), cause: 'connection' };
}

function deferred(status: EnhancedStatus, text: string): Outcome {
  return { kind: 'deferred', reply: reply(451, status, text), cause: 'connection' };
}
