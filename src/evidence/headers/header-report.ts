/** `headers`: what the Received fields of a message say, how much of it can be believed, and the verdict. Pure. */
import { printable } from '../../platform/printable.ts';
import { hopLines } from './hop-text.ts';
import { chainOf, type Hop } from './hops.ts';
import { receivedValues } from './message-header.ts';
import { verdictOn } from './verdict.ts';

/** In the form of `headers --json` (contract.md). */
export interface HeaderReport {
  /** In the order of travel. */
  readonly hops: readonly Hop[];
  readonly verdict: string;
  /** Hops of each kind, believed or not; those that were no SMTP session are in none. */
  readonly encrypted: number;
  readonly plain: number;
  readonly unknown: number;
  /** There are hops that we can vouch for, and all of them were encrypted. */
  readonly 'vouched-encrypted': boolean;
  readonly notes: readonly string[];
}

/** Seconds between two hops that are worth a word. */
const LONG_WAIT = 3600;

/** `message` is a message or a header; its first MiB is read. `ours` are the names of our own hosts. */
export function readHeaders(message: Uint8Array, ours: readonly string[]): HeaderReport {
  const { hops, doubt } = chainOf(receivedValues(message), ours);
  const { verdict, encrypted, plain, unknown, vouchedEncrypted } = verdictOn(hops);
  const notes = hops.flatMap((hop, i) => {
    const delay = hop['delay-seconds'];
    if (delay === null) return [];
    const where = `hop ${i + 1}`;
    if (delay < 0)
      return [
        `${where} is dated ${-delay} s before the one before it: the clocks of the two hosts disagree, or a date is forged`,
      ];
    return delay > LONG_WAIT ? [`${where} came ${Math.round(delay / 60)} min after the one before it`] : [];
  });
  if (doubt !== undefined) notes.push(`the boundary: ${doubt}; with --trust NAME for that host too it lies further down`);
  return { hops, verdict, encrypted, plain, unknown, 'vouched-encrypted': vouchedEncrypted, notes };
}

/** For people: what was claimed first, then what our own hosts wrote, in the order of travel. */
export function renderHeaders(report: HeaderReport): string {
  const { hops, verdict, notes } = report;
  const claimed = hops.filter(({ trusted }) => !trusted);
  const vouched = hops.filter(({ trusted }) => trusted);
  const lines: string[] = [];
  if (claimed.length > 0)
    lines.push('Claimed: no host named as ours wrote these fields, anyone could have', ...hopLines(claimed), '');
  if (vouched.length > 0) lines.push('Vouched for: written by our own hosts', ...hopLines(vouched, claimed.length + 1), '');
  lines.push(`Verdict: ${verdict}`, ...notes.map((note) => printable(`note: ${note}`)));
  return `${lines.join('\n')}\n`;
}
