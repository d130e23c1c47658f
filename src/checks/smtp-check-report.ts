/** What `smtp-check` is asked, what it needs of the relay, and what it answers (`--json`). */
import type { PeerCertificate, SecureContextOptions } from 'node:tls';
import type { TlsMode, TlsPolicy, TlsProfile } from '../mail/route.ts';
import type { LadderStep } from '../mail/tls.ts';
import type { Clock } from '../platform/clock.ts';
import type { Chain } from './certificate-chain.ts';
import type { TranscriptLine } from './smtp-conversation.ts';

export interface SmtpCheckQuestion {
  readonly host: string;
  readonly port: number;
  /** Names of which one must be in the certificate; empty: the host. */
  readonly names: readonly string[];
  readonly helo: string;
  readonly implicitTls: boolean;
  /** Asked with MAIL and RCPT, and taken back: no mail is sent. `""` is the null sender. */
  readonly envelope?: { readonly from: string; readonly to: string };
  /** Milliseconds for each wait. */
  readonly patience: number;
  readonly ip: 4 | 6 | 'any';
  readonly sourceAddress?: string;
  /** Whose identity is shown. */
  readonly connector?: { readonly name: string; readonly tls: TlsPolicy };
  /** `host:port`; empty: the system's. */
  readonly dnsServers: readonly string[];
}

/** What one connection offers, and what came of it: the words of delivery's ladder. */
export type Rung = TlsProfile | 'clear';
export type Observed =
  | { readonly kind: 'secured'; readonly verified: boolean; readonly error?: string }
  | { readonly kind: 'clear'; readonly refusal?: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly refusal?: string };

/** How delivery decides what is offered next, and what it offers: the very functions, so that a check says what mail would do. */
export interface TlsLadder {
  firstRung(policy: TlsPolicy): Rung;
  judge(policy: TlsPolicy, rung: Rung, observed: Observed): { readonly step: LadderStep; readonly next: 'use' | 'stop' | Rung };
  options(profile: TlsProfile): SecureContextOptions;
  /** `undefined` where one of the names is in the certificate. */
  nameError(names: readonly string[], certificate: PeerCertificate): Error | undefined;
}

export interface SmtpCheckDeps {
  readonly clock: Clock;
  readonly ladder: TlsLadder;
  /** Trust anchors in PEM, in place of Node's own. */
  readonly roots?: readonly string[];
  /** Milliseconds between connections. */
  readonly pause?: number;
  /** Milliseconds for everything. */
  readonly total?: number;
}

export interface Ehlo {
  readonly name: string;
  readonly keywords: readonly string[];
}

export interface Finding {
  readonly severity: 'error' | 'warning' | 'info';
  readonly problem: string;
  readonly remedy: string | null;
}

/** What a connector with this mode would do here. */
export interface ModeVerdict {
  /** `opportunistic`, or `connector cloud (verified)`. */
  readonly mode: TlsMode | `connector ${string}`;
  readonly sends: 'encrypted' | 'in clear' | 'nothing';
  readonly why: string;
  readonly ladder: readonly LadderStep[];
}

export interface ProtocolRow {
  /** `TLSv1.2`, or a profile: `intermediate`. */
  readonly offer: string;
  readonly accepted: boolean;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly error: string | null;
}

export interface SmtpCheckReport {
  readonly host: string;
  readonly port: number;
  /** Reachable, and STARTTLS works. */
  readonly ok: boolean;
  readonly addresses: readonly string[];
  readonly address: string | null;
  readonly 'timings-ms': Readonly<
    Partial<Record<'dns' | 'connect' | 'banner' | 'ehlo' | 'starttls' | 'handshake' | 'ehlo-after-tls', number>>
  >;
  readonly banner: string | null;
  readonly ehlo: Ehlo | null;
  readonly 'ehlo-after-tls': Ehlo | null;
  readonly starttls: { readonly offered: boolean; readonly reply: string | null };
  readonly tls: {
    readonly protocol: string | null;
    readonly cipher: string | null;
    readonly bits: number | null;
    readonly 'key-exchange': string | null;
    readonly verified: boolean;
    readonly 'verification-error': string | null;
    /** Whether one of these names is in the certificate, whoever signed it. */
    readonly 'names-asked': readonly string[];
    readonly 'name-matches': boolean;
  } | null;
  readonly chain: Chain | null;
  readonly 'client-certificate-asked': boolean | null;
  readonly protocols: readonly ProtocolRow[];
  readonly profiles: readonly ProtocolRow[];
  /** What became of a command sent in one piece with STARTTLS (CVE-2011-0411). */
  readonly injection: 'discarded' | 'executed' | 'refused' | 'not known';
  readonly envelope: readonly { readonly command: string; readonly reply: string }[];
  readonly modes: readonly ModeVerdict[];
  readonly findings: readonly Finding[];
  readonly transcript: readonly TranscriptLine[];
}
