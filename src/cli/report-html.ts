/** The reports as one HTML file to print: no script, nothing fetched from elsewhere, every value escaped. */
import type { MigrationReport, TlsReport } from '../admin/report-contract.ts';
import { printable } from '../platform/printable.ts';
import { crossings, KINDS, minute, settled, shareOf, spanInWords, THE_CHAIN } from './report-words.ts';

/** Rows of exceptions on paper; the CSV file has all. */
const MOST_EXCEPTIONS = 500;

const STYLE = `
body { font: 10.5pt/1.45 system-ui, "Segoe UI", Roboto, sans-serif; color: #1b1f23; max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #c9d1d9; padding-bottom: .2rem; }
p.lead { color: #57606a; margin: 0 0 1.2rem; } p.note { color: #57606a; font-size: .9em; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; } .figure { flex: 1 1 10rem; border: 1px solid #c9d1d9; border-radius: 6px; padding: .7rem 1rem; }
.figure b { display: block; font-size: 1.7rem; } .figure span { color: #57606a; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .22rem .7rem .22rem 0; vertical-align: top; border-bottom: 1px solid #e5e9ed; overflow-wrap: anywhere; }
th { font-weight: 600; color: #57606a; overflow-wrap: normal; } td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
td.s { overflow-wrap: normal; font-size: .92em; } td.w { min-width: 8em; }
.bar { display: flex; height: .7rem; border-radius: 3px; overflow: hidden; background: #e5e9ed; margin: .3rem 0; }
.bar i { display: block; } .enc { background: #1a7f37; } .clr { background: #cf222e; } .unk { background: #9a6700; }
code { font: .85em ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
@page { margin: 16mm; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 9pt; } thead { display: table-header-group; } tr, .figure { break-inside: avoid; } h2, h3, h3 + p { break-after: avoid; }
  .enc, .clr, .unk { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }`;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string | number | null): string =>
  printable(String(text ?? '')).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
const number = (count: number): string => count.toLocaleString('en-US');

interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
  /** `s`: short values, each to be read as one; `w`: long ones, which may break anywhere, but not into slivers. */
  readonly form?: 's' | 'w';
}
const counted = (title: string): Column => ({ title, isNumber: true });
const whole = (title: string): Column => ({ title, form: 's' });

function tableOf(columns: readonly (string | Column)[], rows: readonly (readonly (string | number | null)[])[]): string {
  const all = columns.map((column) => (typeof column === 'string' ? { title: column } : column));
  const cells = (values: readonly (string | number | null)[], tag: 'th' | 'td'): string =>
    values
      .map((value, i) => `<${tag}${classOf(all[i])}>${escaped(typeof value === 'number' ? number(value) : value)}</${tag}>`)
      .join('');
  const head = cells(
    all.map(({ title }) => title),
    'th',
  );
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('\n')}</tbody></table>`;
}

function classOf(column: Column | undefined): string {
  const name = column?.isNumber === true ? 'n' : column?.form;
  return name === undefined ? '' : ` class="${name}"`;
}

function figure(value: string, label: string): string {
  return `<div class="figure"><b>${escaped(value)}</b><span>${escaped(label)}</span></div>`;
}

function page(title: string, lead: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
<p class="lead">${escaped(lead)}</p>
${body.join('\n')}
</body></html>
`;
}

function leadOf(report: Pick<TlsReport, 'hostname' | 'version' | 'made' | 'since' | 'until' | 'domain'>): string {
  const whose = report.domain === null ? 'all mail' : `mail from and to ${report.domain}`;
  return `${report.hostname}, ${spanInWords(report)}, ${whose}. Made ${report.made} by Bridgehead ${report.version}.`;
}

type Named = TlsReport['protocols'];
const HOP_COLUMNS = [
  counted('hops'),
  counted('encrypted'),
  counted('verified'),
  counted('in clear'),
  counted('unknown'),
  counted('share encrypted'),
];
const hopCells = (one: TlsReport['in']): (string | number)[] => [
  one.hops,
  one.encrypted,
  one.verified,
  one['in-clear'],
  one.unknown,
  shareOf(one.encrypted, crossings(one)),
];

function namedTable(title: string, rows: Named): string {
  return tableOf(
    ['direction', title, ...HOP_COLUMNS],
    rows.map((one) => [one.direction, one.name, ...hopCells(one)]),
  );
}

/** Of protocols and ciphers the count says all. */
function plainTable(title: string, rows: Named, all: Pick<TlsReport, 'in' | 'out'>): string {
  return tableOf(
    ['direction', title, counted('hops'), counted('share')],
    rows.map((one) => [one.direction, one.name, one.hops, shareOf(one.hops, all[one.direction].hops)]),
  );
}

function bar(counts: TlsReport['in']): string {
  const all = crossings(counts);
  if (all === 0) return '';
  const part = (kind: string, count: number): string =>
    `<i class="${kind}" style="width:${((count * 100) / all).toFixed(3)}%"></i>`;
  return `<div class="bar">${part('enc', counts.encrypted)}${part('unk', counts.unknown)}${part('clr', counts['in-clear'])}</div>`;
}

