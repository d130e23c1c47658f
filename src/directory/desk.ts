/** Where an operator's questions about the directory arrive: imports, what they would change, one recipient, versions. */
import type { Mailbox } from '../mail/address.ts';
import type { Checkup } from './checkup.ts';
import type { Directory } from './directory.ts';
import type { Refreshed, SourceState } from './live/refresher.ts';
import type { Finding } from './ports.ts';
import type { SetChange } from './set-checks.ts';
import type { DirectoryVersion } from './version.ts';
import type { DiffEntry, VersionDiff } from './version-diff.ts';
import type { Shown } from './views.ts';

export interface DeskFile {
  /** What findings call it. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

export interface ReadingOptions {
  readonly source?: string | undefined;
  readonly format?: string | undefined;
  readonly side?: 'on-premises' | 'cloud' | undefined;
}

interface By {
  readonly who: string;
  readonly reason?: string;
}

/** What queued mail would do; the form of `directory import --json`. */
export interface Queued {
  readonly recipients: number;
  readonly moves: number;
  readonly changes: Readonly<Record<string, number>>;
  readonly list: readonly { readonly id: string; readonly recipient: string; readonly from: string; readonly to: string }[];
}

export interface DeskDeps {
  readonly directory: Directory;
  readonly checkup: Checkup;
  /** The live sources; absent without a relay, for then nobody asks them. */
  readonly live?: {
    refresh(name: string, options: { readonly yesShrink: boolean }): Promise<Refreshed> | undefined;
    states(): readonly SourceState[];
  };
  /** Which queued mail goes another way by the second version. */
  readonly queued: (before: DirectoryVersion, after: DirectoryVersion) => Promise<Queued>;
  /** Called when another version is active, before the answer: waves, the grace window and held mail follow. */
  readonly changed: (before: DirectoryVersion) => Promise<void>;
}

/** The form of `directory refresh --json`. */
export interface RefreshAnswer {
  readonly ok: boolean;
  readonly recipients: number | null;
  readonly problem: string | null;
  readonly remedy: string | null;
  readonly findings: readonly Finding[];
}

interface Changes {
  readonly version: number;
  readonly recipients: number;
  readonly cloud: number;
  readonly 'on-premises': number;
  readonly hold: number;
  readonly both: number;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly moves: Readonly<Record<string, number>>;
  readonly queued: Queued | null;
  readonly findings: readonly Finding[];
}

export class DirectoryDesk {
  readonly #deps: DeskDeps;

  constructor(deps: DeskDeps) {
    this.#deps = deps;
  }

  async import(
    files: readonly DeskFile[],
    options: ReadingOptions & { readonly 'dry-run'?: boolean | undefined; readonly 'yes-shrink'?: boolean | undefined },
    by: By,
  ): Promise<Changes & { readonly applied: boolean }> {
    const { directory, checkup, queued } = this.#deps;
    const before = directory.active();
    const source = options.source ?? 'imported';
    const named = namedFiles(files, options);
    const dryRun = options['dry-run'] === true;
    const { report, diff, version } = await directory.import(named, {
      ...by,
      source,
      dryRun,
      yesShrink: options['yes-shrink'] === true,
    });
    const moving = version === undefined ? null : await queued(before, version);
    if (report.applied) {
      await checkup.noteImport(source, named);
      await this.#follow(before);
    }
    return { ...changesOf(version ?? before, diff, report.findings, moving), applied: report.applied };
  }

  /** The difference is told also where the guards would refuse the set; then `ok` is false. */
  async diff(
    files: readonly DeskFile[],
    { offset, limit, ...options }: ReadingOptions & { readonly offset: number; readonly limit: number },
  ): Promise<Changes & { readonly ok: boolean; readonly entries: readonly DiffEntry[]; readonly more: boolean }> {
    const { directory, queued } = this.#deps;
    const before = directory.active();
    const named = namedFiles(files, options);
    const source = options.source ?? 'imported';
    const first = await directory.import(named, { source, dryRun: true, who: 'diff' });
    const isRefused = first.report.findings.some(({ severity }) => severity === 'error');
    const { diff, version } = isRefused ? await directory.whatIf(named, source) : first;
    const moving = version === undefined ? null : await queued(before, version);
    return {
      ...changesOf(version ?? before, diff, first.report.findings, moving),
      ok: !isRefused,
      entries: diff?.page(offset, limit) ?? [],
      more: (diff?.size ?? 0) > offset + limit,
    };
  }

  check = () => this.#deps.checkup.check();

  /** Keeps an export of one side for comparing alone. */
  keepExport(files: readonly DeskFile[], side: 'on-premises' | 'cloud', format: string | undefined) {
    return this.#deps.checkup.keep(side, files, format);
  }

  /** Recipients by route, without test users. */
  people() {
    return this.#deps.directory.people();
  }

