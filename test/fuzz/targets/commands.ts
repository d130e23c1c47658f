/** Command lines through their parsers. */
import { parseDomain, parseMailbox } from '../../../src/mail/address.ts';
import { parseReply } from '../../../src/mail/reply.ts';
import { parseBdat } from '../../../src/reception/chunks.ts';
import { parseMail, parseRcpt } from '../../../src/reception/command.ts';
import { corpusOf } from '../corpus.ts';
import { must, type Target } from '../target.ts';
import { COMMAND_WORDS } from './words.ts';

export const commands: Target = {
  name: 'commands',
  inputs: 'line',
  long: 1_000_000,
  short: 40_000,
  async open() {
    const domain = parseDomain('example.com');
    if (domain === undefined) throw new Error('example.com');
    return {
      corpus: corpusOf('commands'),
      words: COMMAND_WORDS,
      most: 2_048,
      run(input, chance) {
        const line = input.toString('latin1');
        const mail = parseMail(line);
        if ('refusal' in mail) must(mail.refusal.code >= 500 && mail.refusal.code < 600, 'a refusal that is none');
        else if (mail.sender !== null) must(parseMailbox(mail.sender.address) !== undefined, 'a sender that is no mailbox');
        const routing = chance() < 0.5;
        const rcpt = parseRcpt(line, domain, routing);
        if ('refusal' in rcpt) must(rcpt.refusal.code >= 500 && rcpt.refusal.code < 600, 'a refusal that is none');
        else {
          const { recipient, orcpt } = rcpt;
          must(parseMailbox(recipient.address) !== undefined, 'a recipient that is no mailbox');
          must(!/[@:]/.test(recipient.localPart) && (routing || !/[%!]/.test(recipient.localPart)), 'a route in a recipient');
          must(orcpt === undefined || /^[ -~]{1,500}$/.test(orcpt), 'an ORCPT that breaks lines');
        }
        const bdat = parseBdat(line);
        must(bdat === undefined || (Number.isSafeInteger(bdat.octets) && bdat.octets >= 0), 'a chunk of no size');
        const reply = parseReply(line);
        must(reply === undefined || (reply.code >= 200 && reply.code <= 599 && reply.text.length <= 512), 'a reply that is none');
      },
      [Symbol.asyncDispose]: async () => {},
    };
  },
};
