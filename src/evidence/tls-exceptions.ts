/** The hops that an auditor asks about: in clear, not verified, by a lower step of the ladder, not known, not sent at all. Pure. */
import type { EventRecord } from '../mail/event.ts';
import { protectionOf } from '../mail/protection.ts';
import { IN_WORDS, ladderInWords } from './tls-words.ts';

/** The gravest first: a hop is counted under one of them alone. */
export type ExceptionKind = 'in-clear' | 'not-sent' | 'downgraded' | 'not-verified' | 'unknown';

export interface HopException {
  readonly kind: ExceptionKind;
  readonly reason: string;
}

/** RFC 3463 §3.8: what we answer ourselves where a connector's TLS is not reached. */
const TLS_CODES: ReadonlySet<string> = new Set(['4.7.4', '4.7.5', '5.7.4', '5.7.5']);

/** Why this hop is an exception; `undefined` where it is none. */
export function exceptionOf(record: EventRecord): HopException | undefined {
  const { tls, event } = record;
  const ladder = tls?.ladder ?? [];
  const steps = ladder.length > 1 || ladder[0]?.error !== undefined ? ladderInWords(ladder) : undefined;
  if (event === 'DEFER' || event === 'FAIL') {
    if (tls === undefined) return undefined;
    const isTls = protectionOf(record) === 'nothing-went' || TLS_CODES.has(record.reply?.enhanced ?? '');
    return isTls ? { kind: 'not-sent', reason: steps ?? IN_WORDS[tls.result].replace('in clear, ', '') } : undefined;
  }
  switch (protectionOf(record)) {
    case 'local':
      return undefined;
    case 'unknown':
    case 'nothing-went':
      return { kind: 'unknown', reason: 'the record does not say how it went' };
    case 'in-clear':
      return {
        kind: 'in-clear',
        reason:
          event === 'RECEIVE'
            ? 'the client did not use STARTTLS'
            : (steps ?? IN_WORDS[tls?.result ?? 'not-tried'].replace('in clear, ', '')),
      };
    case 'encrypted':
      if (ladder.length > 1) return { kind: 'downgraded', reason: steps ?? '' };
      if (event !== 'RECEIVE' && tls?.result !== 'verified' && tls?.verified === false)
        return {
          kind: 'not-verified',
          reason: `the certificate is not verified: ${tls['verification-error'] ?? 'the reason is not known'}`,
        };
      return undefined;
  }
}

/** The other end: a server's name, a client's address with the name it gave. */
export function remoteOf({ event, client, 'remote-mta': mta }: EventRecord): string {
  if (event === 'RECEIVE') {
    if (client === undefined) return 'unknown';
    return client.name === undefined || client.name === client.address ? client.address : `${client.address} (${client.name})`;
  }
  return mta?.name ?? (event === 'SEND' ? 'this machine' : 'no host answered');
}

/** Whether the message has to do with the domain or one of its subdomains, as its sender's or its recipient's. */
export function isOfDomain(record: EventRecord, domain: string): boolean {
  for (const address of [record.sender, record.recipient, record['original-recipient']]) {
    if (address === undefined) continue;
    const own = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
    if (own === domain || own.endsWith(`.${domain}`)) return true;
  }
  return false;
}
