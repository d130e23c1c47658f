/** Who may send what here, and whether senders reach us at all. Pure. */
import { isLoopbackAddress, networkOf } from './addresses.ts';
import type { DomainDns, RelayDns } from './dns-facts.ts';
import { isHere } from './domain-dns.ts';
import type { Report } from './finding.ts';
import type { DirectoryState, DoctorSettings } from './ports.ts';

export function judgeListeners(
  report: Report,
  settings: DoctorSettings,
  relay: RelayDns | undefined,
  domains: readonly DomainDns[],
): void {
  const { listeners } = settings.reception;
  const wanted = settings.routing.domains.filter(({ mx }) => mx === 'relay').map(({ name }) => name);
  // a filter in front of us may come to any port
  if (wanted.length === 0 || settings.reception.peers.some(({ peer }) => peer === 'gateway')) return;
  const addresses = listeners
    .map(({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`)
    .join(', ');
  const pointed =
    relay === undefined
      ? []
      : domains
          .flatMap(({ exchangers }) => exchangers.filter((one) => isHere(one, settings, relay)))
          .flatMap(({ host }) => host.addresses);
  const outside = [...new Set(pointed)].filter((address) => !isLoopbackAddress(address));
  const onLoopback = listeners.every(({ address }) => isLoopbackAddress(address));
  if (onLoopback && outside.length > 0)
    report.error('listener-loopback', 'listeners', {
      what: `the MX leads to ${outside.join(', ')}, and the relay listens on ${addresses} alone`,
      why: 'Only this machine can reach it: senders meet a refused connection, and their mail waits and bounces',
      remedy: ['listeners: [{ address: 0.0.0.0, port: 25 }]', 'and restart'],
    });
  if (!listeners.some(({ port, tls }) => port === 25 && tls === 'starttls'))
    report.warning('listener-port', 'listeners', {
      what: `no listener has port 25 (${addresses}), and the MX of ${wanted.join(', ')} is meant to be the relay`,
      why: 'Mail servers connect to port 25 and to no other (RFC 5321 §4.5.4.2)',
      remedy: ['listeners: [{ address: 0.0.0.0, port: 25 }]', 'nothing, where a firewall or a container passes port 25 on to it'],
    });
}

export function judgePeers(report: Report, { reception, routing }: DoctorSettings): void {
  for (const { peer, networks, certificateNames, match } of reception.peers) {
    if (peer === 'cloud') continue; // the networks of a cloud are wide, and give no rights (C1)
    const mayRelay = peer === 'on-premises' ? routing.relayTo['on-premises'] : routing.relayTo.gateway;
    const toAll = mayRelay.includes('internet');
    if (match === 'all' && certificateNames.length > 0) continue;
    for (const text of networks) {
      const network = networkOf(text);
      if (network === undefined) continue;
      const { bits, family, isPrivate } = network;
      const isWide = isPrivate ? bits <= (family === 4 ? 16 : 48) : bits < (family === 4 ? 24 : 64);
      if (!isWide) continue;
      const severity = isPrivate ? (toAll ? 'warning' : 'note') : toAll || bits < (family === 4 ? 8 : 16) ? 'error' : 'warning';
      report.add(severity, 'peer-network-wide', peer, {
        what: `everybody in ${text} counts as ${peer}${toAll ? ', and may send to the whole Internet' : ''}`,
        why: isPrivate
          ? 'Every infected PC in it can send as the organisation, under its identity towards the cloud'
          : 'Strangers have the rights of your own servers: an open relay, as far as relay-to goes',
        remedy: [`peers: ${peer}: networks: [the addresses of your servers, such as 10.1.0.5/32]`],
      });
    }
  }
  if (reception.peers.some(({ peer }) => peer === 'cloud') && Object.keys(reception.tenantHeaders).length === 0)
    report.note('tenant-proof-missing', 'cloud.tenant', {
      what: 'nothing proves mail from the cloud to be from your tenant',
      why: 'All tenants come from the same addresses with the same certificates: without proof, mail from the cloud has the rights of an outsider (C1)',
      remedy: ['cloud: { tenant: { headers: { X-OriginatorOrg: TENANT.onmicrosoft.com } } }'],
    });
}

export function judgeRoutingDomains(report: Report, { routing }: DoctorSettings, relay: RelayDns): void {
  for (const { name, mx, host } of relay.routingDomains) {
    const byMx = routing.connectors.some(({ side, nextHop }) => side === 'cloud' && nextHop.kind === 'mx');
    if (mx.kind === 'unanswered') report.unknown(`the MX of the routing domain ${name}`, mx.why);
    else if (mx.kind === 'absent' && host.addresses.length === 0)
      report.add(byMx ? 'error' : 'warning', 'routing-domain-unknown', name, {
        what: `the routing domain ${name} has no MX and no address in DNS`,
        why: byMx
          ? 'Mail for every migrated mailbox bounces (5.1.2)'
          : 'The name is wrong, or the tenant is gone: the cloud does not know such recipients (5.4.1)',
        remedy: [
          'Get-AcceptedDomain | Where-Object DomainName -like "*.onmicrosoft.com"   # in Exchange Online',
          `cloud: routing-domains: [the name it shows]`,
        ],
      });
  }
  for (const { name } of routing.domains) {
    const under = routing.routingDomains.find((domain) => domain === name || domain.endsWith(`.${name}`));
    if (under === undefined) continue;
    report.error('routing-domain-accepted', under, {
      what: `the routing domain ${under} lies in the accepted domain ${name}`,
      why: 'Outsiders could write to routing addresses, and mail on its way to the cloud could be routed again (G10)',
      remedy: ['cloud: routing-domains: [TENANT.mail.onmicrosoft.com]'],
    });
  }
  if (routing.routingDomains.length === 0)
    report.note('routing-domain-missing', 'cloud', {
      what: 'there is no routing domain',
      why: 'No recipient can be routed to the cloud',
      remedy: ['cloud: { routing-domains: [TENANT.mail.onmicrosoft.com] }'],
    });
}

export function judgeUnknownRecipients(report: Report, { routing }: DoctorSettings, directory: DirectoryState | undefined): void {
  for (const { name, unknownRecipients, verifyRecipients } of routing.domains) {
    if (unknownRecipients === 'reject' && directory?.recipients === 0)
      report.error('reject-without-directory', name, {
        what: `${name} refuses unknown recipients, and the directory is empty`,
        why: 'Every recipient is refused with 550 5.1.1',
        remedy: ['bridgehead directory import FILE', `or domains: ${name}: unknown-recipients: on-premises`],
      });
    // what goes into a Maildir is refused by nobody
    const endsHere = routing.connectors.some(
      ({ nextHop, addressSpaces }) => nextHop.kind === 'maildir' && addressSpaces.some(({ pattern }) => pattern === name),
    );
    if (unknownRecipients !== 'reject' && verifyRecipients === undefined && !(endsHere && unknownRecipients === 'on-premises'))
      report.warning('unknown-not-asked', name, {
        what: `mail to unknown recipients of ${name} is accepted for ${unknownRecipients === 'cloud' ? 'the cloud' : 'the on-premises side'}, and nobody is asked`,
        why: 'What the other side refuses then must be bounced, to forged senders most of all: backscatter gets the relay listed (C3)',
        remedy:
          unknownRecipients === 'cloud'
            ? [`domains: ${name}: unknown-recipients: reject, once the directory is complete`]
            : [
                `domains: ${name}: verify-recipients: { at: on-premises }`,
                `or unknown-recipients: reject, once the directory is complete`,
              ],
      });
  }
}
