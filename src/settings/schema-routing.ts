/** The settings that decide a route: domains, cloud, peers, rules. */
import { z } from 'zod';
import { says } from './schema-words.ts';
import { acceptedName, addressPattern, domainName, duration, filePath, label, network, refusal } from './values.ts';

const verifyRecipients = z.union([
  z.enum(['off']),
  z.strictObject({
    at: says(
      label('the name of a connector').prefault('on-premises'),
      'The connector to ask at; `on-premises` is the one of this domain',
    ),
    deadline: says(duration().prefault('5s'), 'How long we wait for the answer', 'C3: the client waits for us meanwhile'),
    'on-failure': says(
      z.enum(['accept', 'defer']).default('accept'),
      'What a client hears when there is no answer in time: taken, or 450',
      'C3: a server that is down must not stop mail',
    ),
  }),
]);

export const domain = z.strictObject({
  name: says(acceptedName(), 'The domain; "*.example.com" includes its subdomains'),
  type: says(
    z.enum(['authoritative', 'internal-relay', 'external-relay']).default('internal-relay'),
    "Exchange's word; it only sets the default of the next line",
    'in coexistence the directory is rarely complete on the first day',
  ),
  'unknown-recipients': says(
    z.enum(['reject', 'on-premises', 'cloud']).optional(),
    'Where mail goes that the directory has no recipient for',
    'an authoritative domain knows all its recipients',
    '`reject` where authoritative, else `on-premises`',
  ),
  'verify-recipients': says(
    verifyRecipients.optional(),
    'Ask before accepting an unknown one, or `off`',
    'C3: a refusal in session is better than a bounce',
    'on where unknown-recipients is on-premises and that connector speaks SMTP or LMTP, else `off`',
  ),
  mx: says(
    z.enum(['relay', 'cloud']).default('relay'),
    'Where the MX of the domain points',
    'mail flows through the relay until the migration ends',
  ),
  verification: says(
    z
      .strictObject({
        cname: says(
          z
            .strictObject({
              record: says(domainName(), 'The name that is looked up'),
              target: says(domainName(), 'Where its CNAME must point'),
            })
            .optional(),
          'A CNAME to find',
        ),
        txt: says(z.string().min(1).max(255).optional(), 'A TXT record of the domain to find, such as "MS=ms12345678"'),
      })
      .optional(),
    'The DNS record that proves the domain is ours',
    'C8: without it there is no gate',
  ),
});

export const cloud = z
  .strictObject({
    'routing-domains': says(
      z.array(domainName()).max(100).default([]),
      'The domains of the tenant by which a migrated mailbox is reached; the first is the default: user@ that domain',
    ),
    tenant: says(
      z
        .strictObject({
          headers: says(
            z.record(z.string().regex(/^[\x21-\x39\x3b-\x7e]{1,76}$/), z.string().min(1).max(998)).default({}),
            'Header fields and their values that prove cloud mail to be from our tenant',
            'C1: addresses and certificates of the cloud are shared by all tenants',
          ),
        })
        .prefault({}),
      'What proves our tenant',
    ),
  })
  .prefault({});

const who = {
  networks: says(z.array(network()).default([]), 'Networks of these clients'),
  'networks-file': says(filePath().optional(), 'A file with more of them, one a line; # begins a comment'),
  'certificate-names': says(z.array(domainName()).default([]), 'Names of which one must be in the client certificate'),
  match: says(z.enum(['any', 'all']).default('any'), 'Whether a network or a certificate suffices, or both are needed'),
};
const relayTo = z.array(z.enum(['own', 'cloud', 'internet']));

export const peers = z
  .strictObject({
    'on-premises': says(
      z
        .strictObject({
          ...who,
          'relay-to': says(
            relayTo.default(['own', 'cloud']),
            'What they may send to',
            'Exchange sends to routing addresses by itself (G10)',
          ),
        })
        .optional(),
      'Our own servers',
    ),
    cloud: says(
      z
        .strictObject({
          ...who,
          'relay-to': says(relayTo.default(['own']), 'What they may send to', 'C1: the rights of an external client, no more'),
        })
        .optional(),
      'Exchange Online',
    ),
    gateway: says(
      z
        .strictObject({
          ...who,
          'relay-to': says(relayTo.default(['own']), 'What they may send to', 'it passes on what outsiders send'),
          'original-client': says(
            z.enum(['none', 'received', 'xclient']).default('none'),
            '`received`: the address of the client behind the filter is read from its Received fields, for records and checks of the sender; `xclient`: the filter tells it by XCLIENT, and the client counts as `external`',
            'a filter must be known to tell it, and neither way gives anybody more rights',
          ),
        })
        .optional(),
      'A filter in front of us',
    ),
  })
  .prefault({});

export const rule = z.strictObject({
  when: says(
    z
      .strictObject({
        recipient: says(
          addressPattern().optional(),
          'A pattern for the recipient, such as "*@lab.example.com"',
          undefined,
          'any',
        ),
        sender: says(addressPattern().optional(), 'A pattern for the sender; "<>" is the null sender', undefined, 'any'),
        peer: says(z.enum(['external', 'on-premises', 'cloud', 'gateway']).optional(), 'Who the client is', undefined, 'any'),
      })
      .prefault({}),
    'All that is written here must fit',
  ),
  // oxlint-disable-next-line unicorn/no-thenable -- contract.md's word; nobody awaits a rule
  then: says(
    z.strictObject({
      connector: says(label('the name of a connector').optional(), 'Send it this way'),
      reject: says(refusal().optional(), 'Refuse it with this reply, such as "550 5.7.1 Not here"'),
      hold: says(z.literal(true).optional(), 'Accept and keep it'),
      'copy-to': says(label('the name of a connector').optional(), 'Send a copy this way as well, and look on'),
    }),
    'Exactly one of these',
  ),
});
