/** What is to be said of one of our certificates. Pure. */
import type { Status } from './contract.ts';
import { endOf, thresholdOf, type Watched } from './watched-certificate.ts';

const DAY = 86_400_000;
/** Files in the middle of a renewal do not fit for a moment. */
const RENEWAL = 30_000;

export function certificateFindings(one: Watched, now: number): Status['findings'] {
  const { place, chain, fault } = one;
  const key = place.use === 'connector' ? `connector/${place.name}` : place.use;
  const whose =
    place.use === 'connector'
      ? `the client certificate of connector ${place.name}`
      : `the certificate of the ${place.use === 'admin' ? 'admin API' : 'listeners'}`;
  const findings: Status['findings'] = [];
  if (fault !== undefined && (now - fault.since >= RENEWAL || chain === undefined)) {
    const kept = chain === undefined ? '' : '; the one before it stays in use';
    findings.push({
      code: `certificate-unusable:${key}`,
      severity: 'error',
      problem: `${whose} cannot be used as its files are now: ${fault.problem}${kept}`,
      remedy:
        'put the certificate, with its intermediates behind it, and the key that belongs to it in place; they are taken within seconds',
    });
  }
  const leaf = chain?.certificates[0];
  if (chain === undefined || leaf === undefined) return findings;
  findings.push(...expiryFindings(one, key, whose, now));
  if (place.selfMade === true)
    findings.push({
      code: `certificate-self-made:${key}`,
      severity: 'info',
      problem: `${whose} is the one that the relay made for itself: mail is encrypted with it, and nobody can verify it`,
      remedy:
        'Exchange Online matches no inbound connector by it (R14): set tls.certificate and tls.key to one of a public CA for your hostname',
    });
  else if (leaf['self-signed'])
    findings.push({
      code: `certificate-self-signed:${key}`,
      severity: place.use === 'connector' ? 'warning' : 'info',
      problem: `${whose} (${place.certificate}) is signed by itself: nobody can verify it who does not have it already`,
      remedy: 'Exchange Online matches no inbound connector by such a one (R14): use one of a public CA',
    });
  else if (!chain.complete)
    findings.push({
      code: `certificate-chain:${key}`,
      // a CA of one's own names no place where its certificate can be had, and its root need not be sent
      severity: chain['fetch-from'] === null ? 'info' : 'warning',
      problem: `the chain of ${whose} ends before a root: ${place.certificate} lacks the certificate of "${chain.missing}"`,
      remedy:
        chain['fetch-from'] === null
          ? 'if that is an intermediate, put it behind ours in the same file: Exchange Online does not fetch it (450 4.4.317); nothing is to be done if it is the root of your own CA, and those who verify it have it'
          : `put it behind ours in the same file, for Exchange Online does not fetch it (450 4.4.317); it is at ${chain['fetch-from']}`,
    });
  return findings;
}

function expiryFindings(one: Watched, key: string, whose: string, now: number): Status['findings'] {
  const leaf = one.chain?.certificates[0];
  const end = endOf(one);
  if (leaf === undefined || end === undefined) return [];
  const begin = Date.parse(leaf['valid-from']);
  if (begin > now)
    return [
      {
        code: `certificate-not-yet-valid:${key}`,
        severity: 'error',
        problem: `${whose} (${one.place.certificate}) is valid from ${leaf['valid-from']} on only`,
        remedy: 'look at the clock of this machine, or use the certificate before it until then',
      },
    ];
  const threshold = thresholdOf(one, now);
  if (threshold === undefined) return [];
  const when = new Date(end).toISOString();
  const which = Date.parse(leaf['valid-to']) === end ? whose : `an intermediate behind ${whose}`;
  const remedy = 'renew it in its file; the relay takes it by itself within seconds';
  return [
    {
      code: `certificate-expiry:${key}#${threshold}`,
      severity: threshold === 'expired' || threshold === '1' ? 'error' : 'warning',
      problem:
        threshold === 'expired'
          ? `${which} (${one.place.certificate}) has expired: ${when}`
          : `${which} (${one.place.certificate}) expires in ${daysOf(end - now)}: ${when}`,
      remedy,
    },
  ];
}

function daysOf(milliseconds: number): string {
  const days = Math.floor(milliseconds / DAY);
  return days === 0 ? 'less than a day' : days === 1 ? '1 day' : `${days} days`;
}
