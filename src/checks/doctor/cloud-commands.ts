/**
 * What to type in Exchange Online, with the values of these settings. Parameters as learn.microsoft.com has them for
 * New-InboundConnector, Set-InboundConnector, New-OutboundConnector, Set-AcceptedDomain and Get-MessageTraceV2. Pure.
 */
import type { Connector } from '../../mail/route.ts';
import { isLoopbackAddress, isPrivate } from './addresses.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import type { DoctorSettings } from './ports.ts';

export interface CloudCommand {
  readonly about: string;
  readonly why: string;
  /** PowerShell, as it is typed. */
  readonly lines: readonly string[];
}

/** `outgoing`: the addresses that the cloud sees, by connector. */
export function cloudCommands(
  settings: DoctorSettings,
  outgoing: readonly { readonly address: string; readonly connectors: readonly string[] }[],
  certificates: { readonly listener: CertificateFacts; readonly connectors: ReadonlyMap<string, CertificateFacts> },
): CloudCommand[] {
  const { routing, hostname } = settings;
  const ways = routing.connectors.filter(({ side }) => side === 'cloud');
  if (routing.routingDomains.length === 0 || ways.length === 0) return [];
  const inbound = ways.map((connector) => {
    const addresses = outgoing
      .filter((one) => one.connectors.includes(connector.name))
      .map(({ address }) => address)
      .filter((address) => !isPrivate(address) && !isLoopbackAddress(address));
    return inboundCommands(connector, hostname, addresses, certificates.connectors.get(connector.name));
  });
  return [...inbound.flat(), ...acceptedDomains(settings), toOnPremises(settings, certificates.listener), traceHint(settings)];
}

function inboundCommands(
  connector: Connector,
  hostname: string,
  addresses: readonly string[],
  certificate: CertificateFacts | undefined,
): CloudCommand[] {
  const name = quoted(`Bridgehead ${hostname} (${connector.name})`);
  const certificateName = certificate?.kind === 'read' ? preferred(certificate.chain[0]?.names ?? [], hostname) : undefined;
  // external mail is nothing that the organisation vouches for (G5): a Partner connector gives it no rights
  const type = connector.origin === 'external' ? 'Partner' : 'OnPremises';
  const known = addresses.length > 0 ? addresses.map(quoted).join(',') : undefined;
  const identity =
    certificateName !== undefined
      ? ` -RequireTls $true -TlsSenderCertificateName ${quoted(certificateName)}`
      : ` -RequireTls ${connector.tls.mode === 'required' || connector.tls.mode === 'verified' ? '$true' : '$false'} -SenderIPAddresses ${known ?? "'PUBLIC-ADDRESS-OF-THE-RELAY'"}`;
  const made: CloudCommand = {
    about: `Inbound connector for ${connector.name}`,
    why:
      certificateName !== undefined
        ? 'The cloud knows the relay by its certificate; without a connector own-domain mail is refused (550 5.7.68, 5.7.64)'
        : type === 'Partner'
          ? 'The cloud knows where mail from outside enters, and trusts it no further'
          : 'The cloud knows the relay by its address; a certificate is the better proof, for addresses change',
    lines: [`New-InboundConnector -Name ${name} -ConnectorType ${type} -SenderDomains '*'${identity}`],
  };
  const skipping: CloudCommand = {
    about: `Enhanced Filtering for ${connector.name}`,
    why: 'The cloud judges SPF by the address in front of the relay in place of ours; else external mail lands in junk (G3). Private addresses it skips by itself',
    lines: [
      known === undefined
        ? `Set-InboundConnector -Identity ${name} -EFSkipLastIP $true`
        : `Set-InboundConnector -Identity ${name} -EFSkipLastIP $false -EFSkipIPs ${known}`,
    ],
  };
  return connector.origin === 'internal' ? [made] : [made, skipping];
}

function acceptedDomains({ routing }: DoctorSettings): CloudCommand[] {
  const domains = routing.domains.filter(({ unknownRecipients }) => unknownRecipients !== 'cloud');
  if (domains.length === 0) return [];
  return [
    {
      about: 'Accepted domains while recipients remain on-premises',
      why: 'As Authoritative the cloud refuses whom it does not have (550 5.1.1 RESOLVER.ADR.ExRecipNotFound); it must pass them on',
      lines: domains.map(
        ({ name, includeSubdomains }) =>
          `Set-AcceptedDomain -Identity ${quoted(name)} -DomainType InternalRelay${includeSubdomains ? ' -MatchSubDomains $true' : ''}`,
      ),
    },
  ];
}

function toOnPremises({ routing, hostname }: DoctorSettings, listener: CertificateFacts): CloudCommand {
  const isTrusted = listener.kind === 'read' && listener.ends === 'trusted' && listener.chain[0]?.covers(hostname) === true;
  const domains = routing.domains.flatMap(({ name, includeSubdomains }) => (includeSubdomains ? [name, `*.${name}`] : [name]));
  return {
    about: 'Outbound connector from the cloud to the relay',
    why: isTrusted
      ? `It checks our certificate and its name, ${hostname}`
      : 'It only encrypts: our certificate is not one that the cloud can verify. With a public one: -TlsSettings DomainValidation',
    lines: [
      `New-OutboundConnector -Name ${quoted(`To on-premises by ${hostname}`)} -ConnectorType OnPremises -RecipientDomains ${domains.map(quoted).join(',')} -UseMXRecord $false -SmartHosts ${quoted(hostname)} ${
        isTrusted ? `-TlsSettings DomainValidation -TlsDomain ${quoted(hostname)}` : '-TlsSettings EncryptionOnly'
      }`,
    ],
  };
}

function traceHint({ routing }: DoctorSettings): CloudCommand {
  const [domain] = routing.domains;
  return {
    about: 'What became of a message in the cloud',
    why: 'Our own trace ends where the cloud took it',
    lines: [
      `Get-MessageTraceV2 -RecipientAddress ${quoted(`USER@${domain?.name ?? 'DOMAIN'}`)} -StartDate (Get-Date).AddHours(-24) -EndDate (Get-Date)`,
    ],
  };
}

const preferred = (names: readonly string[], hostname: string): string | undefined =>
  names.includes(hostname) ? hostname : names[0];

/** A string in single quotes, in which nothing is special but quotes; PowerShell takes curly ones for such. */
const quoted = (text: string): string => `'${text.replace(/['\u2018\u2019\u201a\u201b]/g, '$&$&')}'`;
