/** What to change in DNS, and in the cloud, when the MX of a domain moves: lines with the values of this domain. Pure. */
import type { Domain } from '../mail/address.ts';
import type { MailDns } from './mail-dns.ts';
import { quoted } from './reconcile/commands.ts';

export interface MxStep {
  readonly about: 'ttl' | 'mx' | 'spf' | 'mta-sts' | 'tlsa' | 'cloud' | 'relay' | 'afterwards';
  readonly text: string;
  /** Records and commands as they are typed. */
  readonly lines: readonly string[];
}

export interface MxAdvice {
  readonly domain: Domain;
  readonly dns: MailDns;
  /** Our own names. */
  readonly relayNames: readonly string[];
  /** Whether recipients stay on-premises. */
  readonly hasRemaining: boolean;
}

/** Seconds. */
const SHORT = 300;
const CLOUD_SPF = 'include:spf.protection.outlook.com';
const CLOUD_MX = '*.mail.protection.outlook.com';

/** The MX goes to the cloud; in the order in which it is done. */
export function toCloud(advice: MxAdvice): MxStep[] {
  const { domain, dns, relayNames, hasRemaining } = advice;
  const hosts = dns.cloudHosts;
  return [
    shortTtl(advice),
    ...mtaSts(
      advice,
      hosts.length > 0 && !hosts.every((host) => host.endsWith('.mail.protection.outlook.com')) ? hosts : [CLOUD_MX],
    ),
    spf(advice),
    {
      about: 'cloud',
      text: hasRemaining
        ? 'Recipients remain on-premises: the cloud must know that it does not have all of them, and send the others here'
        : 'No recipient remains on-premises: let the cloud refuse those that it does not know',
      lines: hasRemaining
        ? [
            `Set-AcceptedDomain -Identity ${quoted(domain)} -DomainType InternalRelay`,
            `New-OutboundConnector -Name ${quoted(`To ${domain} on-premises`)} -ConnectorType OnPremises -RecipientDomains ${quoted(domain)} -SmartHosts ${quoted(relayNames[0] ?? 'RELAY')} -UseMXRecord $false -TlsSettings EncryptionOnly`,
          ]
        : [`Set-AcceptedDomain -Identity ${quoted(domain)} -DomainType Authoritative`],
    },
    {
      about: 'mx',
      text:
        hosts.length === 0
          ? 'Point the MX to the host that the admin centre of the cloud shows for this domain'
          : 'Point the MX to the cloud',
      lines: replaceMx(advice, hosts.length === 0 ? ['THE-HOST-THAT-THE-ADMIN-CENTRE-SHOWS'] : hosts),
    },
    ...tlsa(advice),
    {
      about: 'afterwards',
      text: 'Leave the relay as it is until the old TTL and 7 days more have gone by: senders with a stale MX and devices still come to it, and it serves them',
      lines: [`bridgehead report clients --domain ${domain}`],
    },
  ];
}

/** The MX comes back to the relay. */
export function toRelay(advice: MxAdvice): MxStep[] {
  const { domain, relayNames } = advice;
  const names = relayNames.length === 0 ? ['RELAY'] : relayNames;
  return [
    shortTtl(advice),
    ...mtaSts(advice, names),
    {
      about: 'cloud',
      text: 'The cloud must not refuse what it does not have',
      lines: [`Set-AcceptedDomain -Identity ${quoted(domain)} -DomainType InternalRelay`],
    },
    { about: 'mx', text: 'Point the MX to the relay', lines: replaceMx(advice, names) },
    { about: 'afterwards', text: 'See that mail comes', lines: ['bridgehead status'] },
  ];
}

function shortTtl({ domain, dns }: MxAdvice): MxStep {
  const lines = (dns.mx ?? []).map(({ exchange, priority }) => `${domain}. ${SHORT} IN MX ${priority} ${exchange}.`);
  return {
    about: 'ttl',
    text: `First shorten the TTL of the MX to ${SHORT} s, and wait as long as the old TTL (dig shows it); a mistake is then undone in five minutes`,
    lines: lines.length === 0 ? [`dig MX ${domain}`] : [`dig MX ${domain}`, ...lines],
  };
}

function replaceMx({ domain, dns }: MxAdvice, hosts: readonly string[]): string[] {
  const old = dns.mx ?? [];
  const stays = new Set(hosts);
  return [
    ...hosts.map((host, i) => `${domain}. ${SHORT} IN MX ${(i + 1) * 10} ${host}.`),
    ...old
      .filter(({ exchange }) => !stays.has(exchange))
      .map(({ exchange, priority }) => `remove: ${domain}. IN MX ${priority} ${exchange}.`),
  ];
}

/** RFC 8461 §8.1: the policy first, then its id, and only then the MX; else senders that know the old policy refuse the new host. */
function mtaSts({ domain, dns }: MxAdvice, hosts: readonly string[]): MxStep[] {
  if (dns.mtaSts === undefined) return [];
  return [
    {
      about: 'mta-sts',
      text: `The domain has an MTA-STS policy (${dns.mtaSts}): add the new hosts to it before the MX moves, change the id, and wait as long as max_age says; the old hosts leave it when all is done`,
      lines: [
        ...hosts.map((host) => `https://mta-sts.${domain}/.well-known/mta-sts.txt: mx: ${host}`),
        `_mta-sts.${domain}. IN TXT "v=STSv1; id=NEW-ID"`,
      ],
    },
  ];
}

function spf({ domain, dns }: MxAdvice): MxStep {
  if (dns.spf?.toLowerCase().includes('include:spf.protection.outlook.com') === true) {
    return { about: 'spf', text: 'SPF names the cloud already', lines: [`${domain}. IN TXT "${dns.spf}"`] };
  }
  // RFC 7208 §5: the first mechanism that matches decides, so it stands in front; "mx" would no longer mean the relay
  const next = dns.spf === undefined ? `v=spf1 ${CLOUD_SPF} ~all` : dns.spf.replace(/^v=spf1/i, `v=spf1 ${CLOUD_SPF}`);
  const byMx = dns.spf !== undefined && /\s[+]?mx(?:\s|:|\/|$)/i.test(dns.spf);
  return {
    about: 'spf',
    text: `Let the cloud send for the domain${byMx ? '; "mx" in it names the cloud from now on: write the address of what still sends on-premises as ip4:' : ''}`,
    lines: [`${domain}. IN TXT "${next}"`, ...(dns.spf === undefined ? [] : [`remove: ${domain}. IN TXT "${dns.spf}"`])],
  };
}

function tlsa({ dns }: MxAdvice): MxStep[] {
  if (dns.tlsa.length === 0) return [];
  return [
    {
      about: 'tlsa',
      text: 'The old hosts have TLSA records: keep them, and the certificate they name, as long as the relay serves; the cloud publishes its own',
      lines: dns.tlsa.map((name) => `keep: ${name}. IN TLSA`),
    },
  ];
}
