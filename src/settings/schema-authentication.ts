/** The settings about who mail is really from (SPF, DKIM, DMARC), and what outsiders may not write. */
import { z } from 'zod';
import { says } from './schema-words.ts';
import { duration } from './values.ts';

export const authentication = z
  .strictObject({
    'spoofed-own-domain': says(
      z.enum(['untrusted-identity', 'reject', 'any-identity']).default('untrusted-identity'),
      'Mail from outside whose MAIL FROM or From is in one of our domains, proved neither by SPF nor by DKIM: `untrusted-identity`: it leaves by a connector with origin external, or one of origin any that shows no client certificate, and where there is none it is refused with 550 5.7.26; `reject`: always refused; `any-identity`: as other mail from outside',
      'G5: what leaves by an identity that the cloud trusts looks as if we had written it. `reject` also refuses what mailing lists pass on of your own people',
    ),
    'add-results': says(
      z.array(z.enum(['external', 'gateway', 'cloud'])).default([]),
      'Peers whose mail gets an Authentication-Results field (RFC 8601) in front; fields that claim to be ours are removed then',
      'each message then waits for DNS before its first delivery; by way of a gateway SPF has no client to look at',
    ),
    deadline: says(
      duration().prefault('10s'),
      'How long DNS is waited for, for one message; what is not known then is temperror',
      'mail is never held up longer than that',
    ),
  })
  .prefault({});

export const headerFirewall = z.enum(['on', 'off']).default('on');
