/** What routing answers at RCPT, and what a DSN says when the same is found later. */
import type { Mailbox } from '../mail/address.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';

export const REPLIES = {
  taken: reply(250, '2.1.5', 'Recipient ok'),
  loop: reply(550, '5.4.6', 'Routing loop: this recipient would go back to where the message came from'),
  noCloud: reply(550, '5.4.4', 'No way to the cloud is set up for this recipient'),
  // for a while: DNS takes up to 48 hours, and the sender's server keeps the mail so long
  unverified: reply(451, '4.7.1', 'This domain is not verified for the cloud yet; please try again later'),
  tooLarge: reply(552, '5.3.4', 'Message too big for the route of this recipient'),
  notOurs: reply(550, '5.7.1', 'Relaying denied: we take mail for our own domains only'),
  routingAddress: reply(550, '5.7.1', 'Relaying denied: write to the address in our own domain'),
  notPlain: reply(550, '5.7.1', 'Relaying denied: no routes within an address'),
  notAscii: reply(553, '5.6.7', 'Internationalised addresses are not supported here'),
  unknown: (recipient: Mailbox): SmtpReply => reply(550, '5.1.1', `User unknown: ${recipient.address}`),
  noConnector: (domain: string): SmtpReply => reply(550, '5.4.4', `No connector for ${domain}`),
  noConnectorNamed: (name: string): SmtpReply => reply(550, '5.4.4', `No connector ${name} for this recipient`),
  // RFC 7372 §3.3: several authentication checks failed
  spoofed: reply(550, '5.7.26', 'The sender claims a domain of ours, and neither SPF nor DKIM proves it'),
  notAuthenticated: reply(451, '4.7.26', 'The sender claims a domain of ours, and DNS cannot tell now; please try again later'),
  internalOnly: (name: string): SmtpReply => reply(550, '5.7.1', `Connector ${name} is for mail of our own servers alone`),
  cannotAsk: reply(450, '4.4.0', 'Cannot ask for this recipient now; please try again'),
} as const;

/** Whether a reply is that one. */
export const refuses = (given: SmtpReply, that: SmtpReply): boolean => given === that;
