/** Which records tell that a server and the directory disagree about a mailbox (coexistence.md 2.3-2.5, R5, R6). Pure. */
import type { EventRecord } from '../../mail/event.ts';

export type DisagreementKind = 'missing-in-cloud' | 'loop' | 'returned-by-cloud' | 'returned-by-on-premises';

export const WORDS: Readonly<
  Record<
    DisagreementKind,
    {
      readonly severity: 'error' | 'warning';
      readonly problem: string;
      readonly remedy: string;
      /** The route that the directory must still name for the disagreement to be one; absent: whichever. */
      readonly route?: 'cloud' | 'on-premises';
    }
  >
> = {
  'missing-in-cloud': {
    severity: 'error',
    route: 'cloud',
    problem: 'the directory says it is in the cloud, and the cloud does not know it',
    remedy:
      'Create or license the mailbox there, or mend its routing address; or take it back: bridgehead wave rollback NAME --only ADDRESS',
  },
  loop: {
    severity: 'error',
    problem: 'its mail goes in a circle: the server that we sent it to sends it on',
    remedy:
      'Look for a forward or targetAddress on the side that should keep it, and whether its domain is verified in the tenant (554 5.4.14 ATTR34)',
  },
  'returned-by-cloud': {
    severity: 'error',
    route: 'cloud',
    problem: 'the directory says it is in the cloud, and the cloud sends its mail to us',
    remedy: 'The cloud has no such mailbox or proxy address: add it there, or correct the directory',
  },
  'returned-by-on-premises': {
    severity: 'warning',
    route: 'on-premises',
    problem: 'the directory says it is on-premises, and the on-premises server sends its mail to us',
    remedy: 'The mailbox moved, or its targetAddress was set too early: switch it, or clear targetAddress',
  },
};

// RFC 3463 §3.2; 5.1.10 and 5.4.1 are Exchange Online's (DBEB), 5.4.6 and 5.4.14 its loop detection
const MISSING: ReadonlySet<string> = new Set(['5.1.1', '5.1.10', '5.4.1']);
const LOOPING: ReadonlySet<string> = new Set(['5.4.6', '5.4.14']);

/** What a record tells; `undefined` for all that is as it should be. */
export function kindOf(record: EventRecord): DisagreementKind | undefined {
  switch (record.event) {
    case 'REJECT':
      return isOurLoop(record) ? returnedBy(record) : undefined;
    case 'FAIL':
    case 'DEFER': {
      const { reply } = record;
      if (reply?.enhanced === undefined) return undefined;
      // no attempt was made: it is we who found the circle (R6)
      if (record.attempt === undefined) return isOurLoop(record) ? returnedBy(record) : undefined;
      if (LOOPING.has(reply.enhanced)) return 'loop';
      return record.route === 'cloud' && reply.code >= 500 && MISSING.has(reply.enhanced) ? 'missing-in-cloud' : undefined;
    }
    case 'RECEIVE':
      // C9: what on-premises sends for a mailbox of its own goes forward to the cloud
      return record.peer === 'on-premises' && record.reason?.includes('disagreement') === true
        ? 'returned-by-on-premises'
        : undefined;
    case 'SEND':
    case 'EXPIRE':
    case 'HOLD':
    case 'RELEASE':
    case 'REDIRECT':
    case 'DSN':
      return undefined;
  }
}

const isOurLoop = ({ reply, reason }: EventRecord): boolean => reply?.enhanced === '5.4.6' && reason?.includes('(R6)') === true;

const returnedBy = ({ peer }: EventRecord): DisagreementKind =>
  peer === 'on-premises' ? 'returned-by-on-premises' : 'returned-by-cloud';
