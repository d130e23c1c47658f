/** Which sources a version is made of, in which order, and which of them must be read anew. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { BuildInput, BuildPart } from './build-job.ts';
import type { SourceRecord, VersionRecord } from './history.ts';
import type { DirectorySettings, Finding } from './ports.ts';
import { hasSet } from './record-sets.ts';
import { stampOf } from './source-files.ts';

/** A source that is replaced in this version. */
export interface Replacing {
  readonly name: string;
  readonly kind: 'imported' | 'live';
  readonly parts: readonly BuildPart[];
}

export interface PlannedSource {
  readonly input: BuildInput;
  /** What the journal will say of it, but for its records. */
  readonly kind: SourceRecord['kind'];
  readonly origins: readonly string[];
  readonly since: string;
  readonly file?: string;
  readonly stamp?: string;
}

export interface Plan {
  readonly sources: readonly PlannedSource[];
  readonly checks: string;
  /** Sources of the version before that the settings do not name any more. */
  readonly gone: readonly string[];
  /** Files that are not there. */
  readonly missing: readonly Finding[];
}

/** Of all in the settings that a version is built by. */
export function checksDigest({ domains, routingDomains, connectors }: DirectorySettings): string {
  return createHash('sha256')
    .update(JSON.stringify([domains, routingDomains, connectors]))
    .digest('hex')
    .slice(0, 16);
}

/** Whether a version is still what the settings and the files in them say. */
export async function isCurrent(settings: DirectorySettings, record: VersionRecord, now: number): Promise<boolean> {
  if (record.checks !== checksDigest(settings)) return false;
  const named = record.sources.filter(({ kind }) => kind !== 'imported').map(({ name, kind }) => `${kind} ${name}`);
  const wanted = orderOf(settings, record).flatMap((name) => {
    if (settings.sources.some((source) => source.name === name)) return [`file ${name}`];
    const isKnown = record.sources.some((source) => source.name === name && source.kind === 'live');
    return isKnown ? [`live ${name}`] : [];
  });
  if (named.join('\n') !== wanted.join('\n')) return false;
  for (const { name, file } of settings.sources) {
    const source = record.sources.find((one) => one.name === name);
    const stamp = await stampOf(file, now);
    if (source?.file !== file || stamp === undefined || stamp === '' || stamp !== source.stamp) return false;
  }
  return true;
}

/** Names of files and live sources, the strongest first. */
function orderOf({ precedence, sources, live }: DirectorySettings, record: VersionRecord | undefined): readonly string[] {
  const known = [...sources.map(({ name }) => name), ...(live ?? []).map(({ name }) => name)];
  // where nobody says which there are, each keeps what it gave
  const others = (record?.sources ?? []).filter(({ name, kind }) => kind === 'live' && !known.includes(name));
  const all = [...known, ...(live === undefined ? others.map(({ name }) => name) : [])];
  const ranked = (precedence ?? []).filter((name) => all.includes(name));
  return [...ranked, ...all.filter((name) => !ranked.includes(name))];
}

export async function planSources(
  settings: DirectorySettings,
  record: VersionRecord | undefined,
  replacing: Replacing | undefined,
  now: number,
): Promise<Plan> {
  const checks = checksDigest(settings);
  const since = new Date(now).toISOString();
  const missing: Finding[] = [];
  const before = new Map((record?.sources ?? []).map((source) => [source.name, source]));
  const imported = (record?.sources ?? []).filter(({ kind }) => kind === 'imported').map(({ name }) => name);
  const names = [...imported, ...orderOf(settings, record).filter((name) => !imported.includes(name))];
  if (replacing !== undefined && !names.includes(replacing.name)) {
    if (replacing.kind === 'imported') names.unshift(replacing.name);
    else names.push(replacing.name);
  }
  const sources: PlannedSource[] = [];
  for (const name of names) {
    const known = before.get(name);
    const named = settings.sources.find((source) => source.name === name);
    const stamp = named === undefined ? undefined : await stampOf(named.file, now);
    const ofFile = named === undefined ? {} : { file: named.file, stamp: stamp ?? '' };
    const isLenient = named === undefined && known?.kind === 'live';
    if (replacing?.name === name) {
      const kind = named === undefined ? replacing.kind : 'file';
      const origins = replacing.parts.map((part) => (part.kind === 'set' ? name : part.origin));
      const input = {
        name,
        parts: replacing.parts,
        yes: replacing.kind === 'imported' ? yesToImport(name) : yesToRefresh(name),
        isLenient: replacing.kind === 'live',
        isFresh: true,
        ...priorSet(settings, known),
      };
      sources.push({ input, kind, origins, since, ...ofFile });
      continue;
    }
    const isKept = known !== undefined && hasSet(settings.folder, known.set);
    if (named === undefined) {
      if (known === undefined) continue; // a live source that gave nothing yet
      const input = isKept ? keptInput(known, isLenient) : { name, parts: [], yes: yesToRefresh(name), isLenient, isFresh: true };
      sources.push({ input, kind: known.kind, origins: known.origins, since: known.since });
      continue;
    }
    const { file, format } = named;
    const origin = basename(file);
    if (stamp === undefined) {
      missing.push(unreadable(file));
      continue;
    }
    // the readers decide by the settings too
    const isSame = isKept && known.file === file && stamp !== '' && known.stamp === stamp && record?.checks === checks;
    const part: BuildPart = { kind: 'file', file, origin, ...(format !== undefined && { format }) };
    sources.push(
      isSame
        ? { input: keptInput(known, false), kind: 'file', origins: known.origins, since: known.since, ...ofFile }
        : {
            input: { name, parts: [part], yes: yesToRefresh(name), isLenient: false, isFresh: true },
            kind: 'file',
            origins: [origin],
            since,
            ...ofFile,
          },
    );
  }
  const gone = [...before.keys()].filter((name) => !names.includes(name));
  return { sources, checks, gone, missing };
}

const keptInput = ({ name, set, digest }: SourceRecord, isLenient: boolean): BuildInput => ({
  name,
  parts: [{ kind: 'set', id: set }],
  yes: '',
  isLenient,
  isFresh: false,
  digest,
  before: set,
});

const yesToImport = (name: string): string =>
  `bridgehead directory import FILE...${name === 'imported' ? '' : ` --source ${name}`} --yes-shrink`;
const yesToRefresh = (name: string): string => `bridgehead directory refresh ${name} --yes-shrink`;

const priorSet = ({ folder }: DirectorySettings, known: SourceRecord | undefined): Pick<BuildInput, 'before'> =>
  known !== undefined && hasSet(folder, known.set) ? { before: known.set } : {};

const unreadable = (file: string): Finding => ({
  severity: 'error',
  file,
  line: 0,
  address: '',
  problem: 'the file cannot be read (ENOENT)',
  remedy: 'Create it, or mend directory.sources in the settings',
});
