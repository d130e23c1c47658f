/**
 * Messages that may have brought the process down. Whatever was in delivery's hands when it died is suspected, and from
 * then on tried alone, one suspect at a time, so that the next death tells the culprit from who stood beside it. An
 * attempt that ends clears its message; a message that the process dies over again and again is set aside.
 */
import type { SpoolId } from '../mail/spooled.ts';
import { decode } from './codec.ts';
import type { Databases } from './databases.ts';
import type { LeftBehind } from './hands.ts';
import { isFinal } from './states.ts';

/**
 * An uncaught error says that it was a crash: two are enough. A process that died without a word may have been killed
 * from outside (kill -9, the kernel for want of memory): three.
 */
const NOTED = 3;
const SILENT = 2;
const ENOUGH = 6;

const PREFIX = 'suspect:';
/** Milliseconds after which the next suspect is tried although the one before is still under way: its hop is slow. */
const PATIENCE = 30_000;

export const suspectKey = (id: SpoolId): string => `${PREFIX}${id}`;

export interface Judged {
  readonly suspects: ReadonlySet<SpoolId>;
  /** To be set aside. */
  readonly culprits: readonly SpoolId[];
}

/**
 * Counts what the process before left behind, durably: a crash before the end leaves it to be counted at the next start.
 * Blocks; for start-up.
 */
export function judge({ root, controls, messages }: Databases, { grips, noted }: LeftBehind): Judged {
  const before = new Map<SpoolId, number>();
  for (const { key, value } of controls.getRange({ start: PREFIX, end: `${PREFIX}~` })) {
    before.set(key.slice(PREFIX.length) as SpoolId, Number(value));
  }
  const after = new Map([...before].filter(([id]) => messages.doesExist(id)));
  for (const { id, index, tries } of grips) {
    const record = messages.get(id);
    const recipient = record === undefined ? undefined : readRecipient(id, record, index);
    if (recipient === undefined || isFinal(recipient.state) || recipient.state === 'held') continue;
    // Its outcome is on disk. Behind an uncaught error that means nothing: attempts were cut off, and put off, at the stop.
    if (!noted && recipient.attempts + (recipient.deferrals ?? 0) !== tries) continue;
    after.set(id, (before.get(id) ?? 0) + (noted ? NOTED : SILENT));
  }
  const culprits = [...after].filter(([, strikes]) => strikes >= ENOUGH).map(([id]) => id);
  if (before.size > 0 || after.size > 0) {
    root.transactionSync(() => {
      for (const id of before.keys()) if (!after.has(id)) void controls.remove(suspectKey(id));
      for (const [id, strikes] of after) void controls.put(suspectKey(id), String(strikes));
    });
  }
  return { suspects: new Set(after.keys()), culprits };
}

function readRecipient(id: SpoolId, record: string, index: number) {
  try {
    return decode(id, record).message.recipients[index];
  } catch {
    return undefined;
  }
}

/** Gives out suspects one at a time. */
export class Suspects {
  readonly #ids: Set<SpoolId>;
  readonly #waiting: SpoolId[] = [];
  readonly #giveBack: (id: SpoolId) => void;
  readonly #cleared: (id: SpoolId) => void;
  #out: SpoolId | undefined;
  #patience: NodeJS.Timeout | undefined;

  /** `giveBack`: may be given out now; `cleared`: an attempt at it ended. */
  constructor(ids: ReadonlySet<SpoolId>, giveBack: (id: SpoolId) => void, cleared: (id: SpoolId) => void) {
    this.#ids = new Set(ids);
    this.#giveBack = giveBack;
    this.#cleared = cleared;
  }

  /** Of messages just claimed those that may be given out; the others stay claimed until it is their turn. */
  sift(ids: SpoolId[]): SpoolId[] {
    if (this.#ids.size === 0) return ids;
    return ids.filter((id) => {
      if (!this.#ids.has(id)) return true;
      if (this.#out !== undefined) {
        this.#waiting.push(id);
        return false;
      }
      this.#out = id;
      this.#patience = setTimeout(() => this.#next(), PATIENCE).unref();
      return true;
    });
  }

  /** An attempt at this message ended, and the process with it did not. */
  clear(id: SpoolId): void {
    if (this.#ids.size > 0 && this.#ids.delete(id)) this.#cleared(id);
  }

  /** Delivery let go of it. */
  released(id: SpoolId): void {
    if (id === this.#out) this.#next();
  }

  #next(): void {
    clearTimeout(this.#patience);
    this.#out = undefined;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#giveBack(next);
  }
}
