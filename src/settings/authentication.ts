/** Who mail is really from: the checks across settings, and what the parts get. Pure. */
import type { PeerClass } from '../mail/peer.ts';
import type { Connector } from '../mail/route.ts';
import type { Findings } from './mistakes.ts';
import type { SettingsFile } from './schema.ts';

export interface AuthenticationPart {
  readonly hostname: string;
  readonly dnsServers: readonly string[];
  /** Milliseconds. */
  readonly deadline: number;
  /** An identity or a refusal hangs on whether a claim to our domains is proved. */
  readonly claims: boolean;
  readonly addResults: readonly PeerClass[];
  readonly ownDomains: readonly string[];
}

export function compileAuthentication(raw: SettingsFile, connectors: readonly Connector[]): AuthenticationPart {
  const { authentication: written } = raw;
  const spoofed = written['spoofed-own-domain'];
  const hasIdentities = connectors.some(({ origin, tls }) => origin !== 'any' || tls.certificate !== undefined);
  return {
    hostname: raw.hostname,
    dnsServers: raw.dns.servers,
    deadline: written.deadline,
    claims: spoofed === 'reject' || (spoofed === 'untrusted-identity' && hasIdentities),
    addResults: written['add-results'],
    ownDomains: raw.domains.map(({ name }) => name.name),
  };
}

/** G5: one identity for our own mail and for what outsiders send in our name. */
export function checkAuthentication(raw: SettingsFile, findings: Findings): void {
  const spoofed = raw.authentication['spoofed-own-domain'];
  raw.connectors.forEach((connector, index) => {
    if (connector.origin !== 'any' || connector.tls.certificate === undefined || spoofed === 'reject') return;
    findings.note(
      ['connectors', index, 'origin'],
      spoofed === 'any-identity'
        ? `G5: "${connector.name}" shows our certificate for whatever outsiders send, also where they forge a sender of ours`
        : `G5: "${connector.name}" shows our certificate and carries mail from outside; where that claims a domain of ours without SPF or DKIM (forgeries, and some mailing lists), it is refused on this way with 550 5.7.26`,
      'Write origin: internal here, and add a connector with the same address spaces, origin: external and no certificate (or one that the other side does not take for ours)',
    );
  });
  for (const peer of raw.authentication['add-results']) {
    if (peer !== 'external' && raw.peers[peer] === undefined)
      findings.note(
        ['authentication', 'add-results'],
        `there is no peer "${peer}"`,
        `Remove it, or say under peers who ${peer} is`,
      );
  }
}
