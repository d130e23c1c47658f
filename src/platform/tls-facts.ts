/** The TLS facts of a socket, of either side, in the words of the event record (mail/tls.ts). */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate, TlsEvidence } from '../mail/tls.ts';

/** What a socket can tell by itself; how the message went (`result`) and the ladder are its user's to say. */
export type TlsFacts = Omit<TlsEvidence, 'result' | 'ladder'>;

const known = new WeakMap<TLSSocket, TlsFacts>();

const certificates = new WeakMap<TLSSocket, X509Certificate>();

/**
 * The certificate that a peer showed on a socket whose facts were read. Node's own getPeerX509Certificate gives it once to
 * a client, and the next of its chain to who asks again.
 */
export const peerCertificate = (socket: TLSSocket): X509Certificate | undefined => certificates.get(socket);

/**
 * The facts of a socket whose handshake is done. Read once per socket and remembered, so that every message on a kept
 * connection costs one look-up; ask while it is open, for a closed socket that was never asked knows nothing.
 * What cannot be known is absent (design.md P9): a server is not told the group of the key exchange, and a client that
 * resumes a session is not shown the certificate again, nor does Node check its name again. `before` are the facts of the
 * handshake in which that session was made: the certificate, and what was found of it then, are taken from there.
 */
export function tlsEvidence(socket: TLSSocket, before?: TlsFacts): TlsFacts {
  const remembered = known.get(socket);
  if (remembered !== undefined) return remembered;
  const facts = read(socket, before);
  known.set(socket, facts);
  return facts;
}

type Draft = { -readonly [K in keyof TlsFacts]: TlsFacts[K] };

function read(socket: TLSSocket, before: TlsFacts | undefined): TlsFacts {
  const facts: Draft = {};
  const protocol = socket.getProtocol();
  if (protocol !== null && protocol !== 'unknown') facts.protocol = protocol;
  const cipher = protocol === null ? undefined : socket.getCipher();
  if (cipher !== undefined) {
    facts.cipher = cipher.name;
    const bits = cipherBits(cipher.name);
    if (bits !== undefined) facts.bits = bits;
  }
  const group = keyExchange(socket, cipher?.name);
  if (group !== undefined) facts['key-exchange'] = group;
  const certificate = socket.getPeerX509Certificate();
  if (certificate !== undefined) {
    certificates.set(socket, certificate);
    facts['peer-certificate'] = describe(certificate);
    facts.verified = socket.authorized;
    if (!socket.authorized) facts['verification-error'] = verificationError(socket);
  } else if (before?.['peer-certificate'] !== undefined && socket.isSessionReused()) {
    facts['peer-certificate'] = before['peer-certificate'];
    if (before.verified !== undefined) facts.verified = before.verified;
    if (before['verification-error'] !== undefined) facts['verification-error'] = before['verification-error'];
  }
  return facts;
}

function keyExchange(socket: TLSSocket, cipher: string | undefined): string | undefined {
  // null on the server's side; {} where the exchange is not ephemeral
  const info = socket.getEphemeralKeyInfo() as { type?: string; name?: string; size?: number } | null;
  // OpenSSL writes x25519 in small letters in a resumed session
  if (info?.name !== undefined) return info.name.replace(/^x(?=25519|448)/, 'X');
  if (info?.type !== undefined) return info.size === undefined ? info.type : `${info.type}-${info.size}`;
  const named = cipher === undefined ? null : /^(ECDHE|DHE)-/.exec(cipher); // before TLS 1.3 the suite names the kind
  return named?.[1];
}

function verificationError(socket: TLSSocket): string {
  const error: unknown = socket.authorizationError; // a code, whatever its type says
  if (typeof error === 'string') return error;
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : 'UNVERIFIED';
}

function describe(certificate: X509Certificate): PeerCertificate {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: certificateNames(certificate),
    'valid-to': certificate.validToDate.toISOString(),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** Node writes one attribute a line, and nothing at all for an empty name. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ');
}

/** DNS names of subjectAltName; without any, the common name (RFC 6125 §6.4.4). Lower case. */
export function certificateNames(certificate: X509Certificate): string[] {
  const names: string[] = [];
  // Node quotes an entry that holds a comma or a quote as a JSON string: such a thing is no DNS name
  for (const entry of certificate.subjectAltName?.split(', ') ?? []) {
    if (entry.startsWith('DNS:') && !entry.startsWith('DNS:"')) names.push(entry.slice(4).toLowerCase());
  }
  if (names.length > 0) return names;
  const common = /^CN=(.+)$/m.exec(certificate.subject ?? '')?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}

/** The strength of a suite by its OpenSSL or IANA name; `undefined` for one we do not know. */
export function cipherBits(name: string): number | undefined {
  if (/(?:AES|CAMELLIA|ARIA)_?-?256|CHACHA20|GOST/.test(name)) return 256;
  if (/(?:AES|CAMELLIA|ARIA)_?-?128|RC4|SEED|IDEA/.test(name)) return 128;
  if (/3DES|DES-CBC3/.test(name)) return 168;
  if (/DES/.test(name)) return 56;
  if (/NULL/.test(name)) return 0;
  return undefined;
}
