/** The settings of a connector: Exchange's send connector. */
import { z } from 'zod';
import { protocolLog, says } from './schema-words.ts';
import {
  addressSpace,
  certificateName,
  domainPattern,
  filePath,
  hostName,
  ipAddress,
  label,
  lmtpEndpoint,
  size,
  smartHost,
} from './values.ts';

const nextHop = z.strictObject({
  mx: says(z.literal(true).optional(), 'By the MX records of the recipient domain (RFC 5321 §5)'),
  'smart-hosts': says(z.array(smartHost()).min(1).optional(), 'To these hosts; port 25 where none is written'),
  order: says(z.enum(['failover', 'balance']).optional(), 'Smart hosts one after the other, or all alike', undefined, 'failover'),
  lmtp: says(lmtpEndpoint().optional(), 'To an LMTP server (RFC 2033): host and port, or unix:/path'),
  maildir: says(filePath().optional(), 'Into this Maildir (tmp, new, cur): a file for each recipient, with Delivered-To'),
});

const MODES = ['none', 'opportunistic', 'required', 'verified'] as const;
const PROFILES = ['modern', 'intermediate', 'legacy'] as const;
const ON_DOWNGRADE = ['warn', 'defer'] as const;
const AS_CONNECTOR = "the connector's";

const destination = z.strictObject({
  domain: says(
    domainPattern(),
    'Which domains: partner.example, or "*.partner.example" (subdomains and itself); the most specific entry wins',
  ),
  mode: says(z.enum(MODES), 'As `mode` of the connector'),
  profile: says(z.enum(PROFILES).optional(), 'As `profile` of the connector', undefined, AS_CONNECTOR),
  names: says(z.array(certificateName()).min(1).optional(), 'As `names` of the connector', undefined, AS_CONNECTOR),
  'on-downgrade': says(z.enum(ON_DOWNGRADE).optional(), 'As `on-downgrade` of the connector', undefined, AS_CONNECTOR),
});

const tls = z
  .strictObject({
    mode: says(
      z.enum(MODES).optional(),
      '`opportunistic`: encrypted where possible, else in clear; `required`: encrypted with any certificate, else deferred; `verified`: chain and name right too, else deferred',
      'mail gets there, and encrypted wherever the other side can (RFC 7435)',
      '`opportunistic`; `none` for Maildir',
    ),
    profile: says(z.enum(PROFILES).default('intermediate'), 'TLS 1.3; TLS 1.2 and newer; TLS 1.0 and newer'),
    names: says(
      z.array(certificateName()).min(1).optional(),
      'Names of which one must be in the certificate (mode verified; TlsDomain of Exchange): mail.protection.outlook.com is fulfilled by that name or by *.protection.outlook.com in the certificate, never by a name below it; "*.example.com" by any name one label below example.com (RFC 9525)',
      'by MX the name of the host comes from DNS, which can be forged: then write the names',
      'the host we connect to',
    ),
    certificate: says(
      filePath().optional(),
      'PEM: the client certificate with its intermediates; needs mode required or verified (C12)',
    ),
    key: says(filePath().optional(), 'PEM: the private key of it'),
    'ca-file': says(
      filePath().optional(),
      'PEM: the authorities that are trusted on this way, in place of the public ones',
      undefined,
      'the public ones',
    ),
    'on-downgrade': says(
      z.enum(ON_DOWNGRADE).default('warn'),
      'When a next hop that had TLS goes in clear, or shows another certificate: mail goes and `status` says so, or mail waits (451 4.7.x) until it is as before or `connector accept-tls` takes it',
      'a server that was set up anew is the usual cause; who would rather wait than trust it writes defer',
    ),
    'learned-days': says(
      z.int().min(1).max(365).default(3),
      'On how many days a next hop must have had TLS before its loss counts',
    ),
    destinations: says(z.array(destination).min(1).max(10_000).optional(), 'Other TLS for some of the domains that go this way'),
  })
  .prefault({});

export const connector = z.strictObject({
  name: says(label('a name for a connector'), 'How records and commands call it'),
  'address-spaces': says(
    z.array(addressSpace()).min(1),
    'What goes this way: example.com, "*.example.com" (subdomains and itself), "*" (the Internet); with a cost as "example.com;10"',
  ),
  cost: says(z.int().min(0).max(9999).optional(), 'The cost of address spaces that name none', undefined, '1'),
  'next-hop': says(nextHop, 'Where it goes: exactly one of mx, smart-hosts, lmtp, maildir'),
  tls: says(tls, 'TLS on this way'),
  origin: says(
    z.enum(['internal', 'external', 'any']).default('any'),
    'Which mail may use this identity: from our own servers, from outside, all',
    'G5: an identity that the cloud trusts should not carry what outsiders send',
  ),
  'source-address': says(ipAddress().optional(), 'The address we connect from', undefined, "the system's choice"),
  helo: says(hostName().optional(), 'The name we give in EHLO', undefined, 'the hostname'),
  ip: says(
    z.union([z.literal(4), z.literal(6), z.literal('any')]).default(4),
    'Which addresses of the next hop are used',
    'R20: the cloud takes IPv6 only from hosts with PTR and SPF or DKIM',
  ),
  connections: says(
    z.int().min(1).max(1000).default(20),
    'At most, per next hop',
    'what one client may have at Exchange by default',
  ),
  'message-size': says(size().optional(), 'The largest message this way takes (C14)', undefined, 'limits.message-size'),
  'protocol-log': protocolLog(),
});
