/**
 * Final dots of one lane. Behind its dot a message may be with the next hop, and until its outcome is durable a crash
 * repeats it: never more of them than the lane has connections (reliability.md 4.1). The envelope of the next message,
 * up to 354, may run on a connection meanwhile; only its dot waits.
 */

/** One transaction's way through. */
export interface Passage {
  /** Before the final dot: `undefined` where it may leave now. Asked again it says the same. */
  readonly enter: () => Promise<void> | undefined;
  /** The outcome is durable, or there was no dot. */
  readonly leave: () => void;
}

export class FinalDots {
  readonly #slots: () => number;
  readonly #waited: () => void;
  readonly #waiting = new Map<Passage, () => void>();
  #out = 0;

  /** `waited`: a dot waits for outcomes to become durable. */
  constructor(slots: () => number, waited: () => void = () => {}) {
    this.#slots = slots;
    this.#waited = waited;
  }

  /** Some dot waits. */
  get areWaited(): boolean {
    return this.#waiting.size > 0;
  }

  passage(): Passage {
    let through: Promise<void> | true | undefined;
    const passage: Passage = {
      enter: () => {
        if (through !== undefined) return through === true ? undefined : through;
        if (this.#out < this.#slots()) {
          this.#out += 1;
          through = true;
          return undefined;
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        through = promise;
        this.#waiting.set(passage, () => {
          through = true;
          resolve();
        });
        this.#waited();
        return promise;
      },
      leave: () => {
        if (!this.#waiting.delete(passage) && through === true) this.#out -= 1;
        through = undefined;
        this.#admit();
      },
    };
    return passage;
  }

  #admit(): void {
    for (const [passage, go] of this.#waiting) {
      if (this.#out >= this.#slots()) return;
      this.#waiting.delete(passage);
      this.#out += 1;
      go();
    }
  }
}
