/** Reads certificates, keys and the other files that hold secrets: what is in them, and who may read them. */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { certificateNames } from '../../platform/tls-facts.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';
const MOST_OF_A_CHAIN = 10;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface OneCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** DNS names, lower case. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch. */
  readonly validFrom: number;
  readonly validTo: number;
  readonly isSelfSigned: boolean;
  /** Where its extended key usage leaves room for a TLS client. */
  readonly forClients: boolean;
  /** `RSA 1024`, `sha1WithRSAEncryption`: what is weak about it. */
  readonly weakness?: string;
  /** Where the issuer's certificate can be had (caIssuers). */
  readonly issuerAt?: string;
  /** SHA-256 and SHA-512 of certificate and public key, and themselves, in hex: what TLSA records are compared with. */
  readonly tlsa: Readonly<Record<'certificate' | 'key', readonly [whole: string, sha256: string, sha512: string]>>;
  covers(host: string): boolean;
}

export type CertificateFacts =
  | { readonly kind: 'unreadable'; readonly file: string; readonly why: string }
  | {
      readonly kind: 'read';
      readonly file: string;
      /** Ours first, then its issuers as far as the file has them. */
      readonly chain: readonly OneCertificate[];
      /** Certificates in the file that belong to nothing in the chain. */
      readonly strays: readonly string[];
      /** `trusted`: the chain ends in a root that is trusted here; `incomplete`: the issuer of its last is not in the file. */
      readonly ends: 'trusted' | 'self-signed' | 'private-root' | 'incomplete';
      /** Whether the key is the certificate's; `undefined` where it cannot be read. */
      readonly keyFits: boolean | undefined;
    };

/** `trusted`: roots in PEM. Never rejects. */
export async function readCertificate(file: string, keyFile: string, trusted: readonly string[]): Promise<CertificateFacts> {
  let own: X509Certificate;
  let others: X509Certificate[];
  try {
    const [first, ...rest] = ((await readFile(file, 'utf8')).match(PEM) ?? [])
      .slice(0, MOST_OF_A_CHAIN)
      .map((pem) => new X509Certificate(pem));
    if (first === undefined) return { kind: 'unreadable', file, why: 'it holds no certificate in PEM' };
    own = first;
    others = rest;
  } catch (error) {
    return { kind: 'unreadable', file, why: reason(error) };
  }
  const chain = [own];
  for (let issuer = nextOf(own, others); issuer !== undefined && !chain.includes(issuer); issuer = nextOf(issuer, others))
    chain.push(issuer);
  const last = chain.at(-1) ?? own;
  return {
    kind: 'read',
    file,
    chain: chain.map(describe),
    strays: others.filter((one) => !chain.includes(one)).map(({ subject }) => oneLine(subject)),
    ends: endOf(last, chain.length, trusted),
    keyFits: await keyFits(own, keyFile),
  };
}

/** Who may read a file or enter a directory. */
export interface FileAccess {
  readonly file: string;
  /** What it is: `the key of the listener`. */
  readonly role: string;
  /** Permission bits; `undefined` where it is not there or cannot be asked. */
  readonly mode: number | undefined;
  readonly owner: number | undefined;
  readonly isDirectory: boolean;
  readonly why?: string;
}

/** Never rejects. */
export async function accessOf(file: string, role: string): Promise<FileAccess> {
  try {
    const found = await stat(file);
    return { file, role, mode: found.mode & 0o777, owner: found.uid, isDirectory: found.isDirectory() };
  } catch (error) {
    return { file, role, mode: undefined, owner: undefined, isDirectory: false, why: reason(error) };
  }
}

function nextOf(certificate: X509Certificate, others: readonly X509Certificate[]): X509Certificate | undefined {
  return isSelfSigned(certificate) ? undefined : others.find((other) => isIssuedBy(certificate, other));
}

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && verifies(certificate, issuer);

function verifies(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false; // a key of a kind that OpenSSL does not know
  }
}

/** Not by `checkIssued`: it denies it to a certificate that may sign no others, such as one's own. */
const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.subject === certificate.issuer && verifies(certificate, certificate);

function endOf(
  last: X509Certificate,
  length: number,
  trusted: readonly string[],
): 'trusted' | 'self-signed' | 'private-root' | 'incomplete' {
  const roots = rootsOf(trusted);
  if (
    roots.some((root) => root.fingerprint256 === last.fingerprint256 || (root.subject === last.issuer && isIssuedBy(last, root)))
  )
    return 'trusted';
  if (isSelfSigned(last)) return length === 1 && !last.ca ? 'self-signed' : 'private-root';
  return 'incomplete';
}

let parsed: { readonly from: readonly string[]; readonly roots: readonly X509Certificate[] } | undefined;

/** Parsing some 150 roots takes a while: once for one list. */
function rootsOf(trusted: readonly string[]): readonly X509Certificate[] {
  if (parsed?.from !== trusted) parsed = { from: trusted, roots: trusted.map((pem) => new X509Certificate(pem)) };
  return parsed.roots;
}

async function keyFits(certificate: X509Certificate, keyFile: string): Promise<boolean | undefined> {
  try {
    return certificate.checkPrivateKey(createPrivateKey(await readFile(keyFile)));
  } catch {
    return undefined;
  }
}

function describe(certificate: X509Certificate): OneCertificate {
  const usages = certificate.keyUsage as readonly string[] | undefined; // the extended one, absent where there is none
  const weakness = weaknessOf(certificate);
  const issuerAt = /CA Issuers - URI:(\S+)/.exec(certificate.infoAccess ?? '')?.[1];
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: certificateNames(certificate),
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
    isSelfSigned: isSelfSigned(certificate),
    forClients: usages === undefined || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USAGE),
    ...(weakness !== undefined && { weakness }),
    ...(issuerAt !== undefined && { issuerAt }),
    tlsa: { certificate: digests(certificate.raw), key: digests(certificate.publicKey.export({ type: 'spki', format: 'der' })) },
    covers: (host) => certificate.checkHost(host, { subject: 'default' }) !== undefined,
  };
}

function weaknessOf(certificate: X509Certificate): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  const bits = details?.modulusLength;
  if (type === 'rsa' && bits !== undefined && bits < 2048) return `an RSA key of ${bits} bits`;
  if (type === 'dsa') return 'a DSA key';
  const { signatureAlgorithm } = certificate;
  return signatureAlgorithm !== undefined && /sha-?1(?!\d)|md5/i.test(signatureAlgorithm) && !isSelfSigned(certificate)
    ? `the signature ${signatureAlgorithm}`
    : undefined;
}

const digests = (octets: Buffer): readonly [string, string, string] => [
  octets.toString('hex'),
  createHash('sha256').update(octets).digest('hex'),
  createHash('sha512').update(octets).digest('hex'),
];

const oneLine = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'there is no such file' : (code ?? message);
}
