/** The routing settings made quick to ask: maps instead of lists, patterns read once. */
import { type Domain, isWithin, type Mailbox, mailboxKey } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { PeerClass } from '../mail/peer.ts';
import type { Connector } from '../mail/route.ts';
import type { AcceptedDomain, CloudGate, RoutingRule, RoutingSettings, SpoofedOwnDomain } from './ports.ts';

/**
 * Which mail a connector may carry by its `origin` (G5). `spoofed` is mail from outside that claims a domain of ours and does
 * not prove it: an identity by which the other side attributes mail to us must not vouch for it (R8).
 */
export type OriginSide = 'internal' | 'external' | 'spoofed';

/** Whether mail of this origin may use the identity of a connector, however it came to be chosen. */
export function mayUse({ origin, tls }: Connector, side: OriginSide): boolean {
  switch (side) {
    case 'internal':
      return origin !== 'external';
    case 'external':
      return origin !== 'internal';
    case 'spoofed':
      return origin === 'external' || (origin === 'any' && tls.certificate === undefined);
  }
}

export interface CompiledRule extends RoutingRule {
  /** It names a domain under an accepted one and gives it a way: then that domain is ours too. */
  readonly opens: boolean;
  matches(recipient: Mailbox, sender: ReversePath, peer: PeerClass): boolean;
}

export interface CompiledRouting {
  readonly routingDomains: readonly Domain[];
  readonly rules: readonly CompiledRule[];
  readonly relayTo: RoutingSettings['relayTo'];
  readonly messageSize: number;
  readonly spoofedOwnDomain: SpoofedOwnDomain;
  readonly firstDomain: Domain | undefined;
  readonly postmaster: Mailbox | undefined;
  /** By `mailboxKey`. */
  readonly postmasterKey: string | undefined;
  accepted(domain: Domain): AcceptedDomain | undefined;
  isRoutingDomain(domain: Domain): boolean;
  isRelayName(domain: Domain): boolean;
  /** Whether mail for this domain may not go to the cloud yet. */
  isGated(domain: Domain): boolean;
  connectorNamed(name: string): Connector | undefined;
  /** The most specific address space wins, then the lowest cost, then the first. */
  connectorFor(domain: Domain, origin: OriginSide): Connector | undefined;
  /** Whether an on-premises server other than the connector's own has this address (several sites). */
  isAnotherSite(connector: Connector, address: string): boolean;
}

/** Without `gate` every domain may use its cloud routes. */
export function compileRouting(settings: RoutingSettings, gate?: CloudGate): CompiledRouting {
  const exact = new Map<string, AcceptedDomain>();
  const under = new Map<string, AcceptedDomain>();
  for (const domain of settings.domains) {
    if (!exact.has(domain.name)) exact.set(domain.name, domain);
    if (domain.includeSubdomains && !under.has(domain.name)) under.set(domain.name, domain);
  }
  const accepted = (domain: Domain): AcceptedDomain | undefined =>
    exact.get(domain) ?? (under.size === 0 ? undefined : nearestParent(under, domain));
  const routing = new Set<string>(settings.routingDomains);
  const relayNames = new Set(settings.relayNames ?? []);
  const named = new Map(settings.connectors.map((connector) => [connector.name, connector]));
  const spaces = {
    internal: compileSpaces(settings.connectors, 'internal'),
    external: compileSpaces(settings.connectors, 'external'),
    spoofed: compileSpaces(settings.connectors, 'spoofed'),
  };
  const sites = sitesOf(settings.connectors);
  return {
    routingDomains: settings.routingDomains,
    rules: settings.rules.map((rule) =>
      compileRule(rule, (domain) => settings.domains.some((own) => isWithin(domain, own.name))),
    ),
    relayTo: settings.relayTo,
    messageSize: settings.messageSize,
    spoofedOwnDomain: settings.spoofedOwnDomain ?? 'untrusted-identity',
    firstDomain: settings.domains[0]?.name,
    postmaster: settings.postmaster,
    postmasterKey: settings.postmaster === undefined ? undefined : mailboxKey(settings.postmaster),
    accepted,
    isRoutingDomain: (domain) => routing.has(domain),
    isRelayName: (domain) => relayNames.has(domain),
    isGated: (domain) => {
      const own = gate === undefined ? undefined : accepted(domain);
      return own !== undefined && gate?.(own.name) === true;
    },
    connectorNamed: (name) => named.get(name),
    connectorFor: (domain, origin) => {
      const { whole, subdomains, anything } = spaces[origin];
      return (
        whole.get(domain) ??
        subdomains.get(domain) ??
        (subdomains.size === 0 ? undefined : nearestParent(subdomains, domain)) ??
        anything
      );
    },
    isAnotherSite: (connector, address) => {
      const site = sites.get(address);
      return site !== undefined && site.size > 0 && !site.has(connector.name);
    },
  };
}

