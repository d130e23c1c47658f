/** Certificates made as a test wants them: their issuer, names, times, use and weakness. */
import { generate } from 'selfsigned';
import type { TestCertificate } from './certificates.ts';

const DAY = 86_400_000;

export interface Issuing {
  /** The first is the common name; absent: an authority, whose `name` it is. */
  readonly names?: readonly string[];
  readonly name?: string;
  /** Who signs it; absent: itself. */
  readonly by?: TestCertificate;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly usage?: { readonly serverAuth?: boolean; readonly clientAuth?: boolean };
  /** Of the RSA key. */
  readonly bits?: number;
  readonly algorithm?: 'sha1' | 'sha256';
}

export async function issue({
  names,
  name,
  by,
  from = -1,
  to = 365,
  usage,
  bits = 2048,
  algorithm = 'sha256',
}: Issuing): Promise<TestCertificate> {
  const isAuthority = names === undefined;
  const made = await generate([{ name: 'commonName', value: name ?? names?.[0] ?? 'test' }], {
    keySize: bits,
    algorithm,
    notBeforeDate: new Date(Date.now() + from * DAY),
    notAfterDate: new Date(Date.now() + to * DAY),
    ...(by !== undefined && { ca: by }),
    extensions: isAuthority
      ? [
          { name: 'basicConstraints', cA: true, critical: true },
          { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
        ]
      : [
          { name: 'basicConstraints', cA: false, critical: true },
          { name: 'keyUsage', digitalSignature: true, critical: true },
          { name: 'extKeyUsage', ...(usage ?? { serverAuth: true, clientAuth: true }) },
          { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2 as const, value })) },
        ],
  });
  return { cert: made.cert, key: made.private };
}

/** Certificates one behind the other, as a file has them. */
export const chainOf = (leaf: TestCertificate, ...issuers: readonly TestCertificate[]): TestCertificate => ({
  cert: [leaf, ...issuers].map(({ cert }) => cert.trim()).join('\n'),
  key: leaf.key,
});
