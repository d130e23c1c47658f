/** How long a hold lasts (C9): a warning before the cap, the alarm behind it, and at the maximum its end. Pure. */
import type { HeldMail } from './held-volume.ts';
import type { HoldSettings } from './ports.ts';
import type { Member, Wave } from './wave.ts';

/** What needs a person; the form of `status`. */
export interface WaveFinding {
  readonly severity: 'error' | 'warning';
  readonly problem: string;
  readonly remedy: string;
}

/** Share of the cap, or of the volume, from which it is warned. */
const SOON = 0.75;

/** When a mailbox came into its hold; `undefined` where it is in none. */
export function heldSince(member: Member): number | undefined {
  return member.state === 'hold' ? member.steps.at(-1)?.time : undefined;
}

/** The members whose hold has come to its end. */
export function isOver(member: Member, { maximum }: HoldSettings, now: number): boolean {
  const since = heldSince(member);
  return since !== undefined && now >= since + maximum;
}

/** The next moment at which something about this wave's holds changes. */
export function nextMoment({ members }: Wave, { cap, maximum }: HoldSettings, now: number): number | undefined {
  let next = Number.POSITIVE_INFINITY;
  for (const member of members) {
    const since = heldSince(member);
    if (since === undefined) continue;
    for (const at of [since + cap * SOON, since + cap, since + maximum]) if (at > now && at < next) next = at;
    if (since + maximum <= now) next = now;
  }
  return Number.isFinite(next) ? next : undefined;
}

export function holdFindings(wave: Wave, held: HeldMail, { cap, maximum, volume }: HoldSettings, now: number): WaveFinding[] {
  const findings: WaveFinding[] = [];
  const since = Math.min(...wave.members.map((member) => heldSince(member) ?? Number.POSITIVE_INFINITY));
  const count = wave.members.filter(({ state }) => state === 'hold').length;
  if (count === 0) return findings;
  const remedy = `bridgehead wave switch ${wave.name}, or bridgehead wave rollback ${wave.name}`;
  const waiting = `${held.messages} messages wait for ${count} mailboxes`;
  const end = `at ${iso(since + maximum)} the hold ends by itself, and their mail goes to the side they came from (C9)`;
  if (now >= since + cap)
    findings.push({
      severity: 'error',
      problem: `wave ${wave.name} holds mail since ${iso(since)}, longer than ${hours(cap)}: ${waiting}; ${end}`,
      remedy,
    });
  else if (now >= since + cap * SOON)
    findings.push({
      severity: 'warning',
      problem: `wave ${wave.name} holds mail since ${iso(since)}, soon ${hours(cap)}: ${waiting}`,
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
