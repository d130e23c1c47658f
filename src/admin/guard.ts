/** Who may talk to the admin API (reliability.md 2, "admin HTTP"). */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

const MIN_TOKEN = 16;
const USABLE_TOKEN = new RegExp(`^[\\x21-\\x7e]{${MIN_TOKEN},}$`);

export interface AccessSettings {
  /** The address we listen on. */
  readonly address: string;
  /** What callers must show; absent: nothing, which is for loopback alone. */
  readonly token?: string;
  /** PEM; absent: HTTP without TLS, which is for loopback alone. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Names under which we are called, beside IP addresses and localhost. */
  readonly hostNames: readonly string[];
}

/** Why the relay must not start so; `undefined` where it may (contract.md: off loopback a token and TLS). */
export function refusalToStart(settings: AccessSettings): string | undefined {
  if (settings.token !== undefined && !USABLE_TOKEN.test(settings.token)) {
    return `the token of the admin API must be ${MIN_TOKEN} or more letters, digits or signs without spaces`;
  }
  if (isLoopback(settings.address)) return undefined;
  const missing = [
    settings.token === undefined && 'a token (admin.token-file)',
    settings.tls === undefined && 'TLS (admin.tls)',
  ].filter(Boolean);
  return missing.length === 0
    ? undefined
    : `the admin API on ${settings.address} is open to the network and lacks ${missing.join(' and ')}`;
}

export interface Caller {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly authorization: string | undefined;
}

export interface Denial {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/** Judges callers by their headers. */
export class Guard {
  readonly #names: ReadonlySet<string>;
  readonly #token: Buffer | undefined;

  constructor(settings: AccessSettings) {
    this.#names = new Set(['localhost', ...settings.hostNames.map((name) => name.toLowerCase())]);
    this.#token = settings.token === undefined ? undefined : digest(settings.token);
  }

  judge(caller: Caller): Denial | undefined {
    const host = hostOf(caller.host);
    // DNS rebinding needs a name of the attacker's: an IP address or a name of ours cannot be one
    if (host === undefined || (isIP(host) === 0 && !this.#names.has(host))) {
      return { status: 421, message: 'This is not the host you asked for; use its address or a name it knows' };
    }
    // A page from elsewhere has no business here, whatever the method: there is no CORS
    const foreign = caller.origin !== undefined && originHost(caller.origin) !== caller.host?.toLowerCase();
    if (foreign || caller.fetchSite === 'cross-site') return { status: 403, message: 'Requests from other sites are refused' };
    if (this.#token === undefined) return undefined;
    const shown = /^Bearer ([\x21-\x7e]+)$/i.exec(caller.authorization ?? '')?.[1];
    // Digests of equal length: the comparison takes the same time whatever was shown
    if (shown !== undefined && timingSafeEqual(digest(shown), this.#token)) return undefined;
    return {
      status: 401,
      message: 'Show the right token: --token-file F at the command line, Authorization: Bearer ... over HTTP',
    };
  }
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** The host of a Host field, without port and brackets. */
function hostOf(field: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]+))(?::\d{1,5})?$/i.exec(field ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
