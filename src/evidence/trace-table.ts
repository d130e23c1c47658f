/** Event records told to people: each message as a story, hop by hop, with its TLS and the replies. Pure. */
import type { EventName, EventRecord } from '../mail/event.ts';
import { printable } from '../platform/printable.ts';
import { advised } from './advised.ts';
import { claimedHopLines } from './headers/claims.ts';

import { attemptInWords, tlsOf } from './tls-words.ts';
import { cloudTraceOf, endingOf } from './trace-ending.ts';

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
  const dsns = Map.groupBy(
    records.filter(({ event }) => event === 'DSN'),
    (record) => record['related-spool-id'],
  );
  return [...stories.values()]
    .map((story) => [...storyOf(story), ...endOf(story, dsns.get(story[0]?.['spool-id']) ?? [])])
    .map((lines) => `${lines.map(printable).join('\n')}\n`)
    .join('\n');
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
    // where the story begins later (--since), the TLS of its first record is that of a hop of ours
    const isClients = first.event === 'RECEIVE' || first.event === 'REJECT';
    if (isClients && first.tls !== undefined) lines.push(`          ${tlsOf(first.tls)}`);
  }
  const { received = [] } = first;
  if (received.length > 0) {
    lines.push('  before  what the message says of its way to us; whoever sent it could have written that');
    lines.push(...claimedHopLines(received).map((line) => `          ${line}`));
  }
  const advice = advised(records);
  const came = first.event === 'RECEIVE' || first.event === 'DSN' ? first['body-sha256'] : undefined;
  let day = '';
  for (const record of records) {
    const [date = '', clock = ''] = record.time.split('T');
    if (date !== day) lines.push(`  ${date}`);
    day = date;
    const [head = '', ...rest] = detailsOf(record, came);
    lines.push(`  ${clock.padEnd(13)} ${WORDS[record.event].padEnd(9)} ${head}`);
    for (const line of rest) lines.push(`${INDENT}${line}`);
    for (const line of advice.get(record) ?? []) lines.push(`${INDENT}  ${line}`);
  }
  return lines;
}

/** Who has it now, and where to ask on. */
function endOf(records: readonly EventRecord[], dsns: readonly EventRecord[]): string[] {
  const ending = endingOf(records, dsns);
  const cloud = cloudTraceOf(records);
  return [
    ...ending.map((line, i) => `${i === 0 ? '  now     ' : '          '}${line}`),
    ...(cloud === undefined
      ? []
      : ['  cloud   its own trace of this message, in Exchange Online PowerShell:', `          ${cloud}`]),
  ];
}

/** What happened, the recipient first. `came`: the hash of the body as it was accepted. */
function detailsOf(record: EventRecord, came: string | undefined): string[] {
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
      lines.push(wayOf(record), bodyOf(record));
      break;
    case 'REJECT':
      lines.push(reply ?? '', record.reason ?? '');
      break;
    case 'SEND':
    case 'DEFER':
    case 'FAIL':
      lines.push(
        record.event === 'DEFER' && record.attempt === undefined ? untriedOf(record, reply) : hopOf(record),
        reply ?? '',
      );
      lines.push(...attemptInWords(record), bodyOf(record, came));
      if (record['possible-duplicate'])
        lines.push(
          record.event === 'DEFER'
            ? 'the connection was lost behind the final dot: the next hop may have it already'
            : 'an attempt before was cut off, behind the final dot or with the relay itself: the next hop may have it twice',
        );
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

/** Put off without an attempt: the hop was known to be down, the connector paused, or the route says wait. */
function untriedOf({ connector, reason }: EventRecord, reply: string | undefined): string {
  const why = reply !== undefined && reason?.endsWith(`: ${reply}`) === true ? reason.slice(0, -reply.length - 2) : reason;
  return `not tried${connector === undefined ? '' : `, connector ${connector}`}${why === undefined ? '' : `: ${why}`}`;
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

/** The first octets of a hash are enough to know it by; `trace verify` compares whole ones. */
function bodyOf(record: EventRecord, came?: string): string {
  const sha256 = record['body-sha256'];
  if (sha256 === undefined) return '';
  if (sha256 === came) return 'body as it came';
  return `body SHA-256 ${sha256.slice(0, 16)}…${came === undefined ? '' : ', NOT the one that came'}`;
}

function sizeOf(octets: number | undefined): string | undefined {
  if (octets === undefined) return undefined;
  if (octets < 1024) return `${octets} octets`;
  return octets < 1024 ** 2 ? `${(octets / 1024).toFixed(1)} KiB` : `${(octets / 1024 ** 2).toFixed(1)} MiB`;
}
