/** Active Directory, or a server that has its attributes, as a live source (coexistence.md 4.3 e). */
import { readFile } from 'node:fs/promises';
import type { Entry } from 'ldapts';
import type { Domain, Mailbox } from '../../mail/address.ts';
import { OBJECT_ATTRIBUTES, type ObjectAttribute, readObject } from '../directory-object.ts';
import type { DirectoryRecord, Finding } from '../ports.ts';
import { withRoutingAlias } from '../readers/object-records.ts';
import { explainLdap, isFinal } from './ldap-errors.ts';
import { LdapSession } from './ldap-session.ts';
import { ownRecords } from './own-domains.ts';
import type { Fetched, LdapSettings, LiveChecks, LiveSource } from './ports.ts';

/** Objects of one server: the promise is 1,000,000 recipients, and a wrong filter must not eat the memory. */
const MAX_OBJECTS = 2_000_000;
const MAX_FINDINGS = 10_000;
/** Active Directory gives 1,500 members at a time; 100 million are nobody's group. */
const MAX_RANGES = 65_536;

/** The directory server of the settings. Each fetch reads password and CA anew, so that they can be changed. */
export function ldapSource(settings: LdapSettings, checks: LiveChecks): LiveSource {
  const origin = settings.urls.join(', ');
  return { name: settings.name, kind: 'ldap', origin, fetch: (signal) => fetchAll(settings, checks, signal) };
}

async function fetchAll(settings: LdapSettings, checks: LiveChecks, signal: AbortSignal): Promise<Fetched> {
  let ca: string | undefined;
  let password: string | undefined;
  try {
    if (settings.caFile !== undefined) ca = await readFile(settings.caFile, 'utf8');
    if (settings.passwordFile !== undefined) password = (await readFile(settings.passwordFile, 'utf8')).replace(/\r?\n$/, '');
  } catch (error) {
    const { code = 'unknown error', path = 'a file' } = error as NodeJS.ErrnoException;
    return { ok: false, problem: `${path} cannot be read (${code})`, remedy: 'Let the user of the relay read it' };
  }
  // RFC 4513 §5.1.2: a name without a password is anonymous, and the server would say yes to it
  if (settings.bindDn !== undefined && password === '')
    return { ok: false, problem: `${settings.passwordFile} is empty`, remedy: 'Write the password of bind-dn into it' };
  const problems: string[] = [];
  let remedy = '';
  for (const url of settings.urls) {
    await using session = new LdapSession({
      url,
      startTls: settings.startTls,
      ...(ca === undefined ? {} : { ca }),
      deadline: settings.deadline,
      signal,
    });
    try {
      await session.open(settings.bindDn, password);
      return await new Reading(settings, checks, url, session).run();
    } catch (error) {
      const explained = explainLdap(error, settings);
      problems.push(`${url}: ${explained.problem}`);
      ({ remedy } = explained);
      // a wrong password tried at every server locks the account
      if (signal.aborted || isFinal(error)) break;
    }
  }
  return { ok: false, problem: problems.join('; '), remedy };
}

/** What one server has, made into records. */
class Reading {
  readonly #settings: LdapSettings;
  readonly #url: string;
  readonly #session: LdapSession;
  readonly #routingDomains: ReadonlySet<Domain>;
  readonly #isOwn: (record: DirectoryRecord) => boolean;
  readonly #records: DirectoryRecord[] = [];
  readonly #findings: Finding[] = [];
  /** Whose name a member may be: objects with mail, by their DN in lower case. */
  readonly #byName = new Map<string, Mailbox>();
  readonly #groups: { readonly record: DirectoryRecord; readonly members: readonly string[] }[] = [];

  constructor(settings: LdapSettings, checks: LiveChecks, url: string, session: LdapSession) {
    this.#settings = settings;
    this.#url = url;
    this.#session = session;
    this.#routingDomains = new Set(checks.routingDomains);
    this.#isOwn = ownRecords(checks);
  }

  async run(): Promise<Fetched> {
    const { filter, pageSize } = this.#settings;
    const base = this.#settings.base ?? (await this.#defaultBase());
    if (base === undefined)
      return {
        ok: false,
        problem: `${this.#url} does not say what it holds`,
        remedy: 'Set ldap.base, such as "DC=example,DC=com"',
      };
    let objects = 0;
    for await (const page of this.#session.search({ base, filter, attributes: OBJECT_ATTRIBUTES, pageSize })) {
      objects += page.length;
      if (objects > MAX_OBJECTS)
        return { ok: false, problem: `more than ${MAX_OBJECTS} objects`, remedy: 'Narrow ldap.base or ldap.filter' };
      for (const entry of page) await this.#take(entry);
    }
    for (const { record, members } of this.#groups) {
      const known = members.flatMap((dn) => this.#byName.get(dn.toLowerCase()) ?? []);
      this.#records.push(known.length === 0 ? record : { ...record, members: known });
    }
    return { ok: true, records: this.#records, findings: this.#findings };
  }

  async #take(entry: Entry): Promise<void> {
    const object = readable(entry);
    const { record: read, oddities } = readObject(object, this.#routingDomains, 0);
    const record = read === undefined ? undefined : withRoutingAlias(read, this.#routingDomains);
    const isOwn = record !== undefined && this.#isOwn(record);
    if (isOwn || record === undefined) {
      for (const oddity of oddities)
        if (this.#findings.length < MAX_FINDINGS)
          this.#findings.push({ severity: 'warning', file: this.#url, line: 0, ...oddity });
    }
    if (record === undefined) return;
    this.#byName.set(entry.dn.toLowerCase(), record.address);
    if (!isOwn) return;
    if (record.kind === 'group') this.#groups.push({ record, members: await this.#members(entry, object.values('member')) });
    else this.#records.push(record);
  }

  /** Active Directory cuts long attributes: `member;range=0-1499`, to be asked for again until `-*`. */
  async #members(entry: Entry, members: readonly string[]): Promise<readonly string[]> {
    let range = rangeOf(entry);
    if (range === undefined) return members;
    const all = [...members];
    for (let turn = 0; range !== undefined && turn < MAX_RANGES; turn++) {
      all.push(...range.values);
      if (range.next === undefined) break;
      const more = await this.#session.object(entry.dn, [`member;range=${range.next}-*`]);
      range = more === undefined ? undefined : rangeOf(more);
    }
    return all;
  }

  /** The rootDSE tells (RFC 4512 §5.1). */
  async #defaultBase(): Promise<string | undefined> {
    const root = await this.#session.object('', ['defaultNamingContext', 'namingContexts']);
    if (root === undefined) return undefined;
    return texts(root['defaultNamingContext'])[0] ?? texts(root['namingContexts']).find((name) => name !== '');
  }
}

function rangeOf(entry: Entry): { readonly values: readonly string[]; readonly next: number | undefined } | undefined {
  for (const [name, value] of Object.entries(entry)) {
    const match = /^member;range=\d+-(\d+|\*)$/i.exec(name);
    if (match !== null) return { values: texts(value), next: match[1] === '*' ? undefined : Number(match[1]) + 1 };
  }
  return undefined;
}

/** Attribute names come in the case of the server. */
function readable(entry: Entry): { readonly dn: string; values(attribute: ObjectAttribute): readonly string[] } {
  const attributes = new Map(Object.entries(entry).map(([name, value]) => [name.toLowerCase(), value]));
  return { dn: entry.dn, values: (attribute) => texts(attributes.get(attribute.toLowerCase())) };
}

function texts(value: Entry[string] | undefined): readonly string[] {
  const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return values.map((one) => (typeof one === 'string' ? one : one.toString('utf8')));
}
