/** What is settled before any attempt: holds and their end, refusals by routing, copies, an operator's expiry. Pure. */

import type { SmtpReply } from '../mail/reply.ts';
import type { Leg, RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import { type Ledger, type Moment, oweFailure, warnIfLate } from './ledger.ts';
import type { Turn } from './plan.ts';
import { recordOf } from './records.ts';
import { giveUpAt, nextAttemptAt, nextStep } from './retry-schedule.ts';

/** Enters what comes before any attempt. */
export function enterStep(ledger: Ledger, message: SpooledMessage, step: Turn, at: Moment): void {
  switch (step.kind) {
    case 'attempt':
      return;
    case 'copies':
      return enterCopies(ledger, message, step.recipient, step.legs, at.now);
    case 'hold':
      return enterHold(ledger, message, step.recipient, step.decision, step.heldBy, at.now);
    case 'refuse':
      return enterRefusal(ledger, message, step.recipient, step.decision, step.reply, at.now);
    case 'postpone':
      return enterPostponed(ledger, message, step.recipient, step.decision, step.reply, at);
    case 'expire':
      return enterExpireNow(ledger, message, step.recipient, at.now);
  }
}

function enterHold(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  decision: RouteDecision,
  heldBy: string,
  now: number,
): void {
  ledger.changes.push({ index: recipient.index, state: 'held', heldBy, heldSince: now });
  const way = { route: 'hold', reason: decision.reason, directoryVersion: decision.directoryVersion };
  ledger.events.push(recordOf('HOLD', message, recipient, recipient.address.address, now, way, {}));
}

/** Ends a hold: due at once, and the time it was held does not count (C9). */
export function enterRelease(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  decision: RouteDecision,
  now: number,
): void {
  const held = Math.max(0, now - (recipient.heldSince ?? now));
  ledger.changes.push({ index: recipient.index, state: 'queued', nextAttemptAt: now, heldFor: (recipient.heldFor ?? 0) + held });
  const way = { route: decision.kind === 'deliver' ? decision.primary.side : decision.route, reason: decision.reason };
  const record = recordOf(
    'RELEASE',
    message,
    recipient,
    recipient.address.address,
    now,
    { ...way, directoryVersion: decision.directoryVersion },
    {},
  );
  ledger.events.push(record);
}

/** Routing itself refuses the recipient now. */
function enterRefusal(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  decision: RouteDecision,
  reply: SmtpReply,
  now: number,
): void {
  ledger.changes.push({ index: recipient.index, state: 'failed', lastReply: reply });
  const way = { route: decision.route, reason: decision.reason, directoryVersion: decision.directoryVersion };
  ledger.events.push(recordOf('FAIL', message, recipient, recipient.address.address, now, way, { reply }));
  oweFailure(ledger, recipient, { outcome: { kind: 'failed', reply, cause: 'answer' } });
}

/** Routing cannot take the recipient for a while (4xx). */
function enterPostponed(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  decision: RouteDecision,
  reply: SmtpReply,
  at: Moment,
): void {
  const deferrals = (recipient.deferrals ?? 0) + 1;
  const giveUp = giveUpAt(message, recipient, at.settings);
  const outcome = { kind: 'deferred', reply, cause: 'answer' } as const;
  const way = { route: decision.route, reason: decision.reason, directoryVersion: decision.directoryVersion };
  const address = recipient.address.address;
  if (nextStep(outcome, recipient.attempts + deferrals, at.now, giveUp) === 'expire') {
    ledger.changes.push({ index: recipient.index, state: 'expired', deferrals, lastReply: reply });
    ledger.events.push(recordOf('EXPIRE', message, recipient, address, at.now, way, { reply }));
    oweFailure(ledger, recipient, { outcome });
    return;
  }
  const next = nextAttemptAt(message, recipient, at.settings, deferrals, at.now, at.chance);
  const late = warnIfLate(ledger, message, recipient, at, giveUp, { outcome });
  ledger.changes.push({ index: recipient.index, state: 'deferred', deferrals, lastReply: reply, nextAttemptAt: next, ...late });
  ledger.retryAt = Math.min(ledger.retryAt ?? next, next);
  ledger.events.push(recordOf('DEFER', message, recipient, address, at.now, way, { reply, nextAttempt: next }));
}

/** An operator's word: given up now, with a notice like any other expiry. */
function enterExpireNow(ledger: Ledger, message: SpooledMessage, recipient: SpooledRecipient, now: number): void {
  ledger.changes.push({ index: recipient.index, state: 'expired' });
  const result = recipient.lastReply === undefined ? {} : { reply: recipient.lastReply };
  const way = { reason: 'expired by an operator' };
  ledger.events.push(recordOf('EXPIRE', message, recipient, recipient.address.address, now, way, result));
  oweFailure(ledger, recipient);
}

/** Best-effort copies become recipients of their own (C10): whatever happens to them, nobody is told. */
function enterCopies(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  legs: readonly Leg[],
  now: number,
): void {
  ledger.changes.push({ index: recipient.index, copiesMade: true });
  for (const leg of legs) {
    ledger.copies.push({
      index: message.recipients.length + ledger.copies.length,
      address: recipient.address,
      notify: ['NEVER'],
      ...(recipient.orcpt === undefined ? undefined : { orcpt: recipient.orcpt }),
      state: 'queued',
      attempts: 0,
      nextAttemptAt: now,
      copyTo: leg.connector.name,
    });
  }
}
