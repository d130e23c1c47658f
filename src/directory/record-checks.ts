/** Whether one record can be taken, by the settings and by how its addresses look. */
import { isWithin, type Mailbox } from '../mail/address.ts';
import { strangeLook } from './look-alikes.ts';
import type { DirectoryChecks, DirectoryRecord, DirectoryRoute, Finding, KnownConnector } from './ports.ts';

type Add = (severity: Finding['severity'], problem: string, remedy: string) => void;

export class RecordChecks {
  readonly #checks: DirectoryChecks;
  readonly #connectors: ReadonlyMap<string, KnownConnector>;
  readonly #routingDomains: ReadonlySet<string>;
  readonly #ours = new Map<string, boolean>();

  constructor(checks: DirectoryChecks) {
    this.#checks = checks;
    this.#connectors = new Map(checks.connectors.map((connector) => [connector.name, connector]));
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
    if (connector !== undefined) this.#checkConnector(connector, route, add);
    this.#checkOwn(address, add);
    for (const alias of aliases) this.#checkOwn(alias, add);
  }

  /** One that routing could not use would be passed over, and the mail take another way than the file says. */
  #checkConnector(name: string, route: DirectoryRoute, add: Add): void {
    const fitting = this.#checks.connectors.filter((one) => canCarry(one, route)).map((one) => one.name);
    const remedy =
      fitting.length === 0
        ? 'Leave the column empty: no connector of the settings fits'
        : `Name one that fits (${fitting.join(', ')}), or leave the column empty`;
    const connector = this.#connectors.get(name);
    if (connector === undefined) add('error', `there is no connector "${name}"`, remedy);
    else if (!canCarry(connector, route))
      add(
        'error',
        connector.byMx && connector.side !== 'cloud'
          ? `the route is ${route}, and the connector "${name}" goes by MX, which for our own domains is this relay`
          : `the route is ${route}, and the connector "${name}" leads to ${WORDS[connector.side]}`,
        remedy,
      );
  }

  #checkOwn(own: Mailbox, add: Add): void {
    if (!this.#isOurs(own))
      add(
        'warning',
        `${own.address} is in none of our domains, so nobody can write to it here`,
        `Add ${own.domain} under domains, or remove the address`,
      );
    if (NOT_ASCII.test(own.localPart))
      add(
        'warning',
        `${own.address} has letters beyond ASCII before the @, and mail for it is refused with 553 5.6.7 (SMTPUTF8 is not offered)`,
        'Give the recipient an address in ASCII as well',
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

const NOT_ASCII = /[^\u0000-\u007f]/;
const WORDS = { cloud: 'the cloud', 'on-premises': 'the on-premises side', internet: 'the Internet' } as const;

/** A host for `*` (a filter in front of both, say) may stand for the one side that a recipient is on; of two sides it is neither. */
function canCarry({ side, byMx }: KnownConnector, route: DirectoryRoute): boolean {
  if (side === 'cloud') return route !== 'on-premises';
  if (byMx && route !== 'cloud') return false;
  return side === 'on-premises' ? route !== 'cloud' : route !== 'both';
}
