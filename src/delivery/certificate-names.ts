/** Whether a server's certificate is for the host we mean (RFC 9525, RFC 6125; TlsDomain of Exchange). Pure. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { certificateNames } from '../platform/tls-facts.ts';

/**
 * `undefined` where one of `wanted` is in the certificate, else an error in the form of Node's own. A wanted name is
 * fulfilled by itself or by a wildcard for its first label, never by a name below it; a wanted `*.example.com` by any
 * name one label below example.com. Where a certificate has no DNS names its common name counts (RFC 6125 §6.4.4):
 * servers inside have such ones.
 */
export function nameError(wanted: readonly string[], certificate: PeerCertificate): Error | undefined {
  for (const name of wanted) if (isIP(name) !== 0 && checkServerIdentity(name, certificate) === undefined) return undefined;
  const shown = certificateNames(new X509Certificate(certificate.raw));
  if (wanted.some((name) => shown.some((one) => isNamedBy(name, one)))) return undefined;
  const error = new Error(`the certificate is for ${some(shown)}, not for ${wanted.join(' or ')}`);
  return Object.assign(error, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}

/** Whether `shown`, a name in a certificate, stands for `wanted`. Both in lower case. */
export function isNamedBy(wanted: string, shown: string): boolean {
  if (wanted === shown) return true;
  // RFC 9525 §6.3: a wildcard is the whole first label, stands for exactly one label, and never above a public suffix
  if (shown.startsWith('*.'))
    return !wanted.startsWith('*.') && behindFirstLabel(wanted) === shown.slice(1) && shown.includes('.', 2);
  return wanted.startsWith('*.') && behindFirstLabel(shown) === wanted.slice(1);
}

/** `.example.com` of `mx.example.com`; empty where there is but one label. */
function behindFirstLabel(name: string): string {
  const dot = name.indexOf('.');
  return dot <= 0 ? '' : name.slice(dot);
}

const some = (names: readonly string[]): string =>
  names.length === 0 ? 'no name' : `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
