/**
 * Mailboxes and domains (RFC 5321 §4.1.2), parsed once at the edge and trusted afterwards.
 */
import { domainToASCII } from 'node:url';

/** A domain in A-labels and lower case, without a trailing dot (RFC 5890 §2.3.2.1). Made by `parseDomain` alone. */
export type Domain = string & { readonly __domain: unique symbol };

/** One mailbox. The local part is unquoted and keeps its case; the domain is in A-labels and lower case. */
export interface Mailbox {
  readonly localPart: string;
  readonly domain: Domain;
  /** The mailbox as it is written in SMTP, quoted where it must be: `local@domain`. */
  readonly address: string;
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const DOT_ATOM = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/u;
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b\u2060\ufeff]/;
// RFC 5321 §4.5.3.1.1 asks for 64 at least. Exchange allows 315, and its IMCEAEX addresses (R9) and some forwarders use it.
const MAX_LOCAL_PART_OCTETS = 315;
const MAX_DOMAIN_OCTETS = 253; // RFC 1035 §2.3.4, without the root's octet

// The same few domains come again and again, and this is done for every sender and recipient.
const MAX_KNOWN_DOMAINS = 4096;
const knownDomains = new Map<string, Domain>();

/**
 * Parses a domain name, U-labels turned into A-labels. An address literal is not a domain, nor is a bare IP address (a top
 * level domain is never all digits: RFC 3696 §2): `undefined`.
 */
export function parseDomain(text: string): Domain | undefined {
  const known = knownDomains.get(text);
  if (known !== undefined) return known;
  if (text.length > 1024) return undefined;
  // a copy: what is kept must not hold on to the file or the line that it was cut from
  const domain = readDomain(Buffer.from(text).toString());
  if (domain !== undefined) {
    if (knownDomains.size >= MAX_KNOWN_DOMAINS) knownDomains.clear();
    knownDomains.set(text, domain);
  }
  return domain;
}

function readDomain(text: string): Domain | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare === '' || UNSAFE.test(bare)) return undefined;
  let ascii = bare.toLowerCase();
  if (/[^\u0000-\u007f]/.test(ascii)) ascii = domainToASCII(bare);
  if (ascii === '' || ascii.length > MAX_DOMAIN_OCTETS) return undefined;
  const labels = ascii.split('.');
  for (const label of labels) if (!LABEL.test(label)) return undefined;
  if (/^\d+$/.test(labels.at(-1) ?? '')) return undefined;
  return ascii as Domain;
}

/**
 * Parses one mailbox as it stands in a path or a file: `local@domain` or `"quoted local"@domain`.
 * Source routes (`@a:b@c`), address literals and control characters are not mailboxes: `undefined`.
 */
export function parseMailbox(text: string): Mailbox | undefined {
  if (text.length > 1024 || UNSAFE.test(text)) return undefined;
  const at = text.lastIndexOf('@');
  if (at < 1) return undefined;
  const domain = parseDomain(text.slice(at + 1));
  if (domain === undefined) return undefined;
  const written = text.slice(0, at);
  if (written.startsWith('"')) {
    if (written.length < 3 || !written.endsWith('"')) return undefined;
    const inside = written.slice(1, -1);
    if (!/^(?:[^"\\]|\\.)+$/u.test(inside)) return undefined;
    return mailbox(inside.replace(/\\(.)/gu, '$1'), domain);
  }
  if (!DOT_ATOM.test(written) || Buffer.byteLength(written) > MAX_LOCAL_PART_OCTETS) return undefined;
  return { localPart: written, domain, address: `${written}@${domain}` };
}

/** Builds a mailbox of parts that are known to be right; `undefined` where the local part is too long or empty. */
export function mailbox(localPart: string, domain: Domain): Mailbox | undefined {
  if (localPart === '' || Buffer.byteLength(localPart) > MAX_LOCAL_PART_OCTETS) return undefined;
  return { localPart, domain, address: `${quoteLocalPart(localPart)}@${domain}` };
}

/** The key under which mailboxes are compared: Exchange ignores case in local parts (coexistence.md R10). */
export function mailboxKey(box: Mailbox): string {
  return `${box.localPart.toLowerCase()}@${box.domain}`;
}

function quoteLocalPart(localPart: string): string {
  return DOT_ATOM.test(localPart) ? localPart : `"${localPart.replace(/["\\]/g, '\\$&')}"`;
}

/** Whether `domain` is `parent` or stands under it. */
export function isWithin(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}
