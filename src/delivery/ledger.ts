/** A settlement in the making: what changes, what is recorded, and what the sender is owed. Pure. */
import type { EventRecord } from '../mail/event.ts';
import type { RecipientChange, SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { Notable } from './ports.ts';
import { type RetrySettings, warnAt } from './retry-schedule.ts';

export interface Ledger {
  readonly changes: RecipientChange[];
  readonly copies: SpooledRecipient[];
  readonly events: EventRecord[];
  readonly notables: Notable[];
  /** The earliest next attempt among the recipients it puts off. */
  retryAt: number | undefined;
}

export interface Moment {
  readonly now: number;
  /** A random number from 0 to 1. */
  readonly chance: number;
  readonly settings: RetrySettings;
}

export function openLedger(): Ledger {
  return { changes: [], copies: [], events: [], notables: [], retryAt: undefined };
}

/** A failure is told to the sender; that of a copy to nobody (C10). */
export function oweFailure(ledger: Ledger, recipient: SpooledRecipient, attempt?: Notable['attempt']): void {
  if (recipient.copyTo !== undefined) return;
  ledger.notables.push(attempt === undefined ? { recipient, action: 'failed' } : { recipient, action: 'failed', attempt });
}

/** The word that a recipient is late, once; answers with the change that says it was given. */
export function warnIfLate(
  ledger: Ledger,
  message: SpooledMessage,
  recipient: SpooledRecipient,
  at: Moment,
  willRetryUntil: number,
  attempt?: Notable['attempt'],
): { delayWarned: true } | undefined {
  const warn = warnAt(message, recipient, at.settings);
  if (warn === undefined || at.now < warn) return undefined;
  const notable: Notable = { recipient, action: 'delayed', willRetryUntil };
  ledger.notables.push(attempt === undefined ? notable : { ...notable, attempt });
  return { delayWarned: true };
}
