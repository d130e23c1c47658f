/** The certificate that the relay makes for itself where none is set, so that STARTTLS works from the first start. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SelfSignedPair, SelfSignedRequest } from './self-signed-worker.ts';
import { workerFile } from './worker-file.ts';

export interface CertificateFiles {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

const YEARS = 10;
const DAY = 86_400_000;

/**
 * The self-signed pair in `directory` (made where it is missing) for `hostname`: RSA 2048, which the oldest peers know
 * too, CN and subjectAltName the hostname, ten years. A pair that is there is kept, unless it speaks of another hostname,
 * has expired, or cannot be read as a certificate. Both files are readable by their owner alone.
 */
export async function ensureSelfSigned(directory: string, hostname: string, now: number = Date.now()): Promise<CertificateFiles> {
  const files = { certificate: join(directory, 'self-signed.pem'), key: join(directory, 'self-signed.key') };
  if (await serves(files, hostname, now)) return files;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // a day back, for peers whose clock is behind
  const made = await generate({ hostname, notBefore: now - DAY, notAfter: now + YEARS * 365 * DAY });
  // The key first: a crash between the two leaves an old certificate beside a new key, which `serves` sees.
  await replace(files.key, made.key);
  await replace(files.certificate, made.certificate);
  return files;
}

async function generate(request: SelfSignedRequest): Promise<SelfSignedPair> {
  const worker = new Worker(workerFile('./self-signed-worker', import.meta.url), { workerData: request });
  const [pair] = await once(worker, 'message'); // rejects where the thread fails
  return pair as SelfSignedPair;
}

async function serves(files: CertificateFiles, hostname: string, now: number): Promise<boolean> {
  try {
    const [pem, key] = await Promise.all([readFile(files.certificate), readFile(files.key)]);
    const certificate = new X509Certificate(pem);
    return (
      certificate.checkHost(hostname) !== undefined &&
      certificate.validToDate.getTime() > now &&
      certificate.checkPrivateKey(createPrivateKey(key))
    );
  } catch {
    return false; // missing, cut short, or no certificate at all: it is made anew
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(next, 0o600); // also where the file was there already
  await rename(next, path);
}
