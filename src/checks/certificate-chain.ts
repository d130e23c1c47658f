/** A certificate chain as a server sent it: each certificate, and whether others can follow it to a root (R14). Pure. */
import { X509Certificate } from 'node:crypto';
import { certificateNames } from '../platform/tls-facts.ts';

const DAY = 86_400_000;
/** Of what a peer sent: nobody needs more. */
const MOST = 12;

export interface ChainCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  /** `RSA 2048`, `EC prime256v1`, `ed25519` */
  readonly key: string;
  /** ISO 8601 */
  readonly 'valid-from': string;
  readonly 'valid-to': string;
  /** Negative: ended so many days ago. */
  readonly 'days-left': number;
  readonly sha256: string;
  /** Issued by itself: a root, or a certificate that stands alone. */
  readonly 'self-signed': boolean;
}

export interface Chain {
  /** As sent, the server's own first. */
  readonly certificates: readonly ChainCertificate[];
  /** Who has only the public roots can follow it from the server's certificate to one of them, or to what signed itself. */
  readonly complete: boolean;
  /** The issuer whose certificate was not sent and is no public root; null where it is complete. */
  readonly missing: string | null;
  /** Where the missing one can be had (AIA caIssuers), where the certificate says it. */
  readonly 'fetch-from': string | null;
  /** A root was sent: every client has its own, so it only costs octets. */
  readonly 'root-sent': boolean;
  /** Certificates that belong to no step of the way up. */
  readonly unused: number;
}

/** `roots` in PEM. `undefined`: nothing that could be read was sent. Milliseconds since the epoch. */
export function describeChain(der: readonly Buffer[], roots: readonly string[], now: number): Chain | undefined {
  const certificates = der.slice(0, MOST).flatMap(parsed);
  const [leaf] = certificates;
  if (leaf === undefined) return undefined;
  const anchors = rootsByName(roots);
  const way = new Set([leaf]);
  let top = leaf;
  let isAnchored = false;
  for (;;) {
    isAnchored ||= isSelfSigned(top) || (anchors.get(top.issuer) ?? []).some((root) => isIssuedBy(top, root));
    const next = certificates.find((other) => !way.has(other) && isIssuedBy(top, other));
    if (next === undefined) break;
    way.add(next);
    top = next;
  }
  return {
    certificates: certificates.map((one) => describe(one, now)),
    complete: isAnchored,
    missing: isAnchored ? null : nameOf(top.issuer),
    'fetch-from': isAnchored ? null : (/CA Issuers - URI:"?([^\s"]+)/.exec(top.infoAccess ?? '')?.[1] ?? null),
    'root-sent': certificates.slice(1).some(isSelfSigned),
    unused: certificates.length - way.size,
  };
}

function describe(certificate: X509Certificate, now: number): ChainCertificate {
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    names: certificateNames(certificate),
    key: keyOf(certificate),
    'valid-from': certificate.validFromDate.toISOString(),
    'valid-to': certificate.validToDate.toISOString(),
    'days-left': Math.floor((certificate.validToDate.getTime() - now) / DAY),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    'self-signed': isSelfSigned(certificate),
  };
}

/** Node writes one attribute a line, and nothing at all for an empty name. */
const nameOf = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');
const isIssuedBy = (one: X509Certificate, issuer: X509Certificate): boolean =>
  one.checkIssued(issuer) && one.verify(issuer.publicKey);
// whatever it says of its purpose: one that a server made for itself is mostly not marked as an authority
const isSelfSigned = (one: X509Certificate): boolean => one.subject === one.issuer && one.verify(one.publicKey);

function keyOf({ publicKey }: X509Certificate): string {
  const { modulusLength, namedCurve } = publicKey.asymmetricKeyDetails ?? {};
  const type = publicKey.asymmetricKeyType;
  if (modulusLength !== undefined)
    return `${type?.startsWith('rsa') === true ? 'RSA' : (type?.toUpperCase() ?? '?')} ${modulusLength}`;
  return namedCurve === undefined ? (type ?? 'unknown') : `EC ${namedCurve}`;
}

function parsed(der: Buffer): readonly X509Certificate[] {
  try {
    return [new X509Certificate(der)];
  } catch {
    return [];
  }
}

const known = new WeakMap<readonly string[], ReadonlyMap<string, readonly X509Certificate[]>>();

/** Several roots may have one name. */
function rootsByName(roots: readonly string[]): ReadonlyMap<string, readonly X509Certificate[]> {
  let map = known.get(roots);
  if (map === undefined) {
    const made = new Map<string, X509Certificate[]>();
    for (const pem of roots) {
      const root = new X509Certificate(pem);
      made.set(root.subject, [...(made.get(root.subject) ?? []), root]);
    }
    map = made;
    known.set(roots, map);
  }
  return map;
}
