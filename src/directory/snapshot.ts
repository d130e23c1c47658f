/**
 * A finished index as one file: a magic word, the digest, the head (JSON), then the arrays as they lie in memory. Reading
 * it is reading octets; nothing is done for each recipient. A file is named by its digest, so it is written once and
 * never changed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { makeDirectory, syncDirectoryNow } from '../platform/files.ts';
import type { Part } from './columns.ts';
import type { IndexImage } from './compiled-index.ts';
import type { DirectoryRoute, Finding } from './ports.ts';

const MAGIC = `bridgehead directory 1 ${endianness()}\n`;
const DIGEST_OCTETS = 32;
const ID = 32;
/** Octets read and hashed in one go: some milliseconds, then mail has its turn. */
const IN_ONE_GO = 4 << 20;

/** What was built of the sources alone; overlays stand elsewhere. */
export interface Base {
  readonly image: IndexImage;
  readonly digest: string;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  readonly findings: readonly Finding[];
}

export const basesFolder = (folder: string): string => join(folder, 'bases');
const baseFile = (folder: string, id: string): string => join(basesFolder(folder), `${id}.index`);

/** Writes it, where it is not there yet; its id. Durable when it returns; a crash before leaves a draft that the next start removes. Blocks: for the thread that builds. */
export function writeBase(folder: string, { image, ...rest }: Base): string {
  const octets = image.parts.map((part) => part.octets);
  const head = Buffer.from(JSON.stringify({ ...rest, meta: image.meta, octets }));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(head.length);
  const body = image.parts.map((part) => new Uint8Array(part.memory, 0, part.octets));
  const hash = createHash('sha256').update(length).update(head);
  for (const part of body) hash.update(part);
  const digest = hash.digest();
  const id = digest.toString('hex').slice(0, ID);
  const file = baseFile(folder, id);
  if (existsSync(file)) return id;
  makeDirectory(basesFolder(folder));
  const draft = join(basesFolder(folder), `${randomUUID()}.draft`);
  const fd = openSync(draft, 'wx', 0o600);
  try {
    for (const part of [Buffer.from(MAGIC), digest, length, head, ...body])
      for (let at = 0; at < part.length; ) at += writeSync(fd, part, at);
    fdatasyncSync(fd);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(draft, file);
  syncDirectoryNow(basesFolder(folder));
  return id;
}

/** `undefined` where the file is missing, cut, damaged or of another machine: then the sources are read. */
export async function readBase(folder: string, id: string): Promise<Base | undefined> {
  let file: FileHandle;
  try {
    file = await open(baseFile(folder, id), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const start = Buffer.alloc(MAGIC.length + DIGEST_OCTETS + 8);
    if ((await file.read(start, 0, start.length, 0)).bytesRead < start.length) return undefined;
    if (start.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
    const digest = start.subarray(MAGIC.length, MAGIC.length + DIGEST_OCTETS);
    const { size } = await file.stat();
    const headLength = start.readUInt32LE(start.length - 8);
    if (start.length + headLength > size) return undefined;
    const hash = createHash('sha256').update(start.subarray(-8));
    const head = new Uint8Array(headLength);
    if (!(await fill(file, head, start.length, hash))) return undefined;
    const { meta, octets, ...rest } = headOf(head);
    let position = start.length + headLength;
    if (octets.reduce((sum, part) => sum + part, position) !== size) return undefined;
    const parts: Part[] = [];
    for (const length of octets) {
      const memory = new SharedArrayBuffer(length);
      if (!(await fill(file, new Uint8Array(memory), position, hash))) return undefined;
      parts.push({ memory, octets: length });
      position += length;
    }
    return hash.digest().equals(digest) ? { ...rest, image: { meta, parts } } : undefined;
  } finally {
    await file.close();
  }
}

interface Head extends Omit<Base, 'image'> {
  readonly meta: IndexImage['meta'];
  readonly octets: readonly number[];
}

/** A damaged head names no parts; then the sizes do not fit. */
function headOf(head: Uint8Array): Head {
  try {
    return JSON.parse(Buffer.from(head).toString('utf8')) as Head;
  } catch {
    return {
      meta: { size: 0, gone: 0, moved: [], words: [], domains: [] },
      octets: [],
      digest: '',
      counts: NO_COUNTS,
      findings: [],
    };
  }
}

const NO_COUNTS = { 'on-premises': 0, cloud: 0, hold: 0, both: 0 };

async function fill(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
  hash: ReturnType<typeof createHash>,
): Promise<boolean> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(IN_ONE_GO, bytes.length - at), position + at);
    if (bytesRead === 0) return false;
    hash.update(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
    await setImmediate();
  }
  return true;
}
