/** Whether a record can matter here: directories hold contacts of the whole world. */
import { type Domain, isWithin } from '../../mail/address.ts';
import type { DirectoryRecord } from '../ports.ts';
import type { LiveChecks } from './ports.ts';

/** Whether somebody can write to the recipient here: one of its addresses is in a domain of ours or of the tenant. */
export function ownRecords(checks: LiveChecks): (record: DirectoryRecord) => boolean {
  const own = new Set<Domain>([...checks.routingDomains, ...checks.domains.map(({ name }) => name)]);
  const parents = checks.domains.filter(({ includeSubdomains }) => includeSubdomains).map(({ name }) => name);
  const isOwn = (domain: Domain): boolean => own.has(domain) || parents.some((parent) => isWithin(domain, parent));
  return ({ address, aliases }) => isOwn(address.domain) || aliases.some((alias) => isOwn(alias.domain));
}
