/** What authentication is told, and what it asks its thread. */
import type { PeerClass } from '../mail/peer.ts';

export interface AuthenticationSettings {
  readonly hostname: string;
  /** `host:port` of DNS servers; empty: the system's. */
  readonly dnsServers: readonly string[];
  /** Milliseconds for one message; what DNS has not said by then counts as `temperror`. */
  readonly deadline: number;
  /** Senders who claim a domain of ours are to be told apart: an identity, or a refusal, hangs on it. */
  readonly claims: boolean;
  /** Peers whose mail gets an Authentication-Results field. */
  readonly addResults: readonly PeerClass[];
  /** The accepted domains: two names within one of them are aligned. */
  readonly ownDomains: readonly string[];
}

/** One message, as its envelope and its session tell it. */
export interface Question {
  /** Address of the client; absent where SPF has none to ask about (mail by way of a filter). */
  readonly ip?: string;
  readonly helo?: string;
  /** `''` is the null sender. */
  readonly sender: string;
  readonly hostname: string;
  readonly dnsServers: readonly string[];
  /** Milliseconds from now on for all of DNS. */
  readonly dnsDeadline: number;
}

/** What mailauth found, reduced to what is kept. */
export interface Facts {
  readonly spf: { readonly result: string; readonly domain?: string };
  readonly dkim: readonly {
    readonly result: string;
    readonly domain?: string;
    readonly selector?: string;
    /** Octets of the body that the signature leaves uncovered (its l= tag). */
    readonly uncovered?: number;
  }[];
  readonly dmarc: { readonly result: string; readonly domain?: string; readonly policy?: string };
}

/** To the thread. A message is asked about once, then its octets are handed over as the thread wants more. */
export type ToThread =
  | { readonly id: number; readonly question: Question }
  | { readonly id: number; readonly chunk: Uint8Array<ArrayBuffer> }
  /** `whole`: the message is over; else it could not be read, or nobody waits any more. */
  | { readonly id: number; readonly end: 'whole' | 'broken' };

/** From the thread. */
export type FromThread =
  | { readonly id: number; readonly wants: 'more' }
  | { readonly id: number; readonly facts: Facts }
  | { readonly id: number; readonly failed: string };
