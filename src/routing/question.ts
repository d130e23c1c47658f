/** What routing is asked. */
import type { Mailbox } from '../mail/address.ts';
import type { OwnDomainVerdict } from '../mail/authentication.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { Origin } from '../mail/spooled.ts';

export interface RouteQuestion {
  readonly recipient: Mailbox;
  readonly sender: ReversePath;
  readonly origin: Pick<Origin, 'peer' | 'ownHops' | 'tenantProof' | 'address'>;
  /** Octets: SIZE at RCPT, the true size later. */
  readonly size?: number;
  /** At `rcpt` the client's rights are looked at too; at `delivery` the message is ours already. */
  readonly stage: 'rcpt' | 'delivery';
  /** A message we made ourselves (a DSN): it came from no peer. */
  readonly ours?: boolean;
  /** Whether a sender from outside proves the domain of ours that it claims (G5); absent: it claims none, or nobody asked. */
  readonly ownDomain?: OwnDomainVerdict;
  /** A best-effort copy that goes by this connector (C10, C13). */
  readonly copyTo?: string;
  /** An operator's word: this connector, whatever the route says. */
  readonly rerouteTo?: string;
  /** Whether the steps are wanted. */
  readonly explain?: boolean;
}
