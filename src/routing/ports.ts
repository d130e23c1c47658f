/** What routing needs from the directory, and the settings it decides by. */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { PeerClass } from '../mail/peer.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';

export type DirectoryRoute = 'on-premises' | 'cloud' | 'hold' | 'both';

/** One recipient of the active directory version. */
export interface DirectoryEntry {
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  /** Where it lives in the cloud; absent: `localpart@` the first routing domain. */
  readonly routingAddress?: Mailbox;
  readonly kind?: string;
  /** Names one connector for this recipient (several sites). */
  readonly connector?: string;
  /** The primary side of route `both`. */
  readonly primary: 'on-premises' | 'cloud';
  /** `plain recipients.csv:12` */
  readonly source: string;
}

export interface ActiveDirectory {
  readonly version: number;
  /** By any address of the owner: primary, alias or routing address. `key` is made by `mailboxKey`, or by `x500KeyOf` (R9). */
  find(key: string): DirectoryEntry | undefined;
}

export interface DirectoryPort {
  /** The version of this moment; a switch is one assignment. */
  active(): ActiveDirectory;
}

/** What a server says of a recipient that it is asked for (call-forward, C3); `unavailable`: nothing about the recipient. */
export interface Verification {
  readonly answer: 'known' | 'unknown' | 'unavailable';
  readonly reply: SmtpReply;
}

/** Asks the next hop of a connector whether it takes a recipient; remembers, never rejects, is never late. */
export type VerifyRecipient = (
  connector: Connector,
  recipient: Mailbox,
  deadlineMs: number,
) => Verification | Promise<Verification>;

export interface AcceptedDomain {
  readonly name: Domain;
  /** `*.example.com`: its subdomains too. */
  readonly includeSubdomains: boolean;
  readonly type: 'authoritative' | 'internal-relay' | 'external-relay';
  readonly unknownRecipients: 'reject' | 'on-premises' | 'cloud';
  /** Ask before accepting an unknown one (C3); `undefined` is `off`. Milliseconds. */
  readonly verifyRecipients?: { readonly connector: string; readonly deadline: number; readonly onFailure: 'accept' | 'defer' };
  readonly mx: 'relay' | 'cloud';
  readonly source: string;
}

/**
 * Whether the cloud routes of an accepted domain are refused for now: DNS does not prove yet that it is ours, and the cloud
 * strips addresses of such domains, so that mail would loop (coexistence.md 1.2 row 2). Asked for each recipient.
 */
export type CloudGate = (domain: Domain) => boolean;

export interface RoutingRule {
  readonly recipient?: string;
  readonly sender?: string;
  readonly peer?: PeerClass;
  readonly then:
    | { readonly kind: 'connector'; readonly connector: string }
    | { readonly kind: 'reject'; readonly reply: SmtpReply }
    | { readonly kind: 'hold' }
    | { readonly kind: 'copy-to'; readonly connector: string };
  readonly source: string;
}

/**
 * `untrusted-identity`: it goes by connectors that lend it no identity of ours (origin `external`, or `any` without a client
 * certificate), or not at all. `reject`: it goes nowhere. `any-identity`: it goes as other mail from outside.
 */
export type SpoofedOwnDomain = 'untrusted-identity' | 'reject' | 'any-identity';

export interface RoutingSettings {
  readonly domains: readonly AcceptedDomain[];
  readonly connectors: readonly Connector[];
  readonly routingDomains: readonly Domain[];
  readonly rules: readonly RoutingRule[];
  /** Per peer class what it may relay to. */
  readonly relayTo: Readonly<Record<PeerClass, readonly ('own' | 'cloud' | 'internet')[]>>;
  /** Our own host names: mail to their postmaster is ours too. */
  readonly relayNames?: readonly string[];
  readonly postmaster?: Mailbox;
  /** What becomes of mail from outside that claims a domain of ours and does not prove it (G5, R8); absent: `untrusted-identity`. */
  readonly spoofedOwnDomain?: SpoofedOwnDomain;
  /** Octets. */
  readonly messageSize: number;
}
