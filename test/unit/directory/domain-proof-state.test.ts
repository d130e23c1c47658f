/** The proof of a domain as states: unverified, verified, lost (C8). */
import { describe, expect, it } from 'vitest';
import {
  afterAnswer,
  checkAgainIn,
  isRefused,
  type ProofAnswer,
  type ProofState,
  proofMessage,
} from '../../../src/directory/domain-proof-state.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 10, 22, 12);
const FOUND: ProofAnswer = { kind: 'found', text: 'the record is there' };
const ABSENT: ProofAnswer = { kind: 'absent', text: 'there is no record' };
const SILENT: ProofAnswer = { kind: 'unanswered', text: 'DNS does not answer' };

/** The state after answers one hour apart. */
const after = (...answers: readonly ProofAnswer[]): ProofState => {
  let state: ProofState | undefined;
  answers.forEach((answer, index) => {
    state = afterAnswer(state, answer, START + index * HOUR);
  });
  if (state === undefined) throw new Error('no answer');
  return state;
};

describe('the proof of a domain', () => {
  it('is waited for: unverified, until the record is found', () => {
    expect(after(ABSENT, ABSENT)).toMatchObject({ state: 'unverified', since: START, checkedAt: START + HOUR });
    expect(after(ABSENT, ABSENT, FOUND)).toMatchObject({ state: 'verified', since: START + 2 * HOUR });
    expect(after(FOUND, FOUND, FOUND)).toMatchObject({ state: 'verified', since: START });
  });

  it('that vanishes later is lost, which closes nothing; and may come back', () => {
    const lost = after(FOUND, ABSENT);
    expect(lost).toMatchObject({ state: 'lost', since: START + HOUR });
    expect(isRefused(lost)).toBe(false);
    expect(afterAnswer(lost, FOUND, START + 5 * HOUR)).toMatchObject({ state: 'verified', since: START + 5 * HOUR });
  });

  it('is not judged by a DNS that does not answer', () => {
    expect(after(SILENT).state).toBe('unverified');
    expect(after(FOUND, SILENT)).toMatchObject({ state: 'verified', since: START, answer: 'DNS does not answer' });
  });

  it('closes the cloud routes only while there never was one, and nobody overrides', () => {
    expect([undefined, after(ABSENT), after(FOUND), after(FOUND, ABSENT)].map(isRefused)).toEqual([true, true, false, false]);
    const overridden = { ...after(ABSENT), override: { who: 'anna', at: START, reason: 'verified by hand' } };
    expect(isRefused(overridden)).toBe(false);
    expect(afterAnswer(overridden, ABSENT, START + HOUR).override?.who).toBe('anna');
    expect(proofMessage('example.com', overridden, START + HOUR).text).toContain(
      'its cloud routes are used all the same (anna: verified by hand)',
    );
  });

  it('is looked up every 15 minutes for 48 hours, and daily once it was found', () => {
    expect(checkAgainIn(after(ABSENT), START + HOUR)).toBe(HOUR / 4);
    expect(checkAgainIn(after(ABSENT), START + 49 * HOUR)).toBe(6 * HOUR);
    expect(checkAgainIn(after(FOUND), START)).toBe(24 * HOUR);
    expect(checkAgainIn(after(FOUND, ABSENT), START)).toBe(24 * HOUR);
  });

  it('says what to wait for, and until when', () => {
    expect(proofMessage('example.com', after(ABSENT), START + HOUR)).toEqual({
      severity: 'warning',
      text: 'example.com is not verified yet: there is no record. DNS takes 15 minutes as a rule, and up to 48 hours (until 2026-11-24T12:00:00.000Z); until then its cloud routes are refused',
      remedy: 'Wait; the relay looks again every 15 minutes',
    });
    expect(proofMessage('example.com', after(ABSENT), START + 49 * HOUR).text).toContain('not verified after more than 48 hours');
    expect(proofMessage('example.com', after(FOUND, ABSENT), START + HOUR)).toMatchObject({
      severity: 'warning',
      text: expect.stringContaining('mail goes on as before (C8)'),
    });
    expect(proofMessage('example.com', after(FOUND), START)).toMatchObject({ severity: 'info', remedy: null });
  });
});
