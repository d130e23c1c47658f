/** Mail that is signed by DKIM, and the DNS record of the key: made new for each test, so that no key lies in the repository. */
import { generateKeyPairSync } from 'node:crypto';
import { dkimSign } from 'mailauth';

export interface DkimKey {
  readonly domain: string;
  readonly selector: string;
  readonly privateKey: string;
  /** `selector._domainkey.domain`, with the TXT record that stands there. */
  readonly record: readonly [name: string, txt: string];
}

/** Ed25519 (RFC 8463): its record fits into one string of 255 octets. */
export function dkimKey(domain: string, selector = 'test'): DkimKey {
  const pair = generateKeyPairSync('ed25519');
  const { x = '' } = pair.publicKey.export({ format: 'jwk' });
  const published = Buffer.from(x, 'base64url').toString('base64');
  return {
    domain,
    selector,
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    record: [`${selector}._domainkey.${domain}`, `v=DKIM1; k=ed25519; p=${published}`],
  };
}

/** The DKIM-Signature field for a message, with its CRLF. */
export async function dkimField(key: DkimKey, message: string): Promise<string> {
  const { signatures, errors } = await dkimSign(Buffer.from(message), {
    canonicalization: 'relaxed/relaxed',
    signatureData: [
      { signingDomain: key.domain, selector: key.selector, privateKey: key.privateKey, algorithm: 'ed25519-sha256' },
    ],
  } as Parameters<typeof dkimSign>[1]);
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return signatures;
}
