/** What an operator can do with the directory, the domains and the waves, over the ports. */
import { type Mailbox, parseMailbox } from '../mail/address.ts';
import type { RouteDecision } from '../mail/route.ts';
import { type DirectoryOperations, type Explanation, OperationError, type Refusal, type WaveOperations } from './contract.ts';
import type { DirectoryChange, DirectoryEntryShown, DomainState, FileFinding } from './directory-contract.ts';
import { setRequest, verifyRequest } from './directory-contract.ts';
import type { By, Changed, DirectoryPort, DomainsPort, RecipientView, ReportsPort, WavesPort } from './directory-ports.ts';
import type { ExplainQuestion } from './ports.ts';
import { waveSwitchRequest } from './wave-contract.ts';

/** Who changes something, where nobody says so. */
const SOMEBODY = 'operator';

export interface DirectoryParts {
  readonly directory: DirectoryPort;
  readonly domains: DomainsPort;
  readonly reports: ReportsPort;
  /** The question of `explain`, read; and its answer in the wire form. */
  readonly question: (query: {
    recipient: string;
    from?: string | undefined;
    peer?: ExplainQuestion['peer'] | undefined;
    size?: number | undefined;
  }) => ExplainQuestion;
  readonly explanation: (recipient: Mailbox, decision: RouteDecision) => Explanation;
}

export function createDirectoryOperations(parts: DirectoryParts): DirectoryOperations {
  const { directory, domains, reports } = parts;
  return {
    importDirectory: (files, options) => orRefusal(() => directory.import(files, options, by(options))),
    diffDirectory: (files, options) => orRefusal(() => directory.diff(files, options)),
    checkDirectory: () => orRefusal(() => directory.check()),
    keepExport: (files, options) => orRefusal(() => directory.keepExport(files, options)),
    listDirectory: async () => directory.list(),
    async showRecipient(text) {
      const shown = directory.show(boxOf(text));
      if (shown === undefined)
        throw new OperationError(
          'not-found',
          `the directory does not know ${text}; "explain ${text}" tells what becomes of its mail`,
        );
      const { entry, 'of-sources': ofSources, ...rest } = shown;
      return {
        ...rest,
        ...viewOf(entry),
        address: entry.address.address,
        kind: entry.kind ?? null,
        connector: entry.connector ?? null,
        primary: entry.route === 'both' ? entry.primary : null,
        'of-sources': ofSources === null ? null : viewOf(ofSources),
      };
    },
    async setRecipient(request) {
      sayWhy(setRequest.safeParse(request));
      const address = boxOf(request.address);
      const { route, primary, reason } = request;
      const routing = request['routing-address'];
      const change = {
        address,
        ...(routing !== undefined && { routingAddress: boxOf(routing) }),
        ...(primary !== undefined && { primary }),
      };
      const before = directory.list().version;
      const done = await orRefusal(() =>
        route === undefined
          ? directory.unset(address, by(request))
          : directory.set({ ...change, route }, { ...by(request), reason }),
      );
      return changeOf(done, before);
    },
    directoryHistory: async ({ limit }) => directory.history(limit),
    async rollbackDirectory(request) {
      const done = await orRefusal(() => directory.rollback(request.version, by(request)));
      if (!done.ok) throw new OperationError('invalid', wordsOf(done.findings));
      const { ok: _, ...answer } = done;
      return answer;
    },
    async refreshSource(request) {
      const { source } = request;
      const done = await orRefusal(() => directory.refresh(source, by(request), request['yes-shrink'] === true));
      if (done !== undefined) return done;
      const { sources, live } = directory.list();
      const known = [...sources.filter(({ kind }) => kind === 'file'), ...live].map(({ name }) => name);
      const kind = sources.find(({ name }) => name === source)?.kind;
      // the desk asks whom the relay has sources for; without one there is nobody who could
      if (kind === 'live')
        throw new OperationError('unavailable', `${source} is asked by the running relay alone, and none runs`);
      throw new OperationError(
        'not-found',
        kind === 'imported'
          ? `${source} was imported: import its newest export, bridgehead directory import FILE...`
          : `there is no source "${source}" to refresh${known.length === 0 ? '' : `; there is ${known.join(', ')}`}`,
      );
    },
    async explainWith(files, { source, format, side, ...query }) {
      const question = parts.question(query);
      const options = { ...(source && { source }), ...(format && { format }), ...(side && { side }) };
      const decision = await orRefusal(() => directory.explain({ files, options }, question));
      return parts.explanation(question.recipient, decided(decision));
    },
    listDomains: async () => domains.list(),
    async verifyDomain(name, request) {
      sayWhy(verifyRequest.safeParse(request));
      const override = request.override === true ? { ...by(request), reason: request.reason ?? '' } : undefined;
      return (await orRefusal(() => domains.verify(name, override))) ?? noDomain(name, domains.list());
    },
    switchMx: async (name, request) =>
      (await orRefusal(() => domains.mx(name, request, by(request)))) ?? noDomain(name, domains.list()),
    shadow: (files, options) => orRefusal(() => reports.shadow(files, options)),
    reportClients: ({ since, until, domain }) =>
      reports.clients({
        ...(since !== undefined && { since: Date.parse(since) }),
        ...(until !== undefined && { until: Date.parse(until) }),
        ...(domain !== undefined && { domain: domain.toLowerCase() }),
      }),
  };
}

