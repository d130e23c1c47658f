/** Makes a self-signed pair in a thread that ends: the packages behind it are large, and needed once in years. */
import { parentPort, workerData } from 'node:worker_threads';
import { generate } from 'selfsigned';

export interface SelfSignedRequest {
  readonly hostname: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** PEM. */
export interface SelfSignedPair {
  readonly certificate: string;
  readonly key: string;
}

const { hostname, notBefore, notAfter } = workerData as SelfSignedRequest;
const made = await generate([{ name: 'commonName', value: hostname }], {
  keySize: 2048, // RSA, which the oldest peers know too
  algorithm: 'sha256',
  notBeforeDate: new Date(notBefore),
  notAfterDate: new Date(notAfter),
  extensions: [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: hostname }] },
  ],
});
parentPort?.postMessage({ certificate: made.cert, key: made.private } satisfies SelfSignedPair);
