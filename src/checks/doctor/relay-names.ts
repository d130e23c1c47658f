/** Our names and addresses in DNS, as other servers look them up (R20). Pure. */
import { canonical, isLoopbackAddress, isPrivate } from './addresses.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import type { OutgoingAddress, RelayDns, WayOut } from './dns-facts.ts';
import type { Report } from './finding.ts';
import type { DoctorSettings } from './ports.ts';

/** `certificates`: of our listener, and of each connector that has one of its own. */
export function judgeRelayNames(
  report: Report,
  settings: DoctorSettings,
  facts: RelayDns,
  certificates: { readonly listener: CertificateFacts; readonly connectors: ReadonlyMap<string, CertificateFacts> },
): void {
  judgeHostname(report, settings, facts);
  for (const address of facts.outgoing) judgePointer(report, settings, address);
  const seen = new Set<string>();
  for (const way of facts.waysOut) {
    judgeHelo(report, settings, way, certificates.connectors.get(way.connector.name) ?? certificates.listener, seen);
    judgeFamily(report, way, facts);
  }
}

function judgeHostname(report: Report, settings: DoctorSettings, { hostname, machine }: RelayDns): void {
  const { name, addresses, unanswered } = hostname;
  if (addresses.length === 0) {
    if (unanswered !== undefined) report.unknown(`the address of ${name}`, unanswered);
    else
      report.error('hostname-no-address', name, {
        what: `${name} has no address in DNS`,
        why: 'Other servers look up the name that we greet with: Exchange Online refuses one that DNS does not know (550 5.7.506 Bad HELO), and no MX can point to it',
        remedy: [`${name}. IN A ADDRESS-OF-THIS-MACHINE`],
      });
    return;
  }
  const { listeners } = settings.reception;
  const known = new Set([
    ...machine,
    ...listeners.map(({ address }) => canonical(address)),
    ...settings.routing.connectors.flatMap(({ sourceAddress }) =>
      sourceAddress === undefined ? [] : [canonical(sourceAddress)],
    ),
  ]);
  const elsewhere = addresses.filter((address) => !known.has(address));
  if (elsewhere.length > 0) {
    // behind address translation nobody here knows the public address
    const mayBeTranslated = machine.every(
      (address) => isPrivate(address) || isLoopbackAddress(address) || address.startsWith('fe80'),
    );
    report.add(mayBeTranslated && !addresses.some(isLoopbackAddress) ? 'note' : 'warning', 'hostname-elsewhere', name, {
      what: `${name} is ${elsewhere.join(', ')}, which is no address of this machine (${machine.join(', ')})`,
      why: mayBeTranslated
        ? 'Behind address translation that is as it should be; otherwise mail for the relay goes to another machine'
        : 'Mail for the relay goes to another machine, and servers that compare the name with the address distrust us',
      remedy: [
        `${name}. IN A ADDRESS-OF-THIS-MACHINE`,
        'or, behind address translation: connectors[].source-address, the address that others see, where this machine has it',
      ],
    });
  }
  const hasIpv6 = listeners.some(({ address }) => address.includes(':'));
  const sixes = addresses.filter((address) => address.includes(':'));
  if (sixes.length > 0 && !hasIpv6)
    report.warning('hostname-ipv6-unheard', name, {
      what: `${name} has the AAAA record ${sixes.join(', ')}, and no listener has an IPv6 address`,
      why: 'Senders try IPv6 first and meet nobody; each message waits for their second try, or for ever where they have no IPv4',
      remedy: ['listeners: add { address: "::", port: 25 }', `or remove ${name}. IN AAAA ${sixes.join(', ')}`],
    });
}

