import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { composeDsn, type Occasion } from '../../../src/bounce/compose.ts';
import type { Happening } from '../../../src/bounce/ports.ts';
import { reply } from '../../../src/mail/reply.ts';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { box, delayed, message, NOW, recipient, refused, SETTINGS } from './samples.ts';

function compose(more: Partial<Occasion> = {}) {
  const occasion: Occasion = {
    id: '01JBBBBBBBBBBBBBBBBBBBBBBB' as SpoolId,
    now: NOW,
    message: message(),
    to: box('sender@example.net'),
    action: 'failed',
    happenings: [refused],
    excerpt: { kind: 'message', bytes: Buffer.from('Subject: hello\r\n\r\nhello\r\n') },
    ...more,
  };
  const dsn = composeDsn(occasion, SETTINGS);
  const text = dsn.body.toString();
  const [header = '', human = '', status = '', original = ''] = text.split('\r\n--=_01JBBBBBBBBBBBBBBBBBBBBBBB');
  return { dsn, text, header, human, status, original };
}

describe('a notification', () => {
  it('is a multipart/report of three parts (RFC 6522), 7bit, marked as automatic (RFC 3834)', () => {
    const { dsn, header, human, status, original, text } = compose();
    expect(header).toContain('Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="=_01J');
    expect(header).toContain('\r\nAuto-Submitted: auto-replied\r\n');
    expect(header).toContain('\r\nTo: <sender@example.net>\r\n');
    expect(header).toMatch(/^From: "Mail Delivery System \(MAILER-DAEMON@mx1\.example\.com\)" <mailops@example\.com>\r\n/);
    expect(header).toContain('\r\nDate: Sun, 22 Nov 2026 10:01:00 +0000\r\n');
    expect(header).toContain('\r\nMessage-ID: <01JBBBBBBBBBBBBBBBBBBBBBBB@mx1.example.com>\r\n');
    expect(header).toContain('\r\nReferences: <a@b>\r\n');
    expect(human).toContain('Content-Type: text/plain; charset=us-ascii');
    expect(status).toContain('Content-Type: message/delivery-status');
    expect(original).toContain('Content-Type: message/rfc822');
    expect(text.endsWith('--=_01JBBBBBBBBBBBBBBBBBBBBBBB--\r\n')).toBe(true);
    expect(dsn).toMatchObject({ eightBit: false, smtputf8: false, size: dsn.body.length });
  });

  it("is read as it is meant by somebody else's parser", async () => {
    const mail = await simpleParser(compose().dsn.body);
    expect(mail.from?.value[0]?.address).toBe('mailops@example.com');
    expect(mail.headers.get('auto-submitted')).toBe('auto-replied');
    expect(mail.text).toContain('<User@example.com>');
    expect(mail.text).toContain('Final-Recipient: rfc822; User@example.com'); // it shows message/delivery-status as text
    expect(mail.attachments.map(({ contentType }) => contentType)).toEqual(['message/rfc822']);
  });

  it('tells people what happened, in the words of the remote host, with the address as they wrote it', () => {
    const { human } = compose();
    expect(human).toContain('<User@example.com>');
    expect(human).toContain('The mail server mail.example [203.0.113.9] answered: 550 5.1.1 User unknown');
    expect(human).toContain('check the address for mistakes');
    expect(human).toContain('<mailops@example.com>');
  });

  it('tells machines the same (RFC 3464)', () => {
    const { status } = compose();
    expect(status.trimEnd().split('\r\n\r\n').slice(1)).toEqual([
      'Reporting-MTA: dns; mx1.example.com\r\nArrival-Date: Sun, 22 Nov 2026 10:00:00 +0000',
      [
        'Original-Recipient: rfc822; User@example.com',
        'Final-Recipient: rfc822; User@example.com',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mail.example',
        'Diagnostic-Code: smtp; 550 5.1.1 User unknown',
        'Last-Attempt-Date: Sun, 22 Nov 2026 10:01:00 +0000',
      ].join('\r\n'),
    ]);
  });

  it('gives back ENVID and ORCPT (RFC 3461 §6.3)', () => {
    const happening = { ...refused, recipient: recipient('alias@example.com', { orcpt: 'rfc822;first@example.org' }) };
    const { status } = compose({ message: message({ envid: 'QQ314159' }), happenings: [happening] });
    expect(status).toContain('Original-Envelope-Id: QQ314159\r\n');
    expect(status).toContain('Original-Recipient: rfc822;first@example.org\r\nFinal-Recipient: rfc822; alias@example.com\r\n');
  });

  it('names every recipient of the same kind in one', () => {
    const other = { ...refused, recipient: recipient('other@example.com', { index: 1 }) };
    const { human, status } = compose({ happenings: [refused, other] });
    expect(human.match(/^<.*>$/gm)).toEqual(['<User@example.com>', '<other@example.com>']);
    expect(status.match(/Final-Recipient/g)).toHaveLength(2);
  });

  it('of a delay says until when we try', () => {
    const { header, human, status } = compose({ action: 'delayed', happenings: [delayed] });
    expect(header).toContain('Subject: Your message is delayed (we keep trying)');
    expect(human).toContain('We try until Fri, 27 Nov 2026 10:00:00 +0000.');
    expect(status).toContain('Action: delayed\r\nStatus: 4.4.1\r\nDiagnostic-Code: X-Bridgehead; 451 4.4.1 connection refused');
    expect(status).toContain('Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0000');
  });

  it('of an expiry says 4.4.7, and what kept the message', () => {
    const { human, status } = compose({ happenings: [{ ...delayed, action: 'failed' }] });
    expect(human).toContain('We tried for as long as we may');
    expect(status).toContain('Action: failed\r\nStatus: 4.4.7\r\n');
    expect(status).toContain('451 4.4.1 connection refused');
  });

  it('of success tells passed on from delivered', () => {
    const happening = (action: 'relayed' | 'delivered'): Happening => ({
      recipient: recipient(),
      action,
      attempt: { outcome: { kind: 'relayed', reply: reply(250, '2.0.0', 'Ok') } },
    });
    expect(compose({ action: 'relayed', happenings: [happening('relayed')] }).status).toContain(
      'Action: relayed\r\nStatus: 2.0.0',
    );
    expect(compose({ action: 'delivered', happenings: [happening('delivered')] }).status).toContain('Action: delivered\r\n');
  });

  it('lets no peer write a field of its own', () => {
    const evil = 'no\r\nAction: delivered\r\n\r\n--=_01JBBBBBBBBBBBBBBBBBBBBBBB--\u0000';
    const attempt = { outcome: { kind: 'failed', reply: { code: 550, text: evil }, cause: 'answer' } } as const;
    const { status, text } = compose({
      happenings: [{ ...refused, attempt }],
      message: message({ envid: 'a\r\nb: c', messageId: '<a\r\nb: c>' }),
    });
    expect(status.match(/^Action:/gm)).toHaveLength(1);
    expect(text).not.toMatch(/^b: c/m);
    expect(text).not.toContain('\u0000');
  });

  it('keeps its lines short, also with a long answer', () => {
    const attempt = { outcome: { kind: 'failed', reply: { code: 550, text: 'word '.repeat(100) }, cause: 'answer' } } as const;
    const { status } = compose({ happenings: [{ ...refused, attempt }] });
    expect(Math.max(...status.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(78);
  });

  it('says 8bit when the original goes back with octets over 127', () => {
    const bytes = Buffer.from('Subject: \u00e4\r\n\r\n\u00e4\r\n');
    const { dsn, header, human, original } = compose({ excerpt: { kind: 'message', bytes } });
    expect(dsn).toMatchObject({ eightBit: true, smtputf8: false });
    expect(header).toContain('Content-Transfer-Encoding: 8bit');
    expect(human).toContain('Content-Transfer-Encoding: 7bit');
    expect(original).toContain('Content-Transfer-Encoding: 8bit');
  });

  it('for an internationalised address takes the forms of RFC 6533', () => {
    const happening = { ...refused, recipient: recipient('j\u00f6rg@example.com') };
    const { dsn, status } = compose({ happenings: [happening] });
    expect(dsn).toMatchObject({ eightBit: true, smtputf8: true });
    expect(status).toContain('Content-Type: message/global-delivery-status');
    expect(status).toContain('Final-Recipient: utf-8; j\u00f6rg@example.com');
  });

  it('is in wire form: CRLF alone, every leading dot stuffed, its size that of the unstuffed octets', () => {
    const { dsn, text } = compose({ excerpt: { kind: 'message', bytes: Buffer.from('Subject: x\r\n\r\n..\r\n..a\r\n') } });
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(text).not.toMatch(/^\.(?!\.)/m);
    expect(dsn.size).toBe(dsn.body.length - 2);
  });
});
