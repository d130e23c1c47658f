/**
 * What a next hop's TLS has been, and whether it got worse: the judgement, without memory of its own. Pure. An active
 * attacker strips STARTTLS or answers with a certificate of his own; opportunistic TLS (RFC 7435) goes on all the same, so
 * what the hop had before is the only thing to measure it by.
 */

/** A certificate as it is remembered. */
export interface SeenCertificate {
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hex: a renewal may keep it. */
  readonly key: string;
  /** SHA-256 of the certificate, hex. */
  readonly sha256: string;
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly validTo: string;
  /** Trusted, and with the right name, when it was last seen. */
  readonly verified: boolean;
  /** Why not. */
  readonly error?: string;
}

/** What one connection showed. */
export type TlsSight =
  /** Nothing is encrypted; `how`: `not-offered`, `refused`, `plain-after-failure`. */
  | { readonly kind: 'clear'; readonly how: string }
  /** A resumed session shows no certificate; who resumes it is who had that of the full handshake. */
  | { readonly kind: 'resumed'; readonly protocol: string; readonly sha256?: string }
  | { readonly kind: 'encrypted'; readonly protocol: string; readonly certificate: SeenCertificate };

/**
 * `clear`: no TLS any more. `unverified`: the certificate was trusted and is not now. `key`: another key, vouched for by
 * nobody. `protocol`: older than TLS 1.2, and it was not. `issuer`: another certificate, but one that is trusted: told,
 * and taken as good after as many days as it takes to learn a hop.
 */
export type Worsening = 'clear' | 'unverified' | 'key' | 'protocol' | 'issuer';

/** Times in milliseconds since the epoch. */
export interface Worse {
  readonly kind: Worsening;
  /** `STARTTLS not offered`, `other key, issuer CN=a, was CN=b`. */
  readonly how: string;
  readonly since: number;
  readonly lastSeen: number;
  readonly days: number;
  /** By the policy of the last connection its mail waits. */
  readonly waits: boolean;
  readonly protocol?: string;
  readonly certificate?: SeenCertificate;
}

export interface LearnedHop {
  readonly connector: string;
  /** `mail.example.com:25` */
  readonly host: string;
  /** With TLS as it should be. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Days (UTC) on which it was seen so, and never in clear since the first of them. */
  readonly days: number;
  readonly protocol: string;
  /** The good ones, the last seen at the end; a name may stand for several servers. */
  readonly certificates: readonly SeenCertificate[];
  readonly worse?: Worse;
}

export interface Judgement {
  /** As it is remembered from now on; `undefined`: there is nothing to remember. */
  readonly hop: LearnedHop | undefined;
  readonly news?: 'learned' | 'renewed' | 'worse' | 'good again';
  /** It is worse now, whether or not that is news. */
  readonly worse?: Worse;
}

/** Milliseconds. */
const DAY = 86_400_000;
const MOST_CERTIFICATES = 8;

export interface Question {
  readonly hop: LearnedHop | undefined;
  readonly sight: TlsSight;
  readonly connector: string;
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly learnedDays: number;
  /** The policy refuses this session: nothing is to be learned of it. */
  readonly refused?: boolean;
  /** The policy is to put mail off where the hop got worse. */
  readonly defers?: boolean;
}

export function judgeHop(question: Question): Judgement {
  const { hop, sight, connector, host, now, learnedDays, refused = false, defers = false } = question;
  if (hop === undefined) {
    if (sight.kind !== 'encrypted' || refused) return { hop };
    const { protocol, certificate } = sight;
    return {
      hop: { connector, host, firstSeen: now, lastSeen: now, days: 1, protocol, certificates: [certificate] },
      news: 'learned',
    };
  }
  const isLearned = hop.days >= learnedDays;
  if (sight.kind === 'clear') {
    // before it is learned, one time in clear begins the count anew: of such a hop TLS cannot be expected
    if (!isLearned) return { hop: { ...hop, firstSeen: now, days: 0 } };
    return worsened(hop, { kind: 'clear', how: HOW[sight.how] ?? sight.how, waits: refused || defers }, now);
  }
  if (sight.kind === 'resumed') {
    const isGood =
      hop.worse === undefined || hop.worse.kind === 'clear' || hop.certificates.some((one) => one.sha256 === sight.sha256);
    if (!isGood) return { hop, ...(hop.worse === undefined ? {} : { worse: hop.worse }) };
    return improved(hop, seenAgain(hop, now, { protocol: sight.protocol }));
  }
  const { certificate, protocol } = sight;
  if (refused && !isLearned) return { hop };
  const found = isLearned ? compare(hop, certificate, protocol) : { replaces: hop.certificates.find(isSame(certificate)) };
  if ('kind' in found) {
    const waits = refused || (defers && found.kind !== 'issuer');
    const judged = worsened(hop, { ...found, waits, certificate, protocol }, now);
    if (found.kind !== 'issuer' || (judged.worse?.days ?? 0) < learnedDays) return judged;
  }
  if (refused) return { hop };
  const replaces = 'kind' in found ? undefined : found.replaces;
  const certificates = [...hop.certificates.filter((one) => one !== replaces), certificate].slice(-MOST_CERTIFICATES);
  const judged = improved(hop, seenAgain(hop, now, { protocol, certificates }));
  return judged.news === undefined && isLearned && replaces?.sha256 !== certificate.sha256
    ? { ...judged, news: 'renewed' }
    : judged;
}

