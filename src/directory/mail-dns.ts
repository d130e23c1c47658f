/** What DNS says about the mail of a domain, as far as moving its MX touches it. */
import { Resolver } from 'node:dns/promises';
import type { Domain } from '../mail/address.ts';

export interface MailDns {
  /** By preference; `undefined` where DNS does not answer, empty where there is none. */
  readonly mx: readonly { readonly exchange: string; readonly priority: number }[] | undefined;
  /** The SPF record (RFC 7208), `v=spf1 ...`. */
  readonly spf: string | undefined;
  /** The TXT record of MTA-STS (RFC 8461 §3.1), `v=STSv1; id=...`. */
  readonly mtaSts: string | undefined;
  /** TLSA records (RFC 7672) of today's MX hosts: their names. */
  readonly tlsa: readonly string[];
  /** Where the cloud takes mail for this domain; empty where that could not be found out. */
  readonly cloudHosts: readonly string[];
}

const OUTLOOK = '.mail.protection.outlook.com';

/** Looks all of it up. `servers`: `host:port`, empty for the system's. Never rejects: what DNS does not answer is not there. */
export async function lookUpMailDns(
  domain: Domain,
  routingDomain: Domain | undefined,
  servers: readonly string[],
): Promise<MailDns> {
  const resolver = new Resolver({ timeout: 3_000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const [mx, texts, stsTexts, cloudHosts] = await Promise.all([
    mxOf(resolver, domain),
    txtOf(resolver, domain),
    txtOf(resolver, `_mta-sts.${domain}`),
    cloudHostsOf(resolver, domain, routingDomain),
  ]);
  const hosts = (mx ?? []).map(({ exchange }) => exchange);
  const secured = await Promise.all(hosts.map(async (host) => ((await hasTlsa(resolver, host)) ? [`_25._tcp.${host}`] : [])));
  return {
    mx,
    spf: texts.find((text) => /^v=spf1(?: |$)/i.test(text)),
    mtaSts: stsTexts.find((text) => /^v=STSv1\s*(?:;|$)/i.test(text)),
    tlsa: secured.flat(),
    cloudHosts,
  };
}

async function mxOf(resolver: Resolver, domain: string): Promise<MailDns['mx']> {
  try {
    const records = await resolver.resolveMx(domain);
    return records
      .map(({ exchange, priority }) => ({ exchange: exchange.toLowerCase().replace(/\.$/, ''), priority }))
      .sort((a, b) => a.priority - b.priority || a.exchange.localeCompare(b.exchange));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOTFOUND' || code === 'ENODATA' ? [] : undefined;
  }
}

const txtOf = async (resolver: Resolver, name: string): Promise<string[]> =>
  await resolver.resolveTxt(name).then(
    (records) => records.map((parts) => parts.join('')),
    () => [],
  );

const hasTlsa = async (resolver: Resolver, host: string): Promise<boolean> =>
  await resolver.resolveTlsa(`_25._tcp.${host}`).then(
    (records) => records.length > 0,
    () => false,
  );

/**
 * Exchange Online takes a domain's mail at a host of its own name; it counts only where DNS has it, for names with a
 * hyphen get another one. An older service takes all mail where it takes the routing domain's.
 */
async function cloudHostsOf(resolver: Resolver, domain: Domain, routingDomain: Domain | undefined): Promise<string[]> {
  if (routingDomain === undefined) return [];
  const hosts = ((await mxOf(resolver, routingDomain)) ?? []).map(({ exchange }) => exchange);
  if (!hosts.some((host) => host.endsWith(OUTLOOK))) return hosts;
  const own = `${domain.replaceAll('.', '-')}${OUTLOOK}`;
  return await resolver.resolve4(own).then(
    () => [own],
    () => [],
  );
}
