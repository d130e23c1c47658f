/** Where the log's lines go: a file descriptor that may be a pipe nobody reads any more. */
import { write, writeSync } from 'node:fs';

/** Characters of one write call. */
const CHUNK = 8192;
/** Octets that wait for a reader who does not read (P8); further lines are dropped, the records are in the store. */
const MAX_WAITING = 2 ** 24;
/** Milliseconds: how long the end of the process waits for a reader. */
const LAST_WORDS = 1_000;
/** Milliseconds between two tries while a pipe is full. */
const FULL_PAUSE = 20;

/**
 * Gathers lines and writes them together: a write call per record would cost more than the record. A reader that has
 * gone (EPIPE) ends the log, never the relay, and never its end: pino's own destination tries for ever there.
 */
export class LogSink {
  readonly #fd: number;
  #waiting = '';
  #underWay: Buffer | undefined;
  #isDead = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    if (this.#isDead || this.#waiting.length >= MAX_WAITING) return;
    this.#waiting += line;
    if (this.#underWay === undefined && this.#waiting.length >= CHUNK) this.#begin();
  }

  /** Begins to write what waits. */
  flush(): void {
    if (this.#underWay === undefined && this.#waiting !== '') this.#begin();
  }

  /** Writes all that waits before it returns, for at most a second where the pipe is full. */
  flushSync(): void {
    if (this.#isDead) return;
    // What is under way is written by another thread; it cannot be called back, so it is not written again
    let rest = Buffer.from(this.#waiting);
    this.#waiting = '';
    const end = performance.now() + LAST_WORDS;
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (!isFull(error) || performance.now() >= end) return this.#die();
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PAUSE);
      }
    }
  }

  #begin(): void {
    this.#underWay = Buffer.from(this.#waiting);
    this.#waiting = '';
    this.#go(this.#underWay);
  }

  #go(octets: Buffer): void {
    write(this.#fd, octets, (error, written) => {
      if (error !== null && !isFull(error)) return this.#die();
      const rest = error === null ? octets.subarray(written) : octets;
      if (rest.length > 0) {
        this.#underWay = rest;
        if (error === null) this.#go(rest);
        else setTimeout(() => this.#go(rest), FULL_PAUSE).unref();
        return;
      }
      this.#underWay = undefined;
      if (this.#waiting.length >= CHUNK) this.#begin();
    });
  }

  #die(): void {
    this.#isDead = true;
    this.#waiting = '';
    this.#underWay = undefined;
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
