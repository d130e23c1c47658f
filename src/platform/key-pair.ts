/** A certificate and its private key in two files that belong together. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** Paths of PEM files. */
export interface KeyPairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** As read, and fitting. */
export interface KeyPair {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Changes whenever one of the files does. Rejects where one is not there. */
export async function stampOf({ certificate, key }: KeyPairFiles): Promise<string> {
  const stats = await Promise.all([stat(certificate), stat(key)]);
  return stats.map(({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`).join();
}

/** Reads both. Rejects, with words for people, where one cannot be read, or they do not belong together. */
export async function readKeyPair(files: KeyPairFiles): Promise<KeyPair> {
  const [certificate, key] = await Promise.all([read(files.certificate), read(files.key)]);
  assertFits(certificate, key, files);
  return { certificate, key };
}

/** OpenSSL takes a certificate and a key of different kinds without a word, and fails at each handshake. */
export function assertFits(certificate: Buffer, key: Buffer, files: KeyPairFiles): void {
  const parsed = parse(() => new X509Certificate(certificate), `${files.certificate} holds no certificate in PEM`);
  const secret = parse(() => createPrivateKey(key), `${files.key} holds no private key in PEM without a passphrase`);
  if (!parsed.checkPrivateKey(secret)) throw new Error(`${files.key} is not the key of ${files.certificate}`);
}

const BLOCK = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** The certificates of a PEM file in DER, in their order. */
export function certificatesIn(pem: Buffer): Buffer[] {
  return [...pem.toString('latin1').matchAll(BLOCK)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, { cause: error });
  }
}

function parse<T>(make: () => T, problem: string): T {
  try {
    return make();
  } catch (error) {
    throw new Error(problem, { cause: error });
  }
}
