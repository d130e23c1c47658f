/**
 * Who works on which claimed message. Most messages have one task, which ends the claim; only those that are split, or
 * whose other recipients wait for a time of their own, are kept track of here.
 */
import type { SpoolId } from '../mail/spooled.ts';

export class Claims {
  readonly #release: (id: SpoolId, retryAt: number | undefined) => void;
  readonly #wakeBy: (at: number) => void;
  /** Recipients in the hands of some lane. */
  readonly #busy = new Map<SpoolId, Set<number>>();
  /** Claimed messages of which a further recipient falls due while others are still busy. */
  readonly #later = new Map<SpoolId, number>();

  constructor(release: (id: SpoolId, retryAt: number | undefined) => void, wakeBy: (at: number) => void) {
    this.#release = release;
    this.#wakeBy = wakeBy;
  }

  /** Keeps track of a message, or adds recipients to it. */
  share(id: SpoolId, indexes: Iterable<number>): void {
    const busy = this.#busy.get(id);
    if (busy === undefined) this.#busy.set(id, new Set(indexes));
    else for (const index of indexes) busy.add(index);
  }

  isShared(id: SpoolId): boolean {
    return this.#busy.has(id);
  }

  isBusy(id: SpoolId, index: number): boolean {
    return this.#busy.get(id)?.has(index) === true;
  }

  /** Looks at the message again at `at` (milliseconds since the epoch) although it is still claimed. */
  lookAgain(id: SpoolId, at: number): void {
    const known = this.#later.get(id);
    if (known !== undefined && known <= at) return;
    this.#later.set(id, at);
    this.#wakeBy(at);
  }

  /** Ends the part of a task: `share` as it was given out, `undefined` for a message of one task. */
  finish(id: SpoolId, share: readonly number[] | undefined, retryAt?: number): void {
    if (share === undefined) {
      this.#release(id, retryAt);
      return;
    }
    if (retryAt !== undefined) this.lookAgain(id, retryAt);
    const busy = this.#busy.get(id);
    if (busy !== undefined) for (const index of share) busy.delete(index);
    if (busy !== undefined && busy.size > 0) return;
    const next = this.#later.get(id);
    this.#busy.delete(id);
    this.#later.delete(id);
    this.#release(id, next);
  }

  /** Keeps a message claimed of which nothing could be made, until `at`: letting it go would bring it back at once. */
  stall(id: SpoolId, share: readonly number[] | undefined, at: number): void {
    this.share(id, []);
    const busy = this.#busy.get(id);
    if (share !== undefined) for (const index of share) busy?.delete(index);
    this.lookAgain(id, at);
  }

  /** Claimed messages whose next look has come, and when the next of the others comes. */
  takeLater(now: number): { ready: SpoolId[]; next: number | undefined } {
    const ready: SpoolId[] = [];
    let next: number | undefined;
    for (const [id, at] of this.#later) {
      if (at <= now) ready.push(id);
      else if (next === undefined || at < next) next = at;
    }
    for (const id of ready) this.#later.delete(id);
    return { ready, next };
  }
}
