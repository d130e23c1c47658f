/** The settings of probes: test messages that tell whether mail arrives, and comes back. */
import { z } from 'zod';
import { says } from './schema-words.ts';
import { domainName, duration, filePath, label, mailboxAddress } from './values.ts';

const imap = z.strictObject({
  host: says(z.union([domainName(), z.ipv4(), z.ipv6()]).transform(String), 'The IMAP server of the mailbox'),
  port: says(z.int().min(1).max(65_535).optional(), 'Its TCP port', undefined, '993; 143 without implicit TLS'),
  tls: says(
    z.enum(['implicit', 'starttls', 'none']).default('implicit'),
    'TLS from the first octet, STARTTLS, or clear (on this machine alone)',
    'a password goes over it',
  ),
  'ca-file': says(filePath().optional(), 'PEM: who signed its certificate', undefined, 'the public authorities'),
  user: says(z.string().min(1).max(320), 'Who signs in'),
  'password-file': says(filePath().optional(), 'A file with the password'),
  'access-token-file': says(
    filePath().optional(),
    'A file with an OAuth 2.0 access token in its place; something else must renew it',
  ),
  mailboxes: says(
    z.array(z.string().min(1).max(200)).min(1).max(10).default(['INBOX']),
    'Where the message is looked for, such as [INBOX, "Junk Email"]; it is deleted there once it is found',
  ),
});

const wait = z.strictObject({
  maildir: says(filePath().optional(), 'A Maildir in which the message arrives; it is deleted there once it is found'),
  imap: says(imap.optional(), 'A mailbox that is reached by IMAP'),
  reply: says(
    z.boolean().optional(),
    'An answer must come back through this relay: of an echo address, or of a mailbox that answers automatically',
    'only an answer proves the way back',
    'true where nothing else is waited for',
  ),
});

export const probe = z.strictObject({
  name: says(label('a name for a probe'), 'How commands, findings and metrics call it'),
  to: says(
    mailboxAddress(),
    'A test mailbox, such as probe-cloud@example.com; give it kind `probe` in the directory, so that it never counts as migrated',
  ),
  from: says(
    mailboxAddress().optional(),
    'The From field. Its domain must be ours: answers come to bridgehead-probe+TOKEN in that domain, which the relay takes for itself',
    'the envelope has the address with the token as its sender too, so that notices of failure come back as well',
    'postmaster at the first domain',
  ),
  side: says(z.enum(['cloud', 'on-premises']).optional(), 'Which side it must go to', undefined, 'any'),
  every: says(
    z.union([duration(), z.literal('off')]).optional(),
    'How often the relay runs it by itself (15m); off: only when asked',
    undefined,
    '`off`',
  ),
  deadline: says(
    duration().prefault('5m'),
    'How long the message, and its answer, are waited for in all; at most 10m',
    'two quick retries are within it',
  ),
  wait: says(wait, 'What tells that it arrived: maildir or imap, reply, or one of the two and reply'),
});
