/** What probes are told and need of the relay, and what they answer (the form of `probe --json`). */
import type { Mailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { TlsEvidence } from '../../mail/tls.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/logger.ts';

export interface ImapSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls' | 'none';
  /** PEM file: who signed the server's certificate, in place of the public authorities. */
  readonly caFile?: string;
  readonly user: string;
  /** One of the two: files with the secret. */
  readonly passwordFile?: string;
  readonly accessTokenFile?: string;
  readonly mailboxes: readonly string[];
}

/** Times in milliseconds. */
export interface ProbeSettings {
  readonly name: string;
  readonly to: Mailbox;
  /** The From field; the envelope's sender is an address of the probe's own, in the same domain. */
  readonly from: Mailbox;
  /** Which way it must go; absent: any. */
  readonly side?: 'cloud' | 'on-premises';
  /** Absent: only when asked for. */
  readonly every?: number;
  readonly deadline: number;
  readonly wait: {
    /** A Maildir in which it arrives. */
    readonly maildir?: string;
    readonly imap?: ImapSettings;
    /** An answer must come back through the relay. */
    readonly reply: boolean;
  };
}

export interface ListenerAddress {
  readonly address: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit';
}

/** One hop that a Received field tells of (contract.md, `headers --json`). */
export interface Hop {
  readonly 'from-host': string | null;
  readonly 'by-host': string | null;
  readonly date: string | null;
  readonly tls: string;
  readonly 'tls-version': string | null;
  readonly cipher: string | null;
  /** Written by a host that we name as ours. */
  readonly trusted: boolean;
  readonly 'delay-seconds': number | null;
}

export interface ProbeParts {
  /** Our name, in EHLO and Message-IDs. */
  readonly hostname: string;
  /** Absolute; the secret, the history and the answers are kept there. */
  readonly folder: string;
  readonly settings: () => readonly ProbeSettings[];
  /** Where the relay takes mail, as it is bound. */
  readonly listeners: () => readonly ListenerAddress[];
  /** The hops that a header tells of, in the order of travel. */
  readonly readHops: (header: string) => readonly Hop[];
  readonly clock: Clock;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds between two looks into a Maildir, and into an IMAP mailbox. */
  readonly poll?: { readonly maildir: number; readonly imap: number };
}

/** One direction. `ok` is null where it was not asked for or did not come to it. */
export interface ProbeLeg {
  readonly ok: boolean | null;
  readonly seconds: number | null;
  /** Where it was seen: `maildir /path`, `imap INBOX`, `the next hop took it`, `the relay took an answer`. */
  readonly seen: string | null;
  /** The hop that the relay itself was part of. */
  readonly tls: TlsEvidence | null;
  /** Of the message as it arrived. */
  readonly hops: readonly Hop[];
}

export interface ProbeReport {
  readonly probe: string;
  /** ISO 8601 */
  readonly time: string;
  readonly ok: boolean;
  readonly to: string;
  readonly token: string;
  readonly 'message-id': string;
  readonly there: ProbeLeg;
  readonly back: ProbeLeg;
  readonly problem: string | null;
  /** What to do next, one step a line. */
  readonly next: readonly string[];
  /** Our own records of both directions. */
  readonly records: readonly EventRecord[];
}

/** What is kept of a run. */
export type ProbeResult = Pick<ProbeReport, 'probe' | 'time' | 'ok' | 'problem' | 'next'> & {
  readonly there: ProbeLegResult;
  readonly back: ProbeLegResult;
};
export interface ProbeLegResult {
  readonly ok: boolean | null;
  readonly seconds: number | null;
  readonly tls: string | null;
}

export interface ListedProbe {
  readonly name: string;
  readonly to: string;
  /** Seconds; null: only when asked for. */
  readonly every: number | null;
  readonly last: ProbeResult | null;
  /** ISO 8601 */
  readonly 'last-success': string | null;
}
