/**
 * The settings file as contract.md has it: every name, what it takes, its default and the reason for it. The checks, the
 * JSON schema for editors (config/bridgehead.schema.json) and the reference table (config/README.md) all come from here.
 */
import { z } from 'zod';
import { authentication, headerFirewall } from './schema-authentication.ts';
import { connector } from './schema-connectors.ts';
import { hold, source } from './schema-directory.ts';
import { admission, limits } from './schema-limits.ts';
import { probe } from './schema-probes.ts';
import { cloud, domain, peers, rule } from './schema-routing.ts';
import { protocolLog, says } from './schema-words.ts';
import { accountName, dnsServer, duration, filePath, hostName, ipAddress, mailboxAddress, network } from './values.ts';

const port = () => z.int().min(0).max(65_535);

const log = z
  .strictObject({
    level: says(
      z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
      'How much is written',
      'info writes each event of each message, which is what people look for later',
    ),
    format: says(z.enum(['json', 'pretty']).default('json'), 'JSON lines, or lines for people', 'collectors read JSON'),
  })
  .prefault({});

const listener = z.strictObject({
  address: says(
    ipAddress().prefault('127.0.0.1'),
    'The address to listen at; 0.0.0.0 and :: are all of them',
    'safe until you say who may come',
  ),
  port: says(port().default(2525), 'The TCP port; 0 takes a free one', 'needs no privilege'),
  tls: says(
    z.enum(['starttls', 'implicit']).default('starttls'),
    'STARTTLS offered to every client, or TLS from the first octet',
    'other mail servers speak STARTTLS',
  ),
  'protocol-log': protocolLog(),
  role: says(
    z.enum(['relay', 'submission']).default('relay'),
    '`submission` (port 587, or 465 with `tls: implicit`) takes mail from `peers.on-premises` alone, by network or certificate, and in TLS; there is no AUTH',
    'everybody may send mail to your domains',
  ),
  'without-tls': says(
    z.array(network()).default([]),
    'With `role: submission`: networks of on-premises devices that may send without TLS, such as old printers',
    'what they send could be read',
  ),
  'client-ca-file': says(
    filePath().optional(),
    'PEM: the authority of your own that vouches for client certificates at this listener, instead of the public ones',
    undefined,
    'the public authorities',
  ),
  'proxy-protocol': says(
    z.array(network()).min(1).optional(),
    'Load balancers (networks) that send a PROXY header, version 1 or 2, before all else; from them it must come, from others it is refused',
    undefined,
    'nobody may send one',
  ),
});

const tls = z
  .strictObject({
    certificate: says(
      filePath().optional(),
      'PEM: our certificate, and the intermediates behind it in order',
      'Exchange Online does not fetch intermediates by itself',
      'self-signed, made at the first start',
    ),
    key: says(filePath().optional(), 'PEM: the private key of it'),
    profile: says(
      z.enum(['modern', 'intermediate', 'legacy']).default('intermediate'),
      'TLS 1.3; TLS 1.2 and newer; TLS 1.0 and newer',
      'what Exchange 2013 and newer can, and nothing that is broken',
    ),
    'renewal-hook': says(
      z.array(z.string().min(1).max(4096)).min(1).max(100).optional(),
      'A program and its arguments, run without a shell after the relay took a changed certificate (its own, or the client certificate of a connector); BRIDGEHEAD_USE, _NAME, _CERTIFICATE, _KEY, _SHA256 and _VALID_TO tell which; it has 60 seconds',
      'to copy the certificate where others need it; the relay itself takes a changed file within 15 seconds',
    ),
  })
  .prefault({});

const queue = z
  .strictObject({
    retry: says(
      z.array(duration()).min(1).prefault(['1m', '5m', '15m', '30m', '1h', '2h', '4h']),
      'The waits between attempts; the last one repeats',
      'RFC 5321 §4.5.4.1 asks for 30 minutes; a first quick try catches greylisting and restarts',
    ),
    'expire-after': says(
      duration().prefault('5d'),
      'When we give up and tell the sender',
      'RFC 5321 §4.5.4.1: four to five days',
    ),
    'warn-after': says(duration().prefault('4h'), 'When the sender hears that a message waits', 'half a working day'),
  })
  .prefault({});

const admin = z
  .strictObject({
    address: says(
      ipAddress().prefault('127.0.0.1'),
      'Where the page, the metrics and the API are',
      'only this machine may steer the relay',
    ),
    port: says(port().default(8025), 'The TCP port; 0 takes a free one'),
    'token-file': says(filePath().optional(), 'A file with the token that callers must show; needed off loopback'),
    tls: says(
      z
        .strictObject({
          certificate: says(filePath(), 'PEM: the certificate and its intermediates'),
          key: says(filePath(), 'PEM: its private key'),
        })
        .optional(),
      'A certificate of its own, PEM',
      undefined,
      'the one under `tls`; off loopback one of the two is needed',
    ),
  })
  .prefault({});

