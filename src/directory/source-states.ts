/** How each source fares: when it was last read well, and what went wrong since. It tells; nothing is decided by it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, replaceFile } from '../platform/files.ts';

export interface SourceState {
  /** ISO 8601; absent: never. */
  readonly lastSuccess?: string;
  readonly lastAttempt?: string;
  /** Why the last attempt gave nothing; absent: it gave. */
  readonly error?: string;
}

const FILE = 'source-states.json';

export class SourceStates {
  readonly #folder: string;
  readonly #keeps: boolean;
  readonly #states: Map<string, SourceState>;

  constructor(folder: string, keeps: boolean) {
    this.#folder = folder;
    this.#keeps = keeps;
    this.#states = new Map(Object.entries(read(join(folder, FILE))));
  }

  of(name: string): SourceState {
    return this.#states.get(name) ?? {};
  }

  /** `error` absent: the source was read well. Rejected by nothing: a state that cannot be written is told at the next start as it was. */
  note(name: string, time: string, error?: string): void {
    const { lastSuccess } = this.of(name);
    this.#states.set(
      name,
      error === undefined
        ? { lastSuccess: time, lastAttempt: time }
        : { ...(lastSuccess !== undefined && { lastSuccess }), lastAttempt: time, error },
    );
    if (!this.#keeps) return;
    try {
      makeDirectory(this.#folder);
      replaceFile(join(this.#folder, FILE), JSON.stringify(Object.fromEntries(this.#states)));
    } catch {
      // the disk fails: what matters will say so itself
    }
  }
}

function read(file: string): Record<string, SourceState> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, SourceState>;
  } catch {
    return {};
  }
}
