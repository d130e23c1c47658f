import { describe, expect, it } from 'vitest';
import { parseDomain } from '../../../src/mail/address.ts';
import { formatReply } from '../../../src/mail/reply.ts';
import { parseMail, parseRcpt } from '../../../src/reception/command.ts';

const OUR_DOMAIN = parseDomain('mx1.example.com') ?? never();
function never(): never {
  throw new Error('no domain');
}

const mail = (line: string): string => {
  const command = parseMail(line);
  return 'refusal' in command ? formatReply(command.refusal) : (command.sender?.address ?? '<>');
};
const rcpt = (path: string, routingAllowed = false): string => {
  const command = parseRcpt(`RCPT TO:${path}`, OUR_DOMAIN, routingAllowed);
  return 'refusal' in command ? formatReply(command.refusal) : command.recipient.address;
};

describe('MAIL FROM', () => {
  it.each([
    ['MAIL FROM:<a@b.example>', 'a@b.example'],
    ['mail from:<a@b.example>', 'a@b.example'],
    ['MAIL FROM: <A.b@B.Example>', 'A.b@b.example'],
    ['MAIL FROM:<>', '<>'],
    ['MAIL FROM:<"a b"@c.example>', '"a b"@c.example'],
    ['MAIL FROM:<"a>b"@c.example>', '"a>b"@c.example'],
    ['MAIL FROM:<@r.example,@s.example:a@b.example>', 'a@b.example'],
    ['MAIL FROM:<a@b.example> ', 'a@b.example'],
    ['MAIL FROM:<a@xn--bcher-kva.example>', 'a@xn--bcher-kva.example'],
    ['MAIL FROM:<bounces+a=b.example%x!y@list.example>', 'bounces+a=b.example%x!y@list.example'],
  ])('%s is %s', (line, expected) => expect(mail(line)).toBe(expected));

  it.each([
    'MAIL FROM:a@b.example',
    'MAIL FROM:<a@b',
    'MAIL FROM:<a>',
    'MAIL FROM:<a b@c.example>',
    'MAIL FROM:',
    'MAIL TO:<a@b.example>',
  ])('%s is refused with 501 5.1.7', (line) => expect(mail(line)).toMatch(/^501 5\.1\.7 /));

  it('refuses an address that is not ASCII with 553 5.6.7', () => {
    expect(mail('MAIL FROM:<b\u00fccher@b.example>')).toMatch(/^553 5\.6\.7 /);
    expect(mail('MAIL FROM:<a@b\u00fccher.example>')).toMatch(/^553 5\.6\.7 /);
  });

  it('takes SIZE, BODY, RET and ENVID', () => {
    expect(parseMail('MAIL FROM:<a@b.example> SIZE=1234 BODY=8BITMIME RET=hdrs ENVID=QQ+2B314')).toMatchObject({
      size: 1234,
      eightBit: true,
      ret: 'HDRS',
      envid: 'QQ+314',
    });
  });

  it.each(['SMTPUTF8', 'AUTH=<>', 'XOORG=example.com', 'REQUIRETLS', 'NOTIFY=NEVER', '__proto__=1'])(
    'refuses the unknown parameter %s',
    (parameter) => expect(mail(`MAIL FROM:<a@b.example> ${parameter}`)).toMatch(/^(555|501) 5\.5\.4 /),
  );

  it.each([
    'SIZE=many',
    'SIZE=',
    'SIZE=1 SIZE=2',
    'BODY=BINARYMIME',
    'RET=ALL',
    'ENVID=a+0Ab',
    'ENVID=',
    'ENVID=+2',
    'ENVID=a=b',
    `ENVID=${'x'.repeat(101)}`,
    '<b@c.example>',
    '=x',
  ])('refuses the bad parameter %s with 501 5.5.4', (parameter) => {
    expect(mail(`MAIL FROM:<a@b.example> ${parameter}`)).toMatch(/^501 5\.5\.4 /);
  });

  it('wants a space between path and parameters', () => {
    expect(mail('MAIL FROM:<a@b.example>SIZE=1')).toMatch(/^501 5\.5\.4 /);
  });
});

describe('RCPT TO', () => {
  it('takes <postmaster> without a domain, in any case (RFC 5321 §4.5.1)', () => {
    expect(rcpt('<Postmaster>')).toBe('Postmaster@mx1.example.com');
  });

  it('takes the address that Outlook makes of an X.500 one, longer than 64 octets (R9)', () => {
    const address = 'IMCEAEX-_o=Contoso_ou=First+20Administrative+20Group_cn=Recipients_cn=pilarp@contoso.com';
    expect(rcpt(`<${address}>`)).toBe(address);
  });

  it.each([
    '<x%other.example@example.com>',
    '<"x@other.example"@example.com>',
    '<@example.com:x@other.example>',
    '<@a.example,@b.example:x@other.example>',
    '<other.example!x@example.com>',
    '<"x:y"@example.com>',
    '<x@[192.0.2.1]>',
    '<x@[IPv6:2001:db8::1]>',
  ])('never relays by a route in the address: %s (R15)', (path) => expect(rcpt(path)).toMatch(/^550 5\.7\.1 /));

  it('lets an on-premises server write % and ! as plain characters, but no route of its own', () => {
    expect(rcpt('<bounce%x!y@list.example>', true)).toBe('bounce%x!y@list.example');
    expect(rcpt('<"x@other.example"@example.com>', true)).toMatch(/^550 5\.7\.1 /);
  });

  it.each([
    '<>',
    '<x>',
    'x@example.com',
    '<x@example.com',
    '<x@>',
    '<@example.com>',
    '<x@exa mple.com>',
    '<x@-a.example>',
    '<.x@example.com>',
    '<x..y@example.com>',
    '<x@example..com>',
    '<x@127.0.0.1>',
  ])('refuses %s with 501 5.1.3', (path) => expect(rcpt(path)).toMatch(/^501 5\.1\.3 /));

  it('takes NOTIFY and ORCPT, decoded', () => {
    expect(
      parseRcpt('RCPT TO:<u@example.com> NOTIFY=delay,FAILURE ORCPT=rfc822;a+2Bb@example.com', OUR_DOMAIN, false),
    ).toMatchObject({
      notify: ['FAILURE', 'DELAY'],
      orcpt: 'rfc822;a+b@example.com',
    });
  });

  it.each([
    'NOTIFY=NEVER,FAILURE',
    'NOTIFY=',
    'NOTIFY=SOON',
    'NOTIFY=DELAY,DELAY',
    'ORCPT=u@example.com',
    'ORCPT=rfc822;',
    'ORCPT=rfc822;a+0D+0Ab',
    'NOTIFY=NEVER NOTIFY=NEVER',
  ])('refuses the bad parameter %s with 501 5.5.4', (parameter) =>
    expect(rcpt(`<u@example.com> ${parameter}`)).toMatch(/^501 5\.5\.4 /),
  );

  it('refuses an unknown parameter with 555 5.5.4', () => {
    expect(rcpt('<u@example.com> SIZE=1')).toMatch(/^555 5\.5\.4 /);
  });
});
