/**
 * Who lives where: immutable versions, one of them active (design.md P7, D7). A new set becomes active at once and as a
 * whole, or is refused as a whole with every culprit named, and the version before stays.
 */
import { type Mailbox, mailboxKey } from '../mail/address.ts';
import { diffOf } from './build-thread.ts';
import {
  type By,
  type Changed,
  type DirectoryDeps,
  type Importable,
  type Imported,
  type ImportOptions,
  type Loading,
  namedIn,
  nothing,
  partsOf,
  type RolledBack,
  refusedImport,
  sums,
} from './changes.ts';
import { collect } from './collect.ts';
import type { KeyRole } from './compiled-index.ts';
import { lastVersion, readHistory, recordVersion, shortenHistory, type VersionRecord } from './history.ts';
import {
  loadState,
  type Made,
  type Making,
  makeOfOverlays,
  makeOfSources,
  makeOfVersion,
  type OfSources,
  type State,
} from './making.ts';
import { type KeptOverlay, type Overlays, withSet, withWave } from './overlays.ts';
import { isCurrent, type Replacing } from './planning.ts';
import type { DirectoryChanges, DirectorySettings, DirectorySource, Finding, Overlay } from './ports.ts';
import { checkSet, type SetChange } from './set-checks.ts';
import { SourceStates } from './source-states.ts';
import { removeUnused, restorable } from './upkeep.ts';
import type { DirectoryVersion } from './version.ts';
import { VersionDiff } from './version-diff.ts';
import { type DirectoryListing, keptSource, listing, type Shown, show } from './views.ts';

export type OpenedDirectory =
  | {
      readonly ok: true;
      readonly directory: Directory;
      readonly findings: readonly Finding[];
      /** The version that was active before, where the sources changed while nothing ran. */
      readonly before?: DirectoryVersion;
    }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/**
 * Opens the last version, where the settings and the files in them still say it, and reads the sources otherwise. A set
 * with mistakes is no directory: the relay must not start with it. One that the guards refuse (C6) leaves the last
 * version active, with the errors among the findings. Rejects when the disk fails.
 */
export async function openDirectory(settings: DirectorySettings, deps: DirectoryDeps): Promise<OpenedDirectory> {
  const { folder } = settings;
  const keeps = deps.readOnly !== true;
  if (keeps) await shortenHistory(folder);
  const last = await lastVersion(folder);
  const state = last === undefined ? undefined : await loadState(last, settings);
  const now = deps.clock.now();
  if (state !== undefined && (state.record.pinned !== undefined || (await isCurrent(settings, state.record, now)))) {
    return { ok: true, directory: await Directory.of(settings, state, deps), findings: state.base.findings };
  }
  const making: Making = { settings, who: 'start', what: 'start', now, keeps };
  const made = await makeOfSources(state, last, making, { from: namedIn(settings) });
  if (made.ok) {
    if (keeps) await record(folder, last, made.state.record);
    const directory = await Directory.of(settings, made.state, deps, made.findings);
    const isOther = made.changed && state !== undefined;
    return { ok: true, directory, findings: made.findings, ...(isOther && { before: state.version }) };
  }
  return made.refused === 'guard' && state !== undefined
    ? { ok: true, directory: await Directory.of(settings, state, deps, made.findings), findings: made.findings }
    : { ok: false, findings: made.findings };
}

export class Directory implements DirectoryChanges {
  readonly #deps: DirectoryDeps;
  readonly #keeps: boolean;
  readonly #sourceStates: SourceStates;
  #settings: DirectorySettings;
  #state: State;
  /** Newest first. */
  #history: readonly VersionRecord[];
  #restorable: readonly VersionRecord[] = [];
  #working: Promise<unknown> = Promise.resolve();
  #found: readonly Finding[] = [];

  private constructor(settings: DirectorySettings, state: State, deps: DirectoryDeps, history: readonly VersionRecord[]) {
    this.#settings = settings;
    this.#state = state;
    this.#deps = deps;
    this.#history = history;
    this.#keeps = deps.readOnly !== true;
    this.#sourceStates = new SourceStates(settings.folder, this.#keeps);
  }

