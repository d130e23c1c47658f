/** What each `tls.mode` would do with a server that was looked at: delivery's own ladder, walked over what the looks saw. Pure. */
import type { TlsMode, TlsPolicy, TlsProfile } from '../mail/route.ts';
import type { LadderStep } from '../mail/tls.ts';
import { plainError } from '../platform/plain-error.ts';
import type { ModeVerdict, Observed, Rung, TlsLadder } from './smtp-check-report.ts';

export const MODES: readonly TlsMode[] = ['none', 'opportunistic', 'required', 'verified'];

/** What a connection that offers this saw; `undefined` where it was not looked at, or came to no SMTP. */
export type Observations = (rung: Rung) => Observed | undefined;

/** A failed step leads to at most one older profile and to clear. */
const MOST_STEPS = 4;

export function verdictOf(mode: ModeVerdict['mode'], policy: TlsPolicy, ladder: TlsLadder, observe: Observations): ModeVerdict {
  const steps: LadderStep[] = [];
  for (let rung = ladder.firstRung(policy); steps.length < MOST_STEPS; ) {
    const observed = observe(rung);
    if (observed === undefined) return { mode, sends: 'nothing', why: 'there is no session to send in', ladder: steps };
    const { step, next } = ladder.judge(policy, rung, observed);
    steps.push(step);
    if (next === 'use') {
      const isEncrypted = step.result === 'encrypted' || step.result === 'verified';
      return {
        mode,
        sends: isEncrypted ? 'encrypted' : 'in clear',
        why: reasonOf(steps, policy.profile, observed),
        ladder: steps,
      };
    }
    if (next === 'stop') return { mode, sends: 'nothing', why: `mail waits: ${failureOf(step)}`, ladder: steps };
    rung = next;
  }
  return { mode, sends: 'nothing', why: 'the ladder has no end here', ladder: steps };
}

function reasonOf(steps: readonly LadderStep[], profile: TlsProfile, observed: Observed): string {
  const last = steps.at(-1);
  const before = steps.slice(0, -1).map((step) => failureOf(step));
  const behind = before.length === 0 ? '' : `, after ${before.join(', then ')}`;
  if (last?.result === 'verified') return `the certificate is trusted and has the name${behind}`;
  if (last?.result === 'encrypted') {
    const old = last.offer === `STARTTLS ${profile}` ? '' : `by the ${last.offer.replace('STARTTLS ', '')} profile${behind}; `;
    return `${old}${observed.kind === 'secured' && observed.error !== undefined ? `not verified: ${observed.error}` : 'not verified'}`;
  }
  if (last?.result === 'not-tried') return 'TLS is not tried';
  return last?.result === 'not-offered' || last?.result === 'refused' ? failureOf(last) : `no TLS${behind}`;
}

function failureOf({ offer, result, error }: LadderStep): string {
  if (result === 'not-offered') return 'STARTTLS is not offered';
  if (result === 'refused') return `STARTTLS was answered ${error ?? ''}`.trim();
  return `${offer} failed (${plainError(error ?? result)})`;
}
