/**
 * The settings as the parts of the relay get them: checked, complete, frozen. Each part's own ports.ts says what it asks
 * for; main.ts hands the matching piece over, and the type check there keeps the two together.
 */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { PeerClass } from '../mail/peer.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Connector, Side, TlsProfile } from '../mail/route.ts';
import type { AuthenticationPart } from './authentication.ts';
import type { LimitPart, LimitsPart } from './compile-limits.ts';
import type { ProbePart } from './probes.ts';
import type { LimitMode } from './schema-limits.ts';

export interface Settings {
  /** Absolute path of the file they came from. */
  readonly file: string;
  readonly hostname: Domain;
  readonly relayNames: readonly Domain[];
  /** Absolute path. */
  readonly dataDirectory: string;
  /** Who to become after root has bound the ports. */
  readonly account?: { readonly user: string; readonly group?: string };
  readonly log: { readonly level: string; readonly format: 'json' | 'pretty' };
  readonly alerts: { readonly mailTo: readonly Mailbox[]; readonly webhookFile?: string };
  /** Milliseconds. */
  readonly evidence: { readonly keep: number };
  readonly tls: ServerTls;
  readonly reception: ReceptionPart;
  readonly routing: RoutingPart;
  readonly authentication: AuthenticationPart;
  readonly delivery: DeliveryPart;
  readonly bounce: {
    readonly hostname: string;
    readonly postmaster: Mailbox;
    readonly excerpt: number;
    /** Notices to one sender. */
    readonly perHour: LimitPart;
  };
  readonly directory: DirectoryPart;
  readonly domainProof: DomainProofPart;
  readonly probes: readonly ProbePart[];
  readonly admin: AdminPart;
}

/** Our certificate as a server: absolute paths of PEM files. */
export interface ServerTls {
  readonly certificate: string;
  readonly key: string;
  readonly profile: TlsProfile;
  /** The settings name no certificate: the two files are made at the first start where they are not there. */
  readonly selfSigned: boolean;
  /** Program (absolute path) and arguments, to be run after a changed certificate was taken. */
  readonly renewalHook?: readonly string[];
}

export interface ListenerPart {
  readonly address: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit';
  /** Networks of load balancers that send a PROXY header. */
  readonly proxies?: readonly string[];
  /** For on-premises peers alone; `withoutTls`: networks. */
  readonly submission?: { readonly withoutTls: readonly string[] };
  /** Absolute path, PEM. */
  readonly clientCaFile?: string;
  readonly protocolLog?: true;
}

export interface ReceptionPart {
  readonly hostname: string;
  readonly relayNames: readonly string[];
  readonly listeners: readonly ListenerPart[];
  readonly tls: ServerTls;
  readonly peers: readonly {
    readonly peer: PeerClass;
    readonly networks: readonly string[];
    readonly certificateNames: readonly string[];
    readonly match: 'any' | 'all';
  }[];
  readonly originalClient?: 'received' | 'xclient';
  readonly tenantHeaders: Readonly<Record<string, string>>;
  readonly bareLineEnds: 'reject' | 'normalise';
  readonly headerFirewall: boolean;
  readonly authservIds: readonly string[];
  readonly watchedDomains?: readonly { readonly name: string; readonly includeSubdomains: boolean }[];
  /** Octets: the largest limit of any route (C14). */
  readonly messageSize: number;
  readonly recipients: number;
  /** Milliseconds. */
  readonly sessionIdle: number;
  readonly limits: LimitsPart;
  readonly blockLists: {
    readonly lists: readonly { readonly zone: string; readonly answers: readonly string[]; readonly mode: LimitMode }[];
    readonly servers: readonly string[];
  };
}

export interface DomainPart {
  readonly name: Domain;
  readonly includeSubdomains: boolean;
  readonly type: 'authoritative' | 'internal-relay' | 'external-relay';
  readonly unknownRecipients: 'reject' | 'on-premises' | 'cloud';
  readonly verifyRecipients?: { readonly connector: string; readonly deadline: number; readonly onFailure: 'accept' | 'defer' };
  readonly mx: 'relay' | 'cloud';
  readonly source: string;
}

export interface RulePart {
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

export interface RoutingPart {
  readonly domains: readonly DomainPart[];
  readonly connectors: readonly Connector[];
  readonly routingDomains: readonly Domain[];
  readonly rules: readonly RulePart[];
  readonly relayTo: Readonly<Record<PeerClass, readonly ('own' | 'cloud' | 'internet')[]>>;
  readonly relayNames: readonly string[];
  readonly postmaster?: Mailbox;
  readonly spoofedOwnDomain: 'untrusted-identity' | 'reject' | 'any-identity';
  /** Octets, where a connector names no limit. */
  readonly messageSize: number;
}

export interface DeliveryPart {
  readonly hostname: string;
  readonly relayNames: readonly string[];
  readonly connectors: readonly Connector[];
  /** Milliseconds. */
  readonly retry: readonly number[];
  readonly expireAfter: number;
  readonly warnAfter: number;
  readonly dnsServers: readonly string[];
  readonly addAuthenticationResults: readonly PeerClass[];
}

export interface DirectoryPart {
  /** Files that hold recipients, in their order of precedence; absolute paths. */
  readonly sources: readonly { readonly name: string; readonly file: string }[];
  readonly live: readonly LivePart[];
  /** The names of all sources, files and live ones, the strongest first. */
  readonly precedence: readonly string[];
  /** Sources that are gone, and whose recipients are meant to go. */
  readonly retired: readonly string[];
  /** C9. Milliseconds, but for `volume` (octets of one wave). */
  readonly hold: { readonly warnAfter: number; readonly deliverAfter: number; readonly volume: number };
  /** How long a wave may send mail to both sides before it is told. Milliseconds. */
  readonly bothWarnAfter: number;
  /** R5, C4. Milliseconds. */
  readonly gracePeriod: number;
  /** Where versions are kept; absolute path. */
  readonly folder: string;
  readonly domains: readonly { readonly name: Domain; readonly includeSubdomains: boolean }[];
  readonly routingDomains: readonly Domain[];
  readonly connectors: readonly { readonly name: string; readonly side: Side; readonly byMx: boolean }[];
}

/** A source that is asked again and again. Paths are absolute, times in milliseconds. */
export type LivePart = {
  readonly name: string;
  readonly refresh: number;
  /** How long one answer is waited for. */
  readonly deadline: number;
} & (
  | {
      readonly kind: 'ldap';
      /** `ldaps://host:636` or `ldap://host:389`, tried in order. */
      readonly urls: readonly string[];
      /** For ldap:// alone. */
      readonly startTls: boolean;
      readonly caFile?: string;
      readonly base?: string;
      readonly filter: string;
      readonly bindDn?: string;
      readonly passwordFile?: string;
      readonly pageSize: number;
    }
  | {
      readonly kind: 'graph';
      readonly url: string;
      readonly signInUrl: string;
      readonly tenant?: string;
      readonly clientId?: string;
      readonly secretFile?: string;
      readonly certificate?: string;
      readonly key?: string;
    }
);

/** The domains whose ownership DNS must prove, and where the states are kept (absolute path). */
export interface DomainProofPart {
  readonly domains: readonly {
    readonly name: Domain;
    readonly cname?: { readonly record: Domain; readonly target: Domain };
    readonly txt?: string;
  }[];
  readonly dnsServers: readonly string[];
  readonly file: string;
}

export interface AdminPart {
  readonly address: string;
  readonly port: number;
  /** Absolute path. */
  readonly tokenFile?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}
