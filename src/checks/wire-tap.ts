/** A socket with a listener on its wire: TLS goes over it, and what the peer sent first is kept as it came. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** Octets: a server's part of a handshake, with a long chain, is a fifth of it. */
const KEPT = 128 * 1024;

export class WireTap extends Duplex {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #kept = 0;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (this.#kept < KEPT) {
        this.#chunks.push(chunk);
        this.#kept += chunk.length;
      }
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** What came first, at least 128 KiB of it. */
  get inbound(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
