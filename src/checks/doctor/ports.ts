/** What `doctor` needs from the rest: the settings that it judges, and the state of the relay, running or not. */
import type { Connector } from '../../mail/route.ts';
import type { TlsEvidence } from '../../mail/tls.ts';

/** Paths are absolute. */
export interface DoctorSettings {
  readonly file: string;
  readonly hostname: string;
  readonly relayNames: readonly string[];
  readonly dataDirectory: string;
  readonly alerts: { readonly mailTo: readonly unknown[]; readonly webhookFile?: string };
  readonly tls: { readonly certificate: string; readonly key: string; readonly selfSigned: boolean };
  readonly reception: {
    readonly listeners: readonly { readonly address: string; readonly port: number; readonly tls: 'starttls' | 'implicit' }[];
    readonly peers: readonly {
      readonly peer: string;
      readonly networks: readonly string[];
      readonly certificateNames: readonly string[];
      readonly match: 'any' | 'all';
    }[];
    readonly tenantHeaders: Readonly<Record<string, string>>;
    /** Octets: what the listeners announce. */
    readonly messageSize: number;
    readonly limits: { readonly connections: { readonly most: number } };
  };
  readonly routing: {
    readonly domains: readonly DoctorDomain[];
    readonly connectors: readonly Connector[];
    readonly routingDomains: readonly string[];
    readonly relayTo: { readonly 'on-premises': readonly string[]; readonly gateway: readonly string[] };
    /** Octets, where a connector names no limit. */
    readonly messageSize: number;
  };
  readonly delivery: { readonly dnsServers: readonly string[]; readonly warnAfter: number };
  readonly directory: {
    readonly live: readonly Readonly<{ name: string; passwordFile?: string; secretFile?: string; key?: string }>[];
  };
  readonly domainProof: { readonly domains: readonly ProvenDomain[] };
  readonly admin: { readonly tokenFile?: string; readonly tls?: { readonly key: string } };
}

export interface DoctorDomain {
  readonly name: string;
  readonly includeSubdomains: boolean;
  readonly type: 'authoritative' | 'internal-relay' | 'external-relay';
  readonly unknownRecipients: 'reject' | 'on-premises' | 'cloud';
  readonly verifyRecipients?: object;
  readonly mx: 'relay' | 'cloud';
}

export interface ProvenDomain {
  readonly name: string;
  readonly cname?: { readonly record: string; readonly target: string };
  readonly txt?: string;
}

type Time = string | null;

/** What a session with a connector's next hop came to. */
export interface ConnectorSession {
  readonly ok: boolean;
  readonly host: string | null;
  readonly reply: string | null;
  readonly tls: TlsEvidence | null;
  readonly problem: string | null;
  readonly greeting?: string | null | undefined;
  readonly extensions?: readonly string[] | null | undefined;
}

export interface RelayStatus {
  readonly running: boolean;
  readonly accepting: boolean;
  readonly why: string | null;
  readonly queue: { readonly messages: number; readonly oldest: Time };
  readonly connectors: readonly { readonly name: string; readonly state: string; readonly 'paused-by': string | null }[];
  readonly findings: readonly {
    readonly code?: string | undefined;
    readonly severity: string;
    readonly problem: string;
    readonly remedy: string | null;
  }[];
}

export interface DirectoryState {
  readonly version: number;
  readonly recipients: number;
  readonly counts: { readonly 'on-premises': number; readonly cloud: number };
  readonly sources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly state: 'ok' | 'failing' | 'never';
    readonly 'last-success': Time;
    readonly error: string | null;
  }[];
}

/** The operations of the relay, beside it and without it the same. Each may reject. */
export interface RelayState {
  status(): Promise<RelayStatus>;
  testConnector(name: string): Promise<ConnectorSession>;
  listDirectory(): Promise<DirectoryState>;
  checkDirectory(): Promise<{
    readonly severities: { readonly error: number; readonly warning: number };
    readonly sides: { readonly cloud: { readonly 'taken-at': Time } | null };
  }>;
  listDomains(): Promise<
    readonly {
      readonly domain: string;
      readonly mx: 'relay' | 'cloud';
      readonly 'mx-since': Time;
      readonly proof: { readonly gated: boolean } | null;
    }[]
  >;
  explain(query: {
    recipient: string;
    from?: string;
    peer?: 'external';
  }): Promise<{ readonly reply: string; readonly reason: string }>;
}

/** An MTA-STS policy as it was fetched (RFC 8461 §3.3), or why it was not. */
export type FetchedPolicy = { readonly status: number; readonly body: string } | { readonly error: string };

/** The machine: what the process can see of it. */
export interface Machine {
  /** Of all interfaces. */
  addresses(): readonly string[];
  /** Rejects where the file system cannot be asked. */
  fileSystem(path: string): Promise<FileSystem>;
  /** The most files this process may have open; `undefined` where the system does not say. */
  openFiles(): Promise<number | undefined>;
  /** `undefined` on a system without user ids. */
  userId(): number | undefined;
  nodeVersion(): string;
}

export interface FileSystem {
  /** `statfs(2)`'s f_type. */
  readonly type: number;
  /** Octets that an unprivileged user can still write. */
  readonly free: number;
  readonly inodes: number;
  readonly inodesFree: number;
}
