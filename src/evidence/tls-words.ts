/** What the TLS facts of a hop come to, and how people are told of them. Pure. */
import type { EventRecord } from '../mail/event.ts';
import type { LadderStep, TlsEvidence, TlsResult } from '../mail/tls.ts';

export const IN_WORDS: Record<TlsResult, string> = {
  encrypted: 'encrypted',
  verified: 'encrypted, verified',
  'not-offered': 'in clear, STARTTLS was not offered',
  refused: 'in clear, STARTTLS was refused',
  'plain-after-failure': 'in clear, after TLS failed',
  'not-tried': 'in clear, TLS is not for this hop',
  'not-used': 'in clear',
  'handshake-failed': 'nothing went: the handshake failed',
  'timed-out': 'nothing went: the handshake timed out',
};

/** `local`: no network was crossed (Maildir, a unix socket). `unknown`: the record does not say (R19). */
export type Protection = 'encrypted' | 'in-clear' | 'unknown' | 'local' | 'nothing-went';

/** How a message went, by the record of its RECEIVE or SEND. */
export function protectionOf({ event, tls, 'remote-mta': mta }: EventRecord): Protection {
  switch (tls?.result) {
    case undefined:
      return 'unknown';
    case 'encrypted':
    case 'verified':
      return 'encrypted';
    case 'not-tried':
      return event !== 'RECEIVE' && mta?.address === undefined ? 'local' : 'in-clear';
    case 'not-offered':
    case 'refused':
    case 'plain-after-failure':
    case 'not-used':
      return 'in-clear';
    case 'handshake-failed':
    case 'timed-out':
      return 'nothing-went';
  }
}

/** `STARTTLS intermediate`: the words that a log has; here for people. */
const OFFERS: Readonly<Record<string, string>> = {
  modern: 'TLS 1.3 (modern)',
  intermediate: 'TLS 1.2 or newer (intermediate)',
  legacy: 'TLS 1.0 or newer (legacy)',
};
const OUTCOMES: Record<TlsResult, string> = {
  encrypted: 'worked',
  verified: 'worked, the certificate is verified',
  'not-offered': 'the server does not offer STARTTLS',
  refused: 'the server refused STARTTLS',
  'plain-after-failure': 'sent in clear',
  'not-tried': 'sent in clear, as the connector says',
  'not-used': 'in clear',
  'handshake-failed': 'the handshake failed',
  'timed-out': 'no answer in time',
};

/** OpenSSL's errors name a line of its source: `error:0A00010B:SSL routines:fn:wrong version number:../file.c:77:`. */
const withoutPlace = (error: string): string =>
  error.replace(/(?:[0-9A-F]+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):[^:]*:\d+:?(?:[^ ()]*)/g, '$1').trim();

/** One step of a ladder: `offered TLS 1.2 or newer (intermediate): the handshake failed (ECONNRESET)`. */
export function stepInWords({ offer, result, error }: LadderStep): string {
  const because = error === undefined ? '' : ` (${withoutPlace(error)})`;
  if (offer === 'clear')
    return result === 'plain-after-failure'
      ? `then without TLS: sent in clear${because}`
      : `without TLS: ${OUTCOMES[result]}${because}`;
  const [how = '', profile = ''] = offer.split(' ');
  return `offered ${how === 'implicit' ? 'implicit ' : ''}${OFFERS[profile] ?? offer}: ${OUTCOMES[result]}${because}`;
}

/** All steps; alike for hops alike: without what differs from one time to the next. */
export function ladderInWords(ladder: readonly LadderStep[]): string {
  return ladder.map((step) => stepInWords(step).replace(/ ?\(remembered since [^)]*\)/, '')).join('; ');
}

/** The TLS facts of one hop in one line. */
export function tlsOf(tls: TlsEvidence): string {
  const facts = [tls.protocol, tls.cipher, tls['key-exchange']].filter((fact) => fact !== undefined).join(' ');
  const parts = [facts === '' ? IN_WORDS[tls.result] : `${IN_WORDS[tls.result]}, ${facts}`];
  const certificate = tls['peer-certificate'];
  if (certificate !== undefined) parts.push(`certificate ${certificate.subject}`);
  if (tls.verified === false && tls['verification-error'] !== undefined) parts.push(`not verified: ${tls['verification-error']}`);
  return `TLS: ${parts.join('; ')}`;
}
