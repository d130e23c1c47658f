/** The settings of one source of recipients: a file, a directory server, or Microsoft Graph. */
import { z } from 'zod';
import { says } from './schema-words.ts';
import { duration, filePath, label, ldapFilter, ldapUrl, size, webUrl } from './values.ts';

const ldap = z.strictObject({
  url: says(
    z.union([ldapUrl(), z.array(ldapUrl()).min(1)]),
    'The server, such as "ldaps://dc1.example.com"; or a list of them, tried in order',
  ),
  'start-tls': says(
    z.boolean().optional(),
    'Whether an ldap:// session is encrypted before anything is said',
    'the password and the names of all colleagues go over it',
    'true for ldap://',
  ),
  'ca-file': says(filePath().optional(), 'PEM: who signed the certificate of the server', undefined, "the system's"),
  base: says(
    z.string().min(1).optional(),
    'Where the search begins, such as "DC=example,DC=com"',
    undefined,
    "the server's own (defaultNamingContext)",
  ),
  filter: says(
    ldapFilter().prefault('(proxyAddresses=*)'),
    'Which objects are read',
    'everything that Exchange has given an address',
  ),
  'bind-dn': says(z.string().min(1).optional(), 'Who asks; a user that may read is enough', undefined, 'nobody (anonymous)'),
  'password-file': says(filePath().optional(), 'A file with the password of bind-dn'),
  'page-size': says(z.int().min(1).max(100_000).default(500), 'Objects in one answer', 'Active Directory gives 1,000 at most'),
  deadline: says(duration().prefault('30s'), 'How long one answer is waited for', 'a page takes a second'),
  refresh: says(duration().optional(), 'As `refresh` of the source; in one of the two places', undefined, '`5m`'),
});

const graph = z.strictObject({
  url: says(webUrl().prefault('https://graph.microsoft.com/v1.0'), 'The service; national clouds have their own'),
  'sign-in-url': says(webUrl().prefault('https://login.microsoftonline.com'), 'Where the application signs in'),
  tenant: says(
    z
      .string()
      .regex(/^[A-Za-z0-9.-]{1,255}$/)
      .optional(),
    'The tenant that signs us in: its id or a domain of it',
  ),
  'client-id': says(
    z.string().min(1).max(255).optional(),
    'The application that asks; it needs User.Read.All, Group.Read.All, OrgContact.Read.All',
    undefined,
    'nobody signs in (a server of your own that answers like Graph)',
  ),
  'secret-file': says(filePath().optional(), 'A file with its secret'),
  certificate: says(filePath().optional(), 'PEM: its certificate, in place of a secret'),
  key: says(filePath().optional(), 'PEM: the private RSA key of it'),
  deadline: says(duration().prefault('30s'), 'How long one answer is waited for', 'a page takes a second'),
  refresh: says(duration().optional(), 'As `refresh` of the source; in one of the two places', undefined, '`5m`'),
});

export const source = z.strictObject({
  name: says(label('a name for a source').optional(), 'How records call it', undefined, "the file's name without its ending"),
  file: says(filePath().optional(), 'CSV in our plain form, or an export as it comes (CSV, LDIF, JSON)'),
  ldap: says(ldap.optional(), 'A directory server that is asked'),
  graph: says(graph.optional(), 'Microsoft Graph, or a server that answers like it'),
  refresh: says(
    duration().optional(),
    'How often a live source is asked again',
    'a new colleague has mail after a coffee',
    '`5m`',
  ),
});

export const hold = z
  .strictObject({
    'warn-after': says(duration().prefault('2h'), 'A hold that lasts longer raises the alarm', 'a move should be over by then'),
    'deliver-after': says(
      duration().prefault('3d'),
      'Then the hold ends by itself, and the mail goes to the side that the mailbox came from',
      'C9: a forgotten hold must not cost mail',
    ),
    volume: says(
      size().prefault('10GiB'),
      'Mail held for one wave at most; then 452 4.2.2 at RCPT, and the senders wait',
      'a full disk would stop all mail',
    ),
  })
  .prefault({});
