/** When to try again, and when to give up (RFC 5321 §4.5.4.1). Pure; all times in milliseconds. */
import type { Outcome } from '../mail/attempt.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';

export interface RetrySettings {
  /** The last one repeats. */
  readonly retry: readonly number[];
  readonly expireAfter: number;
  readonly warnAfter: number;
}

export type NextStep = 'done' | 'retry' | 'bounce' | 'expire';

/** Mail that was tried less often does not expire: a clock that jumps ahead must not bounce the queue. */
const TRIES_BEFORE_EXPIRY = 2;
/** Spreads retries that would fall together, later only: a retry never comes before its time. */
const JITTER = 0.1;
const SOONEST = 1000;

/** What follows an outcome. `tries` counts this one, and the times the way was known to be down. */
export function nextStep(outcome: Outcome, tries: number, now: number, giveUp: number): NextStep {
  switch (outcome.kind) {
    case 'relayed':
      return 'done';
    case 'deferred':
      return now >= giveUp && tries >= TRIES_BEFORE_EXPIRY ? 'expire' : 'retry';
    case 'failed':
      return 'bounce';
  }
}

/** The wait after the `failures`-th failure (1 is the first). `chance` is a random number from 0 to 1. */
export function retryDelay(retry: readonly number[], failures: number, chance: number): number {
  const step = retry[Math.min(Math.max(failures, 1), retry.length) - 1] ?? SOONEST;
  return Math.ceil(step * (1 + JITTER * chance));
}

/** When this recipient expires: held time does not count (C9). */
export function giveUpAt(message: SpooledMessage, recipient: SpooledRecipient, settings: RetrySettings): number {
  return message.receivedAt + (recipient.heldFor ?? 0) + settings.expireAfter;
}

/** When its sender is told that it is late; `undefined` where it was told or is not to be. */
export function warnAt(message: SpooledMessage, recipient: SpooledRecipient, settings: RetrySettings): number | undefined {
  if (recipient.delayWarned === true || recipient.copyTo !== undefined || message.sender === null) return undefined;
  if (recipient.notify !== undefined && !recipient.notify.includes('DELAY')) return undefined;
  return message.receivedAt + (recipient.heldFor ?? 0) + settings.warnAfter;
}

/** The next attempt: by the schedule, but not past the moments when its sender is owed word. */
export function nextAttemptAt(
  message: SpooledMessage,
  recipient: SpooledRecipient,
  settings: RetrySettings,
  failures: number,
  now: number,
  chance: number,
): number {
  let next = now + retryDelay(settings.retry, failures, chance);
  const soonest = now + SOONEST;
  const warn = warnAt(message, recipient, settings);
  if (warn !== undefined && warn > soonest && warn < next) next = warn;
  const giveUp = giveUpAt(message, recipient, settings);
  if (giveUp > soonest && giveUp < next) next = giveUp;
  return next;
}
