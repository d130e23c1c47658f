/** Builds one version of the directory from its sources: every record checked, every address with one owner (R10, C7). */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type Mailbox, mailbox, mailboxKey } from '../mail/address.ts';
import { type Claim, CompiledIndex, type KeyRole } from './compiled-index.ts';
import { plainLookAlike } from './look-alikes.ts';
import type { DirectoryChecks, DirectoryRecord, DirectoryRoute, DirectorySource, Finding } from './ports.ts';
import { RecordChecks } from './record-checks.ts';
import { contentOf } from './record-lines.ts';

/** Recipients handled in one go; then mail has its turn. */
const IN_ONE_GO = 2_000;
/** Findings kept; a file of another kind would have one for each of its lines. */
const MAX_FINDINGS = 10_000;
/** Characters; what is longer is no legacyExchangeDN. */
const MAX_X500 = 2_000;

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
  const digests: [string, string][] = [];
  for (const source of sources) {
    building.begin(source.name, source.origin);
    const hash = createHash('sha256');
    await source.read({
      record: (record) => {
        hash.update(contentOf(record));
        building.record(record);
      },
      finding: (finding) => building.finding(finding),
    });
    digests.push([source.name, hash.digest('hex')]);
  }
  const { index, findings, counts } = await building.finish();
  return { index, findings, counts, digest: digestOf(digests) };
}

/** The digest of a version's records, of those of its sources. */
export function digestOf(sources: readonly (readonly [name: string, digest: string])[]): string {
  return createHash('sha256')
    .update(sources.map(([name, digest]) => `${name}\t${digest}\n`).join(''))
    .digest('hex');
}

/** `x500:` and the distinguished name in lower case: the key that routing asks for an IMCEAEX address (R9). */
export const x500Key = (name: string): string =>
  `x500:${name
    .trim()
    .replace(/^x500:/i, '')
    .toLowerCase()}`;

export class Building {
  readonly index = new CompiledIndex();
  /** Keys of the recipients of lenient sources (C7) that cannot be taken as they are now, per source. */
  readonly culprits = new Map<string, Set<string>>();
  readonly #checks: DirectoryChecks;
  readonly #checking: RecordChecks;
  readonly #findings: Finding[] = [];
  readonly #lookAlikes: { readonly plain: string; readonly owner: number; readonly address: string }[] = [];
  /** Recipients whose routing address belongs to somebody else, and to whom. */
  readonly #pointing = new Map<number, number>();
  #name = '';
  #origin = '';
  #label = '';
  #lenient = false;
  /** The first recipient of the source that is being read. */
  #firstOwn = 0;
  readonly #lenientSources = new Set<string>();

  constructor(checks: DirectoryChecks) {
    this.#checks = checks;
    this.#checking = new RecordChecks(checks);
  }

  /** `lenient`: a live source, whose mistakes concern their own records alone (C7). */
  begin(name: string, origin: string, lenient = false): void {
    this.#name = name;
    this.#lenient = lenient;
    if (lenient) this.#lenientSources.add(name);
    this.#firstOwn = this.index.size;
    this.from(origin);
  }

  /** The source goes on in another file. */
  from(origin: string): void {
    this.#origin = origin;
    this.#label = `${this.#name} ${origin}`;
  }

