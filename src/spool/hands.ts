/**
 * Which messages delivery has in its hands, where the next start can read it if the process dies: a file of slots that are
 * written in place and never synced, for the page cache outlives a process (1.5 µs an attempt). What a power cut leaves
 * of it does not count: that was no message's doing.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import type { SpoolId } from '../mail/spooled.ts';

/** One recipient's attempt. */
export interface Grip {
  readonly id: SpoolId;
  /** The recipient, and how often it was tried or put off before: a record that says more shows that the attempt ended. */
  readonly index: number;
  readonly tries: number;
}

/** What delivery tells: two calls an attempt, neither of which fails. */
export interface Hands {
  begin(grip: Grip): number;
  /** Once the outcome is durable. */
  end(slot: number): void;
}

/** What the process before this one had in its hands when it died; `noted`: it said so itself, in an uncaught error. */
export interface LeftBehind {
  readonly grips: readonly Grip[];
  readonly noted: boolean;
}

const SLOT_OCTETS = 64;
/** As many transactions as delivery has at once; what is beyond is not written down. */
const SLOTS = 2048;

export class HandsFile implements Hands, Disposable {
  readonly leftBehind: LeftBehind;
  /** Told of each attempt that ended with a durable outcome. */
  ended: (id: SpoolId) => void = () => {};
  readonly #notePath: string;
  #fd: number | undefined;
  readonly #slot = Buffer.alloc(SLOT_OCTETS, ' ');
  readonly #free: number[] = [];
  readonly #held: (Grip | undefined)[] = [];
  #isNoted = false;

  /** `boot` names this run of the machine. */
  constructor(path: string, boot = bootId()) {
    this.#notePath = `${path}.note`;
    this.leftBehind = readLeftBehind(path, this.#notePath, boot);
    // all of it now: on a full disk there is no more
    const blank = Buffer.alloc(SLOT_OCTETS * (SLOTS + 1), ' ');
    blank.write(boot, 0, 'latin1');
    try {
      this.#fd = openSync(path, 'w', 0o600);
      writeSync(this.#fd, blank);
    } catch {
      // a full disk: then nothing is written down
    }
    for (let slot = SLOTS; slot > 0; slot--) this.#free.push(slot);
  }

  /** What was left behind is counted: it must not be counted again. */
  counted(): void {
    rmSync(this.#notePath, { force: true });
  }

  begin(grip: Grip): number {
    const fd = this.#fd;
    const slot = fd === undefined ? undefined : this.#free.pop();
    if (fd === undefined || slot === undefined) return 0;
    this.#held[slot] = grip;
    const length = this.#slot.write(`${grip.id} ${grip.index} ${grip.tries} \n`, 0, 'latin1');
    try {
      writeSync(fd, this.#slot, 0, length, slot * SLOT_OCTETS);
    } catch {
      // a note for a crash that will hardly come: not worth an attempt
    }
    return slot;
  }

  /** Nothing is written: a record that changed, or is gone, tells as much. */
  end(slot: number): void {
    const grip = this.#held[slot];
    if (grip === undefined) return;
    this.#held[slot] = undefined;
    this.#free.push(slot);
    if (!this.#isNoted) this.ended(grip.id);
  }

  /** An uncaught error: what is in hands now is written down as its possible cause, whatever happens to it until the end. */
  note(): void {
    this.#isNoted = true;
    const grips = this.#held.filter((grip) => grip !== undefined);
    try {
      writeFileSync(this.#notePath, JSON.stringify(grips), { mode: 0o600 });
    } catch {
      // on a dead disk the end goes on without
    }
  }

  /** An orderly end, or its beginning: who loses patience with it and kills the process accuses no message. */
  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    try {
      ftruncateSync(this.#fd, 0);
    } catch {
      // on a dead disk the end goes on without
    }
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function readLeftBehind(path: string, notePath: string, boot: string): LeftBehind {
  const note = readIfThere(notePath);
  if (note !== undefined) {
    try {
      return { grips: JSON.parse(note) as Grip[], noted: true };
    } catch {
      // the machine went down while it was written
    }
  }
  const text = readIfThere(path) ?? '';
  if (!text.startsWith(boot)) return { grips: [], noted: false };
  const grips = [...text.matchAll(/([0-9A-Z]{26}) (\d+) (\d+) \n/g)].map(([, id, index, tries]) => ({
    id: id as SpoolId,
    index: Number(index),
    tries: Number(tries),
  }));
  return { grips, noted: false };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown';
}
