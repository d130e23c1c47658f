import { describe, expect, it } from 'vitest';
import { readDeliveryReport } from '../../../src/evidence/delivery-report.ts';
import { REPORT_HEADER, reportBody } from '../../support/delivery-reports.ts';

const message = (body: string, header = REPORT_HEADER) =>
  Buffer.from(`From: postmaster@example.com\r\nTo: bert@example.com\r\n${header}\r\n${body}\r\n`);
const short = async (bytes: Buffer) =>
  (await readDeliveryReport(bytes)).map(({ original, final, action, status }) => [
    original?.address,
    final?.address,
    action,
    status,
  ]);

describe('a notification of another system (RFC 3464)', () => {
  it('tells each recipient as the sender wrote it and as the server had it, with the words of the server', async () => {
    const bytes = message(
      reportBody(
        { original: 'anna@example.com', final: 'anna@tenant.mail.onmicrosoft.com' },
        { final: 'carl@example.com', status: '4.4.7', action: 'delayed' },
      ),
    );
    expect(await short(bytes)).toEqual([
      ['anna@example.com', 'anna@tenant.mail.onmicrosoft.com', 'failed', '5.1.10'],
      [undefined, 'carl@example.com', 'delayed', '4.4.7'],
    ]);
    expect((await readDeliveryReport(bytes))[0]?.diagnostic).toBe(
      '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
    );
  });

  it('is read where it is cut behind the status, and says nothing where it is cut before, or is no report', async () => {
    const whole = message(reportBody({ final: 'anna@example.com' })).toString();
    const behind = whole.slice(0, whole.indexOf('Content-Type: message/rfc822'));
    expect(await short(Buffer.from(behind))).toHaveLength(1);
    expect(await short(Buffer.from(whole.slice(0, whole.indexOf('Reporting-MTA'))))).toEqual([]);
    expect(await short(message('Status: 5.1.1\r\nFinal-Recipient: rfc822;a@example.com', ''))).toEqual([]);
  });

  it('names nobody for addresses of another type, and no more than a hundred', async () => {
    const x400 = reportBody({ final: 'anna@example.com' }).replace('rfc822;', 'x400;');
    expect(await short(message(x400))).toEqual([]);
    const crowd = Array.from({ length: 150 }, (_, n) => ({ final: `p${n}@example.com` }));
    expect(await short(message(reportBody(...crowd)))).toHaveLength(100);
  });
});
