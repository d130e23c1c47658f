/** What an attempt, or a next hop known to be closed, means for one recipient. Pure. */
import type { Attempt } from '../mail/attempt.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { RecipientChange, SpooledMessage } from '../mail/spooled.ts';
import { type Ledger, type Moment, oweFailure, warnIfLate } from './ledger.ts';
import { isStop } from './mass-refusal.ts';
import type { Part } from './plan.ts';
import { recordOf } from './records.ts';
import { giveUpAt, nextAttemptAt, nextStep } from './retry-schedule.ts';

/**
 * Mail for a closed lane comes back at least this often: it is woken when the hop is back, but only by the process that
 * put it off.
 */
const LONGEST_PARKING_MS = 3_600_000;

const wayOf = (part: Part) => ({
  route: part.leg.side,
  connector: part.leg.connector.name,
  reason: part.reason,
  directoryVersion: part.directoryVersion,
});

/** Enters one attempt. `waitedFor` is the side in whose lane it stood when the route changed. */
export function enterAttempt(
  ledger: Ledger,
  message: SpooledMessage,
  part: Part,
  attempt: Attempt,
  at: Moment,
  waitedFor?: string,
): void {
  const { recipient, leg } = part;
  const { outcome } = attempt;
  const tries = recipient.attempts + 1;
  const address = leg.address.address;
  const way = wayOf(part);
  const before = recipient.lastRoute ?? waitedFor;
  if (before !== undefined && before !== leg.side) {
    ledger.events.push(recordOf('REDIRECT', message, recipient, address, at.now, way, {}));
  }
  const change = {
    index: recipient.index,
    attempts: tries,
    lastReply: outcome.reply,
    lastConnector: leg.connector.name,
    lastRoute: leg.side,
  };
  const giveUp = giveUpAt(message, recipient, at.settings);
  const step = nextStep(outcome, tries + (recipient.deferrals ?? 0), at.now, giveUp);
  switch (step) {
    case 'done':
      ledger.changes.push({ ...change, state: 'relayed' });
      ledger.events.push(
        recordOf('SEND', message, recipient, address, at.now, way, { reply: outcome.reply, attempt: tries }, attempt),
      );
      // RFC 3461 §5.2: a hop that took our DSN parameters owes the success notice; one that did not leaves it to us.
      if (recipient.notify?.includes('SUCCESS') === true && (attempt.finalDelivery || !attempt.dsnPassedOn)) {
        ledger.notables.push({ recipient, action: attempt.finalDelivery ? 'delivered' : 'relayed', attempt });
      }
      return;
    case 'retry': {
      const next = nextAttemptAt(message, recipient, at.settings, tries, at.now, at.chance);
      // R5: one word at most, at the end of the window
      const isQuiet = outcome.kind === 'deferred' && outcome.inGrace === true;
      const late = isQuiet ? undefined : warnIfLate(ledger, message, recipient, at, giveUp, attempt);
      ledger.changes.push({ ...change, state: 'deferred', nextAttemptAt: next, ...late, ...marks(part, attempt) });
      ledger.retryAt = Math.min(ledger.retryAt ?? next, next);
      const result = { reply: outcome.reply, attempt: tries, nextAttempt: next };
      ledger.events.push(recordOf('DEFER', message, recipient, address, at.now, way, result, attempt));
      return;
    }
    case 'bounce':
    case 'expire': {
      const event = step === 'bounce' ? 'FAIL' : 'EXPIRE';
      ledger.changes.push({ ...change, state: step === 'bounce' ? 'failed' : 'expired' });
      ledger.events.push(
        recordOf(event, message, recipient, address, at.now, way, { reply: outcome.reply, attempt: tries }, attempt),
      );
      oweFailure(ledger, recipient, attempt);
      return;
    }
  }
}

/** What a later attempt must know of this one. */
function marks(
  { recipient, leg }: Part,
  attempt: Attempt,
): Pick<RecipientChange, 'possibleDuplicate' | 'policyRefusals'> | undefined {
  const { outcome } = attempt;
  if (outcome.kind === 'deferred' && outcome.possibleDuplicate === true) return { possibleDuplicate: true };
  return isStop(attempt, leg.connector) ? { policyRefusals: (recipient.policyRefusals ?? 0) + 1 } : undefined;
}

/** Why a lane takes nothing now. */
export interface Closed {
  readonly reason: string;
  /** The answer or error that closed it; absent where an operator paused it. */
  readonly reply?: SmtpReply;
}

/** Enters a recipient whose next hop is known to be down, or paused: put off without an attempt of its own. */
export function enterClosed(ledger: Ledger, message: SpooledMessage, part: Part, closed: Closed, at: Moment): void {
  const { recipient, leg } = part;
  const deferrals = (recipient.deferrals ?? 0) + 1;
  const address = leg.address.address;
  const way = { ...wayOf(part), reason: closed.reason };
  const giveUp = giveUpAt(message, recipient, at.settings);
  const lastReply = closed.reply ?? recipient.lastReply;
  const known = closed.reply === undefined ? {} : { reply: closed.reply };
  const change = {
    index: recipient.index,
    deferrals,
    lastConnector: leg.connector.name,
    ...(lastReply === undefined ? undefined : { lastReply }),
    // what was refused before a pause is no evidence against this recipient after it (R18)
    ...(closed.reply !== undefined || recipient.policyRefusals === undefined ? undefined : { policyRefusals: 0 }),
  };
  // A pause stops expiry; a next hop that is down does not.
  if (closed.reply !== undefined) {
    const outcome = { kind: 'deferred', reply: closed.reply, cause: 'connection' } as const;
    if (nextStep(outcome, recipient.attempts + deferrals, at.now, giveUp) === 'expire') {
      ledger.changes.push({ ...change, state: 'expired' });
      ledger.events.push(recordOf('EXPIRE', message, recipient, address, at.now, way, known));
      oweFailure(ledger, recipient, { outcome });
      return;
    }
  }
  const settings = { ...at.settings, retry: at.settings.retry.map((step) => Math.min(step, LONGEST_PARKING_MS)) };
  const next = nextAttemptAt(message, recipient, settings, deferrals, at.now, at.chance);
  const late = warnIfLate(ledger, message, recipient, at, giveUp);
  ledger.changes.push({ ...change, state: 'deferred', nextAttemptAt: next, ...late });
  ledger.retryAt = Math.min(ledger.retryAt ?? next, next);
  ledger.events.push(recordOf('DEFER', message, recipient, address, at.now, way, { ...known, nextAttempt: next }));
}
