/** Writes a body in wire form as it is, and ends it with the final dot (design.md D3a). */
import type { Socket } from 'node:net';
import { BodyDigest } from '../mail/body-digest.ts';
import type { SpooledBody } from '../mail/spooled.ts';

/** Bodies up to here leave in one write; longer ones in slices, so that a stuck peer is seen by the block. */
export const SLICE = 256 * 1024;

const DOT = Buffer.from('.\r\n');
const CRLF_DOT = Buffer.from('\r\n.\r\n');
const CR = 13;
const LF = 10;

/**
 * The last octets of a body and the final dot, in one go. `before` is the octet in front of them. `written` is called
 * once the kernel has taken all.
 */
export function writeEnd(socket: Socket, last: Buffer, before: number, written: (error?: Error | null) => void): void {
  const { length } = last;
  const lineEnded = length === 0 || (last[length - 1] === LF && (length > 1 ? last[length - 2] : before) === CR);
  socket.cork();
  if (length > 0) socket.write(last);
  socket.write(lineEnded ? DOT : CRLF_DOT, written);
  socket.uncork();
}

/**
 * How a stream of a body ended: all but its last octets are written, or it was not whole, or nobody wants it any more.
 * `sha256` is that of the message's body: taken of what went out, unless the octets never left memory since it was taken.
 */
export type Streamed = { readonly last: Buffer; readonly before: number; readonly sha256: string } | 'broken' | 'unwanted';

/**
 * Writes all but the last chunk, one block after the other as the socket takes them. Chunks as they came from a socket
 * are small: they are gathered, so that a block is one system call. Never rejects.
 */
export async function streamBody(
  socket: Socket,
  { body, stuffed }: { readonly body: SpooledBody; readonly stuffed: boolean },
  wanted: () => boolean,
  progress: () => void,
): Promise<Streamed> {
  let sent = 0;
  let last: Buffer = Buffer.alloc(0);
  let before = LF;
  let block: Buffer[] = [];
  let gathered = 0;
  const digest = body.sha256 === undefined ? new BodyDigest() : undefined;
  try {
    for await (const chunk of body.bytes === undefined ? body.chunks() : slices(body.bytes)) {
      if (!wanted()) return 'unwanted';
      if (chunk.length === 0) continue;
      sent += chunk.length;
      if (sent > body.length) return 'broken';
      digest?.take(chunk, stuffed);
      // one chunk behind, so that the end leaves together with the dot, and only once all octets are there
      if (last.length > 0) block.push(last);
      gathered += last.length;
      before = last.at(-1) ?? LF;
      last = chunk;
      if (gathered + chunk.length <= SLICE) continue;
      const flowing = writeBlock(socket, block);
      block = [];
      gathered = 0;
      if (!flowing) await drained(socket);
      progress();
    }
  } catch {
    return wanted() ? 'broken' : 'unwanted';
  }
  if (!wanted()) return 'unwanted';
  // a message that ends short would be taken as whole (reliability.md 3)
  if (sent !== body.length) return 'broken';
  if (!writeBlock(socket, block)) {
    await drained(socket);
    if (!wanted()) return 'unwanted';
  }
  return { last, before, sha256: body.sha256 ?? digest?.hex() ?? '' };
}

/** Whether the socket takes more at once. */
function writeBlock(socket: Socket, block: readonly Buffer[]): boolean {
  let flowing = true;
  if (block.length > 1) socket.cork();
  for (const octets of block) flowing = socket.write(octets);
  if (block.length > 1) socket.uncork();
  return flowing;
}

/** Resolves when the socket takes more, or is gone. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      socket.off('drain', go);
      socket.off('close', go);
      resolve();
    };
    socket.on('drain', go);
    socket.on('close', go);
    if (socket.destroyed) go();
  });
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += SLICE) yield bytes.subarray(start, start + SLICE);
}