/** The entry of the longest parent domain. */
function nearestParent<T>(map: ReadonlyMap<string, T>, domain: string): T | undefined {
  for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) {
    const found = map.get(domain.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Spaces {
  readonly whole: Map<string, Connector>;
  readonly subdomains: Map<string, Connector>;
  readonly anything: Connector | undefined;
}

function compileSpaces(connectors: readonly Connector[], origin: OriginSide): Spaces {
  const whole = new Map<string, Connector>();
  const subdomains = new Map<string, Connector>();
  let anything: Connector | undefined;
  const costs = new Map<string, number>();
  for (const connector of connectors) {
    if (!mayUse(connector, origin)) continue;
    for (const { pattern, cost } of connector.addressSpaces) {
      if (cost >= (costs.get(pattern) ?? Number.POSITIVE_INFINITY)) continue;
      costs.set(pattern, cost);
      if (pattern === '*') anything = connector;
      else if (pattern.startsWith('*.')) subdomains.set(pattern.slice(2), connector);
      else whole.set(pattern, connector);
    }
  }
  return { whole, subdomains, anything };
}

/** Which on-premises connectors lead to a host, by its address. */
function sitesOf(connectors: readonly Connector[]): Map<string, Set<string>> {
  const sites = new Map<string, Set<string>>();
  for (const connector of connectors) {
    if (connector.side !== 'on-premises' || connector.nextHop.kind !== 'smart-hosts') continue;
    for (const { host } of connector.nextHop.hosts) sites.set(host, (sites.get(host) ?? new Set()).add(connector.name));
  }
  return sites;
}

function compileRule(rule: RoutingRule, isOurs: (domain: string) => boolean): CompiledRule {
  const recipient = compilePattern(rule.recipient);
  const sender = compilePattern(rule.sender);
  const domain =
    rule.recipient
      ?.slice(rule.recipient.lastIndexOf('@') + 1)
      .replace(/^\*\./, '')
      .toLowerCase() ?? '*';
  return {
    ...rule,
    opens: rule.then.kind === 'connector' && !domain.includes('*') && isOurs(domain),
    matches: (to, from, peer) => (rule.peer === undefined || rule.peer === peer) && recipient(to) && sender(from),
  };
}

/** A pattern as a question; `*` stands for anything, `<>` for the null sender, `*` alone also for that. */
function compilePattern(pattern: string | undefined): (path: ReversePath) => boolean {
  if (pattern === undefined || pattern === '*') return () => true;
  if (pattern === '<>') return (path) => path === null;
  const lower = pattern.toLowerCase();
  const domain = lower.startsWith('*@') ? lower.slice(2) : undefined;
  if (domain !== undefined && !domain.includes('*')) return (path) => path !== null && path.domain === domain;
  if (!lower.includes('*')) return (path) => path !== null && mailboxKey(path) === lower;
  const parts = lower.split('*');
  return (path) => path !== null && matchesParts(mailboxKey(path), parts);
}

/** Whether the parts stand in the text in this order, the first at its start and the last at its end. Linear. */
function matchesParts(text: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}
