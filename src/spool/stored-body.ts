/** Bodies of the store, as delivery reads them. (Those in files: body-files.ts.) */
import type { SpooledBody, SpooledMessage } from '../mail/spooled.ts';

/** A body that is at hand as a whole. */
export class BytesBody implements SpooledBody {
  readonly bytes: Buffer;
  readonly sha256: string | undefined;

  /** `sha256` only of octets that were digested as they came and have been in memory since. */
  constructor(bytes: Buffer, sha256?: string) {
    this.bytes = bytes;
    this.sha256 = sha256;
  }

  get length(): number {
    return this.bytes.length;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    yield this.bytes;
  }
}

/** A body that is at hand in pieces, as it came from the socket. */
export class PiecesBody implements SpooledBody {
  readonly length: number;
  readonly pieces: readonly Buffer[];
  readonly sha256: string | undefined;

  /** `sha256` as that of `BytesBody`. */
  constructor(pieces: readonly Buffer[], length: number, sha256?: string) {
    this.pieces = pieces;
    this.length = length;
    this.sha256 = sha256;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    yield* this.pieces;
  }
}

/** A body that ought to be in the store and is not: told to whoever reads it. */
export class MissingBody implements SpooledBody {
  readonly #id: string;
  readonly length: number;

  constructor(message: SpooledMessage) {
    this.#id = message.id;
    this.length = message.wireSize;
  }

  chunks(): AsyncIterable<Buffer> {
    const failing = { next: () => Promise.reject(new Error(`the body of ${this.#id} is missing`)) };
    return { [Symbol.asyncIterator]: () => failing };
  }
}
