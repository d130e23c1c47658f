/** What can be asked of the directory, and what it answers. */
import type { Clock } from '../platform/clock.ts';
import type { BuildPart } from './build-job.ts';
import { collect } from './collect.ts';
import type { VersionRecord } from './history.ts';
import type { Made, State } from './making.ts';
import type { DirectorySettings, DirectorySource, Finding } from './ports.ts';
import type { NamedFile } from './source-files.ts';
import type { DirectoryVersion } from './version.ts';
import type { VersionDiff } from './version-diff.ts';

/** `findings` of an accepted set are warnings; a refused one has errors among them. */
export type Loading =
  | { readonly ok: true; readonly version: DirectoryVersion; readonly changed: boolean; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

export interface DirectoryDeps {
  readonly clock: Clock;
  /** Beside a running relay: nothing is written, and a set that is not active yet has the next number. */
  readonly readOnly?: boolean;
  /** Octets of the versions that are kept to go back to; 5 GiB where absent. */
  readonly keptOctets?: number;
}

/** Who asks for a change, and why. */
export interface By {
  readonly who: string;
  readonly reason?: string;
}

/** A file that is read where it lies, or records that are handed over. */
export type Importable = NamedFile | DirectorySource;

export interface ImportOptions extends By {
  /** Default `imported`. */
  readonly source?: string;
  readonly dryRun?: boolean;
  readonly yesShrink?: boolean;
}

/** `report` is contract.md's `directory import --json`. */
export interface Imported {
  readonly report: {
    readonly version: number;
    readonly recipients: number;
    readonly cloud: number;
    readonly 'on-premises': number;
    readonly added: number;
    readonly removed: number;
    readonly changed: number;
    readonly findings: readonly Finding[];
    readonly applied: boolean;
  };
  /** Absent where the records are wrong. */
  readonly diff?: VersionDiff;
  /** The version as it is, or would be; absent where it was refused. */
  readonly version?: DirectoryVersion;
}

/** One that was refused says why in `findings`. */
export type Changed =
  | { readonly ok: true; readonly version: number; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] };

/** As `Changed`; `diff` is how it decides otherwise than the version before it. */
export type RolledBack =
  | (Extract<Changed, { ok: true }> & { readonly restored: number; readonly diff: VersionDiff })
  | Extract<Changed, { ok: false }>;

/** What is imported, for the thread that builds. */
export async function partsOf(files: readonly Importable[]): Promise<BuildPart[]> {
  const parts: BuildPart[] = [];
  for (const one of files) parts.push('read' in one ? await collect(one) : { kind: 'file', ...one });
  return parts;
}

/** The files of the settings, for the journal. */
export const namedIn = ({ sources }: DirectorySettings): VersionRecord['from'] =>
  sources.map(({ name, file }) => ({ source: name, file }));

/** The figures of a report. */
export function sums(
  { version, recipients, counts }: DirectoryVersion,
  { added, removed, changed }: Pick<VersionDiff, 'added' | 'removed' | 'changed'>,
) {
  return { version, recipients, cloud: counts.cloud, 'on-premises': counts['on-premises'], added, removed, changed };
}

/** The version that stays, and how the refused set would have changed it, as far as it could be read. */
export function refusedImport(before: State, { findings, answer }: Extract<Made, { ok: false }>): Imported {
  const differences = answer?.comparison ?? { added: 0, removed: 0, changed: 0 };
  return { report: { ...sums(before.version, differences), findings, applied: false } };
}

/** Why there is nothing to change. */
export const nothing = (address: string, problem: string): Finding => ({
  severity: 'error',
  file: '',
  line: 0,
  address,
  problem,
  remedy: 'bridgehead directory history lists the versions, directory list what is set',
});
