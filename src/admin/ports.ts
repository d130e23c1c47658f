/** What admin needs from the rest of the relay. */
import type { Mailbox } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { EventRecord } from '../mail/event.ts';
import type { PeerClass } from '../mail/peer.ts';
import type { Connector, RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { CheckReport, ConnectorTest, Operations, Status } from './contract.ts';
import type { DirectoryPort, DomainsPort, ReportsPort, WavesPort } from './directory-ports.ts';
import type { Diagnosis, DoctorQuery } from './doctor-contract.ts';
import type { ProbesPort } from './probe-contract.ts';
import type { ProofPort } from './report-operations.ts';

/** What is named must all be true; `all` selects everything. */
export interface Selector {
  readonly id?: SpoolId;
  readonly recipient?: string;
  /** `""` is the null sender. */
  readonly sender?: string;
  readonly domain?: string;
  readonly connector?: string;
  /** Milliseconds since it was received, at least. */
  readonly olderThan?: number;
  readonly all?: boolean;
}

export type Steering =
  | { readonly kind: 'hold' | 'release' | 'retry' | 'expire'; readonly reason?: string }
  | { readonly kind: 'reroute'; readonly connector: string; readonly reason?: string };

export interface QueueStats {
  readonly messages: number;
  /** Octets of all bodies. */
  readonly bytes: number;
  /** By the connector of the last attempt, `undefined` before the first; `oldest` in milliseconds since the epoch. */
  readonly connectors: readonly { readonly connector: string | undefined; readonly messages: number; readonly oldest: number }[];
}

/** The spool as an operator sees it. */
export interface QueuePort {
  list(
    selector: Selector,
    page: { limit?: number; after?: SpoolId },
  ): Promise<{ readonly messages: readonly SpooledMessage[]; readonly next: SpoolId | undefined }>;
  load(id: SpoolId): SpooledMessage | undefined;
  /** Durable when resolved. `stillHeld`: whom a release did not reach, for somebody other than an operator holds them. */
  steer(
    selector: Selector,
    steering: Steering,
  ): Promise<{
    messages: number;
    recipients: number;
    stillHeld?: readonly { readonly by: string; readonly recipients: number }[];
  }>;
  stats(): QueueStats;
}

export interface Pause {
  /** `operator`, or what made the relay pause it (R18). */
  readonly by: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface ConnectorPort {
  all(): readonly Connector[];
  paused(name: string): Pause | undefined;
  /** Durable when resolved: a pause outlives a restart. */
  pause(name: string, by: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** Connects, says EHLO, tries TLS as the connector would, and leaves without mail. */
  test(name: string): Promise<ConnectorTest>;
  /** What the TLS of its next hops has been. */
  learnedTls(name: string): readonly LearnedHopView[];
  /** Takes what hops that got worse show now as good: one host, or all of the connector. Durable when resolved. */
  acceptTls(
    name: string,
    host?: string,
  ): Promise<readonly { readonly host: string; readonly worse?: { readonly kind: string } }[]>;
}

/** A next hop and its TLS. Times in milliseconds since the epoch. */
export interface LearnedHopView {
  readonly hop: {
    readonly host: string;
    readonly firstSeen: number;
    readonly lastSeen: number;
    readonly days: number;
    readonly protocol: string;
    readonly certificates: readonly {
      readonly key: string;
      readonly subject: string;
      readonly issuer: string;
      readonly names: readonly string[];
      readonly validTo: string;
      readonly verified: boolean;
    }[];
  };
  readonly isLearned: boolean;
  readonly finding: { readonly kind: string; readonly severity: 'warning' | 'info'; readonly problem: string } | undefined;
}

export interface EvidenceFilter {
  readonly recipient?: string;
  readonly sender?: string;
  readonly messageId?: string;
  readonly id?: string;
  readonly client?: string;
  /** Milliseconds since the epoch: from `since` to just before `until`. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
}

export interface EvidencePort {
  query(filter: EvidenceFilter): Promise<{ readonly records: readonly EventRecord[]; readonly more: boolean }>;
}

export interface ExplainQuestion {
  readonly recipient: Mailbox;
  readonly sender: ReversePath;
  readonly peer: PeerClass;
  /** Octets. */
  readonly size?: number;
}

export interface RoutingPort {
  /** What RCPT would be answered and where the recipient would go now. */
  explain(question: ExplainQuestion): RouteDecision | Promise<RouteDecision>;
}

export interface StatusPort {
  readonly hostname: string;
  readonly version: string;
  /** `startedAt`: milliseconds since the epoch; absent where no relay runs. */
  state(): { readonly running: boolean; readonly accepting: boolean; readonly why?: string; readonly startedAt?: number };
  /** What needs a person. */
  findings(): Status['findings'];
  /** Our own certificates. */
  certificates?(): NonNullable<Status['certificates']>;
}

export interface SettingsPort {
  check(): Promise<CheckReport>;
  /** Takes the settings and the directory anew where they have no mistake, else leaves all as it is. */
  reload(): Promise<CheckReport>;
}

export interface DoctorPort {
  /** Asks the relay by the same operations as an operator does. */
  examine(query: DoctorQuery, relay: Operations): Promise<Diagnosis>;
}

export interface AdminPorts {
  readonly queue: QueuePort;
  readonly connectors: ConnectorPort;
  readonly evidence: EvidencePort;
  readonly proof: ProofPort;
  readonly routing: RoutingPort;
  readonly status: StatusPort;
  readonly settings: SettingsPort;
  readonly directory: DirectoryPort;
  readonly waves: WavesPort;
  readonly domains: DomainsPort;
  readonly reports: ReportsPort;
  readonly doctor: DoctorPort;
  readonly probes: ProbesPort;
}
