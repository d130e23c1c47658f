/** What a message's hops come to, in one line, and whether that is enough. Pure. */
import type { Hop } from './hops.ts';

export interface Verdict {
  readonly verdict: string;
  /** Hops of each kind, believed or not; those that were no SMTP session are in none. */
  readonly encrypted: number;
  readonly plain: number;
  readonly unknown: number;
  /** There are hops that we can vouch for, and every one of them was encrypted. */
  readonly vouchedEncrypted: boolean;
}

/**
 * A hop that was no SMTP session does not count, and neither does one in clear that stayed on its host: it needs no TLS.
 */
export function verdictOn(hops: readonly Hop[]): Verdict {
  const vouched = hops.filter((hop) => hop.trusted && counts(hop));
  const further = hops.filter((hop) => !hop.trusted && counts(hop));
  return {
    verdict: hops.length === 0 ? 'there are no Received fields: nothing can be told' : sentence(vouched, further),
    encrypted: having(hops, 'yes'),
    plain: having(hops, 'no'),
    unknown: having(hops, 'unknown'),
    vouchedEncrypted: vouched.length > 0 && having(vouched, 'yes') === vouched.length,
  };
}

function counts(hop: Hop): boolean {
  return hop.tls !== 'n/a' && !(hop.tls === 'no' && hop['on-host']);
}

function having(hops: readonly Hop[], claim: Hop['tls']): number {
  return hops.filter(({ tls }) => tls === claim).length;
}

function sentence(vouched: readonly Hop[], further: readonly Hop[]): string {
  const parts: string[] = [];
  const [yes, no, unknown] = [having(vouched, 'yes'), having(vouched, 'no'), having(vouched, 'unknown')];
  if (vouched.length === 0) parts.push('there is no hop that we can vouch for');
  else if (yes === vouched.length) parts.push(`encrypted on ${yes === 1 ? 'the only hop' : `all ${yes} hops`} we can vouch for`);
  else {
    parts.push(
      `encrypted on ${yes === 0 ? 'none' : yes} of ${vouched.length} hop${vouched.length === 1 ? '' : 's'} we can vouch for`,
    );
    if (no > 0) parts.push(`${no} in clear`);
    if (unknown > 0) parts.push(`${unknown} ${unknown === 1 ? 'does' : 'do'} not say`);
  }
  const counted = [
    { count: having(further, 'yes'), one: 'claims TLS', more: 'claim TLS' },
    { count: having(further, 'no'), one: 'was in clear', more: 'were in clear' },
    { count: having(further, 'unknown'), one: 'does not say', more: 'do not say' },
  ].filter(({ count }) => count > 0);
  for (const [i, { count, one, more }] of counted.entries()) {
    const hops = i > 0 ? '' : `${vouched.length > 0 ? 'further ' : ''}hop${count === 1 ? '' : 's'} `;
    parts.push(`${count} ${hops}${count === 1 ? one : more}`);
  }
  return parts.join('; ');
}
