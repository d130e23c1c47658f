/** Signing in as an application (OAuth 2.0 client credentials, RFC 6749 §4.4), by a secret or by a certificate (RFC 7523 §2.2). */
import { constants, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ask, GraphError } from './graph-http.ts';
import type { GraphSettings } from './ports.ts';

/** Milliseconds before its end that a token is no longer used. */
const MARGIN = 60_000;

export class GraphTokens {
  readonly #settings: GraphSettings;
  readonly #now: () => number;
  #kept: { readonly token: string; readonly until: number } | undefined;

  constructor(settings: GraphSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
  }

  /** The token of this moment, in memory alone; `undefined` where nobody signs in. Rejects with `GraphError`. */
  async token(signal: AbortSignal): Promise<string | undefined> {
    const { clientId, tenant, signInUrl, url, deadline } = this.#settings;
    if (clientId === undefined || tenant === undefined) return undefined;
    if (this.#kept !== undefined && this.#now() < this.#kept.until) return this.#kept.token;
    const endpoint = `${signInUrl}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      scope: `${new URL(url).origin}/.default`,
      ...(await this.#proof(clientId, endpoint)),
    });
    const { status, body } = await ask(
      endpoint,
      {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      },
      deadline,
      signal,
    );
    const { access_token: token, expires_in: seconds, error, error_description: description } = body;
    if (status !== 200 || typeof token !== 'string' || token === '') {
      const words = [error, description].filter((word): word is string => typeof word === 'string').join(': ');
      throw new GraphError(
        status,
        `signing in failed: HTTP ${status} ${words.split(/\r?\n/)[0]?.slice(0, 300) ?? ''}`.trim(),
        'Look at tenant, client-id and the secret or certificate of the application (has it ended?)',
      );
    }
    const lasts = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : 300_000;
    this.#kept = { token, until: this.#now() + Math.max(0, lasts - MARGIN) };
    return token;
  }

  /** The service does not take it any more. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Read anew each time, so that a secret or a certificate can be changed while we run. */
  async #proof(clientId: string, endpoint: string): Promise<Record<string, string>> {
    const { secretFile, certificate, key } = this.#settings;
    if (certificate !== undefined && key !== undefined) {
      return {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion(clientId, endpoint, await read(certificate), await read(key), this.#now()),
      };
    }
    if (secretFile === undefined) return {};
    const secret = (await read(secretFile)).trim();
    if (secret === '') throw new GraphError(0, `${secretFile} is empty`, 'Write the secret of the application into it');
    return { client_secret: secret };
  }
}

/** A JWT signed with the application's key (PS256), valid for five minutes. */
function assertion(clientId: string, audience: string, certificatePem: string, keyPem: string, now: number): string {
  try {
    const fingerprint = new X509Certificate(certificatePem).fingerprint256.replaceAll(':', '');
    const key = createPrivateKey(keyPem);
    if (key.asymmetricKeyType !== 'rsa') throw new Error('the key is no RSA key');
    const seconds = Math.floor(now / 1000);
    const header = { alg: 'PS256', typ: 'JWT', 'x5t#S256': Buffer.from(fingerprint, 'hex').toString('base64url') };
    const claims = { aud: audience, iss: clientId, sub: clientId, jti: randomUUID(), nbf: seconds, exp: seconds + 300 };
    const signed = `${encode(header)}.${encode(claims)}`;
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return `${signed}.${sign('sha256', Buffer.from(signed), { key, ...padding }).toString('base64url')}`;
  } catch (error) {
    throw new GraphError(
      0,
      `the certificate cannot be used: ${(error as Error).message}`,
      'Use an RSA certificate and its key, both PEM',
    );
  }
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new GraphError(0, `${file} cannot be read (${code})`, 'Let the user of the relay read it');
  }
}
