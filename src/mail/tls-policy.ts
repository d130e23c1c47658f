/**
 * Which TLS a next hop gets: one decision, for deliveries and for `explain` alike. Pure. What the recipient's domain
 * publishes of itself (MTA-STS, RFC 8461; DANE, RFC 7672) would be one more input here, and nowhere else.
 */
import type { Connector, TlsDestination, TlsPolicy } from './route.ts';

export interface TlsInputs {
  /** Mail from inside and from outside may have different ones (`origin`, G5): the route has chosen by then. */
  readonly connector: Connector;
  /** Of the recipient as the next hop gets it; empty where none is meant. */
  readonly domain: string;
  /** The host we connect to, a name or an address; absent before it is known. */
  readonly host?: string;
  /** A unix socket or a Maildir: nothing passes a network. */
  readonly isLocal?: boolean;
}

/** A policy as it is kept at one next hop. */
export interface TlsDecision extends TlsPolicy {
  /** Where it stands, for people: `bridgehead.yaml:40, tls.destinations "*.partner.example"`. */
  readonly source: string;
}

export function tlsFor({ connector, domain, host, isLocal = false }: TlsInputs): TlsDecision {
  // a unix socket never leaves this machine
  if (isLocal) return { mode: 'none', profile: connector.tls.profile, source: 'it does not leave this machine' };
  const destination = tlsDestinationOf(connector, domain);
  const policy = destination?.tls ?? connector.tls;
  const source = destination?.source ?? connector.tlsSource ?? `connector ${connector.name}`;
  const names = policy.names ?? (host === undefined ? undefined : [host]);
  const decision = { ...policy, ...(names === undefined ? {} : { names }), source };
  // C12: who shows a certificate is known by it; without it the mail would be another's
  if (policy.certificate === undefined || policy.mode === 'required' || policy.mode === 'verified') return decision;
  return { ...decision, mode: 'required', source: `${source}; C12: never in clear with a client certificate` };
}

/** `verified by mail.protection.outlook.com`, `opportunistic`, `required, with a client certificate`. */
export function describeTls({ mode, profile, names, certificate, onDowngrade }: TlsPolicy): string {
  const by = mode === 'verified' ? ` by ${names?.join(', ') ?? 'the name of the host'}` : '';
  const shown = certificate === undefined ? '' : ', with a client certificate';
  const versions = mode === 'none' || profile === 'intermediate' ? '' : `, profile ${profile}`;
  return `${mode}${by}${versions}${shown}${onDowngrade === 'defer' ? '; deferred when it gets worse' : ''}`;
}

const byPattern = new WeakMap<readonly TlsDestination[], ReadonlyMap<string, TlsDestination>>();

/** The policy that a connector has for one domain: its exact name before the longest `*.` pattern. */
export function tlsDestinationOf({ tlsDestinations }: Connector, domain: string): TlsDestination | undefined {
  if (tlsDestinations === undefined) return undefined;
  let map = byPattern.get(tlsDestinations);
  if (map === undefined) {
    map = new Map(tlsDestinations.toReversed().map((one) => [one.pattern, one]));
    byPattern.set(tlsDestinations, map);
  }
  const exact = map.get(domain);
  if (exact !== undefined) return exact;
  for (let at = 0; ; ) {
    const found = map.get(`*.${domain.slice(at)}`);
    if (found !== undefined) return found;
    const dot = domain.indexOf('.', at);
    if (dot < 0) return undefined;
    at = dot + 1;
  }
}
