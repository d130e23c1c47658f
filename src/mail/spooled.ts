/** A message in the spool: what reception hands in, what delivery takes out (states: design.md, src/README.md). */
import type { Mailbox } from './address.ts';
import type { SenderAuthentication } from './authentication.ts';
import type { Envelope, Notify, ReversePath } from './envelope.ts';
import type { EventRecord } from './event.ts';
import type { PeerClass } from './peer.ts';
import type { SmtpReply } from './reply.ts';

/** Our name for an accepted message: a ULID, in Received and in every record. */
export type SpoolId = string & { readonly __spoolId: unique symbol };

/** Where a message came from, as routing needs it at every attempt (R6, G5, C1). */
export interface Origin {
  readonly peer: PeerClass;
  /** Client address, HELO name and session, absent for messages we made ourselves. */
  readonly address?: string;
  readonly name?: string;
  readonly sessionId?: string;
  /** The client behind a filter, by the filter's own Received fields: for checks of the sender; it grants nothing. */
  readonly originalAddress?: string;
  /** How many Received fields in the header name one of our relay-names (G8; C1's second proof). */
  readonly ownHops: number;
  /** The header carries the tenant proof of `cloud.tenant` (C1). */
  readonly tenantProof: boolean;
  /** Domains of ours that its sender claims although it came from outside: in MAIL FROM or in From (G5, R8). */
  readonly claims?: readonly string[];
}

/** A message as reception or bounce hands it to the spool. */
export interface NewMessage {
  readonly id: SpoolId;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly envelope: Envelope;
  readonly origin: Origin;
  /** The Message-ID field's value, `<a@b>`; absent where the header has none. */
  readonly messageId?: string;
  /** Octets, dots unstuffed, our trace fields included. */
  readonly size: number;
  /** SHA-256 of the body as it came (body-digest.ts): what goes out must have the same. */
  readonly bodySha256?: string;
  /** Names of header fields that do not go out (header-firewall.ts; forged Authentication-Results), lower case. */
  readonly removedFields?: readonly string[];
}

/** States of a spooled recipient. `relayed`, `failed` and `expired` are final: the last final one removes the message. */
export type RecipientState = 'queued' | 'deferred' | 'held' | 'relayed' | 'failed' | 'expired';

export interface SpooledRecipient {
  /** Its place in the message; never changes. */
  readonly index: number;
  readonly address: Mailbox;
  readonly notify?: readonly Notify[];
  readonly orcpt?: string;
  readonly state: RecipientState;
  /** Attempts made so far at a next hop. */
  readonly attempts: number;
  /** How often it was put off because its way was down or paused, without an attempt of its own. */
  readonly deferrals?: number;
  /** Milliseconds since the epoch; when this recipient is due. Without meaning in `held` and the final states. */
  readonly nextAttemptAt: number;
  /** The last answer, where there was one. */
  readonly lastReply?: SmtpReply;
  readonly lastConnector?: string;
  /** The route of the last attempt, so that a change can be recorded (REDIRECT). */
  readonly lastRoute?: string;
  /** Who holds it and why, in state `held`: `operator`, `crash`, `rule: ...`, `directory: ...`. */
  readonly heldBy?: string;
  /** Held milliseconds so far, which do not count towards expiry (C9), and since when it is held now. */
  readonly heldFor?: number;
  readonly heldSince?: number;
  /** A delay DSN was sent. */
  readonly delayWarned?: boolean;
  /** This is a best-effort copy that goes by this connector whatever the route says (C10). */
  readonly copyTo?: string;
  /** The copies of this recipient were made (as recipients of their own). */
  readonly copiesMade?: boolean;
  /** An operator's `queue reroute`: this connector, whatever the route says. */
  readonly rerouteTo?: string;
  /** An attempt was cut off, behind the final dot (RFC 1047) or by the relay's own end: the next hop may have it already. */
  readonly possibleDuplicate?: true;
  /** How often it was put off for an answer that, told to everybody, would stop the connector (R18). */
  readonly policyRefusals?: number;
  /** An operator's `queue expire`: give up at the next look, whatever the time. */
  readonly expireNow?: boolean;
}

/** A message in the spool with the state of each recipient. The body is read apart. */
export interface SpooledMessage {
  readonly id: SpoolId;
  readonly receivedAt: number;
  readonly sender: ReversePath;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  readonly eightBit: boolean;
  readonly smtputf8: boolean;
  readonly origin: Origin;
  readonly messageId?: string;
  readonly size: number;
  /** Octets of the stored body: dot-stuffed, as on the wire, without the final dot (design.md D3a). */
  readonly wireSize: number;
  /** Absent for mail that was accepted by a version that kept none: it is sent as before. */
  readonly bodySha256?: string;
  readonly removedFields?: readonly string[];
  /** Found out once, before the first route; absent where nobody asked. */
  readonly authentication?: SenderAuthentication;
  readonly recipients: readonly SpooledRecipient[];
}

/** What changes for one recipient; only what is named changes. */
export type RecipientChange = { readonly index: number } & Partial<Omit<SpooledRecipient, 'index' | 'address'>>;

/** A message that is born with a settlement: a DSN, in the same transaction as the outcome it tells of. */
export interface Notification {
  readonly message: NewMessage;
  /** Dot-stuffed, as on the wire, without the final dot. */
  readonly body: Buffer;
  /** The gravest of what it tells. */
  readonly action?: 'failed' | 'delayed' | 'relayed' | 'delivered';
}

/** All that becomes durable at once when attempts end or an operator steers. */
export interface Settlement {
  readonly id: SpoolId;
  readonly changes: readonly RecipientChange[];
  /** Recipients to add: copies. Their index follows the last one. */
  readonly copies?: readonly SpooledRecipient[];
  readonly events: readonly EventRecord[];
  readonly notifications?: readonly Notification[];
  /** What was found out about the sender. */
  readonly authentication?: SenderAuthentication;
}

/** A body as it is spooled: in memory when small and fresh, else to be streamed. Always wire form. */
export interface SpooledBody {
  /** Octets. */
  readonly length: number;
  /** The whole body where it is at hand, without I/O. */
  readonly bytes?: Buffer;
  /** SHA-256 of the message's body, where these octets are the ones it was taken of and never left memory since (body-digest.ts). */
  readonly sha256?: string | undefined;
  /** Streams it; fails (rejects) where fewer octets come than `length`. */
  chunks(): AsyncIterable<Buffer>;
}
