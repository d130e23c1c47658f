/**
 * R5, C4: for a while after a switch the cloud may not know the mailbox yet, for its directory learns of it later than
 * ours. What it refuses then is put off, not bounced; and so is what was on its way to the side that the mailbox left. Pure.
 */
import type { Attempt } from '../mail/attempt.ts';
import { kindOf } from './outcome-table.ts';
import type { Part } from './plan.ts';
import type { Grace } from './ports.ts';

/** A refusal that may not be the last word, as the deferral that it counts as; `undefined` where it is one. */
export function graced(
  part: Part,
  attempt: Attempt,
  now: number,
  grace: Grace | undefined,
): { readonly part: Part; readonly attempt: Attempt } | undefined {
  const { outcome } = attempt;
  if (grace === undefined || outcome.kind !== 'failed') return undefined;
  const { reply, cause: stage } = outcome;
  const { side, connector } = part.leg;
  const byMx = connector.nextHop.kind === 'mx';
  if (kindOf({ reply, side, byMx, stage, inGrace: true }) !== 'grace') return undefined;
  // by the address there too: the one that the sender wrote may be no address of a mailbox (R9)
  const until = grace.until(part.recipient.address) ?? grace.until(part.leg.address);
  if (until === undefined || now >= until) return undefined;
  const reason = `${part.reason}; switched just now, so put off until ${new Date(until).toISOString()} at most (R5)`;
  // the record keeps the answer as it was given
  return {
    part: { ...part, reason },
    attempt: { ...attempt, outcome: { kind: 'deferred', reply, cause: 'answer', inGrace: true } },
  };
}