/** An operator takes what a hop shows now as good; `undefined`: it begins anew, as a hop without TLS. */
export function acceptHop(hop: LearnedHop, now: number): LearnedHop | undefined {
  const { worse, ...rest } = hop;
  if (worse === undefined) return hop;
  const { certificate, protocol } = worse;
  if (certificate === undefined) return undefined;
  const certificates = [...rest.certificates.filter((one) => !isSame(certificate)(one)), certificate].slice(-MOST_CERTIFICATES);
  return { ...rest, lastSeen: now, protocol: protocol ?? rest.protocol, certificates };
}

const HOW: Readonly<Record<string, string>> = {
  'not-offered': 'STARTTLS is not offered',
  refused: 'STARTTLS is refused',
  'plain-after-failure': 'the handshake fails',
};

const isSame =
  ({ sha256 }: SeenCertificate) =>
  (other: SeenCertificate): boolean =>
    other.sha256 === sha256;

/** What is wrong with a certificate and a protocol, else the known certificate whose place this one takes. */
function compare(
  { certificates, protocol: before }: LearnedHop,
  now: SeenCertificate,
  protocol: string,
): { readonly kind: Worsening; readonly how: string } | { readonly replaces: SeenCertificate | undefined } {
  const same = certificates.find(isSame(now));
  const last = certificates.at(-1);
  const wasVerified = certificates.some(({ verified }) => verified);
  let replaces = same;
  if (same === undefined || (same.verified && !now.verified)) {
    if (!now.verified && wasVerified)
      return { kind: 'unverified', how: `${now.error ?? 'not verified'}${differences(last, now)}` };
    // a renewal: with the same key, or vouched for again for the same name
    replaces =
      certificates.find(({ key }) => key === now.key) ??
      (now.verified ? certificates.find((one) => one.verified && isSameIssuer(one, now) && sharesName(one, now)) : undefined);
    if (replaces === undefined && wasVerified) return { kind: 'issuer', how: `trusted${differences(last, now)}` };
    if (replaces === undefined && !now.verified) return { kind: 'key', how: `vouched for by nobody${differences(last, now)}` };
  }
  if (isOld(protocol) && !isOld(before)) return { kind: 'protocol', how: `${protocol}, was ${before}` };
  return { replaces };
}

/** RFC 8996: what came before TLS 1.2 is no longer to be used. */
const isOld = (protocol: string): boolean => protocol === 'TLSv1' || protocol === 'TLSv1.1' || protocol.startsWith('SSL');

function differences(before: SeenCertificate | undefined, now: SeenCertificate): string {
  if (before === undefined) return '';
  const parts = [
    before.key === now.key ? 'same key' : 'another key',
    ...(before.issuer === now.issuer
      ? []
      : [`issuer ${now.issuer || 'without a name'}, was ${before.issuer || 'without a name'}`]),
    ...(before.names.join() === now.names.join() ? [] : [`names ${few(now.names)}, were ${few(before.names)}`]),
  ];
  return `; ${parts.join('; ')}`;
}

const few = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : `${names.slice(0, 3).join(' ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;

/** Authorities sign by turns with several intermediates: the organisation behind them is what stays. */
function isSameIssuer(a: SeenCertificate, b: SeenCertificate): boolean {
  const organisation = ({ issuer }: SeenCertificate): string => /(?:^|, )O=([^,]+)/.exec(issuer)?.[1] ?? issuer;
  return organisation(a) === organisation(b);
}

const sharesName = (a: SeenCertificate, b: SeenCertificate): boolean => a.names.some((name) => b.names.includes(name));

function seenAgain(hop: LearnedHop, now: number, more: Partial<LearnedHop>): LearnedHop {
  const { worse: _, ...rest } = hop;
  return { ...rest, ...more, lastSeen: now, days: hop.days + (isNewDay(hop.lastSeen, now) || hop.days === 0 ? 1 : 0) };
}

const isNewDay = (before: number, now: number): boolean => Math.floor(now / DAY) > Math.floor(before / DAY);

function improved(before: LearnedHop, hop: LearnedHop): Judgement {
  return before.worse === undefined ? { hop } : { hop, news: 'good again' };
}

function worsened(hop: LearnedHop, what: Omit<Worse, 'since' | 'lastSeen' | 'days'>, now: number): Judgement {
  const before = hop.worse?.kind === what.kind ? hop.worse : undefined;
  const days = before === undefined ? 1 : before.days + (isNewDay(before.lastSeen, now) ? 1 : 0);
  const worse: Worse = { ...what, since: before?.since ?? now, lastSeen: now, days };
  return { hop: { ...hop, worse }, worse, ...(before === undefined ? { news: 'worse' as const } : {}) };
}
