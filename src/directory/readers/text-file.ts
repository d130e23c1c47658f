/** Text files in the encodings that exports come in, read as UTF-8 octets: UTF-8, UTF-16 of either order (PowerShell, Excel), gzip. */
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';

/** Octets in one go: some 2 ms of work, then mail has its turn. */
const CHUNK = 131_072;
/** Octets that recognition looks at. */
const HEAD = 65_536;

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The file as UTF-8 without a byte order mark, from its beginning. Rejects as the file system and zlib do. */
export async function* utf8Octets(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file);
  try {
    const magic = await handle.read(Buffer.alloc(2), 0, 2, 0);
    const raw = handle.createReadStream({ start: 0, highWaterMark: CHUNK, autoClose: false });
    const isGzip = magic.bytesRead === 2 && magic.buffer[0] === 0x1f && magic.buffer[1] === 0x8b;
    yield* asUtf8(isGzip ? unzipped(raw) : raw);
  } finally {
    await handle.close();
  }
}

/** The beginning of the file, decoded; its last line may be cut. */
export async function readHead(file: string): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const octets of utf8Octets(file)) {
    parts.push(octets);
    length += octets.length;
    if (length >= HEAD) break;
  }
  return Buffer.concat(parts).toString('utf8', 0, HEAD);
}

/**
 * What is wrong with a file that cannot be read, in an administrator's words; `undefined` for what is the machine's fault
 * and not the file's.
 */
export function fileProblem(error: unknown): { readonly problem: string; readonly remedy: string } | undefined {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ESPIPE'].includes(code))
    return { problem: `the file cannot be read (${code})`, remedy: 'Create it, or mend its name or its permissions' };
  if (code.startsWith('Z_')) return { problem: `the compressed file is damaged (${code})`, remedy: 'Copy it again' };
  return undefined;
}

function unzipped(raw: Readable): Readable {
  const gunzip = createGunzip({ chunkSize: CHUNK });
  raw.on('error', (failure) => gunzip.destroy(failure));
  gunzip.on('close', () => raw.destroy());
  return raw.pipe(gunzip);
}

async function* asUtf8(raw: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | undefined;
  let isFirst = true;
  for await (const octets of raw) {
    if (isFirst) {
      isFirst = false;
      const encoding = encodingOf(octets);
      if (encoding === 'utf-8') {
        yield octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf ? octets.subarray(3) : octets;
        continue;
      }
      decoder = new TextDecoder(encoding); // takes the byte order mark away
    }
    yield decoder === undefined ? octets : Buffer.from(decoder.decode(octets, { stream: true }));
  }
  const rest = decoder?.decode();
  if (rest !== undefined && rest !== '') yield Buffer.from(rest);
}

/** By the byte order mark; without one, by where the zeros of Latin letters stand. */
function encodingOf(octets: Buffer): Encoding {
  if (octets[0] === 0xff && octets[1] === 0xfe) return 'utf-16le';
  if (octets[0] === 0xfe && octets[1] === 0xff) return 'utf-16be';
  if (octets.length >= 4 && octets[0] !== 0 && octets[1] === 0 && octets[2] !== 0 && octets[3] === 0) return 'utf-16le';
  if (octets.length >= 4 && octets[0] === 0 && octets[1] !== 0 && octets[2] === 0 && octets[3] !== 0) return 'utf-16be';
  return 'utf-8';
}
