/**
 * The reply advisor: what a next hop's reply means, why it most often comes, what to do about it, and what the relay does
 * by itself. Pure; shown in `trace`, in `queue show`, in `connector` and, in a form for senders, in notifications.
 */
import { CLOUD_ADVICE } from './advice-cloud.ts';
import type { AdviceEntry } from './advice-entry.ts';
import { GENERAL_ADVICE } from './advice-general.ts';
import { OWN_ADVICE } from './advice-own.ts';

/** What became of the message by this reply; `unknown` where no message was under way. */
export type Fate = 'deferred' | 'failed' | 'expired' | 'unknown';

export interface ReplyAdvice {
  readonly meaning: string;
  readonly cause: string;
  readonly remedy: string;
  /** What the relay does, or did, about it by itself. */
  readonly relay: string;
}

/** As it stands in replies and, as JSON, in records. */
export interface AdvisedReply {
  readonly code: number;
  readonly enhanced?: string | undefined;
  readonly text: string;
}

/** `undefined` where nothing is known that the reply does not say itself. */
export function adviceOn(reply: AdvisedReply, fate: Fate): ReplyAdvice | undefined {
  const entry = entryFor(reply);
  if (entry === undefined) return undefined;
  const { meaning, cause, remedy } = entry;
  // RFC 5321 §4.5.3.1.10: 452 is too many recipients of one transaction, no wish to be left alone
  const policy = reply.code === 452 && reply.enhanced === '4.5.3' ? undefined : entry.policy;
  const does = whatRelayDoes(reply, policy, fate);
  return {
    meaning,
    cause,
    remedy,
    relay: fate === 'unknown' ? `Where it is told so: ${does.charAt(0).toLowerCase()}${does.slice(1)}` : does,
  };
}

/** The advice for people, a line each. */
export function adviceLines({ meaning, cause, remedy, relay }: ReplyAdvice): string[] {
  return [`means   ${meaning}`, `cause   ${cause}`, `remedy  ${remedy}`, `relay   ${relay}`];
}

/** What is known of a reply; the first entry that fits. */
export function entryFor({ code, enhanced, text }: AdvisedReply): AdviceEntry | undefined {
  if (enhanced === undefined || code < 400) return undefined;
  return ENTRIES.get(subjectOf(enhanced))?.find((entry) => entry.matches(enhanced) && (entry.says?.test(text) ?? true));
}

type Prepared = AdviceEntry & { readonly matches: (enhanced: string) => boolean };

/** By class and subject (`5.7`), so that few are looked at. */
const ENTRIES: ReadonlyMap<string, readonly Prepared[]> = prepare([...OWN_ADVICE, ...CLOUD_ADVICE, ...GENERAL_ADVICE]);

function prepare(entries: readonly AdviceEntry[]): Map<string, Prepared[]> {
  const bySubject = new Map<string, Prepared[]>();
  for (const entry of entries) {
    const tests = entry.codes.map(testOf);
    const prepared = { ...entry, matches: (enhanced: string) => tests.some((test) => test(enhanced)) };
    for (const subject of new Set(entry.codes.map(subjectOf)))
      bySubject.set(subject, [...(bySubject.get(subject) ?? []), prepared]);
  }
  return bySubject;
}

function subjectOf(enhanced: string): string {
  return enhanced.slice(0, enhanced.lastIndexOf('.'));
}

function testOf(code: string): (enhanced: string) => boolean {
  const [from = '', to] = code.split('-');
  if (to === undefined) return (enhanced) => enhanced === code;
  const subject = subjectOf(from);
  const first = Number(from.slice(subject.length + 1));
  const last = Number(to);
  return (enhanced) => {
    const detail = Number(enhanced.slice(subject.length + 1));
    return enhanced.startsWith(`${subject}.`) && detail >= first && detail <= last;
  };
}

/** In the words of delivery/mass-refusal.ts, grace.ts, lanes.ts and settle.ts, which do it. */
function whatRelayDoes({ code }: AdvisedReply, policy: AdviceEntry['policy'], fate: Fate): string {
  switch (fate) {
    case 'expired':
      return 'It gave up, when queue.expire-after was over or an operator said so (queue expire), and told the sender';
    case 'failed':
      if (policy === 'stop')
        return 'It failed this message and told the sender; only where a smart host refuses everybody does it pause the connector instead';
      if (policy === 'not-there')
        return 'It failed this message and told the sender: the refusal is final, except for 24 h after a mailbox was switched';
      return 'It failed this message and told the sender: a reply that begins with 5 is final';
    case 'deferred':
    case 'unknown':
      if (code < 500) {
        return policy === 'throttle'
          ? 'It halves its connections there and adds one a minute while mail gets through; what was put off is tried again by queue.retry'
          : 'It tries again by queue.retry until queue.expire-after; where the next hop takes nothing at all, its other mail waits meanwhile';
      }
      if (policy === 'stop' && fate === 'unknown')
        return 'By MX it fails the message and tells the sender; by smart host it puts it off, and where 10 messages of 5 senders to 5 recipients are refused and none gets through, it pauses the connector, and the mail waits without expiring';
      if (policy === 'stop')
        return 'It puts the message off; one that is refused alone fails after a few tries; where 10 messages of 5 senders to 5 recipients are refused and none gets through, it pauses the connector, and the mail waits without expiring';
      if (fate === 'unknown') return 'It fails a message that is refused so, and tells the sender';
      if (policy === 'not-there')
        return 'It puts the message off: the mailbox was switched just now, and for 24 h the other side may not know it yet';
      return 'It takes the next hop for down: its mail waits, and one message now and then looks whether it is back';
  }
}
