/** One look at an SMTP server: a session of its own, as far as it goes, without mail. */
import type { ConnectionOptions } from 'node:tls';
import type { Ehlo, Observed, SmtpCheckReport } from './smtp-check-report.ts';
import { type Lost, type Secured, SmtpConversation, type WireReply } from './smtp-conversation.ts';

export type Stage = 'connect' | 'banner' | 'EHLO' | 'STARTTLS' | 'handshake' | 'EHLO after STARTTLS';

export interface LookTarget {
  readonly address: string;
  readonly port: number;
  readonly sourceAddress?: string | undefined;
  readonly helo: string;
  readonly implicitTls: boolean;
  /** Milliseconds for each wait. */
  readonly patience: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

type Timings = { -readonly [K in keyof SmtpCheckReport['timings-ms']]: SmtpCheckReport['timings-ms'][K] };

export interface Look {
  readonly timings: Timings;
  readonly transcript: SmtpConversation['transcript'];
  readonly banner?: WireReply;
  readonly ehlo?: Ehlo;
  readonly isOffered?: boolean;
  readonly starttls?: WireReply;
  readonly secured?: Secured;
  readonly ehloInTls?: Ehlo;
  readonly envelope: readonly { readonly command: string; readonly reply: string }[];
  /** Where it ended before its end. `reply` where the server said no. */
  readonly ended?: { readonly stage: Stage; readonly code: string; readonly message: string; readonly reply?: string };
}

type Draft = { -readonly [K in keyof Look]: Look[K] };

/** Never rejects. `envelope` is asked for at the end and taken back (RSET): nothing is sent. */
export async function look(
  target: LookTarget,
  tls: ConnectionOptions,
  envelope?: { readonly from: string; readonly to: string },
): Promise<Look> {
  const draft: Draft = { timings: {}, transcript: [], envelope: [] };
  const connected = await SmtpConversation.connect(target);
  if ('lost' in connected) return { ...draft, ended: { stage: 'connect', code: connected.lost, message: connected.message } };
  using conversation = connected;
  draft.transcript = conversation.transcript;
  draft.timings.connect = conversation.elapsed;
  await converse(conversation, target, tls, draft);
  if (draft.ended === undefined) {
    if (envelope !== undefined) await ask(conversation, envelope, draft);
    await conversation.quit();
  }
  return draft;
}

async function converse(c: SmtpConversation, target: LookTarget, tls: ConnectionOptions, draft: Draft): Promise<void> {
  if (target.implicitTls && !(await secure(c, tls, draft))) return;
  const banner = await timed(c, draft, 'banner', () => c.reply());
  if (hasEnded(banner, 'banner', draft)) return;
  draft.banner = banner;
  if (banner.code !== 220) return refused(banner, 'banner', draft);
  const ehlo = await greet(c, target.helo, 'EHLO', draft);
  if (ehlo === undefined) return;
  draft.ehlo = ehlo;
  if (target.implicitTls) return;
  draft.isOffered = ehlo.keywords.some((keyword) => /^STARTTLS\b/i.test(keyword));
  if (!draft.isOffered) return;
  const starttls = await timed(c, draft, 'starttls', () => c.command('STARTTLS'));
  if (hasEnded(starttls, 'STARTTLS', draft)) return;
  draft.starttls = starttls;
  if (starttls.code === 421) return refused(starttls, 'STARTTLS', draft);
  if (starttls.code < 200 || starttls.code > 299) return;
  if (!(await secure(c, tls, draft))) return;
  const inTls = await greet(c, target.helo, 'EHLO after STARTTLS', draft);
  if (inTls !== undefined) draft.ehloInTls = inTls;
}

async function secure(c: SmtpConversation, tls: ConnectionOptions, draft: Draft): Promise<boolean> {
  const secured = await timed(c, draft, 'handshake', () => c.secure(tls));
  if (hasEnded(secured, 'handshake', draft)) return false;
  draft.secured = secured;
  return true;
}

/** EHLO, and HELO where the server does not know that (RFC 5321 §3.2). */
async function greet(
  c: SmtpConversation,
  helo: string,
  stage: 'EHLO' | 'EHLO after STARTTLS',
  draft: Draft,
): Promise<Ehlo | undefined> {
  const timing = stage === 'EHLO' ? 'ehlo' : 'ehlo-after-tls';
  const answer = await timed(c, draft, timing, () => c.command(`EHLO ${helo}`));
  if (hasEnded(answer, stage, draft)) return undefined;
  if (answer.code === 250) return { name: answer.lines[0] ?? '', keywords: answer.lines.slice(1) };
  const old = answer.code === 421 ? answer : await c.command(`HELO ${helo}`);
  if (hasEnded(old, stage, draft)) return undefined;
  if (old.code === 250) return { name: old.lines[0] ?? '', keywords: [] };
  refused(old, stage, draft);
  return undefined;
}

async function ask(
  c: SmtpConversation,
  { from, to }: { readonly from: string; readonly to: string },
  draft: Draft,
): Promise<void> {
  const asked: { command: string; reply: string }[] = [];
  draft.envelope = asked;
  for (const command of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'RSET']) {
    const answer = await c.command(command);
    asked.push({ command, reply: 'lost' in answer ? answer.message : answer.text });
    if ('lost' in answer) return;
    if (answer.code >= 400 && command.startsWith('MAIL')) break;
  }
}

