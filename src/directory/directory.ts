/**
 * Who lives where: immutable versions, one of them active (design.md P7, D7). A new set becomes active at once and as a
 * whole, or is refused as a whole with every culprit named, and the version before stays.
 */
import { access } from 'node:fs/promises';
import type { Clock } from '../platform/clock.ts';
import { type Built, buildDirectory } from './build.ts';
import { lastVersion, recordVersion } from './history.ts';
import type { DirectoryEntry, DirectoryRoute, DirectorySettings, DirectorySource, Finding } from './ports.ts';
import { recipientsCsv } from './recipients-csv.ts';

/** One version; it never changes. */
export interface DirectoryVersion {
  readonly version: number;
  readonly digest: string;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  /** By any address of the owner; the key is a `mailboxKey`. */
  find(key: string): DirectoryEntry | undefined;
  /** Every recipient, in the order of the sources. */
  entries(): Iterable<DirectoryEntry>;
}

/** `findings` of an accepted set are warnings; a refused one has errors among them. */
export type Loading =
  | { readonly ok: true; readonly version: DirectoryVersion; readonly changed: boolean; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

export interface DirectoryDeps {
  readonly clock: Clock;
  /** Beside a running relay: nothing is written, and a set that is not active yet has the next number. */
  readonly readOnly?: boolean;
}

export type OpenedDirectory =
  | { readonly ok: true; readonly directory: Directory; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** Reads the sources. A refused set at the start is no directory: the relay must not start with it. Rejects when the disk fails. */
export async function openDirectory(settings: DirectorySettings, deps: DirectoryDeps): Promise<OpenedDirectory> {
  const loading = await load(settings, undefined, 'start', deps);
  return loading.ok
    ? { ok: true, directory: new Directory(settings, loading.version, deps), findings: loading.findings }
    : loading;
}

export class Directory {
  readonly #deps: DirectoryDeps;
  #settings: DirectorySettings;
  #active: DirectoryVersion;
  #loading: Promise<unknown> = Promise.resolve();

  constructor(settings: DirectorySettings, active: DirectoryVersion, deps: DirectoryDeps) {
    this.#settings = settings;
    this.#active = active;
    this.#deps = deps;
  }

  /** The version of this moment. */
  active(): DirectoryVersion {
    return this.#active;
  }

  /**
   * Reads the sources again (of new settings, where they are given), one call after the other. `who` stands in the
   * history. Where the set is refused nothing changes. Rejects when the disk fails; then nothing changes either.
   */
  reload(who: string, settings: DirectorySettings = this.#settings): Promise<Loading> {
    const next = this.#loading.then(async () => {
      const loading = await load(settings, this.#active, who, this.#deps);
      if (loading.ok) {
        this.#settings = settings;
        this.#active = loading.version; // the switch
      }
      return loading;
    });
    this.#loading = next.catch(() => undefined);
    return next;
  }
}

async function load(
  settings: DirectorySettings,
  active: DirectoryVersion | undefined,
  who: string,
  deps: DirectoryDeps,
): Promise<Loading> {
  const missing = await missingFiles(settings);
  if (missing.length > 0) return { ok: false, findings: missing };
  const built = await buildDirectory(settings.sources.map(sourceOf), settings);
  const { findings, digest } = built;
  if (findings.some(({ severity }) => severity === 'error')) return { ok: false, findings };
  const last = active ?? (await lastVersion(settings.folder));
  const changed = last?.digest !== digest;
  const version = changed ? (last?.version ?? 0) + 1 : last.version;
  if (changed && deps.readOnly !== true) {
    // recorded before it counts: a version that mail was routed by is always in the history
    await recordVersion(settings.folder, {
      version,
      time: new Date(deps.clock.now()).toISOString(),
      who,
      from: settings.sources.map(({ name, file }) => ({ source: name, file })),
      digest,
      recipients: built.index.size,
      counts: built.counts,
    });
  }
  return { ok: true, version: versionOf(version, built), changed, findings };
}

/** The reader for a source; other formats join here. */
const sourceOf = ({ name, file }: { readonly name: string; readonly file: string }): DirectorySource => recipientsCsv(name, file);

async function missingFiles(settings: DirectorySettings): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { file } of settings.sources) {
    await access(file).catch((error: NodeJS.ErrnoException) => {
      findings.push({
        severity: 'error',
        file,
        line: 0,
        address: '',
        problem: `the file cannot be read (${error.code ?? 'unknown error'})`,
        remedy: 'Create it, or mend directory.sources in the settings',
      });
    });
  }
  return findings;
}

function versionOf(version: number, { index, digest, counts }: Built): DirectoryVersion {
  return Object.freeze({
    version,
    digest,
    recipients: index.size,
    counts,
    find: (key: string) => index.find(key),
    entries: () => index.entries(),
  });
}

/** A finding in one line, the place first. */
export function formatFinding({ severity, file, line, address, problem, remedy }: Finding): string {
  return `${file}:${line}: ${severity}: ${address === '' ? '' : `${address}: `}${problem}. ${remedy}.`;
}
