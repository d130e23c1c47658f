/** Which versions can be gone back to, and files in the directory's folder that none of them needs any more. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionRecord } from './history.ts';
import { overlaysFolder } from './overlays.ts';
import { setsFolder } from './record-sets.ts';
import { basesFolder } from './snapshot.ts';

/** Versions whose files are kept, to go back to: by number, and by the octets of all their files together. */
export const KEPT_VERSIONS = 50;
/** With three addresses each, a version of 1,000,000 recipients takes some 350 MB, of 5,000 some 2 MB; versions share what did not change. */
export const KEPT_OCTETS = 5 * 2 ** 30;

/**
 * The versions, newest first, that can be gone back to. The active one and the one before it always can; older ones as far
 * as they fit.
 */
export function restorable(
  folder: string,
  history: readonly VersionRecord[],
  active: VersionRecord | undefined,
  octets = KEPT_OCTETS,
): readonly VersionRecord[] {
  const sizes = new Map(folders(folder).flatMap(sizesIn));
  const counted = new Set<string>();
  let sum = 0;
  const take = (record: VersionRecord): void => {
    for (const path of filesOf(folder, record)) {
      if (counted.has(path)) continue;
      counted.add(path);
      sum += sizes.get(path) ?? 0;
    }
  };
  if (active !== undefined) take(active);
  const kept: VersionRecord[] = [];
  for (const record of history.slice(0, KEPT_VERSIONS)) {
    take(record);
    const isNeeded = kept.filter(({ version }) => version !== active?.version).length === 0;
    if (sum > octets && !isNeeded && record.version !== active?.version) break;
    kept.push(record);
  }
  return kept;
}

/** Removes what no kept version names, and the drafts that a crash left. Only while nothing is being built. */
export function removeUnused(folder: string, kept: readonly VersionRecord[], active: VersionRecord | undefined): void {
  const needed = new Set([...(active === undefined ? [] : [active]), ...kept].flatMap((record) => filesOf(folder, record)));
  for (const one of folders(folder))
    for (const name of namesIn(one)) {
      const path = join(one, name);
      if (!needed.has(path)) rmSync(path, { force: true });
    }
}

const folders = (folder: string): string[] => [basesFolder(folder), overlaysFolder(folder), setsFolder(folder)];

const filesOf = (folder: string, { base, overlays, sources }: VersionRecord): string[] => [
  join(basesFolder(folder), `${base}.index`),
  join(overlaysFolder(folder), `${overlays}.jsonl`),
  ...sources.map(({ set }) => join(setsFolder(folder), `${set}.records`)),
];

function sizesIn(folder: string): [string, number][] {
  return namesIn(folder).map((name) => {
    const path = join(folder, name);
    return [path, statSync(path, { throwIfNoEntry: false })?.size ?? 0];
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // nothing was ever kept there
  }
}
