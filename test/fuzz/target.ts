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
  open(isLong: boolean): Promise<Running>;
}

export interface Running extends AsyncDisposable {
  /** Inputs as they come in good days, and those that once broke something; each is tried as it is before any mutation. */
  readonly corpus: readonly Buffer[];
  /** Words that mean something here. */
  readonly words: readonly string[];
  /** Inputs under way at once; 1 where none is given. */
  readonly atOnce?: number;
  /** Milliseconds for one input, what is waited for included; a minute where none are given. */
  readonly patience?: number;
  /** Most octets of an input. */
  readonly most?: number;
  /** Makes an input where mutations of octets would not reach far enough; `number` counts the made ones from 0. */
  make?(chance: () => number, number: number): Buffer | undefined;
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

/** One of a list that is to be gone through, in an order that a few of them come from all over it. */
export function strided<T>(list: readonly T[], number: number): T {
  let stride = Math.max(1, Math.round(list.length * 0.618));
  while (divisor(stride, list.length) > 1) stride += 1;
  const one = list[(number * stride) % list.length];
  if (one === undefined) throw new RangeError('nothing to go through');
  return one;
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
