/** The kinds of single values in the settings: how each is written, checked and turned into what the relay works with. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { type Domain, type Mailbox, parseDomain, parseMailbox } from '../mail/address.ts';
import { isPermanent, isTransient, parseReply, type SmtpReply } from '../mail/reply.ts';
import type { HostPort } from '../mail/route.ts';

const SECOND = 1000;
const UNITS = { s: SECOND, m: 60 * SECOND, h: 3600 * SECOND, d: 86_400 * SECOND } as const;
const SIZES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `30s`, `5m`, `2h`, `4d` in milliseconds. Nothing waits or lasts for no time at all: `0s` is refused. */
export function parseDuration(text: string): number | undefined {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  return match === null ? undefined : Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}

/** `35MiB` in octets. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,9})(B|KiB|MiB|GiB)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * SIZES[match[2] as keyof typeof SIZES];
}

/** A network in CIDR; a single address stands for itself alone. */
export function parseNetwork(text: string): string | undefined {
  const [address = '', prefix, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined || address.includes('%')) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (prefix === undefined) return `${address}/${bits}`;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? `${address}/${Number(prefix)}` : undefined;
}

/** `host`, `host:25`, `[2001:db8::1]:25`. A host is a name or an address. */
export function parseHostPort(text: string, defaultPort: number): HostPort | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const literal = match?.[1];
  const host = literal ?? match?.[2];
  if (host === undefined) return undefined;
  if (literal === undefined ? isIP(host) !== 4 && parseDomain(host) === undefined : isIP(literal) !== 6) return undefined;
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host: host.toLowerCase(), port } : undefined;
}

/** `example.com`, `*.example.com` or `*`, with `;cost` behind it where one is wanted (Exchange's way to write it). */
export function parseAddressSpace(text: string): { readonly pattern: string; readonly cost?: number } | undefined {
  const [pattern = '', cost, more] = text.split(';').map((part) => part.trim());
  if (more !== undefined || (cost !== undefined && !/^\d{1,4}$/.test(cost))) return undefined;
  const price = cost === undefined ? {} : { cost: Number(cost) };
  if (pattern === '*') return { pattern, ...price };
  const wild = pattern.startsWith('*.');
  const domain = parseName(wild ? pattern.slice(2) : pattern);
  return domain === undefined ? undefined : { pattern: wild ? `*.${domain}` : domain, ...price };
}

