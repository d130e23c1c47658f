/** IP addresses as mail systems write them in Received fields. Pure. */
import { isIP } from 'node:net';

/** The address that this text is and nothing else: `[IPv6:2001:db8::1]`, `[192.0.2.1]:25`, `192.0.2.1`. */
export function addressIn(text: string): string | undefined {
  let inner = text.trim();
  const literal = /^\[\s*([^\]]*?)\s*\](?::\d{1,5})?$/.exec(inner);
  if (literal !== null) inner = literal[1] ?? '';
  return normal(inner);
}

/** Addresses in a comment, in brackets first: `rdns [192.0.2.1]`, `192.0.2.1`, `unknown[192.0.2.1]`. */
export function peerIn(comment: string): string | undefined {
  for (const match of comment.matchAll(/\[([^\][]{2,64})\]/g)) {
    // What a client called itself is not where it came from
    if (/(?:helo|ehlo|ident)[ =:"]*$/i.test(comment.slice(Math.max(0, match.index - 12), match.index))) continue;
    const address = normal((match[1] ?? '').trim());
    if (address !== undefined) return address;
  }
  // qmail with a login or an ident: `(user@example.org@192.0.2.1)`
  const behindLogin = /^[^\s<>]+@\[?([0-9a-f.:]{3,45})\]?$/i.exec(comment.trim())?.[1];
  const login = behindLogin === undefined ? undefined : normal(behindLogin);
  if (login !== undefined) return login;
  // Only a comment that is the address, or begins with it: a name may look like one
  return normal(comment.trim()) ?? normal(/^\s*(?:ip[= :])?([0-9a-f.:]{2,45})(?=[\s,;]|$)/i.exec(comment)?.[1] ?? '');
}

/** Without `IPv6:`, an IPv4 port, or the IPv6 prefix of an IPv4 address; `undefined` for what is no address. */
function normal(text: string): string | undefined {
  const bare = text.replace(/^ipv[46]:/i, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  if (isIP(mapped) !== 0) return mapped;
  const port = /^(\d+\.\d+\.\d+\.\d+)[:.]\d{1,5}$/.exec(mapped)?.[1];
  return port !== undefined && isIP(port) === 4 ? port : undefined;
}

/** Loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3): what goes there stays on the host. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Addresses that come only from one's own network: loopback, private, link-local, shared, unique local. */
export function isInternal(address: string): boolean {
  return (
    isLoopback(address) ||
    /^(?:10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(address) ||
    /^(?:fe[89ab][0-9a-f]|f[cd][0-9a-f]{2}):/i.test(address)
  );
}