async function timed<T>(c: SmtpConversation, draft: Draft, what: keyof Timings, work: () => Promise<T>): Promise<T> {
  const began = c.elapsed;
  const done = await work();
  draft.timings[what] = c.elapsed - began;
  return done;
}

function hasEnded<T extends object>(step: T | Lost, stage: Stage, draft: Draft): step is Lost {
  if (!('lost' in step)) return false;
  draft.ended = { stage, code: step.lost, message: step.message };
  return true;
}

function refused(reply: WireReply, stage: Stage, draft: Draft): void {
  draft.ended = { stage, code: 'EREPLY', message: `answered ${reply.text}`, reply: reply.text };
}

/**
 * What delivery would have seen in this session. `undefined`: it did not come to TLS, and mail could not go in any mode.
 */
export function observedOf({ isOffered, starttls, secured, ended }: Look): Observed | undefined {
  if (ended !== undefined) {
    const { stage, code, message, reply } = ended;
    if (stage === 'connect' || stage === 'banner' || stage === 'EHLO') return undefined;
    if (stage === 'EHLO after STARTTLS' && reply !== undefined) return undefined;
    return { kind: 'failed', code, message, ...(reply === undefined ? {} : { refusal: reply }) };
  }
  if (secured !== undefined) {
    const { verified = false, 'verification-error': error } = secured.facts;
    return { kind: 'secured', verified, ...(error === undefined ? {} : { error }) };
  }
  if (isOffered !== true || starttls === undefined) return { kind: 'clear' };
  return { kind: 'clear', refusal: starttls.text };
}

/**
 * Sends NOOP in one piece with STARTTLS, and QUIT as the first command in TLS: a server that answers NOOP there has taken
 * into the protected session what came in clear (RFC 3207 §4.2, CVE-2011-0411). NOOP does nothing where it is executed.
 */
export async function tryInjection(target: LookTarget, tls: ConnectionOptions): Promise<SmtpCheckReport['injection']> {
  const connected = await SmtpConversation.connect(target);
  if ('lost' in connected) return 'not known';
  using c = connected;
  const banner = await c.reply();
  if ('lost' in banner || banner.code !== 220) return 'not known';
  const ehlo = await c.command(`EHLO ${target.helo}`);
  if ('lost' in ehlo || ehlo.code !== 250) return 'not known';
  const starttls = await c.command('STARTTLS', 'NOOP');
  if ('lost' in starttls || starttls.code !== 220) return 'refused';
  const secured = await c.secure(tls);
  if ('lost' in secured) return 'refused';
  const first = await c.command('QUIT');
  if ('lost' in first) return 'refused';
  return first.code === 221 ? 'discarded' : first.code === 250 ? 'executed' : 'not known';
}
