/**
 * What a mail system says of TLS in a Received field. A comment counts only if it is a statement of TLS as a whole: a
 * name or an address in which "tls" occurs is none. Pure.
 */

export interface TlsStatement {
  /** `false`: it says that there was none. */
  readonly encrypted: boolean;
  /** `TLSv1.2`; absent where it is not told, and for `TLSv1/SSLv3`, OpenSSL's name of a cipher family. */
  readonly version?: string;
  /** As it was written. */
  readonly versionText?: string;
  readonly cipher?: string;
  readonly cipherText?: string;
  /** TLS with a cipher that encrypts nothing: whatever else is said, it was in clear. */
  readonly nullCipher?: true;
  /** Sendmail's `verify=NO` */
  readonly verify?: string;
}

const VERSION = /^(?:tls\\)?(tls|ssl)[_ -]?v?(\d)(?:[._]?(\d))?$/i;
const BOTH = /^TLSv1\/SSLv3$/i;
/** Sendmail writes NONE where there was no TLS, Gmail OTHER for a cipher that it has no name for. */
const ABSENT = /^(?:none|no|n\/a|off|false|-|0)$/i;
const UNTOLD = /^(?:other|unknown|none|no|n\/a|off|false|-|0)$/i;
const CIPHER = /^[a-z0-9]+(?:[-_+]+[a-z0-9]+)*$/i;
const ALGORITHM = /AES|RC[24]|ARCFOUR|DES|CHACHA20|CAMELLIA|SEED|ARIA|IDEA|GOST|SHA\d*$|MD5|NULL/i;
/** A statement may hold these words besides versions and ciphers; none of them alone says anything. */
const FILLER = new Set(
  'using use used with over via by under cipher ciphers tls_cipher secured secure channel connection session link encryption protocol bits bit on enabled active transport security key-exchange server-signature client-signature'.split(
    ' ',
  ),
);
const NEGATION = new Set('no not non none without off disabled never'.split(' '));
const IN_CLEAR = new Set('unencrypted plaintext cleartext plain clear insecure'.split(' '));
const RESULT = /^(?:no|not|yes|ok|fail|none|verified|unverified|verify=\S*)$/i;
/** Pieces of a statement that are looked at; a longer text is no statement. */
const MOST_PIECES = 24;

/** `TLSv1`, `TLSv1.2`, `SSLv3`, however it is spelt: `TLS1_2`, `TLS-1.0`, `Tls12`. */
export function tlsVersion(text: string): string | undefined {
  const match = VERSION.exec(text);
  if (match === null) return undefined;
  const [, family = '', major = '', minor = '0'] = match;
  if (family.toLowerCase() === 'tls')
    return major === '1' && minor < '4' ? `TLSv1${minor === '0' ? '' : `.${minor}`}` : undefined;
  return minor === '0' && (major === '2' || major === '3') ? `SSLv${major}` : undefined;
}

/** What a comment, or a phrase between clauses, states of TLS; `undefined` where it is about something else. */
export function statementIn(comment: string): TlsStatement | undefined {
  const text = comment.trim();
  if (text === '' || text.length > 2000) return undefined;
  return namedValues(text) ?? usingTls(text) ?? besideLogin(text) ?? piecewise(text);
}

/** Sendmail, Gmail, Exchange, Haraka, Barracuda: `version=TLSv1.2 cipher=X bits=256 verify=NO`, with commas or without. */
function namedValues(text: string): TlsStatement | undefined {
  if (!/^(?:(?:tls|ssl|google transport security)[ ,:]+)?(?:(?:tls|ssl)[-_]?)?(?:version|cipher|protocol)[ ]?=/i.test(text))
    return undefined;
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/([a-z_-]{1,20}) ?= ?([^\s,;()=]+)/gi)) {
    const key = name
      .toLowerCase()
      .replace(/^(?:tls|ssl)[-_]/, '')
      .replace('protocol', 'version');
    if (!values.has(key)) values.set(key, value);
  }
  const versionText = values.get('version');
  const cipherText = values.get('cipher');
  const verify = values.get('verify');
  // `version=` may be a product's
  if (cipherText === undefined && !/tls|ssl/i.test(versionText ?? '')) return undefined;
  const absent = (value: string | undefined): boolean => value === undefined || ABSENT.test(value);
  if (absent(versionText) && absent(cipherText)) return { encrypted: false };
  return { ...facts(versionText, cipherText), ...(verify === undefined ? undefined : { verify }) };
}

/** Postfix and those that write like it: `using TLSv1.3 with cipher X (256/256 bits) key-exchange ...` */
function usingTls(text: string): TlsStatement | undefined {
  const match = /^using (\S+) with cipher:? ([^\s(),;]+)/i.exec(text);
  if (match === null) return undefined;
  return facts(match[1]?.replace(/[:,]$/, ''), match[2]);
}

