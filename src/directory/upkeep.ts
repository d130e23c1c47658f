/** Files in the directory's folder that no version needs any more. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionRecord } from './history.ts';
import { overlaysFolder } from './overlays.ts';
import { setsFolder } from './record-sets.ts';
import { basesFolder } from './snapshot.ts';

/** Versions whose files are kept, to go back to. The active one always is, whatever its number. */
export const KEPT_VERSIONS = 50;

/** The versions, newest first, that can be gone back to. */
export const restorable = (history: readonly VersionRecord[]): readonly VersionRecord[] => history.slice(0, KEPT_VERSIONS);

/** Removes what no kept version names, and the drafts that a crash left. Only while nothing is being built. */
export function removeUnused(folder: string, history: readonly VersionRecord[], active: VersionRecord | undefined): void {
  const kept = active === undefined ? restorable(history) : [active, ...restorable(history)];
  sweep(basesFolder(folder), new Set(kept.map(({ base }) => `${base}.index`)));
  sweep(overlaysFolder(folder), new Set(kept.map(({ overlays }) => `${overlays}.jsonl`)));
  sweep(setsFolder(folder), new Set(kept.flatMap(({ sources }) => sources.map(({ set }) => `${set}.records`))));
}

function sweep(folder: string, needed: ReadonlySet<string>): void {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return; // nothing was ever kept there
  }
  for (const name of names) if (!needed.has(name)) rmSync(join(folder, name), { force: true });
}
