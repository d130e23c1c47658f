/** Whether a sender is owed word of what happened (RFC 3461 §6, C11). Pure. */
import type { ReversePath } from '../mail/envelope.ts';
import type { SpooledRecipient } from '../mail/spooled.ts';

export type Action = 'failed' | 'delayed' | 'relayed' | 'delivered';

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
