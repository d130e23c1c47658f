import { describe, expect, it } from 'vitest';
import { parseMailbox } from '../../../src/mail/address.ts';
import { HeaderScan } from '../../../src/reception/header-scan.ts';
import { authorDomains, claimsOf, OwnDomains } from '../../../src/reception/own-domains.ts';

const own = new OwnDomains([
  { name: 'example.com', includeSubdomains: false },
  { name: 'contoso.com', includeSubdomains: true },
]);

function claims(header: string, sender = ''): readonly string[] | undefined {
  const scan = new HeaderScan({ relayNames: [], tenantHeaders: new Map(), watched: own });
  const octets = Buffer.from(`${header}\r\n\r\nFrom: body@example.com\r\n`);
  for (let at = 0; at < octets.length; at += 1000) scan.take(octets.subarray(at, at + 1000));
  scan.end();
  return claimsOf(own, sender === '' ? null : (parseMailbox(sender) ?? null), scan);
}

describe('whose domain an author claims', () => {
  it.each([
    ['ceo@example.com', ['example.com']],
    ['The boss <ceo@Example.COM>', ['example.com']],
    ['"ceo@example.com" <a@evil.example>', ['evil.example']],
    ['a@evil.example (ceo@example.com)', ['evil.example']],
    ['ceo@example.com <a@evil.example>', ['example.com', 'evil.example']],
    ['a@evil.example, b@example.com', ['evil.example', 'example.com']],
    ['Group: a@evil.example, b@example.com;', ['evil.example', 'example.com']],
    ['"quoted local"@example.com', ['example.com']],
    ['x <@relay.example:ceo@example.com>', ['relay.example', 'example.com']],
    ['"never closed <ceo@example.com>', ['example.com']],
    ['b\xc3\xbccher@b\xc3\xbccher.example', ['xn--bcher-kva.example']],
    ['nobody', []],
  ])('in %j is %j', (value, domains) => {
    expect(authorDomains(value)).toEqual(domains);
  });

  it('counts in From and in MAIL FROM, in any From field, and only where it is ours', () => {
    expect(claims('From: a@evil.example')).toBeUndefined();
    expect(claims('From: a@evil.example', 'x@mail.contoso.com')).toEqual(['mail.contoso.com']);
    expect(claims('From: a@evil.example\r\nfrom :\r\n ceo@example.com')).toEqual(['example.com']);
    expect(claims('From: a@evil.example', 'x@sub.example.com')).toBeUndefined();
  });

  it('is taken for ours where the field is longer than any that a person reads', () => {
    expect(claims(`From: ${'x'.repeat(9000)}@evil.example, ceo@example.com`)).toEqual(['example.com']);
    expect(claims(`From: a@evil.example,\r\n ${'y@evil.example,\r\n '.repeat(600)}ceo@example.com`)).toEqual(['example.com']);
  });
});
