/**
 * The accepted records of each source, kept in the data directory: the file an administrator imported may be gone at the
 * next start, the server of a live source may be away, and a change of one source should not read the others again.
 * A set is named after its content, so that what is read is known to be what was written.
 */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, syncDirectoryNow } from '../platform/files.ts';
import type { DirectoryRecord } from './ports.ts';
import { contentOf, originLine } from './record-lines.ts';

/** A source's records as they are kept. */
export interface RecordSet {
  /** Names the file; empty where nothing was written. */
  readonly id: string;
  /** Of the content alone, without line numbers and names of files. */
  readonly digest: string;
  readonly records: number;
}

const IN_ONE_WRITE = 1 << 18;
const ID = 32;

export const setsFolder = (folder: string): string => join(folder, 'sources');
export const setFile = (folder: string, id: string): string => join(setsFolder(folder), `${id}.records`);
export const hasSet = (folder: string, id: string): boolean => id !== '' && existsSync(setFile(folder, id));

/** Writes a set while its records are read. Blocks: for the thread that builds. Without a folder only the digest is made. */
export class SetWriter {
  readonly #folder: string | undefined;
  readonly #draft: string;
  readonly #file: number;
  readonly #content = createHash('sha256');
  readonly #whole = createHash('sha256');
  #lines = '';
  #contents = '';
  #records = 0;
  #origin = '';

  constructor(folder: string | undefined) {
    this.#folder = folder;
    if (folder !== undefined) makeDirectory(setsFolder(folder));
    this.#draft = folder === undefined ? '' : join(setsFolder(folder), `${randomUUID()}.draft`);
    this.#file = folder === undefined ? -1 : openSync(this.#draft, 'wx', 0o600);
  }

  record(record: DirectoryRecord, origin: string): void {
    if (origin !== this.#origin) {
      this.#origin = origin;
      this.#lines += originLine(origin);
    }
    const content = contentOf(record);
    this.#lines += `${content}${record.line}\n`;
    this.#contents += content;
    this.#records++;
    if (this.#lines.length >= IN_ONE_WRITE) this.#write();
  }

  /** Durable when it returns; a crash before leaves a draft that the next start removes. */
  keep(): RecordSet {
    this.#write();
    const digest = this.#content.digest('hex');
    const id = this.#whole.digest('hex').slice(0, ID);
    if (this.#folder === undefined) return { id: '', digest, records: this.#records };
    fdatasyncSync(this.#file);
    closeSync(this.#file);
    renameSync(this.#draft, setFile(this.#folder, id));
    syncDirectoryNow(setsFolder(this.#folder));
    return { id, digest, records: this.#records };
  }

  /** The set was refused: nothing of it stays. */
  drop(): void {
    if (this.#folder === undefined) return;
    closeSync(this.#file);
    rmSync(this.#draft, { force: true });
  }

  #write(): void {
    this.#content.update(this.#contents);
    this.#contents = '';
    const bytes = Buffer.from(this.#lines);
    this.#lines = '';
    this.#whole.update(bytes);
    if (this.#file >= 0) for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }
}

/** The octets of a kept set. Throws where the file is missing or is not what was written. Blocks: for the thread that builds. */
export function* readSet(folder: string, id: string): Iterable<Uint8Array> {
  const hash = createHash('sha256');
  const file = openSync(setFile(folder, id), 'r');
  try {
    const chunk = Buffer.allocUnsafe(IN_ONE_WRITE);
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      hash.update(chunk.subarray(0, read));
      yield chunk.subarray(0, read);
    }
  } finally {
    closeSync(file);
  }
  if (!hash.digest('hex').startsWith(id)) throw new Error(`${setFile(folder, id)} is damaged`);
}
