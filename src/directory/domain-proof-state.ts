/**
 * Whether a domain is proven to be ours (coexistence.md 1.2 row 2, C8). Pure: a state and what DNS says now in, the next
 * state and what a person should read out.
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Microsoft's words: usually 15 minutes, up to 48 hours. */
const PATIENCE = 48 * HOUR;

/** What is kept of one domain; times in milliseconds since the epoch. */
export interface ProofState {
  /** `lost`: it was verified, and the record is gone, which only warns (C8). */
  readonly state: 'unverified' | 'verified' | 'lost';
  /** Since when it is that. */
  readonly since: number;
  readonly checkedAt: number;
  /** What DNS said last. */
  readonly answer: string;
  /** An administrator lets its cloud routes be used all the same. */
  readonly override?: { readonly who: string; readonly at: number; readonly reason: string };
}

/** What DNS says of the proof. `unanswered` says nothing of the domain. */
export type ProofAnswer =
  | { readonly kind: 'found'; readonly text: string }
  | { readonly kind: 'absent'; readonly text: string }
  | { readonly kind: 'unanswered'; readonly text: string };

/** The state after an answer. */
export function afterAnswer(before: ProofState | undefined, answer: ProofAnswer, now: number): ProofState {
  const standing = before?.state ?? 'unverified';
  const state =
    answer.kind === 'unanswered'
      ? standing
      : answer.kind === 'found'
        ? 'verified'
        : standing === 'unverified'
          ? 'unverified'
          : 'lost';
  return {
    state,
    since: before?.state === state ? before.since : now,
    checkedAt: now,
    answer: answer.text,
    ...(before?.override === undefined ? {} : { override: before.override }),
  };
}

/** Whether cloud routes of the domain are refused. A proof that was there once is enough (C8). */
export const isRefused = (state: ProofState | undefined): boolean =>
  (state === undefined || state.state === 'unverified') && state?.override === undefined;

/** Milliseconds until DNS is asked again: often while somebody waits for it, then daily. */
export function checkAgainIn(state: ProofState, now: number): number {
  if (state.state !== 'unverified') return DAY;
  return now - state.since < PATIENCE ? 15 * MINUTE : 6 * HOUR;
}

/** What a person should read, and whether it asks for something to be done. */
export function proofMessage(
  domain: string,
  state: ProofState,
  now: number,
): { readonly severity: 'info' | 'warning'; readonly text: string; readonly remedy: string | null } {
  const since = new Date(state.since).toISOString();
  switch (state.state) {
    case 'verified':
      return { severity: 'info', text: `${domain} is verified since ${since}: ${state.answer}`, remedy: null };
    case 'lost':
      return {
        severity: 'warning',
        text: `${domain} was verified, and its record is gone since ${since}: ${state.answer}; mail goes on as before (C8)`,
        remedy: 'Nothing, if the record was deleted on purpose; else put it back',
      };
    case 'unverified': {
      const { override } = state;
      const refused =
        override === undefined
          ? '; until then its cloud routes are refused'
          : `; its cloud routes are used all the same (${override.who}: ${override.reason})`;
      if (now - state.since < PATIENCE) {
        const until = new Date(state.since + PATIENCE).toISOString();
        return {
          severity: 'warning',
          text: `${domain} is not verified yet: ${state.answer}. DNS takes 15 minutes as a rule, and up to 48 hours (until ${until})${refused}`,
          remedy: 'Wait; the relay looks again every 15 minutes',
        };
      }
      return {
        severity: 'warning',
        text: `${domain} is not verified after more than 48 hours: ${state.answer}${refused}`,
        remedy: `Compare the record in DNS with domains[].verification, or: bridgehead domain verify ${domain} --override --reason TEXT`,
      };
    }
  }
}
