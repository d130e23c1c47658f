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

export type ChooseConnector<C> = (domain: string, origin: 'internal' | 'external') => C | undefined;

/**
 * The connector for a domain: the most specific address space, then the lowest cost, then the first. By a table, because
 * thousands of domains ask it of thousands of spaces.
 */
export function chooseConnector<C extends Pick<Connector, 'addressSpaces' | 'origin'>>(
  connectors: readonly C[],
): ChooseConnector<C> {
  const tables = {
    internal: new Map<string, { connector: C; cost: number }>(),
    external: new Map<string, { connector: C; cost: number }>(),
  };
  for (const origin of ['internal', 'external'] as const) {
    for (const connector of connectors) {
      if (connector.origin !== 'any' && connector.origin !== origin) continue;
      for (const { pattern, cost } of connector.addressSpaces) {
        const before = tables[origin].get(pattern);
        if (before === undefined || cost < before.cost) tables[origin].set(pattern, { connector, cost });
      }
    }
  }
  return (domain, origin) => {
    const table = tables[origin];
    const exact = table.get(domain);
    if (exact !== undefined) return exact.connector;
    for (const parent of withParents(domain)) {
      const wild = table.get(`*.${parent}`);
      if (wild !== undefined) return wild.connector;
    }
    return table.get('*')?.connector;
  };
}

/** Whether a domain can fit both a pattern and one of the address spaces. */
export function meetsAny(spaces: readonly string[]): (pattern: string) => boolean {
  const written = new Set(spaces);
  const above = new Set<string>();
  for (const space of spaces) for (const parent of withParents(bare(space))) above.add(parent);
  return (pattern) =>
    written.has('*') ||
    written.has(pattern) ||
    [...withParents(bare(pattern))].some((parent) => written.has(`*.${parent}`)) ||
    (pattern.startsWith('*.') && above.has(pattern.slice(2)));
}

const bare = (pattern: string): string => pattern.replace(/^\*\./, '');

/** A domain and those that it is within, the longest first. */
function* withParents(domain: string): Iterable<string> {
  yield domain;
  for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1)) yield domain.slice(dot + 1);
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
