/** What waves need from the rest of the directory and of the relay. */
import type { Mailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { SpooledMessage } from '../../mail/spooled.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryChanges } from '../ports.ts';

/** The records of what happened to mail; the newest messages where `limit` cuts. */
export interface WaveEvidence {
  query(filter: {
    readonly recipient?: string;
    /** Milliseconds since the epoch, inclusive. */
    readonly since?: number;
    readonly limit?: number;
  }): Promise<{ readonly records: readonly EventRecord[]; readonly more: boolean }>;
}

/** A mailbox that must not be switched, and why. */
export interface UnsafeMailbox {
  readonly address: string;
  readonly why: string;
  readonly remedy: string;
}

/** What is asked before a switch (C4). Rejects where it cannot tell: then nothing is switched. */
export type FindUnsafe = (wave: {
  readonly name: string;
  readonly mailboxes: readonly Mailbox[];
}) => Promise<readonly UnsafeMailbox[]>;

/** Milliseconds, but for `volume`. */
export interface HoldSettings {
  /** A hold that lasts longer raises the alarm. */
  readonly cap: number;
  /** Then it ends by itself, towards the side the mailbox came from (C9). */
  readonly maximum: number;
  /** Octets held for one wave; beyond, RCPT is answered 452 4.2.2. */
  readonly volume: number;
}

/** coexistence.md 4.2 and C9. */
export const HOLD_DEFAULTS: HoldSettings = { cap: 2 * 3_600_000, maximum: 3 * 86_400_000, volume: 10 * 2 ** 30 };

/** When mailboxes changed sides, for the grace window (R5). */
export interface SwitchTimes {
  /** Milliseconds since the epoch. Durable when it returns; the answer takes it back. */
  note(keys: readonly string[], at: number): () => void;
}

export interface WaveDeps {
  /** `<data-directory>/directory/waves`; made where it is missing. */
  readonly folder: string;
  readonly directory: DirectoryChanges;
  readonly evidence: WaveEvidence;
  readonly unsafe: FindUnsafe;
  /** Routes held and queued mail anew (`Scheduler.recheckHeld`). */
  readonly recheck: () => Promise<void>;
  readonly grace: SwitchTimes;
  readonly clock: Clock;
  readonly log: Log;
  readonly hold?: Partial<HoldSettings>;
  /** Whether an address stands in one of our domains; absent: all do. */
  readonly isOurs?: (address: Mailbox) => boolean;
  /**
   * Every address of each mailbox, aliases and routing addresses too, by the `mailboxKey` of its primary one; absent: those
   * that its entry names. Asked once for a whole wave.
   */
  readonly addressesOf?: (keys: ReadonlySet<string>) => ReadonlyMap<string, readonly string[]>;
  /** What the spool holds for waves at the start. */
  readonly heldMail?: () => AsyncIterable<SpooledMessage> | Iterable<SpooledMessage>;
  /** Without a relay, or beside one: nothing is written and no time is watched. */
  readonly readOnly?: boolean;
}