  finding(finding: Finding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding);
  }

  record(record: DirectoryRecord): void {
    this.#check(record);
    const key = mailboxKey(record.address);
    const standing = this.index.claimOf(key);
    if (standing !== undefined) {
      // an earlier source has the same recipient: its word counts, as it should
      if (standing.role === 'primary' && standing.owner < this.#firstOwn) return;
      const isStronger = this.#isStronger(record, standing);
      this.#clash(record, record.address, 'primary', standing, isStronger);
      if (isStronger !== true) return;
      if (standing.role === 'primary') this.index.remove(standing.owner);
    }
    const owner = this.index.add(record, this.#label);
    if (this.index.claim(key, owner, 'primary') !== undefined) this.index.reclaim(key, owner, 'primary');
    for (const alias of record.aliases) this.#claim(record, alias, owner, 'alias');
    if (record.routingAddress !== undefined) this.#claim(record, record.routingAddress, owner, 'routing');
    if (record.x500 !== undefined)
      for (const name of record.x500) if (name.length <= MAX_X500) this.#claimKey(record, x500Key(name), name, owner, 'x500');
  }

  async finish(): Promise<Omit<Built, 'digest'>> {
    // the default routing addresses last: an address that is written somewhere goes before one that is only derived
    for (const isMoving of [true, false]) await this.#claimDefaults(isMoving);
    this.#findLookAlikes();
    this.#findLoops();
    const counts: Record<DirectoryRoute, number> = { 'on-premises': 0, cloud: 0, hold: 0, both: 0 };
    const { index } = this;
    for (let owner = 0; owner < index.size; owner++) if (!index.isGone(owner)) counts[index.routeOf(owner)]++;
    return { index, findings: this.#findings, counts };
  }

  #claim(record: DirectoryRecord, address: Mailbox, owner: number, role: KeyRole): void {
    this.#claimKey(record, mailboxKey(address), address.address, owner, role);
  }

  #claimKey(record: DirectoryRecord, key: string, shown: string, owner: number, role: KeyRole): void {
    const standing = this.index.claim(key, owner, role);
    if (standing === undefined || standing.owner === owner) return;
    const isStronger = role === 'routing' ? undefined : this.#isStronger(record, standing);
    if (isStronger === true && standing.role !== 'primary') this.index.reclaim(key, owner, role);
    if (role === 'routing' && standing.role !== 'routing') this.#pointing.set(owner, standing.owner);
    this.#clash(record, { address: shown }, role, standing, isStronger);
  }

  /**
   * C7: where two objects may rightly have one address (a synced contact beside a mailbox), whether the new one is the
   * stronger; `undefined` where they may not.
   */
  #isStronger(record: DirectoryRecord, standing: Claim): boolean | undefined {
    if (standing.owner < this.#firstOwn) return undefined;
    const [ours, theirs] = [STRENGTH[record.kind ?? ''], STRENGTH[this.index.kindOf(standing.owner) ?? '']];
    if (ours === undefined || theirs === undefined || ours === theirs || Math.min(ours, theirs) > MAIL_USER) return undefined;
    return ours > theirs;
  }

  /** C7: two owners of one address. In one file that is an error; over two, the earlier source has it. */
  #clash(
    record: DirectoryRecord,
    address: Pick<Mailbox, 'address'>,
    role: KeyRole,
    standing: Claim,
    stronger: boolean | undefined,
  ): void {
    const isSameSource = standing.owner >= this.#firstOwn;
    const owner = this.index.entry(standing.owner);
    // two addresses for one mailbox in the cloud: odd, yet each of them is routed as it says
    const isHarmless = (role === 'routing' && standing.role === 'routing') || stronger !== undefined;
    const isTwice = role === 'primary' && standing.role === 'primary';
    const isError = (isSameSource && !isHarmless) || (role === 'routing' && standing.role !== 'routing');
    if (isError && isSameSource && this.#lenient) this.blame(this.#name, mailboxKey(owner.address));
    this.#add(
      isError ? 'error' : 'warning',
      record,
      isTwice
        ? `${address.address} stands here twice (${owner.source})`
        : `${address.address} belongs to ${owner.address.address} already (${owner.source}, ${WORDS[standing.role]})`,
      stronger !== undefined
        ? `The ${stronger ? record.kind : owner.kind} has it, as the stronger kind (C7)`
        : isTwice
          ? 'Keep one of the lines'
          : 'An address has one owner (R10): remove it from one of the two',
    );
  }

  async #claimDefaults(isMoving: boolean): Promise<void> {
    const domain = this.#checks.routingDomains[0];
    if (domain === undefined) return;
    const { index } = this;
    for (let owner = 0; owner < index.size; owner++) {
      if (owner % IN_ONE_GO === IN_ONE_GO - 1) await setImmediate();
      if (index.isGone(owner) || !index.hasDefaultRouting(owner) || (index.routeOf(owner) !== 'on-premises') !== isMoving)
        continue;
      const key = index.keyOf(owner);
      const derived = `${key.slice(0, key.lastIndexOf('@'))}@${domain}`;
      const standing = index.claim(derived, owner, 'routing');
      // who stays on-premises needs none, so somebody else may have it
      if (standing !== undefined && standing.owner !== owner && isMoving) this.#defaultTaken(owner, standing);
    }
  }

  #defaultTaken(owner: number, standing: Claim): void {
    const { address } = this.index.entry(owner);
    const other = this.index.entry(standing.owner);
    const { source, line } = this.index.lineOf(owner);
    const [name, theirs] = [nameOf(source), nameOf(this.index.lineOf(standing.owner).source)];
    const isLenient = this.#lenientSources.has(name);
    if (isLenient && name === theirs) this.blame(name, mailboxKey(address));
    this.finding({
      severity: name === theirs && !isLenient ? 'error' : 'warning',
      file: source.slice(name.length + 1),
      line,
      address: address.address,
      problem: `its default routing address ${mailbox(address.localPart, this.#checks.routingDomains[0] ?? address.domain)?.address ?? ''} belongs to ${other.address.address} already (${other.source}), and mail for one would reach the other`,
      remedy: 'Write a routing-address for one of them, or make one an alias of the other',
    });
  }

  #check(record: DirectoryRecord): void {
    this.#checking.check(record, (severity, problem, remedy) => this.#add(severity, record, problem, remedy));
    this.#noteLookAlike(record.address);
    for (const alias of record.aliases) this.#noteLookAlike(alias);
  }

  #noteLookAlike(own: Mailbox): void {
    const plain = plainLookAlike(own);
    if (plain !== undefined) this.#lookAlikes.push({ plain, owner: this.index.size, address: own.address });
  }

  #findLookAlikes(): void {
    for (const { plain, owner, address } of this.#lookAlikes) {
      const other = this.index.claimOf(plain);
      if (other === undefined || other.owner === owner || owner >= this.index.size) continue;
      this.#late(
        owner,
        `${address} looks like ${this.index.entry(other.owner).address.address} and is another`,
        'Write one of them differently',
      );
    }
  }

  /** A routing address that is somebody's whose routing address is the first one's: mail would go round. */
  #findLoops(): void {
    for (const [first, second] of this.#pointing) {
      const path = [first];
      let at: number | undefined = second;
      while (at !== undefined && !path.includes(at)) {
        path.push(at);
        at = this.#pointing.get(at);
      }
      if (at !== first) continue;
      const round = [...path, first].map((owner) => this.index.entry(owner).address.address).join(' → ');
      this.#late(first, `the routing addresses make a loop: ${round}`, 'Give each its own routing address');
    }
  }

  #late(owner: number, problem: string, remedy: string): void {
    const { source, line } = this.index.lineOf(owner);
    const name = nameOf(source);
    const { address } = this.index.entry(owner);
    const isLenient = this.#lenientSources.has(name);
    if (isLenient) this.blame(name, mailboxKey(address));
    this.finding({
      severity: isLenient ? 'warning' : 'error',
      file: source.slice(name.length + 1),
      line,
      address: address.address,
      problem,
      remedy,
    });
  }

  /** This recipient of a lenient source cannot be taken as it is. */
  blame(source: string, key: string): void {
    const keys = this.culprits.get(source);
    if (keys === undefined) this.culprits.set(source, new Set([key]));
    else keys.add(key);
  }

  #add(severity: Finding['severity'], record: DirectoryRecord, problem: string, remedy: string): void {
    const isTolerated = severity === 'error' && this.#lenient;
    if (isTolerated) this.blame(this.#name, mailboxKey(record.address));
    this.finding({
      severity: isTolerated ? 'warning' : severity,
      file: this.#origin,
      line: record.line,
      address: record.address.address,
      problem,
      remedy: isTolerated ? `${remedy}; until then its entry of before counts (C7)` : remedy,
    });
  }
}

/** `plain recipients.csv` is of the source `plain`. */
export const nameOf = (label: string): string => {
  const space = label.indexOf(' ');
  return space < 0 ? label : label.slice(0, space);
};

const WORDS: Readonly<Record<KeyRole, string>> = {
  primary: 'its address',
  alias: 'an alias',
  routing: 'its routing address',
  x500: 'an X500 address',
};

/** C7: mailbox, remote mailbox, mail user, contact. Only the last two may stand beside another object with their address. */
const MAIL_USER = 1;
const STRENGTH: Readonly<Record<string, number>> = {
  mailbox: 3,
  shared: 3,
  room: 3,
  equipment: 3,
  'remote-mailbox': 2,
  'mail-user': MAIL_USER,
  contact: 0,
};
