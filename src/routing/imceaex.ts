/**
 * Addresses that Exchange made of X.500 names: replies to old mail and cached recipients come as
 * `IMCEAEX-_o=Contoso_ou=First+20Administrative+20Group_cn=Recipients_cn=pilarp@contoso.com` (MS-OXOMSG, coexistence.md R9).
 */
const PREFIX = /^IMCEAEX(?:500)?-(?=_|\+2F)/i;
/** A reply to an old message is rarely longer than what SMTP lets through; a bound all the same. */
const MAX_LOCAL_PART = 1_024;

/**
 * The key under which the directory has the owner of such an address: `x500:` and the name in lower case. `undefined` for
 * any other local part. `_` stands for `/`, `+20` for the octet 0x20; what is not UTF-8 is Latin-1.
 */
export function x500KeyOf(localPart: string): string | undefined {
  // asked for each recipient: the first letter decides almost always
  const first = localPart.charCodeAt(0);
  if ((first !== 0x49 && first !== 0x69) || localPart.length > MAX_LOCAL_PART) return undefined;
  const prefix = PREFIX.exec(localPart);
  if (prefix === null) return undefined;
  const octets: number[] = [];
  const encoded = Buffer.from(localPart.slice(prefix[0].length));
  for (let i = 0; i < encoded.length; i++) {
    const octet = encoded[i] ?? 0;
    const hex = octet === PLUS ? encoded.toString('latin1', i + 1, i + 3) : '';
    if (HEX.test(hex)) {
      octets.push(Number.parseInt(hex, 16));
      i += 2;
    } else octets.push(octet === UNDERSCORE ? SLASH : octet);
  }
  const bytes = Buffer.from(octets);
  const utf8 = bytes.toString('utf8');
  return `x500:${(utf8.includes('\ufffd') ? bytes.toString('latin1') : utf8).toLowerCase()}`;
}

/** How Exchange writes an X.500 name into a local part; `key` as `x500KeyOf` gives it. */
export function imceaexOf(key: string): string {
  const encoded = key
    .slice('x500:'.length)
    .replace(/[^A-Za-z0-9=/-]/gu, (character) =>
      [...Buffer.from(character)].map((octet) => `+${octet.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );
  return `IMCEAEX-${encoded.replaceAll('/', '_')}`;
}

const PLUS = 0x2b;
const UNDERSCORE = 0x5f;
const SLASH = 0x2f;
const HEX = /^[0-9a-f]{2}$/i;
