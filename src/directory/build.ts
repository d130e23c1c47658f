/** Builds one version of the directory from its sources: every record checked, every address with one owner (R10, C7). */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { isWithin, type Mailbox, mailbox, mailboxKey } from '../mail/address.ts';
import { type Claim, CompiledIndex, type KeyRole } from './compiled-index.ts';
import type { DirectoryChecks, DirectoryRecord, DirectoryRoute, DirectorySource, Finding } from './ports.ts';

/** Recipients handled in one go; then mail has its turn, for a reload happens while the relay works. */
const IN_ONE_GO = 10_000;
/** Findings kept; a file of another kind would have one for each of its lines. */
const MAX_FINDINGS = 10_000;

export interface Built {
  readonly index: CompiledIndex;
  readonly findings: readonly Finding[];
  /** Of the content alone: comments and line numbers do not change it. */
  readonly digest: string;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
}

/** Reads the sources in their order of precedence: what an earlier one has, a later one does not change. */
export async function buildDirectory(sources: readonly DirectorySource[], checks: DirectoryChecks): Promise<Built> {
  const building = new Building(checks);
  for (const source of sources) {
    building.begin(source);
    await source.read(building);
  }
  return await building.finish();
}

class Building {
  readonly #checks: DirectoryChecks;
  readonly #connectors: ReadonlySet<string>;
  readonly #routingDomains: ReadonlySet<string>;
  readonly #index = new CompiledIndex();
  readonly #findings: Finding[] = [];
  readonly #hash = createHash('sha256');
  readonly #counts: Record<DirectoryRoute, number> = { 'on-premises': 0, cloud: 0, hold: 0, both: 0 };
  #hashed = '';
  #source: Pick<DirectorySource, 'name' | 'origin'> = { name: '', origin: '' };
  #sourceLabel = '';
  /** The first recipient of the source that is being read. */
  #firstOwn = 0;

  constructor(checks: DirectoryChecks) {
    this.#checks = checks;
    this.#connectors = new Set(checks.connectors);
    this.#routingDomains = new Set<string>(checks.routingDomains);
  }

  begin(source: DirectorySource): void {
    this.#source = source;
    this.#sourceLabel = `${source.name} ${source.origin}`;
    this.#firstOwn = this.#index.size;
  }