export const settingsSchema = z.strictObject({
  hostname: says(
    hostName(),
    'Our name: in the 220 banner, in EHLO and in Received. A name, not an address',
    'R20: Exchange Online refuses a bad HELO',
  ),
  'relay-names': says(
    z.array(hostName()).optional(),
    'All our own names, for loop detection and the trust boundary of `headers`',
    undefined,
    'the hostname',
  ),
  'data-directory': says(filePath().prefault('../var'), 'Spool, evidence, directory versions, the self-signed certificate'),
  user: says(
    accountName().optional(),
    'Who the relay becomes when root has started it and the ports are bound; all that is named here must be readable for them',
    'what is broken into from outside must not be root',
    'whoever starts it',
  ),
  group: says(accountName().optional(), 'With `user`: the group', undefined, "the user's own"),
  postmaster: says(
    mailboxAddress().optional(),
    'Who reads the mail to postmaster; never refused',
    'RFC 5321 §4.5.1',
    'the address that the directory has for postmaster@ the first domain, else the on-premises side unasked',
  ),
  log: says(log, 'The log, on standard output'),
  alerts: says(
    z
      .strictObject({
        'mail-to': says(
          z.array(mailboxAddress()).max(20).default([]),
          'Who gets a mail when something needs a person: what `status` finds, once, and when it is over; errors that stand once a day',
          'an address outside this mail system reads it also when that is down',
        ),
        'webhook-file': says(
          filePath().optional(),
          'A file with the http(s) URL that is told the same (POST of JSON: text, and alerts with state, code, severity, problem, remedy, since); read at each call',
          'for when mail is what is broken; in a file, for such a URL is a secret',
        ),
      })
      .prefault({}),
    'Whom to tell',
  ),
  evidence: says(
    z
      .strictObject({
        keep: says(duration().prefault('90d'), 'How long event records are kept', 'longer than most questions take to come'),
      })
      .prefault({}),
    'The event records',
  ),
  listeners: says(z.array(listener).min(1).prefault([{}]), 'Where clients connect', 'safe: only this machine reaches it'),
  tls: says(tls, 'Our side of TLS as a server'),
  'bare-line-ends': says(
    z.enum(['reject', 'normalise']).default('reject'),
    'A bare CR or LF (and NUL) in DATA: refused with 550 5.6.11, or made CRLF and noted in the record',
    'the other side would see another message (SMTP smuggling)',
  ),
  'header-firewall': says(
    headerFirewall,
    'X-MS-Exchange-Organization-*, X-MS-Exchange-Forest-* and X-MS-Exchange-CrossPremises-* fields are removed from what outsiders send: from everybody but on-premises peers and cloud mail with the proof of our tenant',
    'Exchange believes them: a forged one could skip its spam filter; an Exchange Edge server removes them too',
  ),
  authentication: says(authentication, 'Who mail is really from: SPF, DKIM and DMARC, looked up after a message is accepted'),
  domains: says(z.array(domain).min(1), 'The domains we take mail for'),
  cloud: says(cloud, 'The tenant'),
  peers: says(peers, 'Who a client is; what matches nothing is `external`'),
  connectors: says(z.array(connector).min(1), 'The ways out: the most specific address space wins, then the lowest cost'),
  directory: says(
    z
      .strictObject({
        sources: says(
          z.array(source).default([]),
          'Earlier sources win over later ones; what was imported by `directory import` wins over all of them',
          'without one, every recipient is unknown',
        ),
        retired: says(
          z.array(z.string()).default([]),
          'Names of sources that were taken out of `sources` and whose recipients are meant to go',
          'C6: a source that is missing by mistake must not make its people unknown',
        ),
        'grace-period': says(
          duration().prefault('24h'),
          'How long after a mailbox changed sides its server may answer 5.1.1, 5.1.10 or 5.4.1: the mail is put off, and the sender hears nothing',
          "C4: the cloud's own directory learns of it in hours",
        ),
        'both-warn-after': says(
          duration().prefault('14d'),
          'Mail of a wave that goes to both sides for longer is told in `status`; it does not end by itself',
          'a pilot is over by then; after it two mailboxes drift apart',
        ),
        hold: says(hold, 'Mail that is kept while mailboxes are moved (`wave hold`)'),
      })
      .prefault({}),
    'Who lives where',
  ),
  rules: says(
    z.array(rule).default([]),
    'Looked at before the directory, the first match wins; `copy-to` does not end the search',
  ),
  probes: says(
    z.array(probe).max(100).default([]),
    'Test messages that tell whether mail arrives and comes back (`bridgehead probe`). They enter by a listener of our own, as mail of a client on this machine does',
  ),
  queue: says(queue, 'How long we try'),
  limits: says(limits, 'What a client may take'),
  admission: says(admission, 'Who is asked about clients from outside'),
  dns: says(
    z
      .strictObject({ servers: says(z.array(dnsServer()).default([]), 'The servers to ask', undefined, "the system's") })
      .prefault({}),
    'Name resolution',
  ),
  admin: says(admin, 'The page and the API'),
});

/** The settings file after its own checks: names as in the file, values parsed, defaults filled in. */
export type SettingsFile = z.output<typeof settingsSchema>;