  /** For `openDirectory`. */
  static async of(
    settings: DirectorySettings,
    state: State,
    deps: DirectoryDeps,
    findings = state.base.findings,
  ): Promise<Directory> {
    const history = await readHistory(settings.folder);
    const directory = new Directory(settings, state, deps, history);
    directory.#found = findings;
    directory.#upkeep();
    return directory;
  }

  /** The version of this moment. */
  active(): DirectoryVersion {
    return this.#state.version;
  }

  /** What the last reading of sources found that was taken; errors among it where a start went on with the version before. */
  get found(): readonly Finding[] {
    return this.#found;
  }

  /**
   * Looks at the files again (of new settings, where they are given), one call after the other. `who` stands in the
   * history; `yesShrink` names the source whose recipients are meant to go. Where the set is refused nothing changes. Rejects when the disk fails; then nothing changes either.
   */
  reload(
    who: string,
    settings: DirectorySettings = this.#settings,
    { yesShrink }: { readonly yesShrink?: string | undefined } = {},
  ): Promise<Loading> {
    return this.#oneByOne(async () => {
      const current = await isCurrent(settings, this.#state.record, this.#deps.clock.now());
      if (current && this.#state.record.pinned === undefined) {
        this.#settings = settings;
        return { ok: true, version: this.active(), changed: false, findings: this.#state.base.findings };
      }
      const made = await this.#makeOfSources(settings, { who }, 'reload', {
        yesShrink: yesShrink ?? false,
        from: namedIn(settings),
      });
      this.#noteFiles(settings, made);
      if (!made.ok) return { ok: false, findings: made.findings };
      await this.#switchTo(made.state);
      this.#found = made.findings;
      this.#settings = settings;
      return { ok: true, version: this.active(), changed: made.changed, findings: made.findings };
    });
  }

  /** Puts files in the place of what a source held before (C6: guarded), as one version or not at all. Rejects when the disk fails; nothing changes then. */
  import(
    files: readonly Importable[],
    { source = 'imported', dryRun = false, yesShrink = false, ...by }: ImportOptions,
  ): Promise<Imported> {
    return this.#oneByOne(async () => {
      const replacing: Replacing = { name: source, kind: 'imported', parts: await partsOf(files) };
      const from = files.map(({ origin }) => ({ source, file: origin }));
      const before = this.#state;
      const what = `import ${source}`;
      const made = await this.#makeOfSources(
        this.#settings,
        by,
        what,
        { replacing, yesShrink: yesShrink && source, unpins: true, from },
        dryRun,
      );
      if (!dryRun) this.#note(source, made);
      if (!made.ok) return refusedImport(before, made);
      const { state, comparison, findings } = made;
      if (!dryRun) {
        await this.#switchTo(state);
        this.#found = findings;
      }
      const diff = new VersionDiff(before.version, state.version, comparison);
      return { report: { ...sums(state.version, diff), findings, applied: !dryRun }, diff, version: state.version };
    });
  }

  /** The version that an import would make, for questions alone (`explain --with`). */
  whatIf(files: readonly Importable[], source = 'imported'): Promise<Imported> {
    return this.import(files, { source, dryRun: true, yesShrink: true, who: 'what if' });
  }

  /**
   * A live source's new set. What is wrong with a record concerns that record, whose entry of before stays (C7); a set
   * that the guards refuse changes nothing. Under a pin the records are kept and not used (C6).
   */
  updateSource(name: string, source: DirectorySource, { yesShrink = false } = {}): Promise<Changed> {
    return this.#oneByOne(async () => {
      const replacing: Replacing = { name, kind: 'live', parts: [await collect(source)] };
      const from = [{ source: name, file: source.origin }];
      const sources = { replacing, yesShrink: yesShrink && name, from };
      const made = await this.#makeOfSources(this.#settings, { who: name }, `refresh ${name}`, sources);
      this.#note(name, made);
      if (!made.ok) return { ok: false, findings: made.findings };
      await this.#switchTo(made.state);
      this.#found = made.findings;
      return { ok: true, version: this.active().version, findings: made.findings };
    });
  }

  /** A live source could not be read: what it gave before stays, and `list` says since when. */
  sourceFailed(name: string, problem: string): void {
    this.#sourceStates.note(name, this.#time(), problem);
  }

  /** An administrator's word for one address: it wins over waves and sources (C6). An alias stands for its owner. */
  set(change: SetChange, by: By & { readonly reason: string }): Promise<Changed> {
    return this.#oneByOne(async () => {
      const { version, overlays } = this.#state;
      const findings = checkSet(this.#settings, version, change);
      if (findings.some(({ severity }) => severity === 'error')) return { ok: false, findings };
      const address = version.find(mailboxKey(change.address))?.address ?? change.address;
      const time = this.#time();
      const source = `set by ${by.who}, ${time.slice(0, 10)}: ${by.reason}`;
      const overlay: KeptOverlay = { ...change, address, source, who: by.who, time, reason: by.reason };
      await this.#overlay(withSet(overlays, mailboxKey(address), overlay), by, `set ${address.address}`);
      return { ok: true, version: this.active().version, findings };
    });
  }

  /** Takes the word back. `ok: false` where there is none. */
  unset(address: SetChange['address'], by: By): Promise<Changed> {
    return this.#oneByOne(async () => {
      const { version, overlays } = this.#state;
      const owner = version.find(mailboxKey(address))?.address ?? address;
      const key = [mailboxKey(address), mailboxKey(owner)].find((one) => overlays.set.has(one));
      if (key === undefined) return { ok: false, findings: [nothing(address.address, `nothing was set for ${address.address}`)] };
      await this.#overlay(withSet(overlays, key, undefined), by, `unset ${address.address}`);
      return { ok: true, version: this.active().version, findings: [] };
    });
  }

  /** Lays a wave's states over the sources (`undefined` lifts one), as one version. Durable when resolved; rejects and changes nothing where it fails. */
  applyWave(
    wave: string,
    states: ReadonlyMap<string, Overlay | undefined>,
    by: By & { readonly reason: string },
  ): Promise<{ readonly version: number }> {
    return this.#oneByOne(async () => {
      const time = this.#time();
      const kept = new Map<string, KeptOverlay | undefined>();
      for (const [key, overlay] of states)
        kept.set(key, overlay === undefined ? undefined : { ...overlay, who: by.who, time, reason: by.reason });
      await this.#overlay(withWave(this.#state.overlays, wave, kept), by, `wave ${wave}`);
      return { version: this.active().version };
    });
  }

  /**
   * Makes a version active that was (absent: the one before this), under a new number: its decisions are the same to the
   * octet. Sources do not change it until the next import (C6). Where that one is active, or what it restored is, nothing is new.
   */
  rollback(number: number | undefined, by: By): Promise<RolledBack> {
    return this.#oneByOne(async () => {
      const wanted = number ?? this.#history.find(({ version }) => version < this.active().version)?.version;
      const old = wanted === undefined ? undefined : await this.#load(wanted);
      if (old === undefined) {
        const problem = wanted === undefined ? 'there is no version before this one' : `version ${wanted} is not kept`;
        return { ok: false, findings: [nothing('', problem)] };
      }
      const before = this.#state;
      const { version, pinned, digest } = before.record;
      const isThere = wanted === version || (pinned === wanted && digest === old.record.digest);
      if (!isThere) await this.#switchTo(await makeOfVersion(before, old, this.#making(by, `rollback to ${old.record.version}`)));
      const diff = await diffOf(before, this.#state);
      return { ok: true, version: this.active().version, restored: old.record.version, diff, findings: [] };
    });
  }

  /** A version that was, to ask it (`explain --directory-version`); `undefined` where it is not kept. */
  async versionAt(number: number): Promise<DirectoryVersion | undefined> {
    return number === this.active().version ? this.active() : (await this.#load(number))?.version;
  }

  /** What a version decides otherwise than another (absent: the active one). `undefined` where one of them is not kept. */
  async diff(from: number, to = this.active().version): Promise<VersionDiff | undefined> {
    const [old, next] = [await this.#load(from), await this.#load(to)];
    return old === undefined || next === undefined ? undefined : diffOf(old, next);
  }

  /** The versions, newest first. */
  history(): readonly VersionRecord[] {
    return this.#history;
  }

  /** The sources with how they fare, and the words that lie over them. */
  list(): DirectoryListing {
    return listing(this.#settings, this.#state, this.#restorable, (name) => this.#sourceStates.of(name), this.#deps.clock.now());
  }

  /** Recipients by route, without test users (`kind: probe`). */
  people(): Promise<VersionRecord['counts']> {
    return this.#state.version.people();
  }

  /** All about one recipient, by any of its addresses; `undefined` where nobody has it. */
  show(address: Mailbox): Shown | undefined {
    return show(this.#state, address, this.#deps.clock.now());
  }

  /** Every name of a recipient by the key of any of them (`mailboxKey`, `x500:/o=...`), routing addresses too; the primary one first, none where nobody has it. */
  namesOf(key: string): readonly { readonly key: string; readonly role: KeyRole }[] {
    return this.#state.version.addressesOf(key);
  }

  /** What a source gave last, with all that its records had (members of groups too); for reconciliation. */
  sourceRecords(name: string): DirectorySource | undefined {
    const source = this.#state.record.sources.find((one) => one.name === name);
    return source === undefined ? undefined : keptSource(this.#settings.folder, source);
  }

  #load(number: number): Promise<State | undefined> | State | undefined {
    if (number === this.#state.record.version) return this.#state;
    const record = this.#restorable.find(({ version }) => version === number);
    return record === undefined ? undefined : loadState(record, this.#settings);
  }

  async #overlay(overlays: Overlays, by: By, what: string): Promise<void> {
    await this.#switchTo(await makeOfOverlays(this.#state, overlays, this.#making(by, what)));
  }

  #makeOfSources(settings: DirectorySettings, by: By, what: string, sources: OfSources, dryRun = false): Promise<Made> {
    const making = { ...this.#making(by, what), settings, keeps: this.#keeps && !dryRun };
    return makeOfSources(this.#state, undefined, making, sources);
  }

  /** Recorded before it counts: a version that mail was routed by is always in the history. */
  async #switchTo(next: State): Promise<void> {
    if (this.#keeps) await record(this.#settings.folder, this.#state.record, next.record);
    this.#history = [next.record, ...this.#history.filter(({ version }) => version !== next.record.version)];
    this.#state = next; // the switch
    this.#upkeep();
  }

  #upkeep(): void {
    const { folder } = this.#settings;
    this.#restorable = restorable(folder, this.#history, this.#state.record, this.#deps.keptOctets);
    if (this.#keeps) removeUnused(folder, this.#restorable, this.#state.record);
  }

  #making({ who, reason }: By, what: string): Making {
    const now = this.#deps.clock.now();
    return { settings: this.#settings, who, what, ...(reason !== undefined && { reason }), now, keeps: this.#keeps };
  }

  #time(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }

  #note(source: string, made: Made): void {
    const first = made.findings.find(({ severity }) => severity === 'error');
    this.#sourceStates.note(source, this.#time(), made.ok ? undefined : first === undefined ? 'refused' : formatFinding(first));
  }

  #noteFiles({ sources }: DirectorySettings, made: Made): void {
    for (const { name } of sources) this.#note(name, made);
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#working.then(work);
    this.#working = next.catch(() => undefined);
    return next;
  }
}

/** Appends to the journal what is new; a record that says the same is not written again. */
async function record(folder: string, before: VersionRecord | undefined, next: VersionRecord): Promise<void> {
  if (JSON.stringify(before) !== JSON.stringify(next)) await recordVersion(folder, next);
}

/** A finding in one line, the place first. */
export function formatFinding({ severity, file, line, address, problem, remedy }: Finding): string {
  return `${file}${line > 0 ? `:${line}` : ''}: ${severity}: ${address === '' ? '' : `${address}: `}${problem}. ${remedy}`;
}
