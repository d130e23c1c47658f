/** TLS facts of one hop, in the words and the form of the event record (contract.md; RFC 7435, RFC 8460). */

/**
 * How the message went: `encrypted` (peer not verified), `verified`; in clear `not-offered`, `refused` (STARTTLS
 * answered 4xx or 5xx), `plain-after-failure`, `not-tried` (mode none, Maildir, unix socket), for a client
 * `not-used`; nothing went: `handshake-failed`, `timed-out`.
 */
export type TlsResult =
  | 'encrypted'
  | 'verified'
  | 'not-offered'
  | 'refused'
  | 'plain-after-failure'
  | 'not-tried'
  | 'not-used'
  | 'handshake-failed'
  | 'timed-out';

export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  /** ISO 8601 */
  readonly 'valid-to': string;
  /** Lower-case hex of the whole certificate's SHA-256. */
  readonly sha256: string;
}

/** One step of the ladder (design.md P5): what was offered, and what came of it. */
export interface LadderStep {
  /** `STARTTLS intermediate`, `STARTTLS legacy`, `implicit modern`, `clear` */
  readonly offer: string;
  readonly result: TlsResult;
  readonly error?: string;
}

export interface TlsEvidence {
  readonly result: TlsResult;
  readonly protocol?: string;
  readonly cipher?: string;
  readonly bits?: number;
  readonly 'key-exchange'?: string;
  readonly 'peer-certificate'?: PeerCertificate;
  readonly verified?: boolean;
  readonly 'verification-error'?: string;
  readonly ladder?: readonly LadderStep[];
}
