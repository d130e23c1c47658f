/**
 * Bodies that are too large for the store: one file each, `bodies/<x>/<id>`, where x is the last character of the id
 * (chance, so that 32 directories fill evenly; few of them, so that messages in flight share directory syncs).
 */
import { close, fdatasync, open, readdirSync, read as readFd, statSync, unlink, unlinkSync, writev } from 'node:fs';
import { join } from 'node:path';
import type { SpooledBody, SpoolId } from '../mail/spooled.ts';
import { DirectorySync, makeDirectory } from '../platform/files.ts';
import { bodyInMemory } from '../platform/memory.ts';

const SHARDS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const READ_OCTETS = 256 * 1024;

export class BodyFiles {
  readonly #root: string;
  readonly #syncs = new Map<string, DirectorySync>();

  /** Makes the directories, durably, so that no message ever waits for one. */
  constructor(root: string) {
    this.#root = root;
    for (const shard of SHARDS) {
      makeDirectory(join(root, shard));
      this.#syncs.set(shard, new DirectorySync(join(root, shard)));
    }
  }

  path(id: SpoolId): string {
    return join(this.#root, id.slice(-1), id);
  }

  create(id: SpoolId): BodyFile {
    return new BodyFile(this.path(id), this.#syncs.get(id.slice(-1)) as DirectorySync);
  }

  /** The body on disk; it is read when it is asked for, in pieces. */
  body(id: SpoolId, length: number): SpooledBody {
    const path = this.path(id);
    return { length, chunks: () => readFile(path, length) };
  }

  /** Octets of the file; `undefined` where there is none. Blocks; for start-up. */
  sizeOf(id: SpoolId): number | undefined {
    return statSync(this.path(id), { throwIfNoEntry: false })?.size;
  }

  /**
   * Removes a body that no record names any more. Not synced: a file that a crash brings back is a leftover, removed at
   * the next start.
   */
  remove(id: SpoolId, failed: (error: Error) => void): void {
    unlink(this.path(id), (error) => {
      if (error !== null && error.code !== 'ENOENT') failed(error);
    });
  }

  /** Removes the files that `isKnown` does not know and names them. Blocks; for start-up. */
  removeLeftovers(isKnown: (id: SpoolId) => boolean): string[] {
    const removed: string[] = [];
    for (const shard of SHARDS) {
      for (const name of readdirSync(join(this.#root, shard))) {
        if (isKnown(name as SpoolId)) continue;
        const path = join(this.#root, shard, name);
        unlinkSync(path);
        removed.push(path);
      }
    }
    return removed;
  }
}

/** One body on its way to disk. The first error ends it: every later call rejects with the same. */
export class BodyFile {
  readonly #path: string;
  readonly #directory: DirectorySync;
  readonly #opened: Promise<number>;
  #written: Promise<unknown>;
  #open = true;

  constructor(path: string, directory: DirectorySync) {
    this.#path = path;
    this.#directory = directory;
    this.#opened = new Promise((resolve, reject) => {
      open(path, 'wx', 0o600, (error, fd) => (error === null ? resolve(fd) : reject(error)));
    });
    this.#written = this.#opened;
    this.#written.catch(() => {}); // told to whoever appends or finishes
  }

  /** Appends; the promise is that of the append before, so that one is always under way while the next is gathered. */
  append(chunks: Buffer[]): Promise<unknown> {
    const before = this.#written;
    this.#written = before.then(() => this.#opened).then((fd) => writeAll(fd, chunks));
    this.#written.catch(() => {});
    return before;
  }

  /** Resolves once octets and name are on disk. A crash before leaves a leftover or nothing, after it the whole body. */
  async finish(): Promise<void> {
    await this.#written;
    const fd = await this.#opened;
    await Promise.all([syncData(fd), this.#directory.sync()]);
    this.#open = false;
    await closeFd(fd);
  }

  /** Closes and removes the file, whatever became of it. */
  async discard(): Promise<void> {
    await this.#written.catch(() => {});
    const fd = await this.#opened.catch(() => undefined);
    if (fd === undefined) return;
    if (this.#open) {
      this.#open = false;
      await closeFd(fd).catch(() => {});
    }
    await new Promise<void>((resolve, reject) => {
      unlink(this.#path, (error) => (error === null || error.code === 'ENOENT' ? resolve() : reject(error)));
    });
  }
}

async function writeAll(fd: number, chunks: Buffer[]): Promise<void> {
  let rest = chunks;
  while (rest.length > 0) {
    let written = await new Promise<number>((resolve, reject) => {
      writev(fd, rest, (error, count) => (error === null ? resolve(count) : reject(error)));
    });
    let whole = 0;
    while (whole < rest.length && written >= (rest[whole] as Buffer).length) written -= (rest[whole++] as Buffer).length;
    rest = rest.slice(whole);
    if (written > 0 && rest[0] !== undefined) rest[0] = rest[0].subarray(written);
  }
}

async function* readFile(path: string, length: number): AsyncGenerator<Buffer> {
  const fd = await new Promise<number>((resolve, reject) => {
    open(path, 'r', (error, opened) => (error === null ? resolve(opened) : reject(error)));
  });
  try {
    for (let at = 0; at < length; ) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_OCTETS, length - at));
      bodyInMemory(buffer.length);
      const count = await new Promise<number>((resolve, reject) => {
        readFd(fd, buffer, 0, buffer.length, at, (error, got) => (error === null ? resolve(got) : reject(error)));
      });
      if (count === 0) throw new Error(`${path} ends after ${at} of ${length} octets`);
      at += count;
      yield count === buffer.length ? buffer : buffer.subarray(0, count);
    }
  } finally {
    await closeFd(fd).catch(() => {});
  }
}

function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error === null ? resolve() : reject(error))));
}

function closeFd(fd: number): Promise<void> {
  return new Promise((resolve, reject) => close(fd, (error) => (error ? reject(error) : resolve())));
}
