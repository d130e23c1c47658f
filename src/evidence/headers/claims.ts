/**
 * What a message's own header claimed of its way when it came to us: `trace` tells it before our own record of the hop to
 * us. The RECEIVE record keeps the Received fields as they came (`received`); they are read here, when somebody asks.
 */
import { hopLines } from './hop-text.ts';
import { chainOf, type Hop } from './hops.ts';

/** The hops before ours, in the order of travel; `fields` are the Received fields from the top, with or without their name. */
export function claimedHops(fields: readonly string[]): readonly Hop[] {
  return chainOf(fields, []).hops;
}

/** The same for people, two or three lines a hop. None of it is proof: the sender could have written it. */
export function claimedHopLines(fields: readonly string[]): string[] {
  return hopLines(claimedHops(fields));
}
