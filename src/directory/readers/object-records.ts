/** Objects of Exchange or Active Directory, as an export has them, made into records; what is wrong with them told by line. */
import type { Domain, Mailbox } from '../../mail/address.ts';
import { type DirectoryObject, readObject } from '../directory-object.ts';
import { exchangeKind, hasNoMail } from '../exchange-kinds.ts';
import { ownRecords } from '../live/own-domains.ts';
import type { DirectoryChecks, DirectoryRecord } from '../ports.ts';
import { deceptionIn } from './address-text.ts';
import type { Report } from './report.ts';

/** Which side of the coexistence an export was made on: in the cloud's own export a UserMailbox is in the cloud. */
export type Side = 'on-premises' | 'cloud';

export class ObjectRecords {
  readonly #report: Report;
  readonly #side: Side;
  readonly #routingDomains: ReadonlySet<Domain>;
  readonly #isOwn: (record: DirectoryRecord) => boolean;
  #foreign = 0;
  #firstForeign = 0;

  constructor(report: Report, checks: DirectoryChecks, side: Side = 'on-premises') {
    this.#report = report;
    this.#side = side;
    this.#routingDomains = new Set(checks.routingDomains);
    this.#isOwn = ownRecords(checks);
  }

  /** The recipient that an object is, where it is one of ours. */
  read(object: DirectoryObject, line: number): DirectoryRecord | undefined {
    const type = object.values('msExchRecipientTypeDetails')[0] ?? '';
    if (hasNoMail(type) || this.#isDeceptive(object, line)) return undefined;
    const { record, oddities } = readObject(object, this.#routingDomains, line);
    if (record !== undefined && !this.#isOwn(record)) {
      this.#foreign++;
      if (this.#firstForeign === 0) this.#firstForeign = line;
      return undefined;
    }
    for (const { address, problem, remedy } of oddities) this.#report.warning(line, address, problem, remedy);
    if (record === undefined) return undefined;
    if (type !== '' && exchangeKind(type) === undefined)
      this.#report.warning(
        line,
        record.address.address,
        `its type ${type.slice(0, 60)} is none that we know; it is taken as ${record.kind ?? 'a recipient'}, ${record.route}`,
        'Where that is wrong: directory set ADDRESS --route R --reason T',
      );
    return withRoutingAlias(this.#onItsSide(record), this.#routingDomains);
  }

  /** Tells how many objects have no address of ours: a domain that is missing in the settings shows here. */
  finish(): void {
    if (this.#foreign === 0) return;
    this.#report.warning(
      this.#firstForeign,
      '',
      `${this.#foreign} objects have no address in any of our domains and were left out (the first stands here)`,
      'Nothing to do for contacts outside; otherwise add the domain under domains',
    );
  }

  #onItsSide(record: DirectoryRecord): DirectoryRecord {
    const isMailbox = MAILBOXES.has(record.kind ?? '');
    return this.#side === 'cloud' && isMailbox && record.route === 'on-premises' ? { ...record, route: 'cloud' } : record;
  }

  #isDeceptive(object: DirectoryObject, line: number): boolean {
    let found = false;
    for (const attribute of ['proxyAddresses', 'mail', 'targetAddress'] as const) {
      for (const text of object.values(attribute)) found = this.#deceives(text, line) || found;
    }
    return found;
  }

  #deceives(text: string, line: number): boolean {
    const deception = deceptionIn(text);
    if (deception !== undefined) this.#report.error(line, deception.address, deception.problem, deception.remedy);
    return deception !== undefined;
  }
}

const MAILBOXES: ReadonlySet<string> = new Set(['mailbox', 'shared', 'room', 'equipment', 'group']);

/**
 * An alias in a routing domain is the routing address, where no other is written: its local part need not be that of the
 * primary address. It proves no mailbox there (directory synchronisation stamps it on everybody).
 */
export function withRoutingAlias(record: DirectoryRecord, routingDomains: ReadonlySet<Domain>): DirectoryRecord {
  const routing = record.routingAddress ?? routingAlias(record.aliases, routingDomains);
  if (routing === undefined) return record;
  const aliases = record.aliases.filter((alias) => !isSame(alias, routing));
  return isSame(record.address, routing) ? { ...record, aliases } : { ...record, routingAddress: routing, aliases };
}

const isSame = (one: Mailbox, other: Mailbox): boolean =>
  one.domain === other.domain && one.localPart.toLowerCase() === other.localPart.toLowerCase();

function routingAlias(aliases: readonly Mailbox[], routingDomains: ReadonlySet<Domain>): Mailbox | undefined {
  if (aliases.length === 0) return undefined;
  for (const domain of routingDomains) {
    const alias = aliases.find((one) => one.domain === domain);
    if (alias !== undefined) return alias;
  }
  return undefined;
}
