/** The event record, in the very form of `trace --json`, the log and HTTP (contract.md, "What the relay writes"). */
import type { SenderAuthentication } from './authentication.ts';
import type { TlsEvidence } from './tls.ts';

/** Exchange's word for each event. */
export type EventName = 'RECEIVE' | 'SEND' | 'DEFER' | 'FAIL' | 'EXPIRE' | 'HOLD' | 'RELEASE' | 'REDIRECT' | 'DSN' | 'REJECT';

export interface EventRecord {
  /** ISO 8601 in UTC, milliseconds. */
  readonly time: string;
  readonly event: EventName;
  readonly 'spool-id'?: string;
  readonly 'session-id'?: string;
  readonly 'message-id'?: string;
  /** `""` is the null sender. */
  readonly sender?: string;
  /** The address at the next hop; for RECEIVE and REJECT the address the client gave. */
  readonly recipient?: string;
  readonly 'original-recipient'?: string;
  readonly peer?: string;
  /** `via`: the load balancer (PROXY header) or the filter (XCLIENT) that told us of it. */
  readonly client?: { readonly address: string; readonly name?: string; readonly via?: string };
  /** The client behind a filter, by the filter's Received fields. */
  readonly 'original-client-ip'?: string;
  readonly route?: string;
  readonly connector?: string;
  readonly reason?: string;
  readonly 'directory-version'?: number;
  readonly 'remote-mta'?: { readonly name: string; readonly address?: string; readonly port?: number };
  readonly reply?: { readonly code: number; readonly enhanced?: string; readonly text: string };
  /** Octets of the message, dots unstuffed (RFC 1870 §5). */
  readonly size?: number;
  readonly attempt?: number;
  readonly 'duration-ms'?: number;
  readonly 'next-attempt'?: string;
  /** Connection lost behind our final dot: the next hop may have the message (RFC 1047). */
  readonly 'possible-duplicate'?: true;
  /** The longest line, where it is over 998 octets (RFC 5321 §4.5.3.1.6). */
  readonly 'longest-line'?: number;
  /** SHA-256 of the body (body-digest.ts): as it came or was made (RECEIVE, DSN), as it went out whole to this hop (SEND, DEFER, FAIL). */
  readonly 'body-sha256'?: string;
  /** RECEIVE of the first recipient: the Received fields that the message came with, unfolded, from the top (bounded): what it claims of its way. */
  readonly received?: readonly string[];
  /** Names of header fields of this message that do not go out. */
  readonly 'removed-fields'?: readonly string[];
  /** SPF, DKIM and DMARC, where they were asked for. */
  readonly authentication?: SenderAuthentication;
  /** A best-effort copy (C10). */
  readonly copy?: true;
  /** For DSN: what it says, and the spool-id of the message it speaks of. */
  readonly action?: 'failed' | 'delayed' | 'relayed' | 'delivered' | 'expanded';
  readonly 'related-spool-id'?: string;
  readonly tls?: TlsEvidence;
}
