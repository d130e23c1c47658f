/** Whether a sender is owed word of what happened (RFC 3461 §6, C11). Pure. */
import type { ReversePath } from '../mail/envelope.ts';
import type { SpooledRecipient } from '../mail/spooled.ts';

export type Action = 'failed' | 'delayed' | 'relayed' | 'delivered';

const GRAVITY: Readonly<Record<Action, number>> = { failed: 0, delayed: 1, relayed: 2, delivered: 3 };

/** The order in which a notification tells them; the first names it. */
export function gravestFirst(a: { readonly action: Action }, b: { readonly action: Action }): number {
  return GRAVITY[a.action] - GRAVITY[b.action];
}

/**
 * Only the null sender, NOTIFY=NEVER and best-effort copies silence a failure (C11: anything else would lose mail without
 * a word). Without NOTIFY a sender hears of failures and delays, not of success (RFC 3461 §4.1).
 */
export function isOwed(sender: ReversePath, recipient: SpooledRecipient, action: Action): boolean {
  if (sender === null || recipient.copyTo !== undefined) return false;
  const { notify } = recipient;
  switch (action) {
    case 'failed':
      return notify === undefined || notify.includes('FAILURE');
    case 'delayed':
      return notify === undefined || notify.includes('DELAY');
    case 'relayed':
    case 'delivered':
      return notify?.includes('SUCCESS') === true;
  }
}
