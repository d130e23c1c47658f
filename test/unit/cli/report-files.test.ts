import { describe, expect, it } from 'vitest';
import type { MigrationReport, TlsReport } from '../../../src/admin/report-contract.ts';
import { migrationCsv, tlsCsvHead, tlsCsvRows } from '../../../src/cli/report-csv.ts';
import { migrationHtml, tlsHtml } from '../../../src/cli/report-html.ts';
import { tlsText, verificationText } from '../../../src/cli/report-text.ts';
import { shareOf } from '../../../src/cli/report-words.ts';
import { TlsTally } from '../../../src/evidence/tls-tally.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import { received, sent } from '../../integration/evidence/records.ts';

const EVIL = '"><script>alert(1)</script>\u202e';

function reportOf(...records: EventRecord[]): TlsReport {
  const tally = new TlsTally();
  for (const record of records) tally.note(record);
  return {
    hostname: 'mx1.example.com',
    version: '1.2.3',
    made: '2026-11-22T16:00:00.000Z',
    since: '2026-11-15T16:00:00.000Z',
    until: '2026-11-22T16:00:00.000Z',
    domain: null,
    ...tally.report(),
    records: records.length,
    chain: [
      { day: '2026-11-21', records: null, head: null },
      { day: '2026-11-22', records: records.length, head: 'ab'.repeat(32) },
    ],
  };
}

const report = reportOf(
  received(1, { client: { address: '198.51.100.7', name: EVIL }, tls: { result: 'not-used' } }),
  sent(1),
  received(2),
  sent(2, { 'remote-mta': { name: EVIL, address: '203.0.113.9', port: 25 } }),
);

describe('the HTML file', () => {
  it('is one file without a script, whose values are escaped', () => {
    const html = tlsHtml(report);
    expect(html).not.toMatch(/<script|<link|<img|src=|href=|\u202e/);
    expect(html).toContain('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e');
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('@media print');
  });

  it('says the shares, every kind of exception, the heads of the chain and what they do not prove', () => {
    const html = tlsHtml(report);
    expect(html).toContain('<b>50.00 %</b><span>of 2 messages encrypted on every hop of this relay</span>');
    expect(html).toContain('the client did not use STARTTLS');
    expect(html).toContain('the certificate is not verified: DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(html).toContain('ab'.repeat(32));
    expect(html).toContain('not chained (written by an earlier version)');
    expect(html).toContain('Whoever can rewrite all files of the relay can make a new chain as well');
  });
});

describe('the CSV file', () => {
  it('has as many columns in each row as in its title', () => {
    const widths = tlsCsvHead(report)
      .trimEnd()
      .split('\r\n')
      .map((row) => row.replace(/"(?:[^"]|"")*"/g, '').split(',').length);
    expect(new Set(widths).size).toBe(1);
    const title = tlsCsvHead(report).split('\r\n')[0]?.split(',') ?? [];
    const [row = ''] = tlsCsvRows([
      {
        time: '2026-11-22T12:00:00.000Z',
        kind: 'in-clear',
        direction: 'in',
        reason: 'the client did not use STARTTLS',
        'spool-id': '01M',
        'message-id': '<a@b>',
        sender: '=cmd|calc',
        recipient: null,
        way: 'external',
        remote: '198.51.100.7',
        protocol: null,
        cipher: null,
      },
    ]).split('\r\n');
    expect(row.split(',')).toHaveLength(title.length);
    expect(row).toContain(",'=cmd|calc,");
    expect(row.split(',')[title.indexOf('kind')]).toBe('in-clear');
  });
});

describe('the shares', () => {
  it('never round up to all', () => {
    expect(shareOf(99_999, 100_000)).toBe('99.99 %');
    expect(shareOf(100_000, 100_000)).toBe('100.00 %');
    expect(shareOf(0, 0)).toBe('none');
  });

  it('stand on the terminal with what is unknown beside them', () => {
    const { tls: _, ...silent } = received(3);
    const text = tlsText(reportOf(received(1), sent(1), silent, sent(3)));
    expect(text).toContain('50.00 % encrypted on every hop of ours (1 of 2)');
    expect(text).toMatch(/\nin +2 +1 +0 +0 +1 +0 +50\.00 %/);
    expect(text).toMatch(/unknown +in +external/);
  });
});

it('the report of the migration has its waves and days, in HTML and CSV', () => {
  const migration: MigrationReport = {
    ...reportOf(),
    directory: { version: 12, recipients: 40, cloud: 10, 'on-premises': 29, hold: 1, both: 0, probes: 0 },
    waves: [
      {
        name: EVIL,
        created: '2026-11-20T10:00:00.000Z',
        mailboxes: 11,
        'on-premises': 0,
        both: 0,
        hold: 1,
        cloud: 10,
        confirmed: 9,
        encrypted: 8,
      },
    ],
    days: [{ day: '2026-11-21', cloud: 5, 'on-premises': 7, internet: 0, confirmed: 9, 'confirmed-so-far': 9 }],
  };
  expect(migrationHtml(migration)).not.toContain('<script');
  expect(migrationHtml(migration)).toContain('<td>2026-11-21</td><td class="n">5</td>');
  expect(migrationCsv(migration)).toContain('deliveries,2026-11-21,,5,7,,,0,9,9,\r\n');
  const widths = migrationCsv(migration)
    .trimEnd()
    .split('\r\n')
    .map((row) => row.replace(/"[^"]*"/g, '').split(',').length);
  expect(new Set(widths).size).toBe(1);
});

it('the verification names each finding with its day and record', () => {
  const text = verificationText({
    ok: false,
    days: [{ day: '2026-11-22', records: 10, 'not-chained': 0, head: 'ab'.repeat(32), findings: 1 }],
    findings: [{ day: '2026-11-22', record: 6, time: '2026-11-22T12:00:06.000Z', 'spool-id': '01M', problem: 'it is missing' }],
  });
  expect(text).toContain('2026-11-22       10  BROKEN: 1 finding');
  expect(text).toContain('2026-11-22 record 6 (2026-11-22T12:00:06.000Z 01M): it is missing');
});
