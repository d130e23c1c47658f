/** What the replies mean that this relay writes itself, where it has no way for a message or will not take it. */
import type { AdviceEntry } from './advice-entry.ts';

export const OWN_ADVICE: readonly AdviceEntry[] = [
  {
    codes: ['5.4.6'],
    says: /^Routing loop: this recipient would go back/,
    meaning: 'This relay did not send the message back to where it came from',
    cause: 'The side that sent it believes the mailbox to be on the other, and the directory here says that it is not',
    remedy: 'bridgehead explain ADDRESS --peer cloud (or on-premises), then compare both sides: bridgehead directory check',
    whose: 'relay',
  },
  {
    codes: ['5.4.4'],
    says: /^No (?:way to the cloud|connector)/,
    meaning: 'This relay has no way for this recipient',
    cause: 'No connector has the domain among its address spaces, or no routing domain of the cloud is set',
    remedy:
      'bridgehead explain ADDRESS shows what was looked for; add the address space to a connector, or set cloud.routing-domains',
    whose: 'relay',
  },
  {
    codes: ['4.7.1'],
    says: /^This domain is not verified for the cloud yet/,
    meaning: 'The proof that the domain is yours was not found in DNS, so nothing of it goes to the cloud',
    cause: 'The record that domains[].verification names is not published yet, or DNS has not heard of it',
    remedy: 'bridgehead domain verify NAME tells what was looked for; --override --reason TEXT goes on without it',
    whose: 'relay',
  },
  {
    codes: ['5.3.4'],
    says: /^Message too big for the route|^the message has \d+ octets/,
    meaning: 'The message is larger than its way takes',
    cause: 'The message-size of the connector, or the SIZE that the next hop names, is smaller than what was accepted',
    remedy:
      'Raise the limit there, or set message-size at the connector to what the next hop takes, so that it is refused at RCPT',
    whose: 'sender',
  },
  {
    codes: ['5.7.26'],
    says: /claims a domain of ours/,
    meaning: 'The sender address is in a domain of yours, it came from outside, and neither SPF nor DKIM vouches for it',
    cause: 'A forgery; or a service that writes in your name and is in no SPF record and signs with no DKIM key of yours',
    remedy:
      'For a service of yours: add it to the SPF record of the domain, or let it sign with DKIM. A forgery is rightly refused (R8)',
    whose: 'sender',
  },
  {
    codes: ['4.7.26'],
    says: /claims a domain of ours/,
    meaning: 'The sender address is in a domain of yours, and DNS did not answer whether SPF or DKIM vouches for it',
    cause: 'The DNS servers of this relay, or those of the domain, do not answer at the moment',
    remedy: 'Look with dig TXT DOMAIN, and at dns.servers',
    whose: 'relay',
  },
  {
    codes: ['5.7.1'],
    says: /^Connector .* is for mail of our own servers alone/,
    meaning: 'The message came from outside, and the way that it was to take is for mail from inside',
    cause: 'A rule, a copy or an operator named a connector with origin: internal',
    remedy: 'Name a connector with origin: external or any; bridgehead explain ADDRESS shows who named this one',
    whose: 'relay',
  },
  {
    codes: ['4.7.5'],
    says: /^the connector's certificate or key cannot be used/,
    meaning: 'The client certificate of the connector or its key cannot be used',
    cause: 'A file is missing, cannot be read by the relay, or the two do not belong together',
    remedy: 'bridgehead status names the file; put both in place, they are taken within seconds',
    whose: 'relay',
  },
  {
    codes: ['4.7.4', '4.7.5'],
    says: /on-downgrade: defer$/,
    meaning: 'The next hop had better TLS on the days before, and the connector waits rather than trust what it shows now',
    cause: 'The server was set up anew, or somebody stands between it and this relay',
    remedy: 'Ask who runs it; where the change is right: bridgehead connector accept-tls NAME HOST',
    whose: 'relay',
  },
  {
    codes: ['4.3.0'],
    says: /^(?:the message could not be read whole from the spool|Local error in processing)/,
    meaning: 'This relay could not read or handle the message',
    cause: 'The disk of data-directory, or a fault in the relay',
    remedy: 'bridgehead status, and the log of that moment',
    whose: 'relay',
  },
  {
    codes: ['4.3.0', '4.3.1'],
    says: /^the mail folder/,
    meaning: 'The mail folder of the connector cannot take the message',
    cause: 'Its disk is full, or the relay may not write there',
    remedy: 'bridgehead connector test NAME; look at the rights and the room of that folder',
    whose: 'relay',
  },
];
