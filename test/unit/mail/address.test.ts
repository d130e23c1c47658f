import { describe, expect, it } from 'vitest';
import { isWithin, mailboxKey, parseDomain, parseMailbox } from '../../../src/mail/address.ts';

const address = (text: string): string | undefined => parseMailbox(text)?.address;

describe('a mailbox', () => {
  it.each([
    ['a@b.example', 'a@b.example'],
    ['First.Last@Example.COM', 'First.Last@example.com'],
    ['a@b.example.', 'a@b.example'],
    ["!#$%&'*+/=?^_`{|}~-@b.example", "!#$%&'*+/=?^_`{|}~-@b.example"],
    ['"john"@b.example', 'john@b.example'],
    ['"john doe"@b.example', '"john doe"@b.example'],
    ['"a@b"@c.example', '"a@b"@c.example'],
    ['"a\\"b"@c.example', '"a\\"b"@c.example'],
    ['"a\\b"@c.example', 'ab@c.example'],
    ['".a"@c.example', '".a"@c.example'],
    ['a@b\u00fccher.example', 'a@xn--bcher-kva.example'],
    ['a@XN--BCHER-KVA.example', 'a@xn--bcher-kva.example'],
    ['j\u00fcrgen@b.example', 'j\u00fcrgen@b.example'],
    ['a@localhost', 'a@localhost'],
    ['a@under_score.example', 'a@under_score.example'],
    ['a@1.example', 'a@1.example'],
  ])('%s is %s', (text, expected) => expect(address(text)).toBe(expected));

  it.each([
    '',
    'a',
    '@b.example',
    'a@',
    'a@@b.example',
    'a b@c.example',
    '.a@b.example',
    'a.@b.example',
    'a..b@c.example',
    '"a@b.example',
    'a"@b.example',
    '""@b.example',
    '"a"b@c.example',
    'a@-b.example',
    'a@b-.example',
    'a@b..example',
    'a@.example',
    'a@[192.0.2.1]',
    'a@[IPv6:2001:db8::1]',
    'a@192.0.2.1',
    '@r.example:a@b.example',
    'a\r\nb@c.example',
    'a\u0000@b.example',
    'a\u200b@b.example',
    'a@b\u200b.example',
    '<a@b.example>',
    'a,b@c.example',
    `${'x'.repeat(316)}@b.example`,
    `a@${'x'.repeat(64)}.example`,
    `a@${'x.'.repeat(130)}example`,
  ])('%j is none', (text) => expect(address(text)).toBeUndefined());

  it('may have a local part of more than 64 octets, as Exchange makes them (R9)', () => {
    const text = `IMCEAEX-_o=${'x'.repeat(200)}@b.example`;
    expect(address(text)).toBe(text);
  });

  it('is compared without regard to case (R10)', () => {
    const one = parseMailbox('PP@Contoso.COM');
    const other = parseMailbox('"pp"@contoso.com');
    expect(one && mailboxKey(one)).toBe(other && mailboxKey(other));
  });
});

describe('a domain', () => {
  it('is the same value however often it is parsed', () => {
    expect(parseDomain('Example.COM')).toBe('example.com');
    expect(parseDomain('Example.COM')).toBe('example.com');
    expect(parseDomain('bad domain')).toBeUndefined();
    expect(parseDomain('bad domain')).toBeUndefined();
  });

  it('is within itself and its parents, label by label', () => {
    expect(isWithin('a.example.com', 'example.com')).toBe(true);
    expect(isWithin('example.com', 'example.com')).toBe(true);
    expect(isWithin('badexample.com', 'example.com')).toBe(false);
  });
});