function judgePointer(
  report: Report,
  settings: DoctorSettings,
  { address, connectors, isSet, ptr, names }: OutgoingAddress,
): void {
  const by = `${connectors.length === 1 ? 'connector' : 'connectors'} ${connectors.join(', ')}${isSet ? '' : ', assumed: no public source-address is set'}`;
  switch (ptr.kind) {
    case 'unanswered':
      return report.unknown(`the PTR record of ${address}`, ptr.why);
    case 'absent':
      return report.warning('ptr-missing', address, {
        what: `${address} (${by}) has no PTR record`,
        why: 'Many servers refuse mail from an address without a name (Exchange Online over IPv6 with 450 4.7.26 and 550 5.7.25), and filters count it as a sign of spam',
        remedy: [`ask who owns the address (the provider) for: ${address} PTR ${settings.hostname}.`],
      });
    case 'found': {
      if (names.some(({ addresses }) => addresses.includes(address))) return undefined;
      const silent = names.find(({ unanswered }) => unanswered !== undefined);
      if (silent !== undefined)
        return report.unknown(`whether the PTR record of ${address} is confirmed by ${silent.name}`, silent.unanswered ?? '');
      const said = names.map(({ name, addresses }) => `${name} is ${addresses.join(', ') || 'no address'}`);
      return report.warning('ptr-not-confirmed', address, {
        what: `the PTR record of ${address} (${by}) names ${names.map(({ name }) => name).join(', ')}, and that does not lead back: ${said.join('; ')}`,
        why: 'A name counts where its own record confirms it; without that servers treat the address as nameless (5.7.25)',
        remedy: [
          `${names[0]?.name ?? settings.hostname}. IN ${address.includes(':') ? 'AAAA' : 'A'} ${address}`,
          `or have the PTR record changed to ${settings.hostname}.`,
        ],
      });
    }
  }
}

/** Exchange Online and others compare the EHLO name with DNS and with the certificate. */
function judgeHelo(
  report: Report,
  settings: DoctorSettings,
  { connector, helo, hosts }: WayOut,
  certificate: CertificateFacts,
  seen: Set<string>,
): void {
  const local = connector.nextHop.kind === 'maildir' || connector.nextHop.kind === 'lmtp';
  if (local) return;
  const { name } = connector;
  if (hosts.some((host) => host.name === helo.name && !settings.relayNames.includes(host.name)))
    report.error('helo-of-target', name, {
      what: `${name} greets ${helo.name} with its own name`,
      why: 'A client that gives the name of the server is taken for a forger (R20)',
      remedy: [`connectors: ${name}: helo: ${settings.hostname}`],
    });
  if (helo.name !== settings.hostname && helo.addresses.length === 0) {
    if (helo.unanswered !== undefined) report.unknown(`the address of ${helo.name}`, helo.unanswered);
    else
      report.error('helo-no-address', name, {
        what: `${name} greets as ${helo.name}, which has no address in DNS`,
        why: 'Exchange Online refuses such a greeting (550 5.7.506 Bad HELO), and so do many others',
        remedy: [
          `${helo.name}. IN A ${connector.sourceAddress ?? 'OUR-ADDRESS'}`,
          `or remove helo from ${name}: then it is ${settings.hostname}`,
        ],
      });
  }
  if (certificate.kind !== 'read' || seen.has(`${helo.name} ${certificate.file}`)) return;
  seen.add(`${helo.name} ${certificate.file}`);
  if (!certificate.chain[0]?.covers(helo.name))
    report.warning('helo-not-in-certificate', name, {
      what: `${name} greets as ${helo.name}, and the certificate ${certificate.file} is for ${certificate.chain[0]?.names.join(', ') || 'no name'}`,
      why: 'The greeting, the certificate and DNS are to tell one name (R20); receivers score a difference, and the cloud attributes by the name in the certificate',
      remedy: [
        `connectors: ${name}: helo: ${certificate.chain[0]?.names.find((one) => !one.startsWith('*')) ?? settings.hostname}`,
        `or have a certificate made that names ${helo.name}`,
      ],
    });
}

function judgeFamily(report: Report, { connector, hosts }: WayOut, { outgoing, machine }: RelayDns): void {
  if (connector.ip === 4 || connector.side === 'on-premises' || connector.nextHop.kind === 'maildir') return;
  if (!machine.some((address) => address.includes(':') && !address.startsWith('fe80'))) return; // it has no way to use it
  const sixes = outgoing.filter(({ address, connectors }) => address.includes(':') && connectors.includes(connector.name));
  if (sixes.some(({ ptr }) => ptr.kind === 'found' || ptr.kind === 'unanswered')) return;
  if (
    connector.side === 'cloud' &&
    hosts.length > 0 &&
    hosts.every(({ addresses }) => addresses.every((one) => !one.includes(':')))
  )
    return;
  report.warning('ipv6-without-name', connector.name, {
    what: `${connector.name} may connect over IPv6 (ip: ${connector.ip}), and ${sixes.length === 0 ? 'the IPv6 address it comes from is not known' : `${sixes.map(({ address }) => address).join(', ')} has no PTR record`}`,
    why: 'Over IPv6 Exchange Online takes mail only from an address with a PTR record, and with SPF or DKIM (450 4.7.26, 550 5.7.25)',
    remedy: [`connectors: ${connector.name}: ip: 4`, 'or give the IPv6 address a PTR record, and set it as source-address'],
  });
}
