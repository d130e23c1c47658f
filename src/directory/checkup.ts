/** The reconciliation as it runs beside mail: with the sources that are known, on demand and after each change; its last result kept. */
import { join } from 'node:path';
import type { Mailbox } from '../mail/address.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { Directory } from './directory.ts';
import type { DirectorySettings } from './ports.ts';
import { isFormat, openFileSource } from './readers/open-source.ts';
import { type KeptExport, KnownExports, type KnownFile } from './reconcile/known-exports.ts';
import type { DomainState, LearnedDisagreement } from './reconcile/ports.ts';
import { type Reconciliation, reconcile } from './reconcile/reconcile.ts';
import { readSide, type SideName, type SideSource } from './reconcile/side-index.ts';
import { SourceSides, sideOf } from './reconcile/source-sides.ts';
import { checkWave, type WaveCheck } from './reconcile/wave-check.ts';

export interface CheckupDeps {
  readonly directory: Directory;
  readonly settings: () => Omit<DirectorySettings, 'live'> & {
    readonly live: readonly { readonly name: string; readonly kind: 'ldap' | 'graph' }[];
  };
  /** Where exports for comparing and the sides of imported sources are kept; absolute path. */
  readonly folder: string;
  readonly domainState: (domain: string) => DomainState;
  readonly learned: () => Iterable<LearnedDisagreement>;
  readonly clock: Clock;
  readonly log: Log;
  readonly readOnly?: boolean;
}

export class Checkup {
  readonly #deps: CheckupDeps;
  readonly #sides: SourceSides;
  readonly #known: KnownExports;
  #last: Reconciliation | undefined;
  #running: Promise<Reconciliation> | undefined;
  /** Something changed while it ran. */
  #isStale = false;

  constructor(deps: CheckupDeps) {
    this.#deps = deps;
    this.#sides = new SourceSides(join(deps.folder, 'source-sides.json'), deps.readOnly);
    this.#known = new KnownExports(join(deps.folder, 'exports'));
  }

  /** Compares all that is known now. */
  async check(): Promise<Reconciliation> {
    const { directory, clock } = this.#deps;
    const context = { ...this.#context(), active: directory.active() };
    const { report } = await reconcile(await this.#sources(), context, clock.now());
    this.#last = report;
    return report;
  }

  /** Keeps an export of one side for this and later comparisons; it has no word in routing. */
  keep(side: SideName, files: readonly KnownFile[], format: string | undefined): Promise<KeptExport> {
    return this.#known.keep(side, files, format, this.#deps.settings(), this.#deps.clock.now());
  }

  /** After an import or a refresh: in the background, once at a time. */
  soon(): void {
    if (this.#running !== undefined) {
      this.#isStale = true;
      return;
    }
    this.#running = this.check();
    this.#running
      .then(
        ({ severities, version }) => this.#deps.log.info({ ...severities, directoryVersion: version }, 'directory checked'),
        (error: unknown) => this.#deps.log.error({ err: error }, 'directory check failed'),
      )
      .finally(() => {
        this.#running = undefined;
        if (!this.#isStale) return;
        this.#isStale = false;
        this.soon();
      });
  }

  /** For `status`: that there is something to look at. */
  findings(): { readonly severity: 'error' | 'warning'; readonly problem: string; readonly remedy: string }[] {
    const { error = 0, warning = 0 } = this.#last?.severities ?? {};
    if (error + warning === 0) return [];
    const problem = `the last comparison of on-premises, the cloud and the directory found ${error} ${error === 1 ? 'error' : 'errors'} and ${warning} ${warning === 1 ? 'warning' : 'warnings'}`;
    return [{ severity: error > 0 ? 'error' : 'warning', problem, remedy: 'bridgehead directory check' }];
  }

  /** Whether these mailboxes may change sides. */
  async checkMailboxes(mailboxes: Iterable<Mailbox>, to: SideName): Promise<WaveCheck> {
    const sources = await this.#sources();
    const cloud = to === 'cloud' ? await readSide('cloud', sources) : undefined;
    const onPremises = to === 'cloud' ? undefined : await readSide('on-premises', sources);
    return checkWave(mailboxes, to, { ...this.#context(), active: this.#deps.directory.active(), cloud, onPremises });
  }

  /** Notes which side imported files speak for; several files of one source must speak for the same one. */
  async noteImport(
    source: string,
    files: readonly { readonly file: string; readonly format?: string; readonly side?: SideName }[],
  ): Promise<void> {
    const sides = new Set<SideName | undefined>();
    for (const { file, format, side } of files) sides.add(await this.#sideOfFile(source, file, format, side));
    this.#sides.note(source, sides.size === 1 ? [...sides][0] : undefined);
  }

  #context() {
    const { settings, domainState, learned } = this.#deps;
    const { domains, routingDomains } = settings();
    return { domains, routingDomains, domainState, learned };
  }

  async #sources(): Promise<SideSource[]> {
    const routed = await this.#routed();
    const sides = await Promise.all(
      (['on-premises', 'cloud'] as const).map(async (side) => {
        const own = routed.filter((one) => one.side === side);
        const kept = await this.#known.sources(side, this.#deps.settings());
        const newest = Math.max(...own.map(({ takenAt = 0 }) => takenAt));
        // the newest word counts: an export that was given for comparing, or what the sources said last
        return (kept[0]?.takenAt ?? 0) > newest ? kept : own;
      }),
    );
    return sides.flat();
  }

  /** Sources of the directory that speak for a side. */
  async #routed(): Promise<SideSource[]> {
    const { directory, settings } = this.#deps;
    const { live, sources: files } = settings();
    const sources: SideSource[] = [];
    for (const listed of directory.list().sources) {
      const source = directory.sourceRecords(listed.name);
      if (source === undefined) continue;
      const kind = live.find(({ name }) => name === listed.name)?.kind;
      const named = files.find(({ name }) => name === listed.name);
      const side =
        kind === 'graph'
          ? 'cloud'
          : kind === 'ldap'
            ? 'on-premises'
            : (this.#sides.of(listed.name) ??
              (named === undefined ? undefined : await this.#sideOfFile(listed.name, named.file, named.format, undefined)));
      if (side === undefined) continue;
      const taken = listed['last-success'];
      sources.push({ side, source, ...(taken !== null && { takenAt: Date.parse(taken) }) });
    }
    return sources;
  }

  async #sideOfFile(
    name: string,
    file: string,
    format: string | undefined,
    told: SideName | undefined,
  ): Promise<SideName | undefined> {
    if (format !== undefined) return isFormat(format) ? sideOf(format, told) : undefined;
    const opened = await openFileSource({ name, file, checks: this.#deps.settings() });
    return opened.ok ? sideOf(opened.format, told) : undefined;
  }
}