/** `ldaps://dc1.example.com` or `ldap://dc1.example.com:3268`, and nothing behind it. */
export function parseLdapUrl(text: string): string | undefined {
  const match = /^(ldaps?):\/\/([^/?#@\s]+?)\/?$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  const server = parseHostPort(match?.[2] ?? '', scheme === 'ldaps' ? 636 : 389);
  if (server === undefined) return undefined;
  return `${scheme}://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
}

/** An address of the web without a query, and without a slash at its end. Clear HTTP only on loopback: a secret goes there. */
export function parseWebUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return undefined;
  const isOwn = url.hostname === 'localhost' || url.hostname === '[::1]' || url.hostname.startsWith('127.');
  return url.protocol === 'https:' || (url.protocol === 'http:' && isOwn) ? url.href.replace(/\/+$/, '') : undefined;
}

/** A search filter of RFC 4515 by its looks: in parentheses that close. The server judges the rest. */
export function parseLdapFilter(text: string): string | undefined {
  const filter = text.trim();
  let open = 0;
  for (let at = 0; at < filter.length; at++) {
    if (filter[at] === '(') open++;
    if (filter[at] === ')') open--;
    if (open < 0 || (open === 0 && at < filter.length - 1)) return undefined;
  }
  return open === 0 && filter.startsWith('(') && filter.length > 2 ? filter : undefined;
}

/** `example.com` or `*.example.com`. */
export function parseDomainPattern(text: string): string | undefined {
  const wild = text.startsWith('*.');
  const domain = parseName(wild ? text.slice(2) : text);
  return domain === undefined ? undefined : wild ? `*.${domain}` : domain;
}

/** A domain that is no IP address in disguise. */
export function parseName(text: string): Domain | undefined {
  return isIP(text) !== 0 || /^[\d.]+$/.test(text) ? undefined : parseDomain(text);
}

/** A reply for a rule: 4xx or 5xx with an enhanced status code that agrees with it. */
export function parseRefusal(text: string): SmtpReply | undefined {
  const reply = /[\r\n]/.test(text) ? undefined : parseReply(text);
  return reply !== undefined && reply.enhanced !== undefined && reply.text !== '' && (isTransient(reply) || isPermanent(reply))
    ? reply
    : undefined;
}

/** A string that `parse` understands; else a mistake that names what it should be and shows how it is written. */
function parsed<T>(parse: (text: string) => T | undefined, what: string, example: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.issues.push({
      code: 'custom',
      message: `"${text}" is not ${what}`,
      input: text,
      params: { remedy: `Write it like ${example}` },
    });
    return z.NEVER;
  });
}

export const duration = () => parsed(parseDuration, 'a duration', '30s, 5m, 2h or 4d').meta({ pattern: '^[1-9]\\d{0,5}[smhd]$' });
export const size = () => parsed(parseSize, 'a size', '512KiB or 35MiB').meta({ pattern: '^\\d{1,9}(B|KiB|MiB|GiB)$' });
export const network = () => parsed(parseNetwork, 'a network', '10.1.0.5/32 or 2001:db8::/48');
/** Of a network as `network` reads it: 0.0.0.0/0 or ::/0. */
export const isEverybody = (written: string): boolean => written.endsWith('/0');
export const smartHost = () =>
  parsed((text) => parseHostPort(text, 25), 'a host with a port', '"mail.example.com:25" or "[2001:db8::1]:25"');
export const addressSpace = () =>
  parsed(parseAddressSpace, 'an address space', 'example.com, "*.example.com", "*", or with a cost "example.com;10"');
export const hostName = () => parsed(parseName, 'a host name', 'mx1.example.com; it must be a name, not an address');
export const domainName = () => parsed(parseName, 'a domain', 'example.com');
export const domainPattern = () =>
  parsed(parseDomainPattern, 'a pattern for domains', 'partner.example, or "*.partner.example" for its subdomains and itself');
export const certificateName = () =>
  parsed(
    parseDomainPattern,
    'a name in a certificate',
    'mail.protection.outlook.com, or "*.example.com" for any name one label below',
  );
export const mailboxAddress = () => parsed<Mailbox>(parseMailbox, 'an e-mail address', 'user@example.com');
export const refusal = () =>
  parsed(parseRefusal, 'a refusal', '"550 5.7.1 No mail here": code, enhanced status of the same class, text');
export const ipAddress = () => parsed((text) => (isIP(text) === 0 ? undefined : text), 'an IP address', '203.0.113.5');
export const dnsServer = () =>
  parsed(
    (text) => {
      const server = isIP(text) === 6 ? { host: text, port: 53 } : parseHostPort(text, 53);
      return server === undefined || isIP(server.host) === 0
        ? undefined
        : server.host.includes(':')
          ? `[${server.host}]:${server.port}`
          : `${server.host}:${server.port}`;
    },
    'the address of a DNS server',
    '"127.0.0.1:53"',
  );
export const ldapUrl = () => parsed(parseLdapUrl, 'the address of a directory server', '"ldaps://dc1.example.com"');
export const ldapFilter = () => parsed(parseLdapFilter, 'a search filter (RFC 4515)', '"(&(objectCategory=person)(mail=*))"');
export const webUrl = () =>
  parsed(parseWebUrl, 'an HTTPS address', '"https://graph.microsoft.com/v1.0"; clear HTTP is for this machine alone');
export const lmtpEndpoint = () =>
  parsed(
    (text) => (text.startsWith('unix:/') ? { unix: text.slice(5) } : parseHostPort(text, 24)),
    'an LMTP endpoint',
    '"127.0.0.1:24" or "unix:/run/lmtp"',
  );
export const acceptedName = () =>
  parsed(
    (text) => {
      const name = parseName(text.startsWith('*.') ? text.slice(2) : text);
      return name === undefined ? undefined : { name, includeSubdomains: text.startsWith('*.') };
    },
    'a domain',
    'example.com, or "*.example.com" to take its subdomains too',
  );
/** The name of a connector or source: it stands in records, commands and metrics. */
export const label = (what: string) =>
  parsed(
    (text) => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text) ? text : undefined),
    what,
    'on-premises: letters, digits, dots, dashes',
  );
/** The name of a user or group of the system. */
export const accountName = () =>
  parsed(
    (text) => (/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(text) ? text : undefined),
    'the name of an account',
    'bridgehead: the user or group of the system',
  );
/** A path; relative ones count from the settings file's folder. */
export const filePath = () =>
  parsed(
    (text) => (text === '' || text.includes('\0') ? undefined : text),
    'a path',
    'recipients.csv; relative paths count from the settings file',
  );
/** A pattern for an address, with `*` for anything. `<>` is the null sender. */
export const addressPattern = () =>
  parsed(
    (text) => (text === '*' || text === '<>' || (/^[^@\s]+@[^@\s]+$/.test(text) && text.length <= 320) ? text : undefined),
    'a pattern for addresses',
    '"*@lab.example.com", "user@example.com", "*@*.example.com" or "*"',
  );
