/** What a directory is made of: records from sources. Readers for other formats and live sources come in by these. */
import type { Domain, Mailbox } from '../mail/address.ts';

export type DirectoryRoute = 'on-premises' | 'cloud' | 'hold' | 'both';

/** One recipient as a source has it. */
export interface DirectoryRecord {
  /** The primary address. */
  readonly address: Mailbox;
  readonly route: DirectoryRoute;
  readonly routingAddress?: Mailbox;
  readonly aliases: readonly Mailbox[];
  readonly kind?: string;
  readonly connector?: string;
  readonly primary: 'on-premises' | 'cloud';
  /** Line in the source's file; 0 where there are no lines. */
  readonly line: number;
}

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
  /** Names of the connectors. */
  readonly connectors: readonly string[];
}

/** What the directory needs from the settings. */
export interface DirectorySettings extends DirectoryChecks {
  /** Files in their order of precedence, absolute paths. */
  readonly sources: readonly { readonly name: string; readonly file: string }[];
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
