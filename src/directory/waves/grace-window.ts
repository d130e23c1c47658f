/**
 * The grace window (R5, C4): when each mailbox changed sides, by a wave or by any other change of the directory. The servers
 * learn of it later than we do; until then their "no such user" is not the last word.
 */
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { Clock } from '../../platform/clock.ts';
import { replaceFile } from '../../platform/files.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryEntry } from '../ports.ts';
import { ownerOf } from './owner.ts';
import type { SwitchTimes } from './ports.ts';

/** Entries compared in one go; then mail has its turn. */
const IN_ONE_GO = 2000;

/** A directory version, as far as it is compared. */
export interface ComparedVersion {
  readonly version: number;
  readonly recipients: number;
  find(key: string): DirectoryEntry | undefined;
  entries(): Iterable<DirectoryEntry>;
}

export interface GraceParts {
  /** `<data-directory>/directory/grace.json`; its folder is there. */
  readonly file: string;
  readonly directory: { active(): { find(key: string): DirectoryEntry | undefined } };
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds (`directory.grace-period`). */
  readonly window: number;
  readonly readOnly?: boolean;
}

export class GraceWindow implements SwitchTimes {
  readonly #parts: GraceParts;
  #window: number;
  /** `mailboxKey` of the primary address → when it changed sides. */
  readonly #since: Map<string, number>;
  /** Comparisons under way: who changed sides is not known yet. */
  #comparing = 0;

  /** Reads the file; one that is missing or damaged is begun anew, for the worst is a notice too early. */
  constructor(parts: GraceParts) {
    this.#parts = parts;
    this.#window = parts.window;
    this.#since = read(parts.file, parts.log);
    this.#prune();
  }

  /** Counts for the windows that are open as well. */
  reconfigure(window: number): void {
    this.#window = window;
  }

  note(keys: readonly string[], at: number): () => void {
    const before = keys.map((key) => [key, this.#since.get(key)] as const);
    for (const key of keys) this.#since.set(key, at);
    this.#save();
    return () => {
      for (const [key, since] of before) {
        if (since === undefined) this.#since.delete(key);
        else this.#since.set(key, since);
      }
      this.#save();
    };
  }

  /** Until when a server may not know this recipient yet; `undefined` where it should. Milliseconds since the epoch. */
  until(recipient: Mailbox): number | undefined {
    const now = this.#parts.clock.now();
    if (this.#comparing > 0) return now + this.#window;
    if (this.#since.size === 0) return undefined;
    const owner = ownerOf(this.#parts.directory.active(), recipient);
    const since = this.#since.get(owner === undefined ? mailboxKey(recipient) : mailboxKey(owner.entry.address));
    return since === undefined || now >= since + this.#window ? undefined : since + this.#window;
  }

  /**
   * Notes whoever is on another side in one version than in the one before: for imports, reloads and an administrator's
   * word. The first set of a directory switches nobody. Call it when the later one becomes active.
   */
  async compare(before: ComparedVersion, after: ComparedVersion): Promise<void> {
    if (before.version === after.version || before.recipients === 0) return;
    this.#comparing += 1;
    try {
      const now = this.#parts.clock.now();
      const moved: string[] = [];
      let looked = 0;
      for (const { route, address } of after.entries()) {
        if (++looked % IN_ONE_GO === 0) await setImmediate();
        const key = mailboxKey(address);
        // whom the directory did not know is on-premises as a rule
        const was = before.find(key)?.route ?? 'on-premises';
        const isOver = (route === 'cloud' && was !== 'cloud') || (route === 'on-premises' && was === 'cloud');
        // a wave has noted its own already
        if (isOver && (this.#since.get(key) ?? 0) <= now - this.#window) moved.push(key);
      }
      this.#prune();
      if (moved.length > 0) this.note(moved, now);
    } finally {
      this.#comparing -= 1;
    }
  }

  #prune(): void {
    const oldest = this.#parts.clock.now() - this.#window;
    for (const [key, since] of this.#since) if (since <= oldest) this.#since.delete(key);
  }

  #save(): void {
    if (this.#parts.readOnly !== true) replaceFile(this.#parts.file, JSON.stringify([...this.#since]));
  }
}

function read(file: string, log: Log): Map<string, number> {
  try {
    const pairs = JSON.parse(readFileSync(file, 'utf8')) as [string, number][];
    return new Map(pairs.filter(([key, since]) => typeof key === 'string' && Number.isFinite(since)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.error({ err: error, file }, 'grace window begun anew');
    return new Map();
  }
}
