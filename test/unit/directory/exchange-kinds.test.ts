/** Exchange's types of recipients and where their mail goes (coexistence.md 4.3 b, e). */
import { describe, expect, it } from 'vitest';
import { type ExchangeFacts, exchangePlace } from '../../../src/directory/exchange-kinds.ts';
import { type Domain, type Mailbox, parseDomain, parseMailbox } from '../../../src/mail/address.ts';

const ROUTING = new Set([parseDomain('t.mail.onmicrosoft.com') as Domain]);
const CLOUD = parseMailbox('x@t.mail.onmicrosoft.com') as Mailbox;
const ELSEWHERE = parseMailbox('x@elsewhere.example') as Mailbox;

const place = (facts: ExchangeFacts): string => {
  const found = exchangePlace(facts, ROUTING);
  if (found === undefined) return 'none';
  const { kind, route, routingAddress, doubt } = found;
  return `${kind} ${route}${routingAddress === undefined ? '' : ` ${routingAddress.address}`}${doubt === undefined ? '' : ' ?'}`;
};

const TABLE: readonly [facts: ExchangeFacts, expected: string][] = [
  [{ typeDetails: '1' }, 'mailbox on-premises'],
  [{ typeDetails: '1', targetAddress: CLOUD }, 'mailbox on-premises ?'],
  [{ typeDetails: '2' }, 'mailbox on-premises'],
  [{ typeDetails: '4' }, 'shared on-premises'],
  [{ typeDetails: '8' }, 'mailbox on-premises'],
  [{ typeDetails: '16' }, 'room on-premises'],
  [{ typeDetails: '32' }, 'equipment on-premises'],
  [{ typeDetails: '64', targetAddress: ELSEWHERE }, 'contact on-premises'],
  [{ typeDetails: '64', targetAddress: CLOUD }, 'contact cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '128', targetAddress: CLOUD }, 'mail-user cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '256' }, 'group on-premises'],
  [{ typeDetails: '512' }, 'group on-premises'],
  [{ typeDetails: '1024' }, 'group on-premises'],
  [{ typeDetails: '2048' }, 'group on-premises'],
  [{ typeDetails: '4096' }, 'public-folder on-premises'],
  [{ typeDetails: '2147483648', targetAddress: CLOUD }, 'remote-mailbox cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '2147483648' }, 'remote-mailbox cloud ?'],
  [{ typeDetails: '8589934592', targetAddress: CLOUD }, 'room cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '17179869184', targetAddress: CLOUD }, 'equipment cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '34359738368', targetAddress: CLOUD }, 'shared cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: 'RemoteSharedMailbox', targetAddress: CLOUD }, 'shared cloud x@t.mail.onmicrosoft.com'],
  [{ typeDetails: '', recipientType: 'MailContact', targetAddress: ELSEWHERE }, 'contact on-premises'],
  [{ typeDetails: 'DisabledUser', hasHome: true }, 'none'],
];

describe('a type of Exchange', () => {
  it.each(TABLE)('%o is %s', (facts, expected) => {
    expect(place(facts)).toBe(expected);
  });

  it('that is absent (2000, 2003) is told by home server, class and target', () => {
    expect(place({ hasHome: true, objectClasses: ['top', 'user'] })).toBe('mailbox on-premises');
    expect(place({ targetAddress: CLOUD, objectClasses: ['user'] })).toBe('mail-user cloud x@t.mail.onmicrosoft.com');
    expect(place({ targetAddress: ELSEWHERE, objectClasses: ['Contact'] })).toBe('contact on-premises');
    expect(place({ objectClasses: ['group'] })).toBe('group on-premises');
    expect(place({ objectClasses: ['user'] })).toBe('none');
  });
});
