/**
 * What SPF, DKIM and DMARC say of a message (RFC 7208, RFC 6376, RFC 9989), in the form of the event record, and the
 * Authentication-Results field that tells it to the next hop (RFC 8601). Pure.
 */

/** The words of RFC 8601 §2.7. */
export type AuthenticationResult = 'pass' | 'fail' | 'softfail' | 'neutral' | 'none' | 'policy' | 'temperror' | 'permerror';

/**
 * Whether a sender that claims a domain of ours proves it, by a DKIM signature or by SPF that is aligned with it (G5, R8).
 * `unknown`: DNS did not say; it counts as `spoofed` does, but for a while only.
 */
export type OwnDomainVerdict = 'authentic' | 'spoofed' | 'unknown';

export interface SenderAuthentication {
  /** When it was found out, ISO 8601. */
  readonly time: string;
  readonly spf: {
    readonly result: AuthenticationResult;
    /** The domain of MAIL FROM, or of HELO where MAIL FROM is `<>` (then `helo` is true). */
    readonly domain?: string;
    readonly helo?: true;
  };
  /** One a signature, at most ten. */
  readonly dkim: readonly { readonly result: AuthenticationResult; readonly domain?: string; readonly selector?: string }[];
  readonly dmarc: { readonly result: AuthenticationResult; readonly domain?: string; readonly policy?: string };
  /** The domains of ours that MAIL FROM or From claim; absent where they claim none. */
  readonly claims?: readonly string[];
  readonly 'own-domain'?: OwnDomainVerdict;
}

/** What is known where nothing could be found out in time. */
export function unauthenticated(time: string, claims: readonly string[] | undefined): SenderAuthentication {
  return {
    time,
    spf: { result: 'temperror' },
    dkim: [{ result: 'temperror' }],
    dmarc: { result: 'temperror' },
    ...(claims !== undefined && { claims, 'own-domain': 'unknown' as const }),
  };
}

/** The Authentication-Results field with its final CRLF, ASCII (RFC 8601 §2.2); `authservId` is our host name. */
export function authenticationResultsField(authservId: string, { spf, dkim, dmarc }: SenderAuthentication): string {
  const results = [
    `spf=${spf.result}${property(spf.helo === true ? 'smtp.helo' : 'smtp.mailfrom', spf.domain)}`,
    ...(dkim.length === 0
      ? ['dkim=none']
      : dkim.map(
          ({ result, domain, selector }) => `dkim=${result}${property('header.d', domain)}${property('header.s', selector)}`,
        )),
    `dmarc=${dmarc.result}${property('policy.dmarc', dmarc.policy)}${property('header.from', dmarc.domain)}`,
  ];
  return `Authentication-Results: ${authservId};\r\n\t${results.join(';\r\n\t')}\r\n`;
}

/** A value that a stranger chose: what no domain or selector holds is left out, so that nothing injects. */
function property(name: string, value: string | undefined): string {
  return value === undefined || !/^[A-Za-z0-9._-]{1,253}$/.test(value) ? '' : ` ${name}=${value}`;
}

/** The authserv-id of an Authentication-Results field (its value, unfolded), lower case; `undefined` where it is malformed. */
export function authservIdOf(value: string): string | undefined {
  let text = value.trimStart();
  // RFC 8601 §2.2: CFWS may stand in front
  while (text.startsWith('(')) {
    const end = endOfComment(text);
    if (end < 0) return undefined;
    text = text.slice(end).trimStart();
  }
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  const id = quoted === null ? /^[^\s;()"]+/.exec(text)?.[0] : (quoted[1] ?? '').replace(/\\(.)/g, '$1');
  return id?.toLowerCase();
}

function endOfComment(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i += 1;
    else if (c === '(') depth += 1;
    else if (c === ')' && --depth === 0) return i + 1;
  }
  return -1;
}
