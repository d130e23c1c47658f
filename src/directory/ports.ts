/** What a directory is made of: records from sources. Readers for other formats and live sources come in by these. */
import type { Domain, Mailbox } from '../mail/address.ts';
import type { Side } from '../mail/route.ts';

export type DirectoryRoute = 'on-premises' | 'cloud' | 'hold' | 'both';

/** One recipient as a source has it. */
export interface DirectoryRecord {
  /** The primary address. */
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  readonly routingAddress?: Mailbox;
  readonly aliases: readonly Mailbox[];
  /** Exchange's kind in our words (`RecipientKind`), or what the file says. `probe` never counts as migrated. */
  readonly kind?: string;
  readonly connector?: string;
  readonly primary: 'on-premises' | 'cloud';
  /** legacyExchangeDN and X500 proxy addresses, as they stand: keys for IMCEAEX (R9). */
  readonly x500?: readonly string[];
  /** Its mailbox is on-premises, and its targetAddress sends on to the cloud: for reconciliation. */
  readonly forwardsTo?: Mailbox;
  /** Members of a group, where the source has them. */
  readonly members?: readonly Mailbox[];
  /** Line in the source's file; 0 where there are no lines. */
  readonly line: number;
}

/** C7, strongest first: the stronger kind owns an address that two legitimate objects have. */
export type RecipientKind =
  | 'mailbox'
  | 'shared'
  | 'room'
  | 'equipment'
  | 'remote-mailbox'
  | 'mail-user'
  | 'contact'
  | 'group'
  | 'public-folder'
  | 'probe';

/** What is wrong with a record, or worth a look: the form of `directory import --json` (contract.md). */
export interface Finding {
  /** `error`: the set is refused as a whole. */
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly address: string;
  readonly problem: string;
  readonly remedy: string;
}

/** Where a source puts what it reads. */
export interface RecordSink {
  record(record: DirectoryRecord): void;
  finding(finding: Finding): void;
}

/** One place that recipients come from. `read` rejects only for a broken machine; what the data has wrong is a finding. */
export interface DirectorySource {
  readonly name: string;
  /** The file's short name, or the URL: it stands in reasons and findings. */
  readonly origin: string;
  read(sink: RecordSink): Promise<void>;
}

/** What records are checked against. */
export interface DirectoryChecks {
  readonly domains: readonly { readonly name: Domain; readonly includeSubdomains: boolean }[];
  readonly routingDomains: readonly Domain[];
  /** What a record's `connector` may name. */
  readonly connectors: readonly KnownConnector[];
}

/** A connector, as far as a record can name it wrongly. */
export interface KnownConnector {
  readonly name: string;
  readonly side: Side;
  /** Its next hop is found by MX, which for our own domains is ourselves (R20). */
  readonly byMx: boolean;
}

/** What the directory needs from the settings. */
export interface DirectorySettings extends DirectoryChecks {
  /** Files in their order of precedence, absolute paths. */
  readonly sources: readonly { readonly name: string; readonly file: string; readonly format?: string }[];
  /** Sources whose records come by `updateSource`. */
  readonly live?: readonly { readonly name: string }[];
  /** The names of all sources, files and live ones, the strongest first; absent: files, then live ones. Imported sources go before them. */
  readonly precedence?: readonly string[];
  /** Sources that are gone, and whose recipients are meant to go (C6). */
  readonly retired?: readonly string[];
  /** Where the history of versions is kept; absolute path. */
  readonly folder: string;
}

/** One recipient of the active version, as routing sees it. */
export interface DirectoryEntry {
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  readonly routingAddress?: Mailbox;
  readonly kind?: string;
  readonly connector?: string;
  readonly primary: 'on-premises' | 'cloud';
  /** `plain recipients.csv:12` */
  readonly source: string;
}

/**
 * An administrator's word or a wave's, laid over what the sources say (C6: `set` before waves before sources). Keyed by
 * `mailboxKey` of the owner's primary address.
 */
export interface Overlay {
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  readonly routingAddress?: Mailbox;
  readonly primary?: 'on-premises' | 'cloud';
  /** `set by anna, 2026-11-22: reason` or `wave pilot`: stands as the entry's source. */
  readonly source: string;
}

/** What changes the directory: each call makes one new version, whole and atomic, or none. */
export interface DirectoryChanges {
  /** The version of this moment. */
  active(): { readonly version: number; find(key: string): DirectoryEntry | undefined };
  /** Lays a wave's states over the sources (`undefined` lifts one), as one version. Durable when resolved; rejects and changes nothing where it fails. */
  applyWave(
    wave: string,
    states: ReadonlyMap<string, Overlay | undefined>,
    change: { readonly who: string; readonly reason: string },
  ): Promise<{ readonly version: number }>;
}