  list() {
    const { versions: _, ...listing } = this.#deps.directory.list();
    return { ...listing, live: this.#deps.live?.states() ?? [] };
  }

  show(address: Mailbox): Shown | undefined {
    return this.#deps.directory.show(address);
  }

  set(change: SetChange, by: By & { readonly reason: string }) {
    return this.#changing((directory) => directory.set(change, by));
  }

  unset(address: Mailbox, by: By) {
    return this.#changing((directory) => directory.unset(address, by));
  }

  async rollback(version: number | undefined, by: By) {
    const { directory, queued } = this.#deps;
    const before = directory.active();
    const done = await directory.rollback(version, by);
    if (!done.ok) return done;
    const { restored, diff, findings } = done;
    const after = directory.active();
    const moving = after === before ? null : await queued(before, after);
    await this.#follow(before);
    const { added, removed, changed, moves, ...figures } = changesOf(after, diff, findings, moving);
    const differences = { added, removed, changed, moves };
    return { ok: true as const, restored, ...figures, changed: after !== before, differences };
  }

  history(limit: number) {
    const { directory } = this.#deps;
    const kept = new Set(directory.list().versions.map(({ version }) => version));
    return {
      active: directory.active().version,
      versions: directory
        .history()
        .slice(0, limit)
        .map((record) => ({
          version: record.version,
          time: record.time,
          who: record.who,
          what: record.what,
          reason: record.reason ?? null,
          from: record.from,
          digest: record.digest,
          recipients: record.recipients,
          counts: record.counts,
          restorable: kept.has(record.version),
        })),
    };
  }

  /**
   * Asks a live source now, or reads the files of the settings again, of which `name` is one; `undefined` where no source
   * is called so. `yesShrink`: recipients of this source are meant to go (C6).
   */
  async refresh(name: string, by: By, yesShrink: boolean): Promise<RefreshAnswer | undefined> {
    const { directory, live } = this.#deps;
    const listed = directory.list().sources.find((one) => one.name === name);
    if (listed?.kind === 'file') return await this.#readFiles(name, by, yesShrink);
    const done = await live?.refresh(name, { yesShrink });
    if (done === undefined) return undefined;
    return done.ok
      ? { ok: true, recipients: done.recipients, problem: null, remedy: null, findings: done.findings }
      : { ok: false, recipients: null, problem: done.problem, remedy: done.remedy, findings: done.findings };
  }

  async #readFiles(name: string, { who }: By, yesShrink: boolean): Promise<RefreshAnswer> {
    const { directory } = this.#deps;
    const loading = await this.#changing((one) => one.reload(who, undefined, yesShrink ? { yesShrink: name } : {}));
    const worst = loading.ok ? undefined : loading.findings.find(({ severity }) => severity === 'error');
    return {
      ok: loading.ok,
      recipients: loading.ok ? (directory.list().sources.find((one) => one.name === name)?.recipients ?? 0) : null,
      problem: loading.ok ? null : `refused: ${worst === undefined ? 'the directory does not take it' : placed(worst)}`,
      remedy: loading.ok ? null : (worst?.remedy ?? 'bridgehead directory list'),
      findings: loading.findings.filter((one) => one !== worst),
    };
  }

  /** Another directory to ask: a version that was, or the one that an import would make. Findings where it cannot be had. */
  async trial(
    what: { readonly version: number } | { readonly files: readonly DeskFile[]; readonly options: ReadingOptions },
  ): Promise<DirectoryVersion | readonly Finding[]> {
    const { directory } = this.#deps;
    if ('files' in what) {
      const { report, version } = await directory.whatIf(namedFiles(what.files, what.options), what.options.source);
      return version ?? report.findings.filter(({ severity }) => severity === 'error');
    }
    return (await directory.versionAt(what.version)) ?? [notKept(what.version)];
  }

  async #changing<T>(change: (directory: Directory) => Promise<T>): Promise<T> {
    const before = this.#deps.directory.active();
    const done = await change(this.#deps.directory);
    await this.#follow(before);
    return done;
  }

  async #follow(before: DirectoryVersion): Promise<void> {
    const { directory, changed } = this.#deps;
    if (directory.active() !== before) await changed(before);
  }
}

const namedFiles = (files: readonly DeskFile[], { format, side }: ReadingOptions) =>
  files.map(({ name, path }) => ({
    file: path,
    origin: name,
    ...(format !== undefined && { format }),
    ...(side !== undefined && { side }),
  }));

function changesOf(
  { version, recipients, counts }: DirectoryVersion,
  diff: VersionDiff | undefined,
  findings: readonly Finding[],
  queued: Queued | null,
): Changes {
  const { added = 0, removed = 0, changed = 0, moves = {} } = diff ?? {};
  return { version, recipients, ...counts, added, removed, changed, moves, queued, findings };
}

const placed = ({ file, line, address, problem }: Finding): string =>
  `${file}${line > 0 ? `:${line}` : ''}: ${address === '' ? '' : `${address}: `}${problem}`;

const notKept = (version: number): Finding => ({
  severity: 'error',
  file: '',
  line: 0,
  address: '',
  problem: `version ${version} is not kept`,
  remedy: 'bridgehead directory history lists those that are',
});
