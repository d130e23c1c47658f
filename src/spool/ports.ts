/** What the spool needs from its settings and from who opens it, and what it tells of itself. */
import type { SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';

export interface SpoolSettings {
  /** Made where it is missing. */
  readonly directory: string;
  /** Octets: the largest message that reception takes. */
  readonly messageSize: number;
  /** Milliseconds a transaction may take; 30,000 where absent. */
  readonly commitDeadline?: number;
  /** Milliseconds to the first try after a failure, doubled up to 10 s; 1,000 where absent. */
  readonly reopenDelay?: number;
  /** Milliseconds until a message over which the process was perhaps killed from outside is tried once more; 60,000. */
  readonly lastTrial?: number;
  /** Octets of fresh mail kept in memory for its first delivery, and of drafts; 16 MiB each where absent. */
  readonly memory?: number;
  /** Octets free on the disk of the spool; asked at most once a second. */
  readonly freeSpace?: (directory: string) => number;
}

export interface SpoolParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly newId?: () => SpoolId;
}

/** Nothing can be made durable. */
export interface Failure {
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface ConnectorCount {
  /** The connector of the last attempt; `undefined`: none was made yet. */
  readonly connector: string | undefined;
  readonly messages: number;
  /** Milliseconds since the epoch: when the oldest of them was received. */
  readonly oldest: number;
}

export interface SpoolStats {
  readonly messages: number;
  /** Octets of all bodies. */
  readonly bytes: number;
  readonly connectors: readonly ConnectorCount[];
  /** Records that cannot be delivered and wait for a person. */
  readonly setAside: number;
  readonly failure: Failure | undefined;
  /** Octets that must be free on the disk for mail to be taken, while fewer are. */
  readonly spaceWanted: number | undefined;
  /** Messages held because the process died over them. */
  readonly culprits: readonly SpoolId[];
  /** Those of them that are tried once more without an operator. */
  readonly onTrialSoon: readonly SpoolId[];
}

/** Records of one spool transaction, JSON lines without a final newline (design.md D6). */
export interface CommittedLines {
  readonly sequence: number;
  readonly lines: string;
}