  finding(finding: Finding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding);
  }

  record(record: DirectoryRecord): void {
    this.#digest(record);
    this.#check(record);
    const key = mailboxKey(record.address);
    const standing = this.#index.claimOf(key);
    if (standing !== undefined) {
      // an earlier source has the same recipient: its word counts, as it should
      if (standing.role === 'primary' && standing.owner < this.#firstOwn) return;
      this.#clash(record, record.address, 'primary', standing);
      return;
    }
    const owner = this.#index.add(record, this.#sourceLabel);
    this.#counts[record.route]++;
    this.#index.claim(key, owner, 'primary');
    for (const alias of record.aliases) this.#claim(record, alias, owner, 'alias');
    if (record.routingAddress !== undefined) this.#claim(record, record.routingAddress, owner, 'routing');
  }

  async finish(): Promise<Built> {
    // the default routing addresses last: an address that is written somewhere goes before one that is only derived
    for (const isMoving of [true, false]) await this.#claimDefaults(isMoving);
    this.#hash.update(this.#hashed);
    return { index: this.#index, findings: this.#findings, digest: this.#hash.digest('hex'), counts: this.#counts };
  }

  #claim(record: DirectoryRecord, address: Mailbox, owner: number, role: KeyRole): void {
    const standing = this.#index.claim(mailboxKey(address), owner, role);
    if (standing !== undefined && standing.owner !== owner) this.#clash(record, address, role, standing);
  }

  /** C7: two owners of one address. In one file that is an error; over two, the earlier source has it. */
  #clash(record: DirectoryRecord, address: Mailbox, role: KeyRole, standing: Claim): void {
    const isSameSource = standing.owner >= this.#firstOwn;
    const owner = this.#index.entry(standing.owner);
    // two addresses for one mailbox in the cloud: odd, yet each of them is routed as it says
    const isHarmless = role === 'routing' && standing.role === 'routing';
    const isTwice = role === 'primary' && standing.role === 'primary';
    this.#add(
      isSameSource && !isHarmless ? 'error' : 'warning',
      record,
      isTwice
        ? `${address.address} stands here twice (${owner.source})`
        : `${address.address} belongs to ${owner.address.address} already (${owner.source}, ${WORDS[standing.role]})`,
      isTwice ? 'Keep one of the lines' : 'An address has one owner (R10): remove it from one of the two',
    );
  }

  async #claimDefaults(isMoving: boolean): Promise<void> {
    const domain = this.#checks.routingDomains[0];
    if (domain === undefined) return;
    const { size } = this.#index;
    for (let owner = 0; owner < size; owner++) {
      if (owner % IN_ONE_GO === IN_ONE_GO - 1) await setImmediate();
      if (!this.#index.hasDefaultRouting(owner) || (this.#index.routeOf(owner) !== 'on-premises') !== isMoving) continue;
      const { address } = this.#index.entry(owner);
      const derived = mailbox(address.localPart, domain);
      const standing = derived === undefined ? undefined : this.#index.claim(mailboxKey(derived), owner, 'routing');
      // who stays on-premises needs none, so somebody else may have it
      if (derived === undefined || standing === undefined || standing.owner === owner || !isMoving) continue;
      this.#defaultTaken(owner, address, derived, standing);
    }
  }

  #defaultTaken(owner: number, address: Mailbox, derived: Mailbox, standing: Claim): void {
    const other = this.#index.entry(standing.owner);
    const { source, line } = this.#index.lineOf(owner);
    this.finding({
      severity: source === this.#index.lineOf(standing.owner).source ? 'error' : 'warning',
      file: source.slice(source.indexOf(' ') + 1),
      line,
      address: address.address,
      problem: `its default routing address ${derived.address} belongs to ${other.address.address} already (${other.source}), and mail for one would reach the other`,
      remedy: 'Write a routing-address for one of them, or make one an alias of the other',
    });
  }

  #check(record: DirectoryRecord): void {
    const { routingAddress, connector, route, address } = record;
    const isRoutable = routingAddress !== undefined || this.#checks.routingDomains.length > 0;
    if (route !== 'on-premises' && !isRoutable)
      this.#add(
        'error',
        record,
        `the route is ${route}, and there is no routing domain`,
        'Set cloud.routing-domains in the settings',
      );
    if (routingAddress !== undefined && !this.#routingDomains.has(routingAddress.domain)) {
      this.#add(
        'error',
        record,
        `the routing address ${routingAddress.address} is in no routing domain`,
        `Use one of ${this.#checks.routingDomains.join(', ') || 'cloud.routing-domains (none is set)'}`,
      );
    }
    if (connector !== undefined && !this.#connectors.has(connector)) {
      this.#add('error', record, `there is no connector "${connector}"`, `Known: ${this.#checks.connectors.join(', ')}`);
    }
    for (const own of [address, ...record.aliases]) {
      if (this.#isOurs(own)) continue;
      this.#add(
        'warning',
        record,
        `${own.address} is in none of our domains, so nobody can write to it here`,
        `Add ${own.domain} under domains, or remove the address`,
      );
    }
  }

  #isOurs({ domain }: Mailbox): boolean {
    return (
      this.#routingDomains.has(domain) ||
      this.#checks.domains.some(({ name, includeSubdomains }) => name === domain || (includeSubdomains && isWithin(domain, name)))
    );
  }

  #add(severity: Finding['severity'], record: DirectoryRecord, problem: string, remedy: string): void {
    this.finding({ severity, file: this.#source.origin, line: record.line, address: record.address.address, problem, remedy });
  }

  #digest(record: DirectoryRecord): void {
    const { address, route, routingAddress, aliases, kind, connector, primary } = record;
    const aliasList = aliases.length === 0 ? '' : aliases.map((alias) => alias.address).join(' ');
    this.#hashed += `${this.#source.name}\t${address.address}\t${route}\t${routingAddress?.address ?? ''}\t${aliasList}\t${kind ?? ''}\t${connector ?? ''}\t${primary}\n`;
    if (this.#hashed.length < 65_536) return;
    this.#hash.update(this.#hashed);
    this.#hashed = '';
  }
}

const WORDS: Readonly<Record<KeyRole, string>> = { primary: 'its address', alias: 'an alias', routing: 'its routing address' };
