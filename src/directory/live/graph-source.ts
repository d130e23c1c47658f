/** Microsoft Graph as a live source: everything the first time, then what changed (delta queries), kept over a restart. */
import type { Mailbox } from '../../mail/address.ts';
import type { Clock } from '../../platform/clock.ts';
import type { DirectoryRecord, Finding } from '../ports.ts';
import { readGraphObject } from '../readers/graph-object.ts';
import { type Delay, GraphClient } from './graph-client.ts';
import { GraphError } from './graph-http.ts';
import { GRAPH_SELECT, keptObject } from './graph-selection.ts';
import { type GraphCollection, type GraphKind, type GraphState, type KeptObject, keepState, recallState } from './graph-state.ts';
import { ownRecords } from './own-domains.ts';
import type { Fetched, GraphSettings, LiveChecks, LiveSource } from './ports.ts';

const PATHS: Readonly<Record<GraphKind, string>> = { user: 'users', group: 'groups', contact: 'contacts' };
const KINDS = ['user', 'group', 'contact'] as const;
const MAX_OBJECTS = 2_000_000;
const MAX_PAGES = 100_000;
const MAX_FINDINGS = 10_000;

export interface GraphDeps {
  readonly clock: Clock;
  readonly delay: Delay;
  /** Where what Graph said is kept, so that a restart asks for changes alone; absolute path. Absent: in memory alone. */
  readonly stateFile?: string;
}

/** The tenant of the settings. Fetches must not overlap. */
export function graphSource(settings: GraphSettings, checks: LiveChecks, deps: GraphDeps): LiveSource {
  const source = new GraphSource(settings, checks, deps);
  return { name: settings.name, kind: 'graph', origin: settings.url, fetch: (signal) => source.fetch(signal) };
}

class GraphSource {
  readonly #settings: GraphSettings;
  readonly #checks: LiveChecks;
  readonly #deps: GraphDeps;
  readonly #client: GraphClient;
  #state: GraphState | undefined;

  constructor(settings: GraphSettings, checks: LiveChecks, deps: GraphDeps) {
    this.#settings = settings;
    this.#checks = checks;
    this.#deps = deps;
    this.#client = new GraphClient(settings, deps.delay, () => deps.clock.now());
  }

  async fetch(signal: AbortSignal): Promise<Fetched> {
    const { stateFile } = this.#deps;
    const key = `${this.#settings.url} ${this.#settings.tenant ?? ''}`;
    try {
      this.#state ??= (stateFile === undefined ? undefined : await recallState(stateFile, key)) ?? { key, collections: {} };
      // nothing of a broken-off round counts: its link would skip what we have not seen
      const collections: Partial<Record<GraphKind, GraphCollection>> = {};
      for (const kind of KINDS) collections[kind] = await this.#collection(kind, this.#state.collections[kind], signal);
      this.#state = { key, collections };
      if (stateFile !== undefined) await keepState(stateFile, this.#state);
    } catch (error) {
      if (error instanceof GraphError) return { ok: false, problem: error.message, remedy: error.remedy };
      if (signal.aborted)
        return { ok: false, problem: 'the reading was ended', remedy: 'Nothing; the relay tries again by itself' };
      throw error;
    }
    return this.#records();
  }

  async #collection(kind: GraphKind, before: GraphCollection | undefined, signal: AbortSignal): Promise<GraphCollection> {
    if (before?.link !== undefined) {
      try {
        return await this.#follow(kind, before.link, before.objects, signal);
      } catch (error) {
        // Graph forgets a link after some days (410, syncStateNotFound): everything anew
        if (!(error instanceof GraphError) || !(error.status === 410 || /^(syncState|resync)/i.test(error.code))) throw error;
      }
    }
    const root = `${this.#settings.url}/${PATHS[kind]}`;
    const select = GRAPH_SELECT[kind];
    try {
      const members = kind === 'group' ? ',members' : '';
      return await this.#follow(kind, `${root}/delta?$select=${select}${members}`, new Map(), signal);
    } catch (error) {
      // a server that answers like Graph may know no delta
      if (!(error instanceof GraphError) || ![400, 404, 405, 501].includes(error.status)) throw error;
      return await this.#follow(kind, `${root}?$select=${select}&$top=999`, new Map(), signal);
    }
  }

  /** Follows the pages of one round from `link` to their end; `objects` itself stays as it is. */
  async #follow(
    kind: GraphKind,
    link: string,
    before: GraphCollection['objects'],
    signal: AbortSignal,
  ): Promise<GraphCollection> {
    const objects = new Map(before);
    let url = link;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await this.#client.get(url, signal);
      const { value, '@odata.nextLink': next, '@odata.deltaLink': delta } = page;
      if (!Array.isArray(value)) throw new GraphError(0, `${url.split('?')[0]} answers without a list`, 'Mend graph.url');
      for (const raw of value as readonly unknown[]) take(objects, kind, raw);
      if (objects.size > MAX_OBJECTS) throw new GraphError(0, `more than ${MAX_OBJECTS} objects`, 'This is no tenant we know of');
      if (typeof next !== 'string') return typeof delta === 'string' ? { link: delta, objects } : { objects };
      if (next === url) break;
      url = next;
    }
    throw new GraphError(0, 'the pages of an answer do not end', 'Look at what answers there');
  }

  #records(): Fetched {
    const graph = { routingDomains: new Set(this.#checks.routingDomains) };
    const isOwn = ownRecords(this.#checks);
    const records: DirectoryRecord[] = [];
    const findings: Finding[] = [];
    const warn = (address: string, problem: string, remedy: string): void => {
      if (findings.length < MAX_FINDINGS)
        findings.push({ severity: 'warning', file: this.#settings.url, line: 0, address, problem, remedy });
    };
    const groups: { readonly at: number; readonly members: readonly string[] }[] = [];
    const addresses = new Map<string, Mailbox>();
    let unproven = 0;
    for (const kind of KINDS) {
      for (const [id, { fields, members = [] }] of this.#state?.collections[kind]?.objects ?? []) {
        const reading = readGraphObject(fields, graph, 0);
        if (reading.is === 'unproven') unproven++;
        if (reading.is !== 'recipient') continue;
        const { record, broken } = reading;
        addresses.set(id, record.address);
        if (!isOwn(record)) continue;
        for (const { problem } of broken)
          warn(record.address.address, problem, `Mend proxyAddresses of ${record.address.address}`);
        if (members.length > 0) groups.push({ at: records.length, members });
        records.push(record);
      }
    }
    for (const { at, members } of groups) {
      const record = records[at];
      const known = members.flatMap((id) => addresses.get(id) ?? []);
      if (record !== undefined && known.length > 0) records[at] = { ...record, members: known };
    }
    if (unproven > 0)
      warn(
        '',
        `${unproven} users of the cloud alone, without proof of a mailbox, were left out`,
        'Shared mailboxes have no licence: export them with Get-EXOMailbox, or directory set ADDRESS --route cloud --reason T',
      );
    return { ok: true, records, findings };
  }
}

/** One object of a page laid over what is known of it: a delta has only what changed. */
function take(objects: Map<string, KeptObject>, kind: GraphKind, raw: unknown): void {
  if (typeof raw !== 'object' || raw === null) return;
  const fields = raw as Readonly<Record<string, unknown>>;
  const { id } = fields;
  if (typeof id !== 'string') return;
  if (Object.hasOwn(fields, '@removed')) {
    objects.delete(id);
    return;
  }
  objects.set(id, keptObject(objects.get(id), fields, kind));
}
