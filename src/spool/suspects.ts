/**
 * Messages that may have brought the process down. Whatever was in delivery's hands when it died is suspected, and from
 * then on tried alone, one suspect at a time, so that the next death tells the culprit from who stood beside it. An
 * attempt that ends clears its message; the second death over a message sets it aside.
 *
 * A process that died without a word may have been killed from outside (kill -9, the kernel for want of memory), twice
 * while a slow next hop had the same message. So a message that no uncaught error speaks against is tried once more,
 * alone, by a relay that has lived for a while. A third death sets it aside for good.
 */
import type { SpoolId } from '../mail/spooled.ts';
import { decode, encode, type Stored } from './codec.ts';
import type { Databases } from './databases.ts';
import type { LeftBehind } from './hands.ts';
import { isFinal } from './states.ts';

const ENOUGH = 2;

const PREFIX = 'suspect:';
/** Milliseconds after which the next suspect is tried although the one before is still under way: its hop is slow. */
const PATIENCE = 30_000;

/** What speaks against a message. */
interface Charge {
  readonly deaths: number;
  /** One of them was an uncaught error: nobody killed the process from outside. */
  readonly noted?: true;
  /** Set aside before, and let go to be tried once more. */
  readonly onTrial?: true;
}

/** To be set aside; `forGood`: until an operator lets it go. */
export interface Culprit {
  readonly id: SpoolId;
  readonly forGood: boolean;
}

export interface Judged {
  readonly suspects: ReadonlySet<SpoolId>;
  readonly culprits: readonly Culprit[];
}

export const suspectKey = (id: SpoolId): string => `${PREFIX}${id}`;

/** What is written of a message that is tried once more. */
export const ON_TRIAL = JSON.stringify({ deaths: ENOUGH, onTrial: true } satisfies Charge);

/**
 * Counts what the process before left behind, durably: a crash before the end leaves it to be counted at the next start.
 * A recipient whose attempt was cut off is marked, for its next hop may have the message. Blocks; for start-up.
 */
export function judge({ root, controls, messages }: Databases, { grips, noted }: LeftBehind): Judged {
  const before = new Map<SpoolId, Charge>();
  for (const { key, value } of controls.getRange({ start: PREFIX, end: `${PREFIX}~` })) {
    before.set(key.slice(PREFIX.length) as SpoolId, JSON.parse(value) as Charge);
  }
  const after = new Map([...before].filter(([id]) => messages.doesExist(id)));
  const cutOff = new Map<SpoolId, Stored>();
  for (const { id, index, tries } of grips) {
    const stored = cutOff.get(id) ?? read(id, messages.get(id));
    const recipient = stored?.message.recipients[index];
    if (stored === undefined || recipient === undefined || isFinal(recipient.state) || recipient.state === 'held') continue;
    const hasOutcome = recipient.attempts + (recipient.deferrals ?? 0) !== tries;
    // Behind an uncaught error that means nothing: attempts were cut off, and put off, at the stop.
    if (!noted && hasOutcome) continue;
    if (!hasOutcome) cutOff.set(id, markCutOff(stored, index));
    const charge = before.get(id);
    after.set(id, { deaths: (charge?.deaths ?? 0) + 1, ...((noted || charge?.noted === true) && { noted: true }) });
  }
  const culprits: Culprit[] = [];
  for (const [id, { deaths, noted: isCrash, onTrial }] of after) {
    if (deaths >= ENOUGH && onTrial !== true) culprits.push({ id, forGood: isCrash === true || deaths > ENOUGH });
  }
  if (before.size > 0 || after.size > 0) {
    root.transactionSync(() => {
      for (const [id, { message, bodyInFile }] of cutOff) void messages.put(id, encode(message, bodyInFile));
      for (const id of before.keys()) if (!after.has(id)) void controls.remove(suspectKey(id));
      for (const [id, charge] of after) void controls.put(suspectKey(id), JSON.stringify(charge));
    });
  }
  return { suspects: new Set(after.keys()), culprits };
}

function read(id: SpoolId, record: string | undefined): Stored | undefined {
  try {
    return record === undefined ? undefined : decode(id, record);
  } catch {
    return undefined;
  }
}

function markCutOff({ message, bodyInFile }: Stored, index: number): Stored {
  const recipients = message.recipients.map((one, i) => (i === index ? { ...one, possibleDuplicate: true as const } : one));
  return { message: { ...message, recipients }, bodyInFile };
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

  /** This one as well, from now on. */
  suspect(id: SpoolId): void {
    this.#ids.add(id);
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
