/** Notifications of other systems as they are read (RFC 3464): recipients that are mailboxes, words of a bounded length. */
import { readFileSync } from 'node:fs';
import { readDeliveryReport } from '../../../src/evidence/delivery-report.ts';
import { parseMailbox } from '../../../src/mail/address.ts';
import { REPORT_HEADER, reportBody } from '../../support/delivery-reports.ts';
import { below, must, type Target } from '../target.ts';

const BLOCK = 'Final-Recipient: rfc822;a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n';
const WORDS = [
  'Final-Recipient: rfc822;',
  'Original-Recipient: rfc822;',
  'Action: failed',
  'Status: 5.1.1',
  'Diagnostic-Code: smtp;',
  '--b_report',
  '--b_inner--',
  '\r\n\r\n',
  '\r\n ',
  'Content-Type: message/delivery-status',
  'Content-Type: multipart/mixed; boundary=x',
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  '=?utf-8?B?w6Q=?=',
  'charset=utf-7',
  'charset=iso-2022-jp',
  '<html>',
  '<a href="',
];
/** What the relay keeps of a report. */
const MOST = 128 * 1024;

const deep = (levels: number): string =>
  Array.from({ length: levels }, (_, n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`).join('');

export const reports: Target = {
  name: 'reports',
  inputs: 'notification',
  long: 5_000,
  short: 300,
  open: async () => ({
    corpus: [
      `${REPORT_HEADER}\r\n${reportBody({ final: 'user@example.com' })}`,
      `${REPORT_HEADER}\r\n${reportBody({ original: 'o@example.com', final: 'user@example.com', action: 'delayed' }, { final: 'two@example.com' })}`,
      `${REPORT_HEADER}\r\n--b_report\r\nContent-Type: message/delivery-status\r\n\r\n${BLOCK.repeat(1_500)}`,
      `${REPORT_HEADER}\r\n--b_report\r\nContent-Type: message/delivery-status\r\n\r\n${'\r\n'.repeat(60_000)}`,
      `${REPORT_HEADER}\r\n--b_report\r\nContent-Type: message/delivery-status\r\n\r\n${'\r\n \t'.repeat(30_000)}x`,
      `${REPORT_HEADER}\r\n--b_report\r\nContent-Type: text/html\r\n\r\n${'<a href="x'.repeat(12_000)}`,
      `${REPORT_HEADER}\r\n${'--b_report\r\n'.repeat(10_000)}`,
      deep(2_500),
      `To: ${'<'.repeat(100_000)}\r\n\r\n`,
      `To: ${'a@b.c,'.repeat(20_000)}\r\n\r\n`,
      `Subject: ${'=?utf-8?B?w6Q=?= '.repeat(7_000)}\r\n\r\n`,
      `${'X: y\r\n'.repeat(20_000)}\r\n`,
      readFileSync(new URL('../corpus/bodies/dsn.eml', import.meta.url), 'latin1'),
    ].map((text) => Buffer.from(text)),
    words: WORDS,
    most: MOST,
    atOnce: 2,
    async run(input, chance) {
      const cut = chance() < 0.2 ? input.subarray(0, below(chance, input.length + 1)) : input;
      let found: Awaited<ReturnType<typeof readDeliveryReport>>;
      try {
        found = await readDeliveryReport(cut);
      } catch {
        return; // who asked takes it for a report that says nothing
      }
      must(found.length <= 100, `${found.length} recipients of one report`);
      for (const { original, final, action, status, diagnostic = '' } of found) {
        for (const box of [original, final])
          must(box === undefined || parseMailbox(box.address) !== undefined, 'a recipient that is no mailbox');
        must(action.length + status.length + diagnostic.length <= 1_600, 'words without a bound');
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }),
};
