/** Whether one record can be taken, by the settings and by how its addresses look. */
import { isWithin, type Mailbox } from '../mail/address.ts';
import { strangeLook } from './look-alikes.ts';
import type { DirectoryChecks, DirectoryRecord, Finding } from './ports.ts';

type Add = (severity: Finding['severity'], problem: string, remedy: string) => void;

export class RecordChecks {
  readonly #checks: DirectoryChecks;
  readonly #connectors: ReadonlySet<string>;
  readonly #routingDomains: ReadonlySet<string>;
  readonly #ours = new Map<string, boolean>();

  constructor(checks: DirectoryChecks) {
    this.#checks = checks;
    this.#connectors = new Set(checks.connectors);
    this.#routingDomains = new Set<string>(checks.routingDomains);
  }

  check({ route, routingAddress, connector, address, aliases }: DirectoryRecord, add: Add): void {
    if (route !== 'on-premises' && routingAddress === undefined && this.#routingDomains.size === 0)
      add('error', `the route is ${route}, and there is no routing domain`, 'Set cloud.routing-domains in the settings');
    if (routingAddress !== undefined && !this.#routingDomains.has(routingAddress.domain))
      add(
        'error',
        `the routing address ${routingAddress.address} is in no routing domain`,
        `Use one of ${this.#checks.routingDomains.join(', ') || 'cloud.routing-domains (none is set)'}`,
      );
    if (connector !== undefined && !this.#connectors.has(connector))
      add('error', `there is no connector "${connector}"`, `Known: ${this.#checks.connectors.join(', ')}`);
    this.#checkOwn(address, add);
    for (const alias of aliases) this.#checkOwn(alias, add);
  }

  #checkOwn(own: Mailbox, add: Add): void {
    if (!this.#isOurs(own))
      add(
        'warning',
        `${own.address} is in none of our domains, so nobody can write to it here`,
        `Add ${own.domain} under domains, or remove the address`,
      );
    const strange = strangeLook(own);
    if (strange !== undefined) add('error', `${own.address} cannot be told from another address: ${strange}`, 'Write it anew');
  }

  #isOurs({ domain }: Mailbox): boolean {
    const known = this.#ours.get(domain);
    if (known !== undefined) return known;
    const isOurs =
      this.#routingDomains.has(domain) ||
      this.#checks.domains.some(
        ({ name, includeSubdomains }) => name === domain || (includeSubdomains && isWithin(domain, name)),
      );
    this.#ours.set(domain, isOurs);
    return isOurs;
  }
}
