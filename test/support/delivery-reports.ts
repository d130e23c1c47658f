/** Notifications as Exchange Online writes them (RFC 3464, RFC 6522). */

export interface ReportOptions {
  readonly original?: string;
  readonly final: string;
  readonly status?: string;
  readonly action?: string;
}

const BOUNDARY = 'b_report';
export const REPORT_HEADER = `MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${BOUNDARY}"\r\n`;

export function reportBody(...recipients: readonly ReportOptions[]): string {
  const blocks = recipients.map(({ original, final, status = '5.1.10', action = 'failed' }) =>
    [
      ...(original === undefined ? [] : [`Original-Recipient: rfc822;${original}`]),
      `Final-Recipient: rfc822;${final}`,
      `Action: ${action}`,
      `Status: ${status}`,
      `Diagnostic-Code: smtp;550 ${status} RESOLVER.ADR.RecipientNotFound; Recipient`,
      '\tnot found by SMTP address lookup',
      '',
    ].join('\r\n'),
  );
  return [
    `--${BOUNDARY}`,
    'Content-Type: multipart/alternative; boundary="b_inner"',
    '',
    '--b_inner',
    'Content-Type: text/plain; charset="us-ascii"',
    '',
    "Your message couldn't be delivered.",
    '--b_inner',
    'Content-Type: text/html; charset="us-ascii"',
    '',
    '<html><body><p>Your message <b>could not</b> be delivered.</p></body></html>',
    '--b_inner--',
    '',
    `--${BOUNDARY}`,
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns;AM0PR01MB0001.eurprd01.prod.exchangelabs.com',
    'Received-From-MTA: dns;relay.example.com',
    'Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000',
    '',
    ...blocks,
    `--${BOUNDARY}`,
    'Content-Type: message/rfc822',
    '',
    'Subject: the first message',
    '',
    'Hello',
    `--${BOUNDARY}--`,
  ].join('\r\n');
}