export function createWaveOperations(waves: WavesPort): WaveOperations {
  return {
    async createWave(name, { file, addresses, at, ...request }) {
      const findings: FileFinding[] = [];
      const members = addresses.flatMap(({ address, line }) => {
        const mailbox = parseMailbox(address);
        if (mailbox !== undefined) return [{ mailbox, line }];
        findings.push(notAnAddress(file ?? '', line, address));
        return [];
      });
      const list = { ...(file !== undefined && { file }), addresses: members, findings };
      const options = { who: by(request).who, ...(at !== undefined && { at: Date.parse(at) }) };
      const done = await orRefusal(() => waves.create(name, list, options));
      return done.created ? done : { ...done, wave: null };
    },
    listWaves: async () => waves.list(),
    showWave: (name) => orRefusal(async () => waves.show(name)),
    checkWave: (name, { to }) => orRefusal(() => waves.check(name, to)),
    scheduleWave: (name, { at, ...request }) =>
      orRefusal(() => waves.schedule(name, at === null ? undefined : Date.parse(at), by(request).who)),
    holdWave: (name, request) => orRefusal(() => waves.hold(name, part(request))),
    bothWave: (name, request) => orRefusal(() => waves.both(name, part(request))),
    async switchWave(name, request) {
      sayWhy(waveSwitchRequest.safeParse(request));
      const { except, force } = request;
      const done = await orRefusal(() =>
        waves.switch(name, { ...by(request), ...(except && { except }), ...(force === true && { force }) }),
      );
      return done.switched
        ? { ...done, unsafe: [] }
        : { ...done, version: null, moved: [], except: [], forced: [], unchecked: 0 };
    },
    rollbackWave: (name, request) => orRefusal(() => waves.rollback(name, part(request))),
    reportWave: (name) => orRefusal(() => waves.report(name)),
    replayWave: (name, { since }) => orRefusal(() => waves.replay(name, since === undefined ? {} : { since: Date.parse(since) })),
  };
}

const by = ({ who, reason }: { readonly who?: string | undefined; readonly reason?: string | undefined }): By => ({
  who: who ?? SOMEBODY,
  ...(reason !== undefined && { reason }),
});

const part = (request: { only?: readonly string[] | undefined; who?: string | undefined; reason?: string | undefined }) => ({
  ...by(request),
  ...(request.only !== undefined && { only: request.only }),
});

/** What the parts refuse with words for an operator is passed on as such; all else is a bug or a broken machine. */
async function orRefusal<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { refusal, message } = error as { refusal?: unknown; message?: string };
    if (error instanceof OperationError || !isRefusal(refusal)) throw error;
    throw new OperationError(refusal, message ?? refusal);
  }
}

const REFUSALS: readonly string[] = ['not-found', 'invalid', 'forbidden', 'unavailable'] satisfies Refusal[];
const isRefusal = (value: unknown): value is Refusal => typeof value === 'string' && REFUSALS.includes(value);

function boxOf(text: string): Mailbox {
  const box = parseMailbox(text);
  if (box === undefined) throw new OperationError('invalid', `"${text}" is not an e-mail address`);
  return box;
}

/** Without a daemon no HTTP schema stands in front. */
function sayWhy(parsed: { success: boolean; error?: { issues: { message: string }[] } | undefined }): void {
  if (!parsed.success) throw new OperationError('invalid', parsed.error?.issues.map(({ message }) => message).join('; ') ?? '');
}

function changeOf(done: Changed, before: number): DirectoryChange {
  if (done.ok) return { version: done.version, changed: done.version !== before, findings: done.findings };
  throw new OperationError('invalid', wordsOf(done.findings));
}

const wordsOf = (findings: readonly FileFinding[]): string =>
  findings.map(({ address, problem, remedy }) => `${address === '' ? '' : `${address}: `}${problem}. ${remedy}`).join('; ');

/** A version that is not kept, or files that hold no directory. */
export function decided(answer: RouteDecision | readonly FileFinding[]): RouteDecision {
  if ('kind' in answer) return answer;
  throw new OperationError('invalid', wordsOf(answer));
}

const viewOf = ({
  route,
  routingAddress,
  source,
}: RecipientView): Pick<DirectoryEntryShown, 'route' | 'routing-address' | 'source'> => ({
  route,
  'routing-address': routingAddress?.address ?? null,
  source,
});

function noDomain(name: string, known: readonly DomainState[]): never {
  throw new OperationError(
    'not-found',
    `${name} is none of our domains; there is ${known.map(({ domain }) => domain).join(', ')}`,
  );
}

const notAnAddress = (file: string, line: number, address: string): FileFinding => ({
  severity: 'error',
  file,
  line,
  address,
  problem: 'this is not an e-mail address',
  remedy: 'Write one address a line, or a column EmailAddress',
});
