/** Where a recipient's mail goes next, and by which connector. */
import type { Mailbox } from './address.ts';
import type { SmtpReply } from './reply.ts';

/** The side that a connector stands for (contract.md, "Defaults where nothing is written"). */
export type Side = 'cloud' | 'on-premises' | 'internet';

export type TlsMode = 'none' | 'opportunistic' | 'required' | 'verified';
/** `modern` TLS 1.3; `intermediate` TLS 1.2 and newer; `legacy` TLS 1.0 and newer with @SECLEVEL=0. */
export type TlsProfile = 'modern' | 'intermediate' | 'legacy';

export interface TlsPolicy {
  readonly mode: TlsMode;
  readonly profile: TlsProfile;
  /** Names of which one must be in the certificate (mode `verified`), `*.` for one label; absent: the host we connect to. */
  readonly names?: readonly string[];
  /** Client certificate and key, files in PEM. */
  readonly certificate?: string;
  readonly key?: string;
  /** Trust anchors, a file in PEM, in place of the public ones. */
  readonly caFile?: string;
  /** What becomes of mail when a hop that had TLS has less of it; absent: `warn`. */
  readonly onDowngrade?: 'warn' | 'defer';
  /** Days with TLS after which its loss counts; absent: 3. */
  readonly learnedDays?: number;
}

/** The policy of a connector for some of its domains: `example.com`, or `*.example.com` for its subdomains and itself. */
export interface TlsDestination {
  readonly pattern: string;
  readonly tls: TlsPolicy;
  readonly source: string;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export type NextHop =
  | { readonly kind: 'mx' }
  | { readonly kind: 'smart-hosts'; readonly hosts: readonly HostPort[]; readonly order: 'failover' | 'balance' }
  | { readonly kind: 'lmtp'; readonly endpoint: HostPort | { readonly unix: string } }
  | { readonly kind: 'maildir'; readonly path: string };

/** An address space of a connector: a domain, `*.domain` (the domain's subdomains and itself), or `*`, with a cost. */
export interface AddressSpace {
  readonly pattern: string;
  readonly cost: number;
}

/** A way out: Exchange's send connector. */
export interface Connector {
  readonly name: string;
  readonly side: Side;
  readonly addressSpaces: readonly AddressSpace[];
  readonly nextHop: NextHop;
  readonly tls: TlsPolicy;
  /** Where `tls` stands, for people. */
  readonly tlsSource?: string;
  readonly tlsDestinations?: readonly TlsDestination[];
  readonly origin: 'internal' | 'external' | 'any';
  readonly sourceAddress?: string;
  /** The EHLO name; absent: the relay's hostname. */
  readonly helo?: string;
  readonly ip: 4 | 6 | 'any';
  /** Connections at most, per next hop. */
  readonly connections: number;
  /** Its connections are written down in the protocol log; absent: not. */
  readonly protocolLog?: true;
  /** Octets; a recipient whose route takes less than the message is refused at RCPT with 552 5.3.4 (C14). */
  readonly messageSize?: number;
}

export type RouteName = Side | 'both' | 'hold' | 'reject';

/** One step of a route decision, as `explain` prints it. */
export interface RouteStep {
  readonly step: string;
  readonly result: string;
  /** Where the deciding line stands: `config/recipients.csv:12`, `config/bridgehead.yaml:40`, or a rule's name (C1 ...). */
  readonly source: string;
}

/** One delivery of a recipient: by which connector, to which address there. */
export interface Leg {
  readonly side: Side;
  readonly connector: Connector;
  /** RCPT TO at the next hop. */
  readonly address: Mailbox;
}

/** What routing decided for one recipient at one moment (design.md P3). */
export type RouteDecision = {
  /** For records: `directory: migrated (version 12, plain recipients.csv:3)`. */
  readonly reason: string;
  readonly directoryVersion: number;
  /** The owner's primary mailbox as the directory knows it, or the recipient itself (in lower case where steps are asked for). */
  readonly canonical: Mailbox;
  readonly steps: readonly RouteStep[];
} & (
  | {
      readonly kind: 'deliver';
      readonly route: Side | 'both';
      readonly primary: Leg;
      /** Best-effort copies: the second side of `both`, `copy-to` of rules (C10, C13). */
      readonly copies: readonly Leg[];
      readonly reply: SmtpReply;
    }
  | { readonly kind: 'hold'; readonly route: 'hold'; readonly heldBy: string; readonly reply: SmtpReply }
  | {
      readonly kind: 'reject';
      readonly route: 'reject';
      readonly reply: SmtpReply;
    }
);