/** Courier: `AUTH: LOGIN user, TLS: TLSv1.2,256bits,X`. The last one: a login may be anything. */
function besideLogin(text: string): TlsStatement | undefined {
  if (!/^auth:/i.test(text)) return undefined;
  const match = /, ?TLS: ?([^\s,()]+), ?\d+bits, ?([^\s,()]+)$/i.exec(text.slice(-200));
  return match === null || !CIPHER.test(match[2] ?? '') ? undefined : facts(match[1], match[2]);
}

/**
 * All other forms: every piece must be a version, a cipher, a size or a word of the trade.
 * `TLS`, `TLSv1.2:X:256`, `Cipher TLSv1:X:128`, `X encrypted`, `TLS: TLSv1/SSLv3,128bits,X`, `using TLS: TLSv1.2, X`
 */
function piecewise(text: string): TlsStatement | undefined {
  const plain = text.replace(/^X=/, '').replace(/[()[\]"]/g, ' ');
  const pieces = plain.split(/[\s,;:]+/).filter((piece) => piece !== '');
  if (pieces.length > MOST_PIECES) return undefined;
  let versionText: string | undefined;
  let cipherText: string | undefined;
  let named = false;
  let encrypted = false;
  let negated = false;
  let clear = false;
  for (const piece of pieces) {
    const word = piece.toLowerCase();
    if (versionText === undefined && (BOTH.test(piece) || tlsVersion(piece) !== undefined)) versionText = piece;
    else if (/^(?:starttls|tls|ssl|ssl\/tls|tls\/ssl|smtps|stls)$/.test(word)) named = true;
    else if (word === 'encrypted') encrypted = true;
    else if (NEGATION.has(word)) negated = true;
    else if (IN_CLEAR.has(word)) clear = true;
    else if (FILLER.has(word) || RESULT.test(word) || /^\d+(?:\/\d+)?-?(?:bits?)?$/.test(word)) continue;
    else if (cipherText === undefined && looksLikeCipher(piece)) cipherText = piece;
    else return undefined;
  }
  if (versionText !== undefined || cipherText !== undefined) {
    // A cipher alone, without a word that makes it a statement, could be anybody's name
    if (versionText === undefined && !named && !encrypted && !/\bcipher\b/i.test(plain)) return undefined;
    return facts(versionText, cipherText);
  }
  if (named) return { encrypted: !negated && !clear };
  if (encrypted) return { encrypted: !negated };
  return clear ? { encrypted: false } : undefined;
}

/** An OpenSSL, IANA or GnuTLS name, or the bare algorithm that some write. */
export function looksLikeCipher(text: string): boolean {
  return text.length >= 6 && text.length <= 80 && CIPHER.test(text) && ALGORITHM.test(text);
}

function facts(versionText: string | undefined, cipherText: string | undefined): TlsStatement {
  const version = versionText === undefined ? undefined : tlsVersion(versionText);
  const told = versionText !== undefined && /tls|ssl/i.test(versionText) && /\d/.test(versionText);
  // NULL-SHA, TLS_RSA_WITH_NULL_SHA256: signed, and in clear
  if (cipherText !== undefined && /(?:^|[-_])NULL(?:[-_]|$)/i.test(cipherText)) return { encrypted: false, nullCipher: true };
  return {
    encrypted: true,
    ...(version === undefined ? undefined : { version }),
    ...(told ? { versionText } : undefined),
    ...(cipherText === undefined || UNTOLD.test(cipherText) ? undefined : { cipher: cipherText }),
    ...(cipherText === undefined ? undefined : { cipherText }),
  };
}

/** RFC 3848, RFC 6531, and the spellings in use: ESMTPS, ESMTPSA, LMTPS, SMTPs, UTF8SMTPS, local-esmtps. */
const TLS_PROTOCOL = /^(?:local-)?(?:UTF8)?(?:E?SMTP|LMTP)SA?$/i;

/** What the protocol of the `with` clause itself says: `ESMTPS`, `ESMTP/TLS/AES128-SHA`, `AES256-SHA encrypted SMTP`. */
export function statementInProtocol(words: readonly string[]): TlsStatement | undefined {
  for (const word of words) {
    if (TLS_PROTOCOL.test(word)) return { encrypted: true };
    const parts = word.split(/[/+]|-(?=(?:tls|ssl|starttls)$)/i);
    if (parts.length > 1 && /^(?:E?SMTP|LMTP)A?$/i.test(parts[0] ?? '')) {
      const statement = piecewise(parts.slice(1).join(' '));
      if (statement !== undefined) return statement;
    }
  }
  const rest = words.filter((word) => !/^(?:E?SMTP|LMTP)A?$/i.test(word));
  const phrase = rest.join(' ');
  return /encrypted|tls|ssl/i.test(phrase) ? piecewise(phrase) : undefined;
}
