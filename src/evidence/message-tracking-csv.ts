/**
 * Event records as Exchange's message tracking log (coexistence.md 1.1): its field names and header lines verbatim, so
 * that what people have for reading such logs reads ours. Pure.
 */
import type { EventName, EventRecord } from '../mail/event.ts';
import { csvCell } from '../platform/csv.ts';

/** Exchange's fields in its order. Those that we know nothing of stay empty (R19). */
const FIELDS = [
  'date-time',
  'client-ip',
  'client-hostname',
  'server-ip',
  'server-hostname',
  'source-context',
  'connector-id',
  'source',
  'event-id',
  'internal-message-id',
  'message-id',
  'network-message-id',
  'recipient-address',
  'recipient-status',
  'total-bytes',
  'recipient-count',
  'related-recipient-address',
  'reference',
  'message-subject',
  'sender-address',
  'return-path',
  'message-info',
  'directionality',
  'tenant-id',
  'original-client-ip',
  'original-server-ip',
  'custom-data',
  'transport-traffic-type',
  'log-id',
  'schema-version',
] as const;
type Field = (typeof FIELDS)[number];

const SOURCES: Record<EventName, string> = {
  RECEIVE: 'SMTP',
  SEND: 'SMTP',
  DEFER: 'SMTP',
  FAIL: 'SMTP',
  REJECT: 'SMTP',
  EXPIRE: 'QUEUE',
  HOLD: 'QUEUE',
  RELEASE: 'QUEUE',
  REDIRECT: 'ROUTING',
  DSN: 'DSN',
};

/** The whole file, lines ended by CRLF (RFC 4180 §2). `now`: milliseconds since the epoch. */
export function renderMessageTracking(records: readonly EventRecord[], version: string, now: number): string {
  const lines = [
    '#Software: Bridgehead',
    `#Version: ${version}`,
    '#Log-Type: Message Tracking Log',
    `#Date: ${new Date(now).toISOString()}`,
    `#Fields: ${FIELDS.join(',')}`,
    ...grouped(records).map(rowOf),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** Exchange writes one row for all recipients of an event; we have a record for each. */
function grouped(records: readonly EventRecord[]): EventRecord[][] {
  const groups = new Map<string, EventRecord[]>();
  for (const [i, record] of records.entries()) {
    const id = record['spool-id'];
    const key =
      id === undefined
        ? `${i}`
        : [record.time, record.event, id, record.connector, record['remote-mta']?.address, record.attempt].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  return [...groups.values()];
}

function rowOf(group: readonly EventRecord[]): string {
  const [record] = group;
  if (record === undefined) return '';
  const mta = record['remote-mta'];
  const inbound = record.event === 'RECEIVE' || record.event === 'REJECT';
  const originals = group.map((one) => one['original-recipient'] ?? '');
  const values: Partial<Record<Field, string>> = {
    'date-time': record.time,
    'client-ip': record.client?.address,
    'client-hostname': record.client?.name,
    'server-ip': mta?.address,
    'server-hostname': mta?.name,
    'source-context': record['session-id'],
    'connector-id': record.connector,
    source: SOURCES[record.event],
    'event-id': record.event,
    'internal-message-id': record['spool-id'],
    'message-id': record['message-id'],
    'recipient-address': group.map((one) => one.recipient ?? '').join(';'),
    'recipient-status': group.map(statusOf).join(';'),
    'total-bytes': record.size?.toString(),
    'recipient-count': String(group.length),
    'related-recipient-address': originals.every((one, i) => one === '' || one === group[i]?.recipient)
      ? ''
      : originals.join(';'),
    reference: record['related-spool-id'],
    'sender-address': record.sender,
    'return-path': record.sender === '' ? '<>' : record.sender,
    directionality: record.peer === undefined ? '' : record.peer === 'on-premises' ? 'Originating' : 'Incoming',
    'original-client-ip': inbound ? (record['original-client-ip'] ?? record.client?.address) : undefined,
    'custom-data': customDataOf(record),
    'schema-version': '1',
  } as Partial<Record<Field, string>>;
  return FIELDS.map((field) => csvCell(values[field] ?? '')).join(',');
}

function statusOf({ reply }: EventRecord): string {
  return reply === undefined ? '' : [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ').replaceAll(';', ',');
}

/** Exchange's form: `S:name=value;S:name=value`. */
function customDataOf(record: EventRecord): string {
  const facts: [string, string | number | undefined][] = [
    ['Route', record.route],
    ['Reason', record.reason],
    ['DirectoryVersion', record['directory-version']],
    ['Attempt', record.attempt],
    ['DurationMs', record['duration-ms']],
    ['NextAttempt', record['next-attempt']],
    ['TlsResult', record.tls?.result],
    ['TlsVersion', record.tls?.protocol],
    ['TlsCipher', record.tls?.cipher],
    ['PossibleDuplicate', record['possible-duplicate'] === true ? 'true' : undefined],
    ['DsnAction', record.action],
  ];
  return facts
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `S:${name}=${String(value).replaceAll(';', ',')}`)
    .join(';');
}
