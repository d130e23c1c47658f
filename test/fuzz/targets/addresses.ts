/** Addresses and domains: what is taken is whole and means the same when it is read again. */
import { mailboxKey, parseDomain, parseMailbox } from '../../../src/mail/address.ts';
import { corpusOf } from '../corpus.ts';
import { must, type Target } from '../target.ts';

export const addresses: Target = {
  name: 'addresses',
  inputs: 'address',
  long: 1_000_000,
  short: 40_000,
  open: async () => ({
    corpus: corpusOf('addresses'),
    words: ['@', '@example.com', '"', '\\"', 'xn--', '.', '%', '!', '[127.0.0.1]', 'postmaster'],
    most: 5_000,
    run(input, chance) {
      const text = input.toString(chance() < 0.5 ? 'utf8' : 'latin1');
      const box = parseMailbox(text);
      if (box !== undefined) {
        must(!/[\u0000-\u001f\u007f]/.test(box.address), 'a control character in an address that was taken');
        must(Buffer.byteLength(box.address) <= 2 * 315 + 3 + 253, 'an address of any length was taken');
        const again = parseMailbox(box.address);
        must(
          again !== undefined && mailboxKey(again) === mailboxKey(box),
          'an address that was taken is another when read again',
        );
      }
      const domain = parseDomain(text);
      if (domain !== undefined)
        must(parseDomain(domain) === domain && /^[a-z0-9._-]+$/.test(domain), `a domain not in A-labels, lower case: ${domain}`);
    },
    [Symbol.asyncDispose]: async () => {},
  }),
};