export function tlsHtml(report: TlsReport): string {
  const { messages, exceptions } = report;
  const shown = exceptions.slice(0, MOST_EXCEPTIONS);
  const listed = (['in-clear', 'not-sent', 'downgraded', 'not-verified', 'unknown'] as const)
    .map((kind) => ({ kind, rows: shown.filter((one) => one.kind === kind) }))
    .filter(({ rows }) => rows.length > 0);
  return page('How mail was protected on its way', leadOf(report), [
    '<div class="figures">',
    figure(
      shareOf(messages.encrypted, settled(messages)),
      `of ${number(settled(messages))} messages encrypted on every hop of this relay`,
    ),
    figure(shareOf(report.in.encrypted, crossings(report.in)), `of ${number(crossings(report.in))} hops to this relay encrypted`),
    figure(
      shareOf(report.out.encrypted, crossings(report.out)),
      `of ${number(crossings(report.out))} hops from this relay encrypted`,
    ),
    '</div>',
    `<p class="note">A hop is one message over one connection. Not counted into the shares: ${number(messages['under-way'])} messages still under way, ${number(messages.local)} messages and ${number(report.in.local + report.out.local)} hops that crossed no network (a Maildir on the same machine). What is unknown counts as not encrypted.</p>`,
    '<h2>Hops</h2>',
    bar(report.in),
    bar(report.out),
    '<p class="note">In above, out below: green encrypted, brown unknown, red in clear.</p>',
    tableOf(
      ['direction', ...HOP_COLUMNS],
      [
        ['in', ...hopCells(report.in)],
        ['out', ...hopCells(report.out)],
      ],
    ),
    '<h2>By protocol version</h2>',
    plainTable('protocol', report.protocols, report),
    '<h2>By cipher</h2>',
    plainTable('cipher', report.ciphers, report),
    '<h2>By peer class and by connector</h2>',
    namedTable('peer class or connector', [...report.peers, ...report.connectors]),
    '<h2>By the other end</h2>',
    namedTable('client or server', report.remotes),
    '<h2>Exceptions</h2>',
    ...(exceptions.length === 0 ? ['<p>None.</p>'] : []),
    ...listed.flatMap(({ kind, rows }) => [
      `<h3>${escaped(KINDS[kind].title)}: ${number(report['exception-hops'][kind])} hops</h3><p class="note">${escaped(KINDS[kind].means)}</p>`,
      tableOf(
        [
          'way',
          'peer class or connector',
          { title: 'other end', form: 'w' },
          'reason',
          counted('hops'),
          whole('last (UTC), and its id'),
        ],
        rows.map((one) => [one.direction, one.way, one.remote, one.reason, one.hops, `${minute(one.last)} ${one.example}`]),
      ),
    ]),
    ...(exceptions.length > shown.length || report['exceptions-omitted'] > 0
      ? [
          `<p class="note">These are ${number(shown.length)} of ${number(exceptions.length)} kinds; the CSV file (--csv) has every hop.</p>`,
        ]
      : []),
    `<h2>What this rests on</h2><p>${number(report.records)} event records of these days:</p>`,
    tableOf(
      ['day', counted('records'), 'head of its chain (SHA-256)'],
      report.chain.map(({ day, records, head }) => [day, records, head ?? 'not chained (written by an earlier version)']),
    ),
    `<p class="note">${escaped(THE_CHAIN)}</p>`,
  ]);
}

export function migrationHtml(report: MigrationReport): string {
  const { directory, waves, days } = report;
  const most = Math.max(1, ...days.map((day) => day.cloud + day['on-premises']));
  const width = (count: number): string => `${((count * 100) / most).toFixed(3)}%`;
  return page('How far the move has come', leadOf(report), [
    '<div class="figures">',
    figure(number(directory.cloud), 'recipients in the cloud'),
    figure(number(directory['on-premises']), 'recipients on-premises'),
    figure(number(directory.hold + directory.both), 'held or on both sides'),
    figure(
      number(waves.reduce((sum, wave) => sum + wave.confirmed, 0)),
      'mailboxes of waves whose first delivery to the cloud is recorded',
    ),
    '</div>',
    `<p class="note">Directory version ${number(directory.version)}, ${number(directory.recipients)} recipients.</p>`,
    '<h2>Waves</h2>',
    waves.length === 0
      ? '<p>None.</p>'
      : tableOf(
          [
            'wave',
            'created',
            ...['mailboxes', 'on-premises', 'both', 'hold', 'cloud', 'confirmed', 'confirmed encrypted'].map(counted),
          ],
          waves.map((one) => [
            one.name,
            one.created.slice(0, 10),
            one.mailboxes,
            one['on-premises'],
            one.both,
            one.hold,
            one.cloud,
            one.confirmed,
            one.encrypted,
          ]),
        ),
    '<h2>Deliveries by side, day by day</h2>',
    days.length === 0 ? '<p>None in this span.</p>' : '',
    ...days.map(
      (day) =>
        `<div class="bar" title="${escaped(day.day)}"><i class="enc" style="width:${width(day.cloud)}"></i><i class="unk" style="width:${width(day['on-premises'])}"></i></div>`,
    ),
    days.length === 0 ? '' : '<p class="note">A bar a day: cloud, then on-premises.</p>',
    tableOf(
      ['day', ...['cloud', 'on-premises', 'internet', 'confirmed', 'confirmed so far'].map(counted)],
      days.map((day) => [day.day, day.cloud, day['on-premises'], day.internet, day.confirmed, day['confirmed-so-far']]),
    ),
    '<p class="note">A delivery is one recipient whose next hop took the message. A mailbox is confirmed by the first delivery to the cloud after its wave moved it.</p>',
  ]);
}
