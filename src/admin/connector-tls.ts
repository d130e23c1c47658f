/** The TLS of a connector in the words of the admin API: its policies, and what was learned of its next hops. */
import type { Connector, Leg } from '../mail/route.ts';
import { describeTls, type TlsDecision, tlsFor } from '../mail/tls-policy.ts';
import type { ConnectorTls, Status } from './contract.ts';
import type { LearnedHopView } from './ports.ts';

/** The TLS that a recipient's next hop gets; the host itself is known when it is connected to. */
export function tlsOfLeg({ connector, address }: Leg): TlsDecision {
  const { nextHop } = connector;
  const isLocal = nextHop.kind === 'maildir' || (nextHop.kind === 'lmtp' && 'unix' in nextHop.endpoint);
  return tlsFor({ connector, domain: address.domain, isLocal });
}

export function tlsOf(connector: Connector, learned: readonly LearnedHopView[]): ConnectorTls {
  return {
    connector: connector.name,
    policy: describeTls(connector.tls),
    source: connector.tlsSource ?? `connector ${connector.name}`,
    destinations: (connector.tlsDestinations ?? []).map(({ pattern, tls, source }) => ({
      domain: pattern,
      policy: describeTls(tls),
      source,
    })),
    hosts: learned.map(({ hop, isLearned, finding }) => {
      const certificate = hop.certificates.at(-1);
      return {
        host: hop.host,
        since: iso(hop.firstSeen),
        last: iso(hop.lastSeen),
        days: hop.days,
        learned: isLearned,
        protocol: hop.protocol,
        certificate:
          certificate === undefined
            ? null
            : {
                subject: certificate.subject,
                issuer: certificate.issuer,
                names: [...certificate.names],
                'valid-to': certificate.validTo,
                'key-sha256': certificate.key,
                verified: certificate.verified,
              },
        finding: finding?.problem ?? null,
      };
    }),
  };
}

/** In `status` at once; the rest is told apart. */
const MOST_FINDINGS = 10;

/** What `status` says of next hops whose TLS got worse: warnings before notes, not a screen full. */
export function tlsFindings(
  found: readonly {
    readonly connector: string;
    readonly severity: 'warning' | 'info';
    readonly problem: string;
    readonly remedy: string;
  }[],
): Status['findings'] {
  const ordered = [...found].sort((a, b) => Number(a.severity === 'info') - Number(b.severity === 'info'));
  const shown = ordered.slice(0, MOST_FINDINGS).map(({ severity, problem, remedy }) => ({ severity, problem, remedy }));
  const rest = ordered.slice(MOST_FINDINGS);
  if (rest.length === 0) return shown;
  const names = [...new Set(rest.map(({ connector }) => connector))];
  return [
    ...shown,
    {
      severity: rest[0]?.severity ?? 'info',
      problem: `TLS got worse at ${rest.length} further next hops of ${names.join(', ')}`,
      remedy: names.map((name) => `bridgehead connector tls ${name}`).join('; '),
    },
  ];
}

const iso = (at: number): string => new Date(at).toISOString();
