/** Event records told to people: each message as a story, hop by hop, with its TLS and the replies. Pure. */
import type { EventName, EventRecord } from '../mail/event.ts';
import type { LadderStep, TlsEvidence, TlsResult } from '../mail/tls.ts';
import { printable } from '../platform/printable.ts';

const WORDS: Record<EventName, string> = {
  RECEIVE: 'received',
  SEND: 'sent',
  DEFER: 'deferred',
  FAIL: 'failed',
  EXPIRE: 'expired',
  HOLD: 'held',
  RELEASE: 'released',
  REDIRECT: 'rerouted',
  DSN: 'notified',
  REJECT: 'refused',
};

const IN_WORDS: Record<TlsResult, string> = {
  encrypted: 'encrypted',
  verified: 'encrypted, verified',
  'not-offered': 'in clear, STARTTLS was not offered',
  refused: 'in clear, STARTTLS was refused',
  'plain-after-failure': 'in clear, after TLS failed',
  'not-tried': 'in clear, TLS is not for this hop',
  'not-used': 'in clear',
  'handshake-failed': 'nothing went: the handshake failed',
  'timed-out': 'nothing went: the handshake timed out',
};

const INDENT = ' '.repeat(26);

/** One block a message, in the order of their first events; times in UTC. Records come ordered by time. */
export function renderTrace(records: readonly EventRecord[]): string {
  const stories = new Map<string, EventRecord[]>();
  for (const record of records) {
    // Refusals have no spool id: those of one session are told together
    const key = record['spool-id'] ?? `session ${record['session-id'] ?? record.time}`;
    const story = stories.get(key);
    if (story === undefined) stories.set(key, [record]);
    else story.push(record);
  }
  return [...stories.values()].map((story) => `${storyOf(story).map(printable).join('\n')}\n`).join('\n');
}

function storyOf(records: readonly EventRecord[]): string[] {
  const first = records[0];
  if (first === undefined) return [];
  const lines = [
    [first['spool-id'] ?? 'refused in session', first['message-id'], sizeOf(first.size)]
      .filter((part) => part !== undefined)
      .join('  '),
  ];
  if (first.sender !== undefined) lines.push(`  from    ${first.sender === '' ? '<> (a notification)' : first.sender}`);
  const { client } = first;
  if (client !== undefined) {
    const name = client.name === undefined || client.name === client.address ? '' : `${client.name} `;
    const via = client.via === undefined ? '' : ` by [${client.via}]`;
    lines.push(`  client  ${name}[${client.address}]${via}${first.peer === undefined ? '' : ` (${first.peer})`}`);
    const behind = first['original-client-ip'];
    if (behind !== undefined) lines.push(`          behind it [${behind}], by its Received fields`);
    if (first.tls !== undefined) lines.push(`          ${tlsOf(first.tls)}`);
  }
  let day = '';
  for (const record of records) {
    const [date = '', clock = ''] = record.time.split('T');
    if (date !== day) lines.push(`  ${date}`);
    day = date;
    const [head = '', ...rest] = detailsOf(record);
    lines.push(`  ${clock.padEnd(13)} ${WORDS[record.event].padEnd(9)} ${head}`);
    for (const line of rest) lines.push(`${INDENT}${line}`);
  }
  return lines;
}

/** What happened, the recipient first. */
function detailsOf(record: EventRecord): string[] {
  const original = record['original-recipient'];
  const recipient =
    original === undefined || original === record.recipient ? (record.recipient ?? '') : `${original} as ${record.recipient}`;
  const lines = [recipient];
  const reply =
    record.reply === undefined
      ? undefined
      : [record.reply.code, record.reply.enhanced, record.reply.text].filter(Boolean).join(' ');
  switch (record.event) {
    case 'RECEIVE':
      lines.push(wayOf(record));
      break;
    case 'REJECT':
      lines.push(reply ?? '', record.reason ?? '');
      break;
    case 'SEND':
    case 'DEFER':
    case 'FAIL':
      lines.push(hopOf(record), reply ?? '');
      if (record.tls !== undefined) lines.push(tlsOf(record.tls), ...ladderOf(record.tls.ladder ?? []));
      if (record['possible-duplicate'])
        lines.push('the connection was lost behind the final dot: the next hop may have it already');
      if (record['next-attempt'] !== undefined) lines.push(`next attempt ${record['next-attempt']}`);
      break;
    case 'DSN':
      lines.push(
        record.reason ?? '',
        `tells that it ${record.action === undefined ? 'changed' : `was ${record.action}`}: message ${record['related-spool-id'] ?? 'unknown'}`,
      );
      break;
    case 'REDIRECT':
      lines.push(wayOf(record));
      break;
    case 'EXPIRE':
    case 'HOLD':
    case 'RELEASE':
      lines.push(record.reason ?? '', reply ?? '');
      break;
  }
  if (record['longest-line'] !== undefined) lines.push(`its longest line has ${record['longest-line']} octets`);
  return lines.filter((line) => line !== '');
}

function wayOf(record: EventRecord): string {
  const way = [
    record.route === undefined ? '' : `route ${record.route}`,
    record.connector === undefined ? '' : `connector ${record.connector}`,
  ]
    .filter(Boolean)
    .join(', ');
  return [way, record.reason ?? ''].filter(Boolean).join('; ');
}

function hopOf(record: EventRecord): string {
  const parts: string[] = [];
  const mta = record['remote-mta'];
  if (mta !== undefined) {
    const address = mta.address === undefined || mta.address === mta.name ? '' : ` [${mta.address}]`;
    parts.push(`to ${mta.name}${address}${mta.port === undefined ? '' : `:${mta.port}`}`);
  } else if (record.event !== 'SEND') parts.push('no host answered'); // a Maildir is no host, and took it
  if (record.connector !== undefined) parts.push(`connector ${record.connector}`);
  if (record.attempt !== undefined) parts.push(`attempt ${record.attempt}`);
  if (record['duration-ms'] !== undefined) parts.push(`${record['duration-ms']} ms`);
  if (record.copy) parts.push('a copy');
  return parts.join(', ');
}

/** The TLS facts of one hop in one line. */
export function tlsOf(tls: TlsEvidence): string {
  const facts = [tls.protocol, tls.cipher, tls['key-exchange']].filter((fact) => fact !== undefined).join(' ');
  const parts = [facts === '' ? IN_WORDS[tls.result] : `${IN_WORDS[tls.result]}, ${facts}`];
  const certificate = tls['peer-certificate'];
  if (certificate !== undefined) parts.push(`certificate ${certificate.subject}`);
  if (tls.verified === false && tls['verification-error'] !== undefined) parts.push(`not verified: ${tls['verification-error']}`);
  return `TLS: ${parts.join('; ')}`;
}

/** The steps of a ladder that was climbed; a single step that worked says nothing new. */
function ladderOf(ladder: readonly LadderStep[]): string[] {
  if (ladder.length < 2 && ladder[0]?.error === undefined) return [];
  return ladder.map(({ offer, result, error }) => `  tried ${offer}: ${result}${error === undefined ? '' : ` (${error})`}`);
}

function sizeOf(octets: number | undefined): string | undefined {
  if (octets === undefined) return undefined;
  if (octets < 1024) return `${octets} octets`;
  return octets < 1024 ** 2 ? `${(octets / 1024).toFixed(1)} KiB` : `${(octets / 1024 ** 2).toFixed(1)} MiB`;
}
