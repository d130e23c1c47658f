/** What is fuzzed, and how one input goes through it. */

export interface Target {
  readonly name: string;
  /** What one input is, in the report. */
  readonly inputs: string;
  /** Inputs of the long and of the short form. */
  readonly long: number;
  readonly short: number;
  /** It is a start, which may block: the event loop is not judged. */
  readonly blocks?: true;
  open(): Promise<Running>;
}

export interface Running extends AsyncDisposable {
  /** Inputs as they come in good days, and those that once broke something; each is tried as it is before any mutation. */
  readonly corpus: readonly Buffer[];
  /** Words that mean something here. */
  readonly words: readonly string[];
  /** Inputs under way at once; 1 where none is given. */
  readonly atOnce?: number;
  /** Most octets of an input. */
  readonly most?: number;
  /** Makes an input where mutations of octets would not reach far enough. */
  make?(chance: () => number): Buffer | undefined;
  /** Throws, or rejects, where a promise is broken. `chance` is the input's own: the same input takes the same way again. */
  run(input: Buffer, chance: () => number): void | Promise<void>;
  /** What must hold when all is over; throws where it does not. */
  settle?(): Promise<void>;
}

export class Broken extends Error {}

/** States what must hold of an input. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what);
}

/** A whole number from 0 to below `below`. */
export const below = (chance: () => number, limit: number): number => Math.floor(chance() * limit);

export function pick<T>(chance: () => number, from: readonly T[]): T {
  const picked = from[below(chance, from.length)];
  if (picked === undefined) throw new RangeError('nothing to pick from');
  return picked;
}
