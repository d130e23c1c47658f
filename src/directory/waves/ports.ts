/** What waves need from the rest of the directory and of the relay. */
import type { Mailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { Side } from '../../mail/route.ts';
import type { SpooledMessage } from '../../mail/spooled.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryChanges } from '../ports.ts';

/** The records of what happened to mail; the newest messages where `limit` cuts. */
export interface WaveEvidence {
  query(filter: {
    /** Addresses, each as a record may have it. */
    readonly recipients?: readonly string[];
    readonly sender?: string;
    /** Milliseconds since the epoch, inclusive. */
    readonly since?: number;
    readonly limit?: number;
  }): Promise<{ readonly records: readonly EventRecord[]; readonly more: boolean }>;
}

/** Mail that is on its way to a server at this moment. */
export interface AttemptUnderWay {
  /** As the sender wrote it. */
  readonly recipient: Mailbox;
  readonly side: Side;
}

/** A mailbox that must not be switched, and why. */
export interface UnsafeMailbox {
  readonly address: string;
  readonly why: string;
  readonly remedy: string;
}

/** What is asked before a switch (C4). Rejects where it cannot tell: then nothing is switched. */
export type FindUnsafe = (wave: { readonly name: string; readonly mailboxes: readonly Mailbox[] }) => Promise<{
  readonly unsafe: readonly UnsafeMailbox[];
  /** How many nobody could tell about: no export of the cloud is known. */
  readonly unchecked: number;
}>;

/** `directory.hold` (C9). Milliseconds, but for `volume`. */
export interface HoldSettings {
  /** A hold that lasts longer raises the alarm. */
  readonly warnAfter: number;
  /** Then it ends by itself, towards the side the mailbox came from. */
  readonly deliverAfter: number;
  /** Octets held for one wave; beyond, RCPT is answered 452 4.2.2. */
  readonly volume: number;
}

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
  /** Asked each time: it may be changed while waves are held. */
  readonly hold: () => HoldSettings;
  /** How long mail may go to both sides before it is told. Milliseconds. */
  readonly bothWarnAfter: () => number;
  /** Whether an address stands in one of our domains; absent: all do. */
  readonly isOurs?: (address: Mailbox) => boolean;
  /**
   * Every address of a mailbox, aliases and routing addresses too; absent: those that its entry names.
   */
  readonly addressesOf?: (mailbox: Mailbox) => readonly Mailbox[];
  /**
   * Resolves when the attempts have ended that are meant and were under way at the call, at the latest after `deadline`
   * milliseconds, with the number of those that have not. Absent: nothing is under way without a relay.
   */
  readonly attemptsEnd?: (isMeant: (attempt: AttemptUnderWay) => boolean, deadline: number) => Promise<number>;
  /** What the spool holds for waves at the start. */
  readonly heldMail?: () => AsyncIterable<SpooledMessage> | Iterable<SpooledMessage>;
  /** Without a relay, or beside one: nothing is written and no time is watched. */
  readonly readOnly?: boolean;
}
