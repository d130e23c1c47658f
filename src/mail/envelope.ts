/** The envelope of a message (RFC 5321 §2.3.1) with its DSN parameters (RFC 3461). */
import type { Mailbox } from './address.ts';

/** MAIL FROM: a mailbox, or the null reverse path `<>` of notifications (RFC 5321 §4.5.5). */
export type ReversePath = Mailbox | null;

/** NOTIFY of RFC 3461 §4.1. `NEVER` stands alone. Absent means FAILURE (and DELAY, at our choice). */
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

/** One RCPT TO as the sender gave it. */
export interface Recipient {
  /** The mailbox as the sender wrote it (design.md P3), canonical in quoting and domain alone. */
  readonly address: Mailbox;
  readonly notify?: readonly Notify[];
  /** ORCPT, decoded from xtext: `rfc822;user@example.com` (RFC 3461 §4.2). */
  readonly orcpt?: string;
}

/** What MAIL FROM says of the whole message. */
export interface Envelope {
  readonly sender: ReversePath;
  readonly recipients: readonly Recipient[];
  /** RET (RFC 3461 §4.3). */
  readonly ret?: 'FULL' | 'HDRS';
  /** ENVID, decoded from xtext (RFC 3461 §4.4). */
  readonly envid?: string;
  /** BODY=8BITMIME was said, or the body holds octets over 127 (RFC 6152). */
  readonly eightBit: boolean;
  /** SMTPUTF8 was said (RFC 6531). */
  readonly smtputf8: boolean;
}

/** The sender as records write it: `""` for the null reverse path. */
export function formatReversePath(path: ReversePath): string {
  return path === null ? '' : path.address;
}
