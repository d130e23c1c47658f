/** The three ends of a decision: deliver, hold, refuse. */
import { type Mailbox, mailbox } from '../mail/address.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Leg, RouteDecision, RouteStep } from '../mail/route.ts';
import { type Deciding, fits } from './legs.ts';
import type { AcceptedDomain, DirectoryEntry } from './ports.ts';
import { REPLIES } from './replies.ts';

/** The decision, and whether the recipient is to be asked for before it is taken (C3). */
export type Decision = RouteDecision & { readonly verify?: NonNullable<AcceptedDomain['verifyRecipients']> };

const NO_STEPS: readonly RouteStep[] = [];
const NO_COPIES: readonly Leg[] = [];

export function deliver(
  deciding: Deciding,
  entry: DirectoryEntry | undefined,
  primary: Leg,
  second: Leg | undefined,
  reason: string,
): Decision {
  const { steps, directory } = deciding;
  if (steps !== undefined) {
    steps.push({
      step: 'connector',
      result: `${primary.connector.name} (${primary.side}), to ${primary.address.address}`,
      source: `address space for ${primary.address.domain}`,
    });
  }
  // C14: a recipient whose way takes less is refused at once
  if (!fits(deciding, primary))
    return refuse(deciding, entry, REPLIES.tooLarge, `${reason}; larger than connector ${primary.connector.name} takes`);
  const wanted = second === undefined ? deciding.copies : [second, ...(deciding.copies ?? [])];
  const copies = wanted === undefined ? NO_COPIES : copiesBeside(deciding, primary, wanted);
  return {
    kind: 'deliver',
    route: second === undefined ? primary.side : 'both',
    primary,
    copies,
    reply: REPLIES.taken,
    reason,
    directoryVersion: directory.version,
    canonical: entry?.address ?? unknownAs(deciding),
    steps: steps ?? NO_STEPS,
  };
}

export function hold(deciding: Deciding, entry: DirectoryEntry | undefined, heldBy: string, reason: string): Decision {
  const { steps, directory } = deciding;
  return {
    kind: 'hold',
    route: 'hold',
    heldBy,
    reply: REPLIES.taken,
    reason,
    directoryVersion: directory.version,
    canonical: entry?.address ?? unknownAs(deciding),
    steps: steps ?? NO_STEPS,
  };
}

export function refuse(deciding: Deciding, entry: DirectoryEntry | undefined, answer: SmtpReply, reason: string): Decision {
  const { steps, directory } = deciding;
  return {
    kind: 'reject',
    route: 'reject',
    reply: answer,
    reason,
    directoryVersion: directory.version,
    canonical: entry?.address ?? unknownAs(deciding),
    steps: steps ?? NO_STEPS,
  };
}

/**
 * A recipient that the directory does not know, as `explain` names it: in the case in which addresses are compared. What
 * is spooled stays as it was written.
 */
function unknownAs({ steps, question: { recipient } }: Deciding): Mailbox {
  return steps === undefined ? recipient : (mailbox(recipient.localPart.toLowerCase(), recipient.domain) ?? recipient);
}

/** One connector gets a recipient once, whoever asks for it to; a copy that is too big for its way is not worth a word. */
function copiesBeside(deciding: Deciding, primary: Leg, wanted: readonly Leg[]): Leg[] {
  const used = new Set([primary.connector]);
  return wanted.filter((copy) => {
    if (used.has(copy.connector) || !fits(deciding, copy)) return false;
    used.add(copy.connector);
    return true;
  });
}
