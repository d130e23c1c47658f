/** R15: never an open relay, in whatever form the address comes. Forms that are no mailbox at all stop in reception. */
import { beforeAll, describe, expect, it } from 'vitest';
import { parseMailbox } from '../../../src/mail/address.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import { ask, directoryOf, PEOPLE, ROUTING, ROUTING_DOMAIN as T } from './flow.ts';

let people: ActiveDirectory;
beforeAll(async () => {
  people = await directoryOf(PEOPLE);
});

/** Ways to hide another destination in a local part; `%s` is the domain that takes the bait. */
const HIDDEN = [
  'x%%other.example@%s',
  'x%%other.example%%third.example@%s',
  'other.example!x@%s',
  'third.example!other.example!x@%s',
  '"x@other.example"@%s',
  '"x%%other.example"@%s',
  '"x@other.example "@%s',
  '"@other.example:x"@%s',
  '"other.example!x"@%s',
  '"x:other.example"@%s',
  'x/other.example@%s',
  '"/c=us/a=other/s=x"@%s',
  'here%%other.example@%s',
  'moved%%other.example@%s',
  'here+x%%other.example@%s',
  'moved+other.example!x@%s',
  '@%s',
  '@other.example:x@%s',
  '@%s:x@other.example',
  'x@other.example@%s',
  '"x"@other.example@%s',
];
const BAITS = ['example.com', 'closed.example', 'wide.example', 'sub.wide.example'];
const ELSEWHERE = [
  'x@gmail.example',
  'x@EXAMPLE.COM.evil.example',
  'x@notexample.com',
  'x@sub.example.com',
  'x@example.com.',
  'x@xn--exmple-cua.com',
  'x@ex\u00e4mple.com',
  'x@[127.0.0.1]',
  'x@127.0.0.1',
  'x@localhost',
  'x@com',
  `x@${T}`,
  `moved@${T}`,
  `x%other.example@${T}`,
  `x@sub.${T}`,
  'postmaster@gmail.example',
  'postmaster@sub.example.com',
  'postmaster%gmail.example@example.com',
  '"postmaster@gmail.example"@example.com',
];
const FORMS = [...HIDDEN.flatMap((form) => BAITS.map((bait) => form.replaceAll('%s', bait).replaceAll('%%', '%'))), ...ELSEWHERE];

describe('R15: never an open relay', () => {
  it('has tried at least sixty forms', () => {
    expect(new Set(FORMS).size).toBeGreaterThanOrEqual(60);
  });

  it.each(['external', 'cloud', 'gateway'] as const)('%s clients get none of these forms through', (peer) => {
    for (const form of FORMS) {
      if (form === 'x@example.com.') continue; // our own domain, written with its root
      const parsed = parseMailbox(form);
      if (parsed === undefined) continue;
      expect([form, ask(people, ROUTING, parsed.address, peer)]).toEqual([form, '550 5.7.1']);
    }
  });

  it('on-premises servers get no further than our domains and the cloud', () => {
    for (const form of FORMS) {
      const parsed = parseMailbox(form);
      if (parsed === undefined) continue;
      const answer = ask(people, ROUTING, parsed.address, 'on-premises');
      // wherever it goes, it goes there as one mailbox: nobody interprets what stands in the local part
      expect(`${form}: ${answer}`).toMatch(/: (5\d\d |on-premises |cloud \S.*@tenant\.mail\.onmicrosoft\.com$)/);
    }
  });

  it('an address with such a sign that the directory lists is a mailbox like any other', () => {
    expect(ask(people, ROUTING, 'percent%sign@example.com', 'external')).toBe('on-premises percent%sign@example.com');
  });
});
