/** Which connector a domain's mail takes, and which side a connector stands for. */
import { type Domain, isWithin } from '../mail/address.ts';
import type { Connector, Side } from '../mail/route.ts';
import type { SettingsFile } from './schema.ts';

/** contract.md: cloud when one of its address spaces is a routing domain, internet for `*`, else on-premises. */
export function sideOf(patterns: readonly string[], routingDomains: readonly Domain[]): Side {
  const leadsToCloud = (pattern: string): boolean =>
    routingDomains.some((domain) => domain === pattern || (pattern.startsWith('*.') && isWithin(domain, pattern.slice(2))));
  if (patterns.some(leadsToCloud)) return 'cloud';
  return patterns.includes('*') ? 'internet' : 'on-premises';
}

/** How specific a pattern is for a domain: 0 where it does not fit; an exact name is above every wildcard. */
function specificity(pattern: string, domain: string): number {
  if (pattern === domain) return 1000;
  if (pattern === '*') return 1;
  return pattern.startsWith('*.') && isWithin(domain, pattern.slice(2)) ? pattern.length : 0;
}

/** The connector for a domain: the most specific address space, then the lowest cost, then the first. */
export function connectorFor<C extends Pick<Connector, 'addressSpaces' | 'origin'>>(
  connectors: readonly C[],
  domain: string,
  origin: 'internal' | 'external',
): C | undefined {
  let best: C | undefined;
  let bestFit = 0;
  let bestCost = 0;
  for (const connector of connectors) {
    if (connector.origin !== 'any' && connector.origin !== origin) continue;
    for (const { pattern, cost } of connector.addressSpaces) {
      const fit = specificity(pattern, domain);
      if (fit > bestFit || (fit === bestFit && fit > 0 && cost < bestCost)) [best, bestFit, bestCost] = [connector, fit, cost];
    }
  }
  return best;
}

/** A connector as the choice by address space sees it. */
export function asConnector(connector: SettingsFile['connectors'][number], index: number) {
  return {
    index,
    name: connector.name,
    origin: connector.origin,
    addressSpaces: connector['address-spaces'].map((space) => ({
      pattern: space.pattern,
      cost: space.cost ?? connector.cost ?? 1,
    })),
  };
}
