/** A body on its way into the spool: in memory while it is small, else in a file of its own. */
import type { EventRecord } from '../mail/event.ts';
import type { NewMessage, SpoolId } from '../mail/spooled.ts';
import { bodyInMemory } from '../platform/memory.ts';
import type { BodyFile, BodyFiles } from './body-files.ts';
import { CommitTooLate } from './store.ts';

/**
 * Octets. Up to here a body goes into the store together with its record: one sync for the whole group instead of a
 * file, its sync and its directory's sync for each message. Measured with 20 writers
 * (test/bench/spool.ts): at 16 KiB the store takes 3.5 times as many messages a second as files do, at 64 KiB 2.2, at
 * 128 KiB 1.9; from 256 KiB on they are level, and at 1 MiB files win while memory holds nothing whole.
 */
export const LARGEST_IN_STORE = 128 * 1024;

/** Octets gathered for one write call. */
/** Octets of a body in a file that memory keeps until it is settled, where the spool has room for fresh mail. */
const LARGEST_KEPT = 2 * 1024 * 1024;
const FLUSH_OCTETS = 256 * 1024;

/** The memory of all drafts together. Beyond `limit` even small bodies go to files. */
export interface DraftMemory {
  used: number;
  readonly limit: number;
}

export interface DraftParts {
  readonly files: BodyFiles;
  readonly memory: DraftMemory;
  /** Makes the record durable, with the body unless that is in a file. */
  readonly accept: (
    message: NewMessage,
    wireSize: number,
    body: Buffer | undefined,
    events: readonly EventRecord[],
    /** A body in a file, as far as memory still has it. */
    pieces?: readonly Buffer[],
  ) => Promise<void>;
  /** The disk failed a body file: a sync or a write, not for want of room. */
  readonly failed: (error: Error) => void;
  /** There is no room for a body file. */
  readonly full: () => void;
}

export class BodyDraft {
  readonly #id: SpoolId;
  readonly #parts: DraftParts;
  #chunks: Buffer[] = [];
  #gathered = 0;
  #total = 0;
  #file: BodyFile | undefined;
  /** What went to the file, for the first delivery to read nothing; `undefined` once it is too much. */
  #pieces: Buffer[] | undefined = [];
  #ended = false;

  constructor(id: SpoolId, parts: DraftParts) {
    this.#id = id;
    this.#parts = parts;
  }

  /** Appends octets in wire form (dot-stuffed). The promise, where there is one, resolves when the writer may go on. */
  write(chunk: Buffer): Promise<void> | undefined {
    const { memory, files } = this.#parts;
    bodyInMemory(chunk.length);
    this.#chunks.push(chunk);
    this.#gathered += chunk.length;
    this.#total += chunk.length;
    memory.used += chunk.length;
    if (this.#file === undefined) {
      if (this.#total <= LARGEST_IN_STORE && memory.used <= memory.limit) return undefined;
      this.#file = files.create(this.#id);
    }
    return this.#gathered < FLUSH_OCTETS ? undefined : this.#flush(this.#file);
  }

  /**
   * Makes body, envelope and records durable; rejects when they are not. A small body is in the same transaction as
   * its record: a crash leaves both or neither. A large one is synced before the record names it: a crash in between
   * leaves a file that the next start removes.
   */
  async commit(message: NewMessage, events: readonly EventRecord[]): Promise<void> {
    if (this.#ended) throw new Error('the draft has ended');
    this.#ended = true;
    const { files, memory, accept, failed, full } = this.#parts;
    const file = this.#file;
    if (file === undefined) {
      const [first] = this.#chunks;
      // A copy also of a single chunk: it may be a slice of a much larger read, which would stay in memory with it.
      const body = first === undefined ? Buffer.alloc(0) : Buffer.concat(this.#chunks, this.#total);
      this.#chunks = [];
      try {
        await accept(message, this.#total, body, events);
      } finally {
        memory.used -= this.#gathered;
      }
      return;
    }
    try {
      await this.#flush(file);
      await file.finish();
    } catch (error) {
      this.#drop(file);
      if (isFull(error as NodeJS.ErrnoException)) full();
      else if (!isShortage(error as NodeJS.ErrnoException)) failed(error as Error);
      throw error;
    }
    try {
      await accept(message, this.#total, undefined, events, this.#pieces);
    } catch (error) {
      // A record that may yet become durable must find its file; both go when it does, or at the next start.
      if (!(error instanceof CommitTooLate)) files.remove(this.#id, failed);
      throw error;
    }
  }

  /** Drops what was written. A crash before the file is gone leaves a leftover, removed at the next start. */
  discard(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parts.memory.used -= this.#gathered;
    this.#gathered = 0;
    this.#chunks = [];
    if (this.#file !== undefined) this.#drop(this.#file);
  }

  #flush(file: BodyFile): Promise<void> {
    const chunks = this.#chunks;
    const octets = this.#gathered;
    if (this.#total > LARGEST_KEPT) this.#pieces = undefined;
    else this.#pieces?.push(...chunks);
    this.#chunks = [];
    this.#gathered = 0;
    return file.append(chunks).finally(() => {
      this.#parts.memory.used -= octets;
    }) as Promise<void>;
  }

  #drop(file: BodyFile): void {
    file.discard().catch(this.#parts.failed);
  }
}

/** Out of room or quota: this message is refused, and others until there is some. */
function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Out of descriptors: this message is refused, the disk is not to blame. */
function isShortage({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EMFILE' || code === 'ENFILE';
}
