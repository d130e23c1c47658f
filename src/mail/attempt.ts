/** One try at one next hop, and what came of it (RFC 3464 §2.3.3). */
import type { SmtpReply } from './reply.ts';
import type { TlsEvidence } from './tls.ts';

/** The host that in fact answered (RFC 3464 §2.3.5). */
export interface RemoteMta {
  readonly name: string;
  readonly address?: string;
  readonly port?: number;
}

/**
 * What an attempt came to for one recipient. `cause` tells a fault of the way (`connection`: resolve, connect, greeting,
 * EHLO, TLS; it says nothing of the message) from an answer about this sender, recipient or message (`answer`).
 */
export type Outcome =
  | { readonly kind: 'relayed'; readonly reply: SmtpReply }
  | {
      readonly kind: 'deferred';
      readonly reply: SmtpReply;
      readonly cause: 'connection' | 'answer';
      /** The connection was lost behind our final dot (RFC 1047). */
      readonly possibleDuplicate?: true;
      /** The server may not know the mailbox yet (R5): until that is over the sender hears nothing. */
      readonly inGrace?: true;
    }
  | { readonly kind: 'failed'; readonly reply: SmtpReply; readonly cause: 'connection' | 'answer' };

export interface Attempt {
  readonly outcome: Outcome;
  readonly remoteMta?: RemoteMta;
  readonly tls: TlsEvidence;
  readonly durationMs: number;
  /** The next hop offered DSN and was given our parameters: success notices are its duty now (RFC 3461 §5.2). */
  readonly dsnPassedOn: boolean;
  /** This hop is the last one (Maildir, LMTP): `delivered`, not `relayed`, in a DSN. */
  readonly finalDelivery: boolean;
  /** SHA-256 of the body that went out (body-digest.ts); absent where not all of it did. */
  readonly bodySha256?: string;
  /** The spooled body is not the one that was accepted: nothing of it was let through. */
  readonly corrupt?: true;
}
