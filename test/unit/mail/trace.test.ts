import { describe, expect, it } from 'vitest';
import { parseMailbox } from '../../../src/mail/address.ts';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { mailDate, type ReceivedFacts, receivedField } from '../../../src/mail/trace.ts';

const recipient = parseMailbox('user@example.com');
const FACTS: ReceivedFacts = {
  helo: 'client.example.net',
  address: '198.51.100.7',
  esmtp: true,
  by: 'mx1.example.com',
  id: '01JABC' as SpoolId,
  time: Date.UTC(2026, 10, 22, 10, 0, 0, 999),
};

describe('the Received field', () => {
  it('has exactly the form of contract.md', () => {
    const field = receivedField({
      ...FACTS,
      reverseName: 'rdns.example.net',
      tls: { result: 'encrypted', protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', bits: 256 },
      ...(recipient === undefined ? undefined : { recipient }),
    });
    expect(field).toBe(
      'Received: from client.example.net (rdns.example.net [198.51.100.7])\r\n' +
        '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n' +
        '\t(client certificate: none)\r\n' +
        '\tby mx1.example.com (Bridgehead) with ESMTPS id 01JABC\r\n' +
        '\tfor <user@example.com>; Sun, 22 Nov 2026 10:00:00 +0000\r\n',
    );
  });

  it('says nothing of TLS, of a name or of a recipient that it does not know (R19)', () => {
    expect(receivedField(FACTS)).toBe(
      'Received: from client.example.net (unknown [198.51.100.7])\r\n' +
        '\tby mx1.example.com (Bridgehead) with ESMTP id 01JABC; Sun, 22 Nov 2026 10:00:00 +0000\r\n',
    );
  });

  it('writes an IPv6 address as a literal, and SMTP after HELO', () => {
    const field = receivedField({ ...FACTS, address: '2001:db8::1', esmtp: false });
    expect(field).toContain('(unknown [IPv6:2001:db8::1])');
    expect(field).toContain('with SMTP id');
  });

  it('tells of a client certificate, and whether its chain was verified', () => {
    const certificate = { subject: 'CN=mail.example.net', issuer: 'CN=x', names: [], 'valid-to': '', sha256: '' };
    const tls = {
      result: 'verified',
      protocol: 'TLSv1.2',
      cipher: 'ECDHE-RSA-AES128-GCM-SHA256',
      bits: 128,
      'peer-certificate': certificate,
    } as const;
    expect(receivedField({ ...FACTS, tls: { ...tls, verified: true } })).toContain(
      '(client certificate: CN=mail.example.net, verified)',
    );
    expect(receivedField({ ...FACTS, tls: { ...tls, verified: false } })).toContain(
      '(client certificate: CN=mail.example.net, unverified)',
    );
  });

  it.each(['evil (by mx1.example.com)', 'a;b', 'x\r\nReceived: forged', '"q"', '<a@b>', '\u00fc', '', 'y'.repeat(1000)])(
    'lets nothing in by a HELO of %j',
    (helo) => {
      const [first, ...others] = receivedField({ ...FACTS, helo }).split('\r\n');
      expect(first).toMatch(/^Received: from [A-Za-z0-9.:_[\]?-]+ \(unknown \[198\.51\.100\.7\]\)$/);
      expect(first?.length).toBeLessThan(998);
      expect(others).toHaveLength(2);
    },
  );

  it('lets nothing in by the subject of a certificate', () => {
    const certificate = { subject: 'CN=a) by evil (\r\nX: y\u00fc', issuer: '', names: [], 'valid-to': '', sha256: '' };
    expect(receivedField({ ...FACTS, tls: { result: 'encrypted', 'peer-certificate': certificate } })).toContain(
      '(client certificate: CN=a? by evil ???X: y?, unverified)',
    );
  });
});

describe('a date in mail', () => {
  it.each([
    [0, 'Thu, 1 Jan 1970 00:00:00 +0000'],
    [Date.UTC(2026, 1, 3, 4, 5, 6), 'Tue, 3 Feb 2026 04:05:06 +0000'],
    [Date.UTC(2028, 1, 29, 23, 59, 59, 999), 'Tue, 29 Feb 2028 23:59:59 +0000'],
  ])('%i is %s', (time, expected) => expect(mailDate(time)).toBe(expected));
});
