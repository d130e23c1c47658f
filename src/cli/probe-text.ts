/** A probe's report for people: both directions, hop by hop, then what to do. */
import type { ProbeReport } from '../admin/probe-contract.ts';
import type { EventRecord } from '../mail/event.ts';
import { printable } from '../platform/printable.ts';
import { tlsWords } from './status-command.ts';

type Leg = ProbeReport['there'];

export function probeText({ probe, ok, to, there, back, problem, next, records, 'message-id': id }: ProbeReport): string {
  const lines = [
    `${probe}  ${ok ? 'ok' : 'FAILED'}    to ${to}, Message-ID ${id}`,
    '',
    `There  ${legLine(there)}`,
    ...recordLines(records.filter((one) => one['message-id'] === id)),
    ...hopLines(there),
    '',
    `Back   ${legLine(back)}`,
    ...recordLines(records.filter((one) => one['message-id'] !== id)),
    ...hopLines(back),
    ...(problem === null ? [] : ['', `Problem: ${problem}`, ...next.map((step) => `  ${step}`)]),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function legLine({ ok, seconds, seen, tls }: Leg): string {
  if (ok === null) return 'not asked for';
  const way = tls === null ? '' : `; the relay's own hop: ${tlsWords(tls)}`;
  return ok ? `${seconds ?? '?'} s, ${seen ?? 'arrived'}${way}` : `did not arrive${way}`;
}

const WORDS: Partial<Record<EventRecord['event'], string>> = {
  RECEIVE: 'taken by the relay',
  SEND: 'sent on',
  DEFER: 'deferred',
  FAIL: 'refused',
  EXPIRE: 'given up',
  HOLD: 'held',
  DSN: 'notice sent',
};

/** What we did with it ourselves. */
function recordLines(records: readonly EventRecord[]): string[] {
  return records.map((record) => {
    const host = record['remote-mta'];
    const client =
      record.client === undefined || record.event !== 'RECEIVE'
        ? ''
        : ` from ${record.client.name ?? record.client.address} [${record.client.address}]`;
    const way = record.connector === undefined || record.event === 'RECEIVE' ? '' : ` by ${record.connector}`;
    const to =
      host === undefined ? '' : ` to ${host.name}${host.address === undefined ? '' : ` [${host.address}]:${host.port ?? ''}`}`;
    const said = record.reply === undefined || record.event === 'RECEIVE' ? '' : `: ${record.reply.code} ${record.reply.text}`;
    // no network was passed, or it did not come to a session
    const isMoot = record.tls?.result === 'not-tried' && (record.event !== 'SEND' || host === undefined);
    const tls = record.tls === undefined || isMoot ? '' : `, ${protection(record.tls)}`;
    return `  ${record.time.slice(11, 23)}  ${WORDS[record.event] ?? record.event}${client}${way}${to}${tls}${said}`;
  });
}

function protection(tls: NonNullable<EventRecord['tls']>): string {
  const cipher = tls.cipher === undefined ? '' : ` ${tls.cipher}`;
  return `${tlsWords(tls)}${cipher}`;
}

/** What the message says of its way. */
function hopLines({ hops }: Leg): string[] {
  if (hops.length === 0) return [];
  const lines = hops.map((hop, i) => {
    const tls =
      hop.tls === 'yes'
        ? [hop['tls-version'] ?? 'TLS', hop.cipher].filter((word) => word !== null).join(' ')
        : hop.tls === 'no'
          ? 'in clear'
          : hop.tls === 'n/a'
            ? 'within one host'
            : 'TLS not stated';
    const delay = hop['delay-seconds'] === null ? '' : `, ${hop['delay-seconds']} s`;
    return `    ${i + 1}. ${hop['from-host'] ?? '?'} -> ${hop['by-host'] ?? '?'}: ${tls}${delay}${hop.trusted ? '' : ' (claimed)'}`;
  });
  return ['  Received fields', ...lines];
}
