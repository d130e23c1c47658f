/** What a reconciliation is made of, besides the two sides' own words. */
import type { Domain } from '../../mail/address.ts';
import type { DirectoryChecks, DirectoryEntry } from '../ports.ts';

/** The active version. */
export interface ActiveVersion {
  readonly version: number;
  find(key: string): DirectoryEntry | undefined;
  entries(): Iterable<DirectoryEntry>;
}

export type DomainState = 'unverified' | 'verified' | 'lost' | 'none';

/** A disagreement that the answers of servers showed (C4, R6): `5.1.10 from the cloud`. */
export interface LearnedDisagreement {
  readonly address: string;
  /** In words, for a person. */
  readonly what: string;
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly last: number;
}

export interface CheckContext extends Pick<DirectoryChecks, 'domains' | 'routingDomains'> {
  readonly active: ActiveVersion;
  /** The proof that a domain is ours; `none` where its settings ask for none (C8). */
  domainState?(domain: Domain): DomainState;
  learned?(): Iterable<LearnedDisagreement>;
}
