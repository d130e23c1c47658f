/** What reception needs from the rest of the relay. */
import type { Server } from 'node:net';
import type { Mailbox } from '../mail/address.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { EventRecord } from '../mail/event.ts';
import type { Client, PeerClass } from '../mail/peer.ts';
import type { ProtocolSession, SocketEnds } from '../mail/protocol-session.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { TlsProfile } from '../mail/route.ts';
import type { NewMessage, SpoolId } from '../mail/spooled.ts';

/** One RCPT TO, as the client asks it. */
export interface AdmissionQuery {
  readonly recipient: Mailbox;
  readonly sender: ReversePath;
  readonly client: Client;
  /** SIZE of MAIL FROM, octets. */
  readonly size?: number;
}

/** What was decided about a recipient: the reply to RCPT, and what its RECEIVE or REJECT record shall say. */
export interface Admission {
  readonly reply: SmtpReply;
  readonly route?: string;
  readonly connector?: string;
  readonly reason?: string;
  readonly directoryVersion?: number;
  /** The largest message that the recipient's way takes, octets (C14); absent: any that reception takes. */
  readonly messageSize?: number;
}

/** Decides whether a recipient is taken (routing, and call-forward for unknown ones). Never throws, always in time. */
export interface RecipientAdmission {
  admit(query: AdmissionQuery): Admission | Promise<Admission>;
}

/** A body on its way into the spool. */
export interface BodyDraft {
  /** Appends octets in wire form (dot-stuffed). The promise, where there is one, resolves when the writer may go on. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Makes body, envelope and records durable; rejects when they are not (then the answer is 451). */
  commit(message: NewMessage, events: readonly EventRecord[]): Promise<void>;
  /** Drops what was written. */
  discard(): void;
}

export interface Spooling {
  newId(): SpoolId;
  /** `undefined` while mail is taken; else the reply to MAIL (452 4.3.1 disk, 451 4.3.0 store failed, ...). */
  refusal(): SmtpReply | undefined;
  draft(id: SpoolId): BodyDraft;
}

/** The protocol log, for listeners that keep one. */
export interface ProtocolLogging {
  /** `listener`: its place in the settings. `undefined` where it keeps none. */
  open(listener: number, sessionId: string, ends: SocketEnds): ProtocolSession | undefined;
}

/** Records what belongs to no spool transaction (REJECT). */
export interface EventSink {
  record(event: EventRecord): void;
}

/** Listening sockets that were opened before, with rights that are gone by now. */
export interface OpenedSockets {
  /** Lets `server` listen on the one of this address; false where there is none. */
  handOver(at: { readonly address: string; readonly port: number }, server: Server, backlog: number): boolean;
}

/** Who a client is by its address and certificate. */
export interface PeerRule {
  readonly peer: PeerClass;
  /** CIDR. */
  readonly networks: readonly string[];
  readonly certificateNames: readonly string[];
  readonly match: 'any' | 'all';
}

export interface ListenerSettings {
  readonly address: string;
  readonly port: number;
  readonly tls: 'starttls' | 'implicit';
  /** Networks (CIDR) of load balancers, which send a PROXY header first; nobody else may. */
  readonly proxies?: readonly string[];
  /** It takes mail from on-premises peers alone, in TLS but from the networks `withoutTls`. */
  readonly submission?: { readonly withoutTls: readonly string[] };
  /** PEM: who vouches for client certificates here, instead of the public authorities. */
  readonly clientCaFile?: string;
}

export interface ReceptionSettings {
  readonly hostname: string;
  /** All our own names, lower case (G8). */
  readonly relayNames: readonly string[];
  readonly listeners: readonly ListenerSettings[];
  readonly tls: { readonly certificate: string; readonly key: string; readonly profile: TlsProfile };
  readonly peers: readonly PeerRule[];
  /** Where the address of the client behind a peer `gateway` is found; absent: nowhere. */
  readonly originalClient?: 'received' | 'xclient';
  /** What proves that cloud mail is of our own tenant: header names and their values (C1). */
  readonly tenantHeaders: Readonly<Record<string, string>>;
  /** Bare CR, bare LF and NUL in DATA (P2). */
  readonly bareLineEnds: 'reject' | 'normalise';
  /** Fields that only our own servers may write do not go out with what outsiders send (header-firewall.ts). */
  readonly headerFirewall?: boolean;
  /** Ids under which our own servers write Authentication-Results, which nobody else may (RFC 8601 §5); empty: none does. */
  readonly authservIds?: readonly string[];
  /** Whose use as a sender is told with the message where it came from outside (G5); absent: it is not looked at. */
  readonly watchedDomains?: readonly { readonly name: string; readonly includeSubdomains: boolean }[];
  /** Advertised SIZE, octets: the largest limit of any route (C14). */
  readonly messageSize: number;
  readonly recipients: number;
  /** Milliseconds. */
  readonly sessionIdle: number;
  readonly limits: LimitSettings;
  readonly blockLists: BlockListSettings;
}

export type LimitMode = 'enforce' | 'monitor' | 'off';

export interface LimitSetting {
  /** What passes; milliseconds for times. Without meaning in mode `off`. */
  readonly most: number;
  readonly mode: LimitMode;
}

/** In a minute. */
export interface RateSettings {
  readonly connects: LimitSetting;
  readonly messages: LimitSetting;
  readonly recipients: LimitSetting;
  readonly unknown: LimitSetting;
}

/** The limits of admission; whom they bind stands in gate.ts. */
export interface LimitSettings {
  readonly connections: LimitSetting;
  /** Percent of `connections` that are for listed peers alone. */
  readonly peerReserve: number;
  readonly connectionsPerClient: LimitSetting;
  readonly connectionsPerNetwork: LimitSetting;
  readonly perClient: RateSettings;
  readonly perNetwork: RateSettings;
  /** In one session. */
  readonly errors: LimitSetting;
  readonly idleCommands: LimitSetting;
  readonly session: LimitSetting;
  readonly transaction: LimitSetting;
  /** The least rate of a message. */
  readonly octetsPerSecond: LimitSetting;
  readonly greetingDelay: LimitSetting;
  readonly earlyTalkers: LimitMode;
  /** Whether clients on this machine itself have rates and a record as all others. */
  readonly ownMachine: 'bound' | 'free';
  /** CIDR networks that no admission limit binds. */
  readonly exempt: readonly string[];
}

export interface BlockList {
  /** `zen.example.org`. */
  readonly zone: string;
  /** The addresses that mean listed; empty: any under 127.0.0.0/8 but 127.255.255.0/24, where lists report our own mistakes. */
  readonly answers: readonly string[];
  readonly mode: LimitMode;
}

export interface BlockListSettings {
  readonly lists: readonly BlockList[];
  /** DNS servers, `host:port`; empty: the system's. */
  readonly servers: readonly string[];
}
