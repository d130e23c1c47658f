/** What a refusal by a next hop means: the table of R5, R18, C4 and C5. Pure. */
import type { SmtpReply } from '../mail/reply.ts';
import type { Side } from '../mail/route.ts';

export interface Refusal {
  readonly reply: SmtpReply;
  readonly side: Side;
  /** The server was found by MX: it speaks for one domain of many. */
  readonly byMx: boolean;
  /** Refused before MAIL (`connection`), or as an answer about this mail. */
  readonly stage: 'connection' | 'answer';
  /** The mailbox was switched just now (R5). */
  readonly inGrace: boolean;
}

/**
 * `throttle`: fewer connections for a while. `stop`: said to everybody it means that the connector is set up wrong or
 * barred. `grace`: the server may not know the mailbox yet. `transient` and `permanent`: about this mail alone.
 */
export type RefusalKind = 'throttle' | 'stop' | 'grace' | 'permanent' | 'transient';

/** RFC 3463 §3.2; 5.1.10 and 5.4.1 are Exchange Online's words for a recipient that is not there. */
const NOT_THERE: ReadonlySet<string> = new Set(['5.1.1', '5.1.10', '5.4.1']);
/** Exchange Online: no connector of the tenant fits (64), direct send is off (68), barred (511), the tenant's limit (230). */
const STOP: ReadonlySet<string> = new Set(['5.7.64', '5.7.68', '5.7.230', '5.7.511']);
/** System not accepting messages, too many connections or messages, the tenant's or the address's limit (R18). */
const THROTTLE: ReadonlySet<string> = new Set(['4.3.2', '4.5.3', '4.7.230']);

export function kindOf({ reply, side, byMx, stage, inGrace }: Refusal): RefusalKind {
  const { code, enhanced } = reply;
  if (code < 500) {
    if (enhanced === undefined) return 'transient';
    // RFC 5321 §4.5.3.1.10: 452 is too many recipients, of this transaction
    if (code === 452 && enhanced === '4.5.3') return 'transient';
    return THROTTLE.has(enhanced) || isBetween(enhanced, '4.7.', 500, 699) ? 'throttle' : 'transient';
  }
  if (enhanced === undefined) return 'permanent';
  // barred servers (606-649) ask to be delisted
  if (STOP.has(enhanced) || isBetween(enhanced, '5.7.', 606, 649)) {
    // before MAIL the hop counts as down: the whole lane waits as it is
    if (stage === 'connection') return 'transient';
    return byMx ? 'permanent' : 'stop';
  }
  return inGrace && side !== 'internet' && NOT_THERE.has(enhanced) ? 'grace' : 'permanent';
}

function isBetween(enhanced: string, subject: string, first: number, last: number): boolean {
  if (!enhanced.startsWith(subject)) return false;
  const detail = Number(enhanced.slice(subject.length));
  return detail >= first && detail <= last;
}
