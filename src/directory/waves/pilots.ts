/** Mailboxes whose mail goes to both sides: a pilot that lasts too long is told (coexistence.md 4.2). Pure. */
import type { WaveFinding } from './hold-caps.ts';
import type { Wave } from './wave.ts';

const DAY = 86_400_000;

/** Nothing ends it by itself: which of the two mailboxes is in use only people know, and the copies cost nobody mail. */
export function pilotFindings({ name, members }: Wave, warnAfter: number, now: number): WaveFinding[] {
  const times = members.flatMap(({ state, steps }) => (state === 'both' ? [steps.at(-1)?.time ?? now] : []));
  const late = times.filter((time) => now >= time + warnAfter);
  if (late.length === 0) return [];
  const mailboxes = late.length === 1 ? '1 mailbox' : `${late.length} mailboxes`;
  const limit = warnAfter % DAY === 0 ? `${warnAfter / DAY} d` : `${Math.round(warnAfter / 3_600_000)} h`;
  return [
    {
      severity: 'warning',
      problem: `wave ${name} sends the mail of ${mailboxes} to both sides, since ${new Date(Math.min(...late)).toISOString()}, longer than ${limit}: folders drift apart, and senders get two answers of each absence`,
      remedy: `bridgehead wave switch ${name}, or bridgehead wave rollback ${name}; it does not end by itself`,
    },
  ];
}
