/** What live sources need, and what they give. */
import type { Domain } from '../../mail/address.ts';
import type { DirectoryRecord, DirectorySource, Finding } from '../ports.ts';

interface Common {
  readonly name: string;
  /** Milliseconds between two readings. */
  readonly refresh: number;
  /** Milliseconds that one answer is waited for. */
  readonly deadline: number;
}

export interface LdapSettings extends Common {
  readonly kind: 'ldap';
  /** `ldaps://host:636` or `ldap://host:389`, tried in order. */
  readonly urls: readonly string[];
  /** For ldap:// alone. */
  readonly startTls: boolean;
  /** Absolute paths. */
  readonly caFile?: string;
  readonly base?: string;
  readonly filter: string;
  readonly bindDn?: string;
  readonly passwordFile?: string;
  readonly pageSize: number;
}

export interface GraphSettings extends Common {
  readonly kind: 'graph';
  readonly url: string;
  readonly signInUrl: string;
  readonly tenant?: string;
  /** Absent: nobody signs in. */
  readonly clientId?: string;
  /** Absolute paths. A secret, or a certificate with its key. */
  readonly secretFile?: string;
  readonly certificate?: string;
  readonly key?: string;
}

export type LiveSourceSettings = LdapSettings | GraphSettings;

/** What the answers are read by. */
export interface LiveChecks {
  readonly domains: readonly { readonly name: Domain; readonly includeSubdomains: boolean }[];
  readonly routingDomains: readonly Domain[];
}

/** A whole set, or why there is none; never a part of one. */
export type Fetched =
  | {
      readonly ok: true;
      readonly records: readonly DirectoryRecord[];
      /** Warnings: what was read and is odd. */
      readonly findings: readonly Finding[];
    }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

/** A server that is asked for its recipients. */
export interface LiveSource {
  readonly name: string;
  readonly kind: LiveSourceSettings['kind'];
  /** The server's address as findings and reasons show it. */
  readonly origin: string;
  /** Asks for everything. Ends soon after `signal`; rejects only for a bug. */
  fetch(signal: AbortSignal): Promise<Fetched>;
}

/** What the directory made of a new set. A refused one changed nothing, and there are errors among its findings. */
export interface UpdateResult {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** What refreshing needs from the directory: a source's new set put in the place of its old one, as a whole or not at all. */
export interface SourceUpdates {
  updateSource(name: string, source: DirectorySource, options?: { readonly yesShrink?: boolean }): Promise<UpdateResult>;
  /** It could not be read: what it had stays. */
  sourceFailed(name: string, problem: string): void;
}
