/** What a due recipient needs now: an attempt by one leg, or something to be settled first. Pure (P3). */

import { isTransient, reply, type SmtpReply } from '../mail/reply.ts';
import type { Leg, RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { Routing } from './ports.ts';

/** One recipient on its way to one next hop. */
export interface Part {
  readonly recipient: SpooledRecipient;
  readonly leg: Leg;
  readonly reason: string;
  readonly directoryVersion: number;
}

/** What must be durable before anything else happens to this recipient. */
export type Turn =
  | { readonly kind: 'attempt'; readonly part: Part }
  | { readonly kind: 'copies'; readonly recipient: SpooledRecipient; readonly legs: readonly Leg[] }
  | { readonly kind: 'hold'; readonly recipient: SpooledRecipient; readonly decision: RouteDecision; readonly heldBy: string }
  | {
      /** Routing refuses it now: for good, or (4xx) for a while. */
      readonly kind: 'refuse' | 'postpone';
      readonly recipient: SpooledRecipient;
      readonly decision: RouteDecision;
      readonly reply: SmtpReply;
    }
  | { readonly kind: 'expire'; readonly recipient: SpooledRecipient };

const COPY_GONE = reply(550, '5.7.1', 'The copy is no longer wanted');

/** Whether the scheduler has to look at this recipient at `now`. */
export function isDue(recipient: SpooledRecipient, now: number): boolean {
  return isPending(recipient) && recipient.nextAttemptAt <= now;
}

/** Whether it waits for an attempt, now or later. */
export function isPending(recipient: SpooledRecipient): boolean {
  return recipient.state === 'queued' || recipient.state === 'deferred';
}

/** Decides anew what becomes of one recipient. Routing itself honours `copyTo` and `rerouteTo`. */
export function plan(message: SpooledMessage, recipient: SpooledRecipient, routing: Routing): Turn {
  if (recipient.expireNow === true) return { kind: 'expire', recipient };
  const decision = routing.decide(message, recipient);
  switch (decision.kind) {
    case 'deliver': {
      const { primary, copies, reason, directoryVersion } = decision;
      const { copyTo } = recipient;
      if (copyTo === undefined && copies.length > 0 && recipient.copiesMade !== true) {
        return { kind: 'copies', recipient, legs: copies };
      }
      const leg =
        copyTo === undefined || primary.connector.name === copyTo
          ? primary
          : copies.find((copy) => copy.connector.name === copyTo);
      // A copy goes as long as the route wants it; else it ends without a word (C10).
      if (leg === undefined) return { kind: 'refuse', recipient, decision, reply: COPY_GONE };
      return { kind: 'attempt', part: { recipient, leg, reason, directoryVersion } };
    }
    case 'hold':
      return { kind: 'hold', recipient, decision, heldBy: decision.heldBy };
    case 'reject':
      return { kind: isTransient(decision.reply) ? 'postpone' : 'refuse', recipient, decision, reply: decision.reply };
  }
}
