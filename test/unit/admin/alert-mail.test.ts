import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import type { Notice } from '../../../src/admin/alert-book.ts';
import { type AlertMail, composeAlert } from '../../../src/admin/alert-mail.ts';
import { bodyOf, parseUrl } from '../../../src/admin/alert-webhook.ts';
import { box } from '../bounce/samples.ts';

const NOW = Date.UTC(2026, 10, 22, 10);
const notice: Notice = {
  state: 'new',
  key: 'connector-paused:cloud',
  severity: 'error',
  problem: 'cloud is paused since 2026-11-22T09:59:00.000Z: refusals: 550 5.7.64',
  remedy: 'mend the cause, then bridgehead connector resume cloud',
  since: NOW - 60_000,
};
const over: Notice = { ...notice, state: 'cleared', key: 'x', problem: 'the spool fails', since: NOW - 86_400_000 };

const compose = (notices: readonly Notice[], more: Partial<AlertMail> = {}) =>
  composeAlert({
    hostname: 'mx1.example.com',
    from: box('mailops@example.com'),
    to: [box('oncall@example.net'), box('chief@example.net')],
    messageId: '<1@mx1.example.com>',
    now: NOW,
    notices,
    omitted: 0,
    ...more,
  });

describe('an alert mail', () => {
  it('is automatic (RFC 3834), says the gravest in its subject and what to do in its text', async () => {
    const wire = compose([over, notice]).toString();
    expect(wire).toContain('\r\nAuto-Submitted: auto-generated\r\n');
    const mail = await simpleParser(wire);
    expect(mail.subject).toBe(
      '[mx1.example.com] error: cloud is paused since 2026-11-22T09:59:00.000Z: refusals: 550 5.7.64 (and 1 more)',
    );
    expect(mail.text).toContain('NEW  error, since 2026-11-22T09:59:00.000Z\n  cloud is paused');
    expect(mail.text).toContain('What to do: mend the cause, then bridgehead connector resume cloud');
    expect(mail.text).toContain('OVER  (it came 2026-11-21T10:00:00.000Z)\n  the spool fails');
    expect([mail.to].flat().flatMap((to) => to?.value.map(({ address }) => address))).toEqual([
      'oncall@example.net',
      'chief@example.net',
    ]);
  });

  it('lets no finding write a header, begin a line with a dot, or leave 7-bit', async () => {
    const problem = `Größe\r\nBcc: x@y\r\n.${' ü.'.repeat(700)}`;
    const wire = compose([{ ...notice, problem }]);
    const text = wire.toString('latin1');
    expect(text).not.toMatch(/^\.|^Bcc|[^\r]\n|[\x80-\xff]/m);
    expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThan(250);
    const mail = await simpleParser(wire);
    expect(mail.text).toContain('Größe Bcc: x@y . ü. ü.');
  });

  it('tells fifty in full and counts the others', () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ ...notice, problem: `trouble ${i}` }));
    const text = compose(many, { omitted: 5 }).toString();
    expect(text.match(/^ {2}trouble \d+/gm)).toHaveLength(50);
    expect(text).toContain('and 15 more.');
    expect(text).toContain('(and 64 more)');
  });
});

describe('the body for a webhook', () => {
  it('is text for chat systems and facts for programs', () => {
    const body = bodyOf({ hostname: 'mx1.example.com', version: '0.1.0', now: NOW, notices: [notice, over], omitted: 0 });
    expect(body).toMatchObject({
      source: 'bridgehead',
      hostname: 'mx1.example.com',
      time: '2026-11-22T10:00:00.000Z',
      alerts: [
        { state: 'new', code: 'connector-paused:cloud', severity: 'error', since: '2026-11-22T09:59:00.000Z' },
        { state: 'cleared', problem: 'the spool fails' },
      ],
    });
    expect(body['text']).toMatch(
      /^Bridgehead on mx1\.example\.com\nerror: cloud is paused .*\(mend the cause.*\)\nover: error: the spool fails$/,
    );
  });

  it('goes to one http(s) URL and nothing else', () => {
    expect(parseUrl(' https://hooks.example.net/T1/B2\n')?.href).toBe('https://hooks.example.net/T1/B2');
    for (const text of ['', 'ftp://x', 'file:///etc/passwd', 'https://a https://b', 'javascript:1', 'hooks.example.net'])
      expect(parseUrl(text)).toBeUndefined();
  });
});
