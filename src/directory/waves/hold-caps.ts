/** How long a hold lasts (C9): a warning shortly before its alarm, and at the maximum its end. Pure. */
import type { HeldMail } from './held-volume.ts';
import type { HoldSettings } from './ports.ts';
import type { Member, Wave } from './wave.ts';

/** What needs a person; the form of `status`. */
export interface WaveFinding {
  readonly severity: 'error' | 'warning';
  readonly problem: string;
  readonly remedy: string;
}

/** Share of the time to the alarm, or of the volume, from which it is warned. */
const SOON = 0.75;

/** When a mailbox came into its hold; `undefined` where it is in none. */
export function heldSince(member: Member): number | undefined {
  return member.state === 'hold' ? member.steps.at(-1)?.time : undefined;
}

/** The members whose hold has come to its end. */
export function isOver(member: Member, { deliverAfter }: HoldSettings, now: number): boolean {
  const since = heldSince(member);
  return since !== undefined && now >= since + deliverAfter;
}

/** The next moment at which something about this wave's holds changes. */
export function nextMoment({ members }: Wave, { warnAfter, deliverAfter }: HoldSettings, now: number): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const member of members) {
    const since = heldSince(member);
    if (since === undefined) continue;
    for (const at of [since + warnAfter * SOON, since + warnAfter, since + deliverAfter]) if (at > now && at < next) next = at;
    if (since + deliverAfter <= now) next = now;
  }
  return Number.isFinite(next) ? next : undefined;
}

export function holdFindings(
  wave: Wave,
  held: HeldMail,
  { warnAfter, deliverAfter, volume }: HoldSettings,
  now: number,
): WaveFinding[] {
  const findings: WaveFinding[] = [];
  const since = Math.min(...wave.members.map((member) => heldSince(member) ?? Number.POSITIVE_INFINITY));
  const count = wave.members.filter(({ state }) => state === 'hold').length;
  if (count === 0) return findings;
  const remedy = `bridgehead wave switch ${wave.name}, or bridgehead wave rollback ${wave.name}`;
  const waiting = `${held.messages} messages wait for ${count} mailboxes`;
  const end = `at ${iso(since + deliverAfter)} the hold ends by itself, and their mail goes to the side they came from (C9)`;
  if (now >= since + warnAfter)
    findings.push({
      severity: 'error',
      problem: `wave ${wave.name} holds mail since ${iso(since)}, longer than ${hours(warnAfter)}: ${waiting}; ${end}`,
      remedy,
    });
  else if (now >= since + warnAfter * SOON)
    findings.push({
      severity: 'warning',
      problem: `wave ${wave.name} holds mail since ${iso(since)}, soon ${hours(warnAfter)}: ${waiting}`,
      remedy,
    });
  if (held.octets >= volume)
    findings.push({
      severity: 'error',
      problem: `wave ${wave.name} holds ${mebibytes(held.octets)}, its limit: further mail for it is put off with 452 4.2.2`,
      remedy,
    });
  else if (held.octets >= volume * SOON)
    findings.push({
      severity: 'warning',
      problem: `wave ${wave.name} holds ${mebibytes(held.octets)} of at most ${mebibytes(volume)}`,
      remedy,
    });
  return findings;
}

const iso = (time: number): string => new Date(time).toISOString();
const hours = (ms: number): string => (ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${Math.round(ms / 60_000)} min`);
const mebibytes = (octets: number): string => `${Math.round(octets / 2 ** 20)} MiB`;
