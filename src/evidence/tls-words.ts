/** What the TLS facts of a hop come to, and how people are told of them. Pure. */
import type { EventRecord } from '../mail/event.ts';
import type { LadderStep, TlsEvidence, TlsResult } from '../mail/tls.ts';
import { plainError } from '../platform/plain-error.ts';

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

/**
 * One step of a ladder: `offered TLS 1.2 or newer (intermediate): the handshake failed (ECONNRESET)`. `isSent`: the text of
 * the message went over the session that came of it.
 */
export function stepInWords({ offer, result, error }: LadderStep, isSent = true): string {
  const because = error === undefined ? '' : ` (${plainError(error)})`;
  if (offer === 'clear' && !isSent) return `then without TLS: the session was in clear${because}`;
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

/** Why nothing of a message went, where TLS has to do with it. */
const NOT_SENT: Partial<Record<TlsResult, string>> = {
  'not-offered': 'nothing of it went: STARTTLS was not offered',
  refused: 'nothing of it went: STARTTLS was refused',
  'plain-after-failure': 'nothing of it went; the session was in clear, after TLS failed',
  'not-tried': 'nothing of it went',
};

/**
 * The TLS of an attempt and the steps of its ladder. What came no further than the envelope has no `body-sha256`: of its text
 * nothing was sent, whatever the session was.
 */
export function attemptInWords(record: EventRecord): string[] {
  const { tls } = record;
  if (tls === undefined) return [];
  const isSent = record.event === 'SEND' || record['body-sha256'] !== undefined || record['possible-duplicate'] === true;
  const words = isSent ? undefined : NOT_SENT[tls.result];
  const ladder = tls.ladder ?? [];
  // a single step that worked says nothing new
  const steps = ladder.length < 2 && ladder[0]?.error === undefined ? [] : ladder;
  return [words === undefined ? tlsOf(tls) : `TLS: ${words}`, ...steps.map((step) => `  ${stepInWords(step, isSent)}`)];
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
