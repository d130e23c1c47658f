/**
 * The token of a probe: when it was made, chance, and our signature over both (HMAC-SHA-256 with a secret that stays in the
 * data directory), so that only messages of our own are taken for probes. 36 hex digits: they survive every mail system.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Domain, type Mailbox, mailbox } from '../../mail/address.ts';
import { makeDirectory, replaceFile } from '../../platform/files.ts';

/** The local part of the addresses that answers come to. */
const PREFIX = 'bridgehead-probe+';
const TOKEN = /[0-9a-f]{36}/;
const MAC_DIGITS = 12;

export class Tokens {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** Reads the secret, or makes it. */
  static open(folder: string): Tokens {
    const file = join(folder, 'secret');
    try {
      const kept = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
      if (kept.length >= 16) return new Tokens(kept);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const made = randomBytes(32);
    makeDirectory(folder);
    replaceFile(file, `${made.toString('hex')}\n`);
    return new Tokens(made);
  }

  /** Milliseconds since the epoch. */
  make(now: number): string {
    const seconds = Math.floor(now / 1000) % 2 ** 32;
    const body = seconds.toString(16).padStart(8, '0') + randomBytes(8).toString('hex');
    return body + this.#sign(body);
  }

  /** When a token of ours was made, milliseconds since the epoch; `undefined` where it is not ours. */
  madeAt(token: string): number | undefined {
    const [body, mac] = [token.slice(0, -MAC_DIGITS), token.slice(-MAC_DIGITS)];
    if (token.length !== 36 || !timingSafeEqual(Buffer.from(this.#sign(body)), Buffer.from(mac))) return undefined;
    return Number.parseInt(body.slice(0, 8), 16) * 1000;
  }

  #sign(body: string): string {
    return createHmac('sha256', this.#secret).update(body).digest('hex').slice(0, MAC_DIGITS);
  }
}

/** The address to which answers to this probe come. */
export function answerAddress(token: string, domain: Domain): Mailbox {
  const made = mailbox(PREFIX + token, domain);
  if (made === undefined) throw new TypeError('a token is a local part');
  return made;
}

/** The token that an address has, whosever it is. Asked at every RCPT: it looks at one word. */
export function tokenOf({ localPart }: Pick<Mailbox, 'localPart'>): string | undefined {
  if (!/^bridgehead-probe\+/i.test(localPart)) return undefined;
  return TOKEN.exec(localPart.slice(PREFIX.length).toLowerCase())?.[0];
}
