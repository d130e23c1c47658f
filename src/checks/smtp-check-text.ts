/** A check of an SMTP server for people: the session as telnet would show it, then what it comes to. Pure. */
import { printable } from '../platform/printable.ts';
import type { ChainCertificate } from './certificate-chain.ts';
import type { Ehlo, ProtocolRow, SmtpCheckReport } from './smtp-check-report.ts';

const LABEL = 13;
const SIGNS = { client: 'C:', server: 'S:', note: '--' } as const;
const TIMINGS = {
  dns: 'DNS',
  connect: 'connect',
  banner: 'greeting',
  ehlo: 'EHLO',
  starttls: 'STARTTLS',
  handshake: 'handshake',
  'ehlo-after-tls': 'EHLO in TLS',
} as const;
const INJECTION = {
  discarded: 'a command sent in clear behind STARTTLS was discarded, as it must be',
  refused: 'a command sent in clear behind STARTTLS ended the session, which is safe',
  executed: 'a command sent in clear behind STARTTLS was EXECUTED in TLS (CVE-2011-0411)',
  'not known': 'not looked at',
} as const;

export function renderSmtpCheck(report: SmtpCheckReport): string {
  const parts = [heading(report), transcript(report), facts(report), offers(report), modes(report), findings(report)];
  return `${parts.filter((part) => part !== '').join('\n')}`;
}

const line = (label: string, text: string): string => `${label.padEnd(LABEL)}${printable(text)}\n`;

function heading({ host, port, address, addresses, ok, tls }: SmtpCheckReport): string {
  const others = addresses.filter((one) => one !== address);
  const where = address === null || address === host ? '' : ` [${address}]`;
  const verdict = ok ? (tls === null ? 'ok' : 'ok, TLS works') : 'NOT ok';
  return printable(`${host}:${port}${where}  ${verdict}${others.length > 0 ? `  (also ${others.join(', ')})` : ''}`).concat('\n');
}

function transcript({ transcript: lines }: SmtpCheckReport): string {
  return lines.map((one) => `${String(one['at-ms']).padStart(6)} ms ${SIGNS[one.from]} ${one.line}\n`).join('');
}

function facts(report: SmtpCheckReport): string {
  const { tls, chain, envelope, 'timings-ms': timings } = report;
  const took = Object.entries(TIMINGS).flatMap(([name, word]) => {
    const value = timings[name as keyof typeof TIMINGS];
    return value === undefined ? [] : [`${word} ${value} ms`];
  });
  let text = line('Timing', took.join(', '));
  text += keywords(report.ehlo, report['ehlo-after-tls']);
  for (const { command, reply } of envelope) text += line('Asked', `${command}: ${reply}`);
  if (tls !== null) {
    const asked = { true: 'asked for', false: 'not asked for', null: 'not known whether asked for' } as const;
    const client = asked[`${report['client-certificate-asked']}`];
    const bits = tls.bits === null ? '' : ` (${tls.bits} bits)`;
    const exchange = tls['key-exchange'] === null ? '' : `, ${tls['key-exchange']}`;
    text += line(
      'TLS',
      `${tls.protocol ?? 'version unknown'}, ${tls.cipher ?? 'cipher unknown'}${bits}${exchange}; client certificate ${client}`,
    );
    const names = tls['names-asked'].join(' or ');
    text += line(
      'Verified',
      tls.verified
        ? `yes: trusted, and for ${names}`
        : `no: ${tls['verification-error'] ?? 'unknown cause'}${tls['name-matches'] ? '' : `; it is not for ${names}`}`,
    );
  }
  if (chain !== null) {
    const missing = chain.missing === null ? '' : `: "${chain.missing}" was not sent`;
    const count = `${chain.certificates.length} certificate${chain.certificates.length === 1 ? '' : 's'} sent`;
    text += line(
      'Chain',
      `${count}, ${chain.complete ? 'complete' : `INCOMPLETE${missing}`}${chain['root-sent'] ? ', with the root' : ''}`,
    );
    text += chain.certificates.map(certificate).join('');
  }
  return text;
}

function keywords(clear: Ehlo | null, inTls: Ehlo | null): string {
  if (clear === null) return inTls === null ? '' : line('EHLO', inTls.keywords.join(', '));
  let text = line('EHLO', clear.keywords.join(', ') || 'no keywords');
  if (inTls === null) return text;
  const gone = clear.keywords.filter((keyword) => !inTls.keywords.includes(keyword));
  const added = inTls.keywords.filter((keyword) => !clear.keywords.includes(keyword));
  const changes = [
    ...(gone.length > 0 ? [`without ${gone.join(', ')}`] : []),
    ...(added.length > 0 ? [`with ${added.join(', ')}`] : []),
  ];
  text += line('  in TLS', changes.join('; ') || 'the same');
  return text;
}

function certificate(one: ChainCertificate, index: number): string {
  const left = one['days-left'] < 0 ? `ENDED ${-one['days-left']} days ago` : `${one['days-left']} days left`;
  const names =
    one.names.length === 0 || index > 0
      ? ''
      : `  names ${one.names.slice(0, 8).join(', ')}${one.names.length > 8 ? ` and ${one.names.length - 8} more` : ''}\n`;
  const lines = [
    `${index + 1}. ${one.subject || '(no subject)'}\n`,
    one['self-signed'] ? '  signed by itself\n' : `  issued by ${one.issuer}\n`,
    names,
    `  ${one.key}, ${one['valid-from'].slice(0, 10)} to ${one['valid-to'].slice(0, 10)} (${left})\n`,
    `  sha256 ${one.sha256}\n`,
  ];
  return lines.map((text) => (text === '' ? '' : `${' '.repeat(LABEL)}${printable(text.slice(0, -1))}\n`)).join('');
}

function offers({ protocols, profiles, injection }: SmtpCheckReport): string {
  if (protocols.length === 0) return '';
  return [
    'What it accepts\n',
    ...rows([...protocols, ...profiles].map(offerRow)),
    `  STARTTLS       ${INJECTION[injection]}\n`,
  ].join('');
}

const offerRow = ({ offer, accepted, protocol, cipher, error }: ProtocolRow): readonly string[] => [
  offer,
  accepted ? 'yes' : 'no',
  accepted ? (offer === protocol ? (cipher ?? '') : `${protocol ?? ''} ${cipher ?? ''}`) : (error ?? ''),
];

function modes({ modes: verdicts }: SmtpCheckReport): string {
  if (verdicts.length === 0) return '';
  return [
    'What a connector would do, by its tls.mode\n',
    ...rows(verdicts.map(({ mode, sends, why }) => [mode, sends === 'nothing' ? 'waits' : sends, why])),
  ].join('');
}

function findings({ findings: all }: SmtpCheckReport): string {
  if (all.length === 0) return '';
  const lines = all.map(
    ({ severity, problem, remedy }) =>
      `  ${severity.padEnd(8)} ${printable(problem)}\n${remedy === null ? '' : `           ${printable(remedy)}\n`}`,
  );
  return `Findings\n${lines.join('')}`;
}

function rows(cells: readonly (readonly string[])[]): string[] {
  const width = (column: number): number => Math.max(...cells.map((row) => row[column]?.length ?? 0));
  const first = Math.max(width(0), LABEL);
  const second = width(1);
  return cells.map(([a = '', b = '', c = '']) =>
    `  ${a.padEnd(first)}  ${b.padEnd(second)}  ${printable(c)}`.trimEnd().concat('\n'),
  );
}
