/** Whether an administrator's word for one address, or a wave's, can be taken. Pure. */
import { isWithin, type Mailbox, mailboxKey } from '../mail/address.ts';
import type { DirectoryChecks, DirectoryEntry, DirectoryRoute, Finding } from './ports.ts';

export interface SetChange {
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  readonly routingAddress?: Mailbox;
  readonly primary?: 'on-premises' | 'cloud';
}

/** Errors: it is refused; warnings: it is taken. */
export function checkSet(
  checks: DirectoryChecks,
  version: { find(key: string): DirectoryEntry | undefined },
  { address, route, routingAddress }: SetChange,
): Finding[] {
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], problem: string, remedy: string): void => {
    findings.push({ severity, file: 'set', line: 0, address: address.address, problem, remedy });
  };
  const { domains, routingDomains } = checks;
  const isOurs =
    routingDomains.includes(address.domain) ||
    domains.some(
      ({ name, includeSubdomains }) => name === address.domain || (includeSubdomains && isWithin(address.domain, name)),
    );
  if (!isOurs) add('error', `${address.domain} is none of our domains`, `Add it under domains, or mend the address`);
  if (route !== 'on-premises' && routingAddress === undefined && routingDomains.length === 0)
    add('error', `the route is ${route}, and there is no routing domain`, 'Set cloud.routing-domains in the settings');
  if (routingAddress === undefined) return findings;
  if (!routingDomains.includes(routingAddress.domain))
    add(
      'error',
      `the routing address ${routingAddress.address} is in no routing domain`,
      `Use one of ${routingDomains.join(', ') || 'cloud.routing-domains (none is set)'}`,
    );
  const owner = version.find(mailboxKey(routingAddress));
  const own = version.find(mailboxKey(address))?.address ?? address;
  if (owner !== undefined && mailboxKey(owner.address) !== mailboxKey(own))
    add(
      'error',
      `the routing address ${routingAddress.address} belongs to ${owner.address.address} (${owner.source}), and mail for one would reach the other`,
      'Use another routing address',
    );
  return findings;
}
