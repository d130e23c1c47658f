/** Messages that the process died over: held, named to the operator, and where it may have been another's doing tried once more. */
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Log } from '../platform/logger.ts';
import type { Selector, Steering } from './operations.ts';
import { CRASH } from './states.ts';
import type { Store } from './store.ts';
import { type Culprit, ON_TRIAL, type Suspects, suspectKey } from './suspects.ts';

const FOR_GOOD = 'held';
const ONCE_MORE = 'held, to be tried once more';
const REASON = 'the relay died again and again while delivering it';
const PREFIX = `control:${CRASH}:`;

interface CulpritParts {
  readonly store: Pick<Store, 'isOpen' | 'control' | 'setControl' | 'controlsOf' | 'write'>;
  readonly suspects: Pick<Suspects, 'suspect' | 'clear'>;
  readonly load: (id: SpoolId) => SpooledMessage | undefined;
  readonly steer: (selector: Selector, steering: Steering) => Promise<unknown>;
  readonly log: Log;
}

export class Culprits implements Disposable {
  readonly #parts: CulpritParts;
  readonly #wait: number;
  #lastTrial: NodeJS.Timeout | undefined;
  #closed = false;

  /** `wait`: milliseconds that the process must live before it tries once more what it may have died over. */
  constructor(parts: CulpritParts, wait: number) {
    this.#parts = parts;
    this.#wait = wait;
  }

  /**
   * Holds those that the start found, until an operator releases them or they are tried once more. Durable when resolved;
   * a crash before it leaves the charge, and they are held by the next start.
   */
  async hold(culprits: readonly Culprit[]): Promise<void> {
    const { steer, store, suspects, log } = this.#parts;
    for (const { id, forGood } of culprits) {
      log.error({ spoolId: id, forGood }, 'the relay died again and again while it delivered this message: it is held');
      await steer({ id }, { kind: 'hold', by: CRASH, reason: REASON });
      await store.setControl(PREFIX + id, forGood ? FOR_GOOD : ONCE_MORE);
      suspects.clear(id);
    }
    if (!this.#closed) this.#lastTrial = setTimeout(() => void this.#tryOnceMore(), this.#wait).unref();
  }

  /** Those still held for it. */
  held(): SpoolId[] {
    const { store, load } = this.#parts;
    return store.controlsOf(PREFIX).filter((id) => {
      if (!store.isOpen) return true; // nobody can tell
      const isHeld = load(id as SpoolId)?.recipients.some(({ state, heldBy }) => state === 'held' && heldBy === CRASH);
      if (isHeld !== true) void store.setControl(PREFIX + id, undefined).catch(() => {});
      return isHeld;
    }) as SpoolId[];
  }

  /** Those of them that need no operator. */
  onTrialSoon(): SpoolId[] {
    return this.held().filter((id) => this.#parts.store.control(PREFIX + id) === ONCE_MORE);
  }

  /** A crash on the way leaves a message held, to be tried once more by the next process that lives long enough. */
  async #tryOnceMore(): Promise<void> {
    const { steer, store, suspects, log } = this.#parts;
    try {
      for (const id of this.onTrialSoon()) {
        log.warn({ spoolId: id }, 'a message over which the relay may have died is tried once more, alone');
        await store.write({ writes: [], events: [], keep: true, control: { key: suspectKey(id), value: ON_TRIAL } });
        suspects.suspect(id);
        await steer({ id, heldBy: CRASH }, { kind: 'release', reason: 'tried once more, alone' });
      }
    } catch (error) {
      log.error({ err: error }, 'a message that is held could not be tried once more');
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#lastTrial);
  }
}
