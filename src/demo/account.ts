/** The readable account: each message, hop by hop, with its TLS. Pure. */
import type { EventRecord } from '../mail/event.ts';
import type { EnhancedStatus, SmtpReply } from '../mail/reply.ts';
import { formatReply } from '../mail/reply.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import type { Sample } from './samples.ts';

export interface Account {
  readonly sample: Sample;
  readonly events: readonly EventRecord[];
  readonly problems: readonly string[];
}

const PLACE_WIDTH = 50;

/** One hop's TLS in a few words: what a person wants to know first, then the facts. */
export function describeTls(tls: TlsEvidence | undefined): string {
  if (tls === undefined) return 'TLS unknown';
  switch (tls.result) {
    case 'encrypted':
    case 'verified': {
      const facts = [tls.protocol, tls.cipher, tls['key-exchange']].filter((fact) => fact !== undefined).join(' ');
      return `${tls.result}, ${facts}${tls.verified === true ? ', certificate verified' : ''}`;
    }
    case 'not-used':
      return 'in clear: the sender did not use STARTTLS';
    case 'not-offered':
      return 'in clear: STARTTLS was not offered';
    case 'refused':
      return 'in clear: STARTTLS was refused';
    case 'plain-after-failure':
      return 'in clear, after TLS had failed';
    case 'not-tried':
      return 'in clear, as the connector says';
    case 'handshake-failed':
      return 'not sent: the TLS handshake failed';
    case 'timed-out':
      return 'not sent: TLS took too long';
  }
}

/** Lines of one message, without its number. */
export function accountOf({ sample, events, problems }: Account): string[] {
  const lines = [`${sample.title}`, `   ${sample.sender} -> ${sample.expect.map(({ recipient }) => recipient).join(', ')}`];
  const inward = events.find((event) => event.event === 'RECEIVE');
  if (inward !== undefined) {
    const client = `${inward.client?.name ?? 'unknown'} [${inward.client?.address ?? '?'}]`;
    lines.push(row('in', `${client} -> relay`, `${inward.peer}, ${inward.size} octets, spooled as ${inward['spool-id']}`));
    lines.push(row('', '', describeTls(inward.tls)));
  }
  for (const event of events.filter(({ event: name }) => name !== 'RECEIVE')) lines.push(...eventLines(event));
  lines.push(problems.length === 0 ? row('ok', '', '').trimEnd() : '');
  for (const problem of problems) lines.push(row('WRONG', problem, ''));
  return lines.filter((line) => line !== '');
}

function eventLines(event: EventRecord): string[] {
  const remote = event['remote-mta'];
  const reply = event.reply === undefined ? 'no reply' : formatReply(replyOf(event.reply));
  if (event.event === 'SEND' || event.event === 'DEFER') {
    const place = `relay -> ${event.connector} [${remote?.address ?? '?'}:${remote?.port ?? '?'}]`;
    const lines = [row(event.event === 'SEND' ? 'out' : 'wait', place, event.recipient ?? '')];
    for (const step of event.tls?.ladder ?? []) {
      if (step.error !== undefined) lines.push(row('', '', `${step.offer}: ${step.result} (${gist(step.error)})`));
    }
    lines.push(row('', '', describeTls(event.tls)), row('', '', reply));
    if (event.reason !== undefined) lines.push(row('', '', `because ${event.reason}`));
    return lines;
  }
  const what = event.event === 'REJECT' ? 'relay refused it in session' : event.event;
  const lines = [row('no', `${what}`, `${event.recipient ?? ''}: ${reply}`)];
  if (event.reason !== undefined) lines.push(row('', '', `because ${event.reason}`));
  return lines;
}

/** The code or the first words of an error; the whole of it is in the record. */
function gist(error: string): string {
  return error.split(/: |\n/)[0] ?? error;
}

function replyOf(reply: NonNullable<EventRecord['reply']>): SmtpReply {
  const { code, text } = reply;
  return reply.enhanced === undefined ? { code, text } : { code, text, enhanced: reply.enhanced as EnhancedStatus };
}

function row(mark: string, place: string, fact: string): string {
  return `   ${mark.padEnd(5)} ${fact === '' ? place : place.padEnd(PLACE_WIDTH)}${fact === '' ? '' : ` ${fact}`}`;
}
