/** What delivery needs from the rest of the relay. */

import type { Mailbox } from '../mail/address.ts';
import type { Attempt } from '../mail/attempt.ts';
import type { SenderAuthentication } from '../mail/authentication.ts';
import type { PeerClass } from '../mail/peer.ts';
import type { ProtocolSession, SocketEnds } from '../mail/protocol-session.ts';
import type { Connector, RouteDecision } from '../mail/route.ts';
import type { Notification, Settlement, SpooledBody, SpooledMessage, SpooledRecipient, SpoolId } from '../mail/spooled.ts';

/**
 * The spool as delivery sees it. A message is claimed as a whole by `due` and stays claimed until `release`: between
 * the two nobody else is given it. (D5: with a shared spool the claim is a lease.)
 */
export interface DueMail {
  /** Ids of unclaimed messages with a recipient that is due, oldest due time first; they are claimed by this call. */
  due(now: number, limit: number): SpoolId[];
  /** When the next unclaimed message falls due; `undefined` when none waits. Milliseconds since the epoch. */
  nextDue(): number | undefined;
  /** Called when something may have become due earlier than `nextDue` said (a new message, an operator). */
  onDue(wake: () => void): void;
  /** The message as it is now (late binding: read at each attempt); `undefined` when it is gone. */
  load(id: SpoolId): SpooledMessage | undefined;
  body(message: SpooledMessage): SpooledBody;
  /** Durable when resolved. Removes the message where every recipient is final. */
  settle(settlement: Settlement): Promise<void>;
  /** Mail waits at its final dot for outcomes told by `settle`: they should become durable as soon as can be. */
  hurry?(): void;
  /** Ends the claim. The message is given out again when a recipient is due. */
  release(id: SpoolId): void;
  /** Ids of messages with a recipient in state `held`, claimed or not; absent: delivery knows only what it held itself. */
  held?(): Iterable<SpoolId>;
}

export interface Routing {
  /** Decides anew at every attempt (P3), `copyTo` and `rerouteTo` honoured. Pure and quick: the active directory is in memory. */
  decide(message: SpooledMessage, recipient: SpooledRecipient): RouteDecision;
}

/** What happened to a recipient that its sender may have to hear of. */
export interface Notable {
  readonly recipient: SpooledRecipient;
  readonly action: 'failed' | 'delayed' | 'relayed' | 'delivered';
  readonly attempt?: Pick<Attempt, 'outcome' | 'remoteMta'>;
  /** For delayed: milliseconds since the epoch when we give up. */
  readonly willRetryUntil?: number;
}

export interface Notifying {
  /** The DSN to send for these outcomes, or `undefined` where none is owed (null sender, NOTIFY, copies). */
  notify(
    message: SpooledMessage,
    body: SpooledBody,
    notables: readonly Notable[],
  ): Promise<Notification | Suppressed | undefined>;
}

/** A DSN that was owed and is not sent; its record says why. */
export interface Suppressed {
  readonly suppressed: string;
  readonly action: Notable['action'];
}

/** Where attempts are written down, so that a message over which the process dies is found. Neither call fails. */
export interface Hands {
  begin(grip: { readonly id: SpoolId; readonly index: number; readonly tries: number }): number;
  /** Once the outcome is durable. */
  end(slot: number): void;
}

export interface Control {
  /** Whether this connector is paused (by an operator, or by R18). */
  isPaused(connector: string): boolean;
  /** Pauses it until an operator resumes it: it refuses everybody (R18). `by` says why. Absent: mail is put off, no more. */
  pause?(connector: string, by: string): Promise<void>;
}

/** When a server may not know a mailbox yet, for it was switched just now (R5, C4). */
export interface Grace {
  /** The end of the window, milliseconds since the epoch; `undefined` where there is none. Quick: the directory is in memory. */
  until(recipient: Mailbox): number | undefined;
}

/** Tells who a message is really from (SPF, DKIM, DMARC), once, before its first route; only where the answer matters. */
export interface Authentication {
  /** Whether it has to be found out for this message. Quick: it is asked for every message. */
  needs(message: SpooledMessage): boolean;
  /** Never rejects, and is always in time. */
  authenticate(message: SpooledMessage, body: SpooledBody): Promise<SenderAuthentication>;
}

/** The protocol log, for connectors that keep one. */
export interface ProtocolLogging {
  /** `undefined` where this connector keeps none. */
  open(connector: string, ends: SocketEnds): ProtocolSession | undefined;
}

export interface DeliverySettings {
  readonly hostname: string;
  /** All our own names: an MX that leads to ourselves is an error (R20). */
  readonly relayNames: readonly string[];
  readonly connectors: readonly Connector[];
  /** Milliseconds; the last repeats. */
  readonly retry: readonly number[];
  readonly expireAfter: number;
  readonly warnAfter: number;
  /** `host:port` of DNS servers; empty: the system's. */
  readonly dnsServers: readonly string[];
  /** Peers whose mail gets an Authentication-Results field; absent: nobody's. */
  readonly addAuthenticationResults?: readonly PeerClass[];
}
