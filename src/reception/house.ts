/** What all sessions of a reception share: its settings made ready, its ports, its time, its counters. */
import { type Domain, parseDomain } from '../mail/address.ts';
import type { EventRecord } from '../mail/event.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { MessageSettings } from './accept.ts';
import type { BlockLists } from './block-lists.ts';
import type { Conversation } from './conversation.ts';
import type { Bite, Gate } from './gate.ts';
import { OwnDomains } from './own-domains.ts';
import { NetworkSet, Peers } from './peers.ts';
import type { EventSink, ReceptionSettings, RecipientAdmission, Spooling } from './ports.ts';
import type { SessionFacts } from './records.ts';

/** The settings as the sessions use them. */
export interface ReadySettings extends MessageSettings {
  readonly hostname: string;
  /** Where `<postmaster>` lives. */
  readonly domain: Domain;
  readonly greeting: string;
  readonly helo: string;
  readonly ehloInClear: string;
  readonly ehloInTls: string;
  readonly peers: Peers;
  readonly originalClient: 'received' | 'xclient' | undefined;
  /** Networks of the filters in front of us. */
  readonly gateways: NetworkSet;
  /** Octets, the largest limit of any route (C14). */
  readonly messageSize: number;
  readonly recipients: number;
  readonly sessionIdle: number;
}

/** Throws where the hostname or a network is none. */
export function makeReady(settings: ReceptionSettings): ReadySettings {
  const { hostname } = settings;
  const domain = parseDomain(hostname);
  if (domain === undefined) throw new Error(`not a host name: ${hostname}`);
  const ehlo = (tls: boolean): string =>
    [
      hostname,
      'PIPELINING',
      `SIZE ${settings.messageSize}`, // C14: the largest of all routes
      ...(tls ? [] : ['STARTTLS']),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
      'CHUNKING',
      `LIMITS RCPTMAX=${settings.recipients}`, // RFC 9422
    ]
      .map((line, i, all) => `250${i === all.length - 1 ? ' ' : '-'}${line}`)
      .join('\r\n');
  return {
    hostname,
    domain,
    greeting: `220 ${hostname} ESMTP Bridgehead`,
    helo: `250 ${hostname}`,
    ehloInClear: ehlo(false),
    ehloInTls: ehlo(true),
    peers: new Peers(settings.peers),
    originalClient: settings.originalClient,
    gateways: new NetworkSet(settings.peers.filter(({ peer }) => peer === 'gateway').flatMap(({ networks }) => networks)),
    relayNames: settings.relayNames.map((name) => name.toLowerCase()),
    tenantHeaders: new Map(Object.entries(settings.tenantHeaders).map(([name, value]) => [name.toLowerCase(), value])),
    bareLineEnds: settings.bareLineEnds,
    headerFirewall: settings.headerFirewall ?? false,
    authservIds: (settings.authservIds ?? []).map((id) => id.toLowerCase()),
    watched: settings.watchedDomains === undefined ? undefined : new OwnDomains(settings.watchedDomains),
    messageSize: settings.messageSize,
    recipients: settings.recipients,
    sessionIdle: settings.sessionIdle,
  };
}

/** Milliseconds, unless said otherwise. */
export interface Deadlines {
  /** For a TLS handshake. */
  readonly handshake: number;
  /** For our own parts to decide or to store; a client waits 5 minutes and more (RFC 5321 §4.5.3.2). */
  readonly handler: number;
  /** Between the last word of an idle session and its 421, at shutdown. */
  readonly goodbye: number;
  /** For a PROXY header; 5 s where nothing is said. */
  readonly proxyHeader?: number;
  /** The rate of a message is measured over so long: a byte a minute holds a session no longer than that. */
  readonly rateWindow: number;
}

export const DEADLINES: Deadlines = { handshake: 30_000, handler: 120_000, goodbye: 500, rateWindow: 60_000 };

export interface House {
  settings: ReadySettings;
  readonly deadlines: Deadlines;
  readonly admission: RecipientAdmission;
  readonly spooling: Spooling;
  readonly events: EventSink;
  readonly log: Log;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly blockLists: BlockLists;
  /** The clock's monotonic time at the last sweep: near enough for deadlines, and free. */
  now: number;
  draining: boolean;
  accepted: number;
  rejected: number;
  record(event: EventRecord): void;
  /** The record of a limit that was met. */
  tell(bite: Bite, session: SessionFacts): void;
  /** A PROXY header came from where none is expected. */
  strayHeader(address: string): void;
  left(session: Conversation): void;
}
