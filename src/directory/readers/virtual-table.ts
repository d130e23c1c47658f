/** The rows of a Postfix `virtual` table as recipients: who is an alias of whom is known once all rows are there. */
import { type Domain, isWithin, type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { DirectoryChecks, DirectoryRecord } from '../ports.ts';
import { isMistake, readAddress } from './address-text.ts';
import type { Report } from './report.ts';

interface Row {
  readonly address: Mailbox;
  readonly targets: readonly Mailbox[];
  readonly line: number;
}

export class VirtualTable {
  readonly #report: Report;
  readonly #routingDomains: ReadonlySet<Domain>;
  readonly #checks: DirectoryChecks;
  readonly #rows = new Map<string, Row>();

  constructor(checks: DirectoryChecks, report: Report) {
    this.#checks = checks;
    this.#report = report;
    this.#routingDomains = new Set(checks.routingDomains);
  }

  row({ key, value, line }: { readonly key: string; readonly value: string; readonly line: number }): void {
    // `domain anything` only declares the domain
    if (!key.includes('@')) return;
    if (key.startsWith('@')) {
      this.#report.warning(
        line,
        '',
        `${key} is for a whole domain and was left out`,
        'Where the rest of a domain goes is unknown-recipients of the domain in the settings',
      );
      return;
    }
    const address = readAddress(key, 'address');
    if (isMistake(address)) {
      this.#report.error(line, key, address.problem, address.remedy);
      return;
    }
    const targets: Mailbox[] = [];
    for (const text of value.split(/[,\s]+/)) {
      // a name without a domain is a user of the Postfix machine
      if (text === '' || !text.includes('@')) continue;
      const target = readAddress(text, 'target');
      if (isMistake(target)) this.#report.error(line, address.address, target.problem, target.remedy);
      else targets.push(target);
    }
    const standing = this.#rows.get(mailboxKey(address));
    if (standing === undefined) this.#rows.set(mailboxKey(address), { address, targets, line });
    else
      this.#report.error(
        line,
        address.address,
        `${address.address} stands here twice (line ${standing.line})`,
        'Keep one of the rows, as postmap does',
      );
  }

  /** In the order of the table; a mailbox that only stands on the right comes with the first of its aliases. */
  *records(): Generator<DirectoryRecord> {
    const aliases = new Map<string, { readonly owner: Mailbox; readonly line: number; readonly aliases: Mailbox[] }>();
    for (const row of this.#rows.values()) {
      const owner = this.#ownerOf(row);
      if (owner === undefined) continue;
      const key = mailboxKey(owner);
      const standing = aliases.get(key) ?? { owner, line: row.line, aliases: [] };
      if (mailboxKey(row.address) !== key) standing.aliases.push(row.address);
      aliases.set(key, standing);
    }
    for (const [key, { owner, line, aliases: names }] of aliases) {
      const row = this.#rows.get(key);
      yield row === undefined
        ? { address: owner, route: 'on-premises', aliases: names, primary: 'on-premises', line }
        : this.#record(row, names);
    }
  }

  /** Follows aliases of aliases to who gets the mail; `undefined` in a circle, which is told. */
  #ownerOf(row: Row): Mailbox | undefined {
    const seen = new Set<string>();
    let at = row;
    for (;;) {
      const key = mailboxKey(at.address);
      if (seen.has(key)) {
        if (mailboxKey(row.address) === key)
          this.#report.error(
            row.line,
            row.address.address,
            'it is an alias of itself over other rows',
            'Break the circle at one of its rows',
          );
        return undefined;
      }
      seen.add(key);
      const [target] = at.targets;
      const isAlias = at.targets.length === 1 && target !== undefined && this.#isOurs(target.domain);
      if (!isAlias || mailboxKey(target) === key) return at.address;
      const next = this.#rows.get(mailboxKey(target));
      if (next === undefined) return target;
      at = next;
    }
  }

  #record({ address, targets, line }: Row, aliases: readonly Mailbox[]): DirectoryRecord {
    const base = { address, aliases, primary: 'on-premises', line } as const;
    const routingAddress = targets.find(({ domain }) => this.#routingDomains.has(domain));
    const others = targets.filter((target) => target !== routingAddress);
    const isOnlyItself = others.every((target) => mailboxKey(target) === mailboxKey(address));
    // to itself and to the cloud: a copy on each side
    if (routingAddress !== undefined && isOnlyItself)
      return { ...base, route: others.length === 0 ? 'cloud' : 'both', routingAddress };
    if (targets.length > 1) return { ...base, route: 'on-premises', kind: 'group', members: targets };
    return { ...base, route: 'on-premises' };
  }

  #isOurs(domain: Domain): boolean {
    return this.#checks.domains.some(
      ({ name, includeSubdomains }) => name === domain || (includeSubdomains && isWithin(domain, name)),
    );
  }
}
