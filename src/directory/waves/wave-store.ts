/** Waves on disk: one JSON file each, replaced as a whole. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, replaceFile } from '../../platform/files.ts';
import type { Wave } from './wave.ts';

/**
 * A wave as it is kept. `next` is written before the directory is asked for a new version, and taken out behind it: after
 * a crash between the two the directory's version tells which of both is true.
 */
export interface StoredWave {
  readonly wave: Wave;
  readonly next?: Wave;
}

export interface LoadedWaves {
  readonly stored: readonly StoredWave[];
  /** Files that are no waves, and why; they are left as they are. */
  readonly broken: readonly { readonly file: string; readonly problem: string }[];
}

const FORM = 1;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Whether a wave can have this name: it names a file, and stands in reasons. */
export const isWaveName = (name: string): boolean => NAME.test(name);

export class WaveStore {
  readonly #folder: string;
  readonly #readOnly: boolean;

  constructor(folder: string, readOnly: boolean) {
    this.#folder = folder;
    this.#readOnly = readOnly;
    if (!readOnly) makeDirectory(folder);
  }

  load(): LoadedWaves {
    const stored: StoredWave[] = [];
    const broken: { file: string; problem: string }[] = [];
    for (const file of this.#files()) {
      try {
        stored.push(read(readFileSync(join(this.#folder, file), 'utf8')));
      } catch (error) {
        broken.push({ file: join(this.#folder, file), problem: error instanceof Error ? error.message : String(error) });
      }
    }
    return { stored, broken };
  }

  /** Durable when it returns. A crash before leaves the file as it was. */
  save(wave: Wave, next?: Wave): void {
    if (this.#readOnly) return;
    replaceFile(this.#fileOf(wave.name), `${JSON.stringify({ form: FORM, wave, ...(next === undefined ? {} : { next }) })}\n`);
  }

  /** Takes back a wave that never began. */
  remove(name: string): void {
    if (!this.#readOnly) rmSync(this.#fileOf(name), { force: true });
  }

  #fileOf(name: string): string {
    return join(this.#folder, `${name}.json`);
  }

  #files(): string[] {
    try {
      return readdirSync(this.#folder).filter((file) => file.endsWith('.json'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}

function read(text: string): StoredWave {
  const { form, wave, next } = JSON.parse(text) as { form?: unknown; wave?: Wave; next?: Wave };
  if (form !== FORM) throw new Error('it was written by another version of the relay');
  if (!isWave(wave) || (next !== undefined && !isWave(next))) throw new Error('it is no wave');
  return { wave, ...(next === undefined ? {} : { next }) };
}

function isWave(value: Wave | undefined): value is Wave {
  return (
    typeof value === 'object' &&
    isWaveName(value.name) &&
    Array.isArray(value.members) &&
    Array.isArray(value.alarms) &&
    value.members.every(
      ({ key, address, steps }) => typeof key === 'string' && typeof address.address === 'string' && Array.isArray(steps),
    )
  );
}
