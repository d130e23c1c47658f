/** What a record says of how one hop was protected, and which records tell of the same hop: one definition for status, reports and traces. Pure. */
import type { EventRecord } from './event.ts';

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

/** Recipients of one transaction are settled together: their records stand side by side, and are one hop. */
export function isSameHop(before: EventRecord | undefined, now: EventRecord): boolean {
  const id = now['spool-id'];
  if (before === undefined || id === undefined || before['spool-id'] !== id || before.event !== now.event) return false;
  // a message comes once, whatever becomes of its recipients
  if (now.event === 'RECEIVE') return true;
  const [from, to] = [before['remote-mta'], now['remote-mta']];
  return (
    before.time === now.time && before.connector === now.connector && from?.address === to?.address && from?.port === to?.port
  );
}
