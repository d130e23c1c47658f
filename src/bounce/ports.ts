/** What bounce needs: nothing but values. */

import type { Mailbox } from '../mail/address.ts';
import type { Attempt } from '../mail/attempt.ts';
import type { SpooledRecipient } from '../mail/spooled.ts';
import type { Action } from './policy.ts';

export interface BounceSettings {
  readonly hostname: string;
  /** The human address named in a DSN, and the From of it: `postmaster@...`. */
  readonly postmaster: Mailbox;
  /** Octets of the original at most in a DSN (RET=FULL). */
  readonly excerpt: number;
  /** Notices to one sender in an hour. */
  readonly perHour: NoticeLimit;
}

export interface NoticeLimit {
  readonly most: number;
  readonly mode: 'enforce' | 'monitor' | 'off';
}

/** A notice that was owed and is not sent. */
export interface Suppressed {
  /** Why, for its record. */
  readonly suppressed: string;
  readonly action: Action;
}

/** What happened to one recipient, as delivery tells it. */
export interface Happening {
  readonly recipient: SpooledRecipient;
  readonly action: Action;
  /** The last attempt; absent where none was made. A `failed` recipient whose attempt was deferred has expired. */
  readonly attempt?: Pick<Attempt, 'outcome' | 'remoteMta'>;
  /** For delayed: milliseconds since the epoch when we give up. */
  readonly willRetryUntil?: number;
}
