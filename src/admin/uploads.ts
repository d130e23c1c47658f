/** Files that are sent to the relay to be read: kept in the data directory until they were, at most for an hour. */
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../platform/clock.ts';
import { OperationError } from './contract.ts';
import type { NamedFile, Uploaded } from './directory-contract.ts';

/** Octets of one file: a directory of a million recipients has some 300 MB. */
export const UPLOAD_LIMIT = 512 * 2 ** 20;
/** Files, and octets of all of them. */
const MOST_FILES = 100;
const MOST_OCTETS = 4 * UPLOAD_LIMIT;
/** Milliseconds. */
const KEPT = 3_600_000;
/** Octets that are looked at before anything reaches the disk. */
const HEAD = 65_536;

interface Kept extends NamedFile {
  readonly folder: string;
  readonly octets: number;
  readonly since: number;
}

export interface UploadParts {
  /** Absolute path; emptied at the start. */
  readonly folder: string;
  readonly clock: Clock;
  /** Why a file must not reach the disk, by its beginning: a migration batch file has passwords. */
  readonly refuse?: (head: Buffer, name: string) => string | undefined;
}

export class Uploads implements Disposable {
  readonly #parts: UploadParts;
  readonly #kept = new Map<string, Kept>();
  #arriving = 0;

  constructor(parts: UploadParts) {
    this.#parts = parts;
    rmSync(parts.folder, { recursive: true, force: true });
  }

  /** Takes a file; rejects where it is too large, refused, or does not come whole. Nothing of it stays then. */
  async receive(name: string, octets: AsyncIterable<Buffer>): Promise<Uploaded> {
    this.#expire();
    if (this.#kept.size + this.#arriving >= MOST_FILES || this.#octets() >= MOST_OCTETS)
      throw new OperationError('unavailable', 'too many files wait to be read; try again in an hour');
    const id = randomBytes(16).toString('hex');
    const folder = join(this.#parts.folder, id);
    const short = shortName(name);
    const file = join(folder, short);
    this.#arriving++;
    try {
      const { head, rest } = await beheaded(octets);
      const refusal = this.#parts.refuse?.(head, short);
      if (refusal !== undefined) throw new OperationError('invalid', refusal);
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      let length = 0;
      await pipeline(
        (async function* () {
          for await (const chunk of rest) {
            length += chunk.length;
            if (length > UPLOAD_LIMIT) throw new OperationError('invalid', `${short} is over ${UPLOAD_LIMIT / 2 ** 20} MiB`);
            yield chunk;
          }
        })(),
        createWriteStream(file, { mode: 0o600, flags: 'wx' }),
      );
      this.#kept.set(id, { name: short, path: file, folder, octets: length, since: this.#parts.clock.now() });
      return { upload: id, octets: length };
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    } finally {
      this.#arriving--;
    }
  }

  /** Reads files by `work`; they are gone afterwards, whatever comes of it. */
  async use<T>(ids: readonly string[], work: (files: readonly NamedFile[]) => Promise<T>): Promise<T> {
    this.#expire();
    const files = ids.map((id) => {
      const kept = this.#kept.get(id);
      if (kept === undefined)
        throw new OperationError('not-found', `there is no upload ${id}; it was read, or an hour has gone by`);
      return kept;
    });
    for (const id of ids) this.#kept.delete(id);
    try {
      return await work(files.map(({ name, path }) => ({ name, path })));
    } finally {
      for (const { folder } of files) rmSync(folder, { recursive: true, force: true });
    }
  }

  [Symbol.dispose](): void {
    this.#kept.clear();
    rmSync(this.#parts.folder, { recursive: true, force: true });
  }

  #octets(): number {
    let sum = 0;
    for (const { octets } of this.#kept.values()) sum += octets;
    return sum;
  }

  #expire(): void {
    const before = this.#parts.clock.now() - KEPT;
    for (const [id, { since, folder }] of this.#kept) {
      if (since >= before) continue;
      this.#kept.delete(id);
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** The last part of a path, as a name in our own folder and in findings. */
function shortName(name: string): string {
  const short = (name.split(/[/\\]/).at(-1) ?? '').replace(/[\p{C}:*?"<>|]/gu, '_').slice(-100);
  return short === '' || short === '.' || short === '..' ? 'upload' : short;
}

/** The beginning of a stream, and all of it. */
async function beheaded(octets: AsyncIterable<Buffer>): Promise<{ head: Buffer; rest: AsyncIterable<Buffer> }> {
  const iterator = octets[Symbol.asyncIterator]();
  const chunks: Buffer[] = [];
  let length = 0;
  let ended = false;
  while (length < HEAD) {
    const next = await iterator.next();
    if (next.done === true) {
      ended = true;
      break;
    }
    chunks.push(next.value);
    length += next.value.length;
  }
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield* chunks;
    if (!ended) yield* { [Symbol.asyncIterator]: () => iterator };
  };
  return { head: Buffer.concat(chunks), rest: rest() };
}
