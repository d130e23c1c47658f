/** What bounce needs: nothing but values. */
import type { Mailbox } from '../mail/address.ts';

export interface BounceSettings {
  readonly hostname: string;
  /** The human address named in a DSN, and the From of it: `postmaster@...`. */
  readonly postmaster: Mailbox;
  /** Octets of the original at most in a DSN (RET=FULL). */
  readonly excerpt: number;
}
