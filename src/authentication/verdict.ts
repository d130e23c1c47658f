/** From what mailauth found to what is kept of it, and whether a claim to a domain of ours is proved (G5, R8). Pure. */
import { isWithin } from '../mail/address.ts';
import type { AuthenticationResult, OwnDomainVerdict, SenderAuthentication } from '../mail/authentication.ts';
import type { Origin } from '../mail/spooled.ts';
import type { Facts } from './ports.ts';

const RESULTS: ReadonlySet<string> = new Set<AuthenticationResult>([
  'pass',
  'fail',
  'softfail',
  'neutral',
  'none',
  'policy',
  'temperror',
  'permerror',
]);
const MOST_SIGNATURES = 10;

export function conclude(
  facts: Facts,
  origin: Pick<Origin, 'peer' | 'claims'>,
  isNullSender: boolean,
  ownDomains: readonly string[],
  time: string,
): SenderAuthentication {
  const { spf, dkim, dmarc } = facts;
  const { claims } = origin;
  return {
    time,
    spf: { result: word(spf.result), ...named('domain', spf.domain), ...(isNullSender && { helo: true as const }) },
    dkim: dkim.slice(0, MOST_SIGNATURES).map(({ result, domain, selector }) => ({
      result: word(result),
      ...named('domain', domain),
      ...named('selector', selector),
    })),
    dmarc: { result: word(dmarc.result), ...named('domain', dmarc.domain), ...named('policy', dmarc.policy) },
    ...(claims !== undefined && { claims, 'own-domain': verdictOf(facts, origin.peer, claims, ownDomains) }),
  };
}

/** The gravest word on all claims: each of them must be proved. */
function verdictOf(facts: Facts, peer: Origin['peer'], claims: readonly string[], own: readonly string[]): OwnDomainVerdict {
  if (claims.every((claim) => isProved(claim, facts, peer, own))) return 'authentic';
  const { spf, dkim } = facts;
  const undecided = (peer === 'external' && spf.result === 'temperror') || dkim.some(({ result }) => result === 'temperror');
  return undecided ? 'unknown' : 'spoofed';
}

/** An aligned pass of DKIM or SPF (RFC 9989 §4.4), unless the domain's own DMARC record asks for more than that. */
function isProved(claim: string, { spf, dkim, dmarc }: Facts, peer: Origin['peer'], own: readonly string[]): boolean {
  if (dmarc.domain === claim && dmarc.result === 'fail') return false;
  const signed = dkim.some(
    ({ result, domain, uncovered = 0 }) =>
      // what a signature leaves uncovered anybody may have written
      result === 'pass' && uncovered === 0 && domain !== undefined && isAligned(domain, claim, own),
  );
  if (signed) return true;
  // G6: the addresses of the cloud are in our SPF record and are every tenant's: from there SPF proves nothing of ours
  return peer === 'external' && spf.result === 'pass' && spf.domain !== undefined && isAligned(spf.domain, claim, own);
}

/** Relaxed alignment: the same, one under the other, or both within one of our domains. */
function isAligned(domain: string, claim: string, own: readonly string[]): boolean {
  const name = domain.toLowerCase();
  if (own.some((ours) => isWithin(name, ours) && isWithin(claim, ours))) return true;
  return isWithin(name, claim) || (isWithin(claim, name) && name.includes('.'));
}

const word = (result: string): AuthenticationResult =>
  RESULTS.has(result) ? (result as AuthenticationResult) : result.startsWith('temp') ? 'temperror' : 'neutral';

/** Bounded: a stranger's words are kept with the message and in each of its records. */
function named<K extends string>(name: K, value: string | undefined): { [P in K]?: string } {
  return (value === undefined || value === '' ? {} : { [name]: value.slice(0, 253) }) as { [P in K]?: string };
}
