/** What a client sends, cut into command lines, or handed on as message data while a message comes in. */

/** Octets of one command line; RFC 5321 §4.5.3.1.4 asks for 512 and more with extensions. */
export const COMMAND_LIMIT = 2048;

/** Who takes what came. */
export interface InputTaker {
  /** Whether the octets to come are message data. Asked anew after each line. */
  readonly inData: boolean;
  /** One command line without its end, one character an octet. */
  onLine(line: string): void;
  onLineTooLong(): void;
  /** Message data of `chunk` behind `from`. Answers where the octets behind the final dot begin, or -1. */
  onData(chunk: Buffer, from: number): number;
  /** All that came is dealt with: replies may go out. */
  onDealtWith(): void;
  /** No more, please, until `resumeReading`. */
  pauseReading(): void;
  resumeReading(): void;
}

/**
 * Stands in the place of smtp-server's SMTPStream, without a stream's cost. smtp-server knows of it only `isClosed`, which
 * it sets at STARTTLS and at the end: what this input still holds is dropped then, so that no command that was sent in
 * clear is ever run in the TLS session (CVE-2011-0411).
 */
export class CommandInput {
  isClosed = false;
  /** Lines are being handed out: replies wait until all are dealt with. */
  running = false;
  private readonly taker: InputTaker;
  private rest: Buffer | undefined;
  private holds = 0;
  private paused = false;
  private skipping = false;

  constructor(taker: InputTaker) {
    this.taker = taker;
  }

  take(chunk: Buffer): void {
    if (this.isClosed) return;
    const all = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = undefined;
    if (this.holds > 0 || this.running) {
      // Only now is reading stopped: a client that waits for its reply sends nothing, and costs no system call.
      this.rest = all;
      this.pause();
    } else {
      this.run(all);
    }
  }

  get held(): boolean {
    return this.holds > 0;
  }

  /** Nothing more is handed out until `release` was called as often. */
  hold(): void {
    this.holds += 1;
  }

  release(): void {
    this.holds -= 1;
    if (this.holds > 0 || this.isClosed || this.running) return;
    const { rest } = this;
    this.rest = undefined;
    if (rest !== undefined) this.run(rest);
    if (this.paused && this.holds === 0 && !this.isClosed) {
      this.paused = false;
      this.taker.resumeReading();
    }
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.taker.pauseReading();
  }

  private run(chunk: Buffer): void {
    const { taker } = this;
    let at = 0;
    this.running = true;
    while (at < chunk.length && !this.isClosed) {
      if (this.holds > 0) {
        this.rest = chunk.subarray(at);
        break;
      }
      if (taker.inData) {
        at = taker.onData(chunk, at);
        if (at < 0) break;
        continue;
      }
      const lf = chunk.indexOf(10, at);
      if (lf < 0) {
        if (this.skipping || chunk.length - at > COMMAND_LIMIT) this.skipping = true;
        else this.rest = chunk.subarray(at);
        break;
      }
      const end = lf > at && chunk[lf - 1] === 13 ? lf - 1 : lf;
      if (this.skipping || end - at > COMMAND_LIMIT) {
        this.skipping = false;
        taker.onLineTooLong();
      } else {
        taker.onLine(chunk.toString('latin1', at, end));
      }
      at = lf + 1;
    }
    this.running = false;
    if (!this.isClosed) taker.onDealtWith();
  }
}
