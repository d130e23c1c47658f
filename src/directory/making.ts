/** Makes the next version of the one before: of sources read anew, of overlays, or of a version that was. Nothing here is active yet. */
import { createHash } from 'node:crypto';
import type { BuildAnswer } from './build-job.ts';
import { build } from './build-thread.ts';
import type { Comparison } from './compare.ts';
import type { SourceRecord, VersionRecord } from './history.ts';
import { effective, NO_OVERLAYS, type Overlays, overlaysId, readOverlays, writeOverlays } from './overlays.ts';
import { type PlannedSource, planSources, type Replacing } from './planning.ts';
import type { DirectorySettings, Finding } from './ports.ts';
import { type Base, readBase } from './snapshot.ts';
import { LayeredVersion } from './version.ts';

/** A version with all that the next one is made of. */
export interface State {
  readonly record: VersionRecord;
  readonly base: Base;
  readonly overlays: Overlays;
  readonly version: LayeredVersion;
}

/** Who changes what, for the journal. */
export interface Making {
  readonly settings: DirectorySettings;
  readonly who: string;
  readonly what: string;
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Write the files of the new version. */
  readonly keeps: boolean;
}

export type Made =
  | {
      readonly ok: true;
      readonly state: State;
      /** Something that decides is new: there is a new number. */
      readonly changed: boolean;
      readonly findings: readonly Finding[];
      readonly comparison: Comparison;
    }
  | {
      readonly ok: false;
      readonly refused: 'mistakes' | 'guard';
      readonly findings: readonly Finding[];
      readonly answer?: BuildAnswer;
    };

export interface OfSources {
  /** A source that is replaced; the files of the settings are looked at anyway. */
  readonly replacing?: Replacing;
  /** Recipients of this source are meant to go; `true`: of any. */
  readonly yesShrink?: boolean | string;
  /** An import: what a rollback restored need not stay any longer (C6). */
  readonly unpins?: boolean;
  readonly from: VersionRecord['from'];
}

/** `last`: the journal's last word where there is no state (its files are gone, or this is the first start). */
export async function makeOfSources(
  state: State | undefined,
  last: VersionRecord | undefined,
  making: Making,
  { replacing, yesShrink = false, unpins = false, from }: OfSources,
): Promise<Made> {
  const { settings, keeps, now } = making;
  const record = state?.record ?? last;
  const plan = await planSources(settings, record, replacing, now);
  if (plan.missing.length > 0) return { ok: false, refused: 'mistakes', findings: plan.missing };
  const overlays = state?.overlays ?? NO_OVERLAYS;
  const answer = await build({
    checks: { domains: settings.domains, routingDomains: settings.routingDomains, connectors: settings.connectors },
    inputs: plan.sources.map(({ input }) => input),
    folder: settings.folder,
    keeps,
    covered: [...effective(overlays).keys()],
    yesShrink,
    gone: plan.gone.filter((name) => settings.retired?.includes(name) !== true),
    isRetired: plan.gone.some((name) => settings.retired?.includes(name) === true),
    ...(state !== undefined && { old: state.base.image }),
  });
  const { base, findings, comparison } = answer;
  if (answer.refused !== undefined) return { ok: false, refused: answer.refused, findings, answer };
  const sources = plan.sources.map((source) => recordOf(source, answer, record));
  if (state?.record.pinned !== undefined && !unpins) {
    // C6: the sources are kept for the day when the pin goes; what was restored stays
    const pinned = { ...state.record, sources, checks: plan.checks };
    return { ok: true, state: { ...state, record: pinned }, changed: false, findings, comparison };
  }
  const digest = digestWith(base.digest, await overlaysId(overlays));
  const changed = record?.digest !== digest || record.pinned !== undefined;
  const made = { base: answer.baseId, sources, checks: plan.checks };
  const next: VersionRecord =
    changed || record === undefined
      ? { ...headOf(making, record), from, digest, overlays: state?.record.overlays ?? '', ...made, ...NO_COUNTS }
      : { ...record, ...made };
  return { ok: true, state: await lay(next, base, overlays, settings), changed, findings, comparison };
}

/** The same sources under other overlays. */
export async function makeOfOverlays(state: State, overlays: Overlays, making: Making): Promise<State> {
  const id = making.keeps ? await writeOverlays(making.settings.folder, overlays) : await overlaysId(overlays);
  const digest = digestWith(state.base.digest, id);
  if (digest === state.record.digest) return state;
  const { reason: _, ...before } = state.record;
  const record = { ...before, ...headOf(making, state.record), digest, overlays: id, from: [] };
  return lay(record, state.base, overlays, making.settings);
}

/** A version that was, under a new number; its sources do not change it until the next import (C6). */
export async function makeOfVersion(state: State, old: State, making: Making): Promise<State> {
  const { reason: _, ...restored } = old.record;
  const record: VersionRecord = {
    ...restored,
    ...headOf(making, state.record),
    from: [],
    checks: state.record.checks,
    // what was imported is as it was then; files and servers are as they are
    sources: [
      ...old.record.sources.filter(({ kind }) => kind === 'imported'),
      ...state.record.sources.filter(({ kind }) => kind !== 'imported'),
    ],
    pinned: old.record.version,
  };
  return lay(record, old.base, old.overlays, making.settings);
}

/** Reads a version's files; `undefined` where one of them is gone or damaged. */
export async function loadState(record: VersionRecord, settings: DirectorySettings): Promise<State | undefined> {
  const base = await readBase(settings.folder, record.base);
  const overlays = base === undefined ? undefined : await readOverlays(settings.folder, record.overlays);
  return base === undefined || overlays === undefined ? undefined : lay(record, base, overlays, settings);
}

async function lay(record: VersionRecord, base: Base, overlays: Overlays, settings: DirectorySettings): Promise<State> {
  const words = effective(overlays);
  const version = await LayeredVersion.lay(record.version, record.digest, base, words, settings.routingDomains[0]);
  const { recipients, counts } = version;
  return { record: { ...record, recipients, counts }, base, overlays, version };
}

const NO_COUNTS = { recipients: 0, counts: { 'on-premises': 0, cloud: 0, hold: 0, both: 0 } };

const headOf = ({ who, what, reason, now }: Making, last: VersionRecord | undefined) => ({
  version: (last?.version ?? 0) + 1,
  time: new Date(now).toISOString(),
  who,
  what,
  ...(reason !== undefined && { reason }),
});

function recordOf(
  { input, kind, origins, since, file, stamp }: PlannedSource,
  answer: BuildAnswer,
  before: VersionRecord | undefined,
): SourceRecord {
  const known = before?.sources.find(({ name }) => name === input.name);
  const set = answer.sets.get(input.name) ?? { id: known?.set ?? '', digest: known?.digest ?? '', records: known?.records ?? 0 };
  return {
    name: input.name,
    kind,
    origins,
    set: set.id,
    digest: set.digest,
    records: set.records,
    // read again, and the same: it is as old as it was
    since: known !== undefined && known.digest === set.digest ? known.since : since,
    ...(file !== undefined && { file }),
    ...(stamp !== undefined && { stamp }),
  };
}

const digestWith = (base: string, overlays: string): string =>
  overlays === '' ? base : createHash('sha256').update(`${base} ${overlays}`).digest('hex');
