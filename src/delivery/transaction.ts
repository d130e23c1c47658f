/** One SMTP, LMTP or Maildir transaction at one next hop: what goes in, what comes out per recipient. */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { Attempt } from '../mail/attempt.ts';
import type { Notify, ReversePath } from '../mail/envelope.ts';
import type { Connector } from '../mail/route.ts';
import type { SpooledBody, SpoolId } from '../mail/spooled.ts';

export interface TransactionRecipient {
  /** RCPT TO at this hop. */
  readonly address: Mailbox;
  readonly notify?: readonly Notify[];
  /** ORCPT to hand on where the hop has DSN, decoded: what the sender gave, else `rfc822;` and the address it wrote. */
  readonly orcpt: string;
}

export interface Transaction {
  readonly spoolId: SpoolId;
  readonly sender: ReversePath;
  readonly recipients: readonly TransactionRecipient[];
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  readonly eightBit: boolean;
  readonly smtputf8: boolean;
  /** Octets, dots unstuffed: the SIZE parameter. */
  readonly size: number;
  readonly body: SpooledBody;
  /** SHA-256 that the body must have (body-digest.ts); absent where none was kept. */
  readonly bodySha256?: string;
  /** Whether a line of the body begins with a stuffed dot. */
  readonly stuffed: boolean;
  /** Asked before the next hop can have the message; it may have to wait (final-dots.ts). Absent: it never does. */
  readonly mayEnd?: () => Promise<void> | undefined;
}

/** Carries transactions to next hops. Concurrency per destination is the caller's; connections are kept and reused inside. */
export interface Transport {
  /**
   * Tries once; one attempt per recipient, in their order. Never rejects: whatever the network does is an outcome.
   * `destination` is the domain to resolve where the connector goes by MX.
   */
  deliver(connector: Connector, destination: Domain, transaction: Transaction): Promise<readonly Attempt[]>;
  /** Closes kept connections (QUIT) and waits for transactions under way, at most `deadline` milliseconds. */
  close(deadline: number): Promise<void>;
}
