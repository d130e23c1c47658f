/** Whether a sender is owed word of what happened (RFC 3461 §6, C11). Pure. */
import type { ReversePath } from '../mail/envelope.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';

export type Action = 'failed' | 'delayed' | 'relayed' | 'delivered';

const GRAVITY: Readonly<Record<Action, number>> = { failed: 0, delayed: 1, relayed: 2, delivered: 3 };

/** The order in which a notification tells them; the first names it. */
export function gravestFirst(a: { readonly action: Action }, b: { readonly action: Action }): number {
  return GRAVITY[a.action] - GRAVITY[b.action];
}

/**
 * Whether a stranger would be told: an outsider's mail claims a domain of ours without proof (R8), its MAIL FROM is
 * elsewhere, and SPF there says `fail` (RFC 7208 §8.4). Then MAIL FROM is surely not who sent it, and word to it is
 * backscatter (P6). With anything less than `fail`, or a MAIL FROM of ours, the sender may be who it says, and hears (C11).
 */
export function isBackscatter({
  sender,
  origin,
  authentication,
}: Pick<SpooledMessage, 'sender' | 'origin' | 'authentication'>): boolean {
  if (sender === null || origin.peer !== 'external' || authentication?.['own-domain'] !== 'spoofed') return false;
  return authentication.spf.result === 'fail' && authentication.claims?.includes(sender.domain) !== true;
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
