/** The end of a message's story: who has it now, for each recipient, and how to ask the cloud about it. Pure. */
import type { EventRecord } from '../mail/event.ts';

/** `dsns`: the notifications that speak of this message. */
export function endingOf(records: readonly EventRecord[], dsns: readonly EventRecord[]): string[] {
  const last = new Map<string, EventRecord>();
  for (const record of records) {
    const recipient = record['original-recipient'] ?? record.recipient;
    if (recipient === undefined || record.event === 'REJECT' || isSuppressed(record)) continue;
    // a best-effort copy changes nothing of who has the message (C10); what is sent is sent, whatever is recorded late
    if (record.copy === true || last.get(recipient)?.event === 'SEND') continue;
    last.set(recipient, record);
  }
  const lines = [...last].map(([recipient, record]) => `${recipient}: ${whoHasIt(record, dsns)}`);
  const told = dsns.map((dsn) => {
    const what = `that it was ${dsn.action ?? 'changed'}`;
    const who = dsn.recipient ?? 'the sender';
    if (isSuppressed(dsn)) return `${who} was not told ${what}: ${dsn.reason ?? 'for a reason that is not on record'}`;
    return `${who} was told ${what}: message ${dsn['spool-id'] ?? 'unknown'}`;
  });
  return [...lines, ...told];
}

/** A notification that was owed and is not sent stands under the message it would have spoken of (delivery/records.ts). */
function isSuppressed(record: EventRecord): boolean {
  return record.event === 'DSN' && record['spool-id'] === record['related-spool-id'];
}

const OWNERS: Readonly<Record<string, string>> = { cloud: 'the cloud has it', 'on-premises': 'the on-premises server has it' };

function whoHasIt(record: EventRecord, dsns: readonly EventRecord[]): string {
  const { reply, 'remote-mta': mta } = record;
  const answer = reply === undefined ? '' : [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ');
  switch (record.event) {
    case 'SEND':
      if (mta === undefined) return `it is in its mailbox here, connector ${record.connector ?? 'unknown'} (${answer})`;
      return `${OWNERS[record.route ?? ''] ?? `${mta.name} has it`}, ${mta.name} said ${answer}`;
    case 'DEFER':
      return `we have it, in the queue until ${record['next-attempt'] ?? 'the next attempt'}`;
    case 'HOLD':
      return `we have it, held: ${record.reason ?? 'by an operator'} ("bridgehead queue release --id ${record['spool-id'] ?? ''}")`;
    case 'FAIL':
    case 'EXPIRE': {
      const gone = record.event === 'FAIL' ? 'nobody has it, it was refused' : 'nobody has it, we gave up';
      const failures = dsns.filter(({ action }) => action === 'failed');
      if (failures.some((dsn) => !isSuppressed(dsn))) return `${gone}; the sender was told`;
      if (failures.length > 0) return `${gone}; the sender was not told`;
      return `${gone}; ${whyUntold(record)}`;
    }
    case 'RECEIVE':
    case 'DSN':
      return 'we have it, in the queue, not tried yet';
    case 'RELEASE':
    case 'REDIRECT':
      return 'we have it, in the queue';
    case 'REJECT':
      return 'we never had it';
  }
}

function whyUntold({ sender, peer, authentication }: EventRecord): string {
  if (sender === '') return 'nobody is told of a notification (null sender)';
  // as bounce/policy.ts decides it
  const { 'own-domain': verdict, spf, claims = [] } = authentication ?? {};
  const domain = sender?.slice(sender.lastIndexOf('@') + 1).toLowerCase() ?? '';
  if (peer === 'external' && verdict === 'spoofed' && spf?.result === 'fail' && !claims.includes(domain))
    return `${sender ?? 'the sender'} is not told: SPF says that it did not send this`;
  return 'no notification is on record (NOTIFY=NEVER, or not sent yet)';
}

const HOUR = 3_600_000;
const TRACE_SPAN = 24 * HOUR;

/**
 * Exchange Online's own trace of what went there, to be pasted into a session of its PowerShell module; `undefined` where
 * nothing went to the cloud. Without a Message-ID the sender stands in for it.
 */
export function cloudTraceOf(records: readonly EventRecord[]): string | undefined {
  const sent = records.filter(({ event, route }) => event === 'SEND' && route === 'cloud');
  const [first] = sent;
  const last = sent.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const recipients = new Set(
    sent.flatMap((one) => [one.recipient, one['original-recipient']]).filter((one) => one !== undefined),
  );
  const { sender, 'message-id': messageId } = first;
  const facts = [
    ...(messageId === undefined ? [] : [`-MessageId ${quoted(messageId)}`]),
    ...(messageId === undefined && sender !== undefined && sender !== '' ? [`-SenderAddress ${quoted(sender)}`] : []),
    `-RecipientAddress ${[...recipients].map(quoted).join(',')}`,
    `-StartDate ${quoted(hourOf(Date.parse(first.time) - HOUR))}`,
    `-EndDate ${quoted(hourOf(Date.parse(last.time) + TRACE_SPAN))}`,
  ];
  return `Get-MessageTraceV2 ${facts.join(' ')}`;
}

function hourOf(time: number): string {
  return new Date(Math.floor(time / HOUR) * HOUR).toISOString().replace('.000Z', 'Z');
}

// Any of these ends a single-quoted string in PowerShell, and doubled stands for itself
const QUOTES = /['\u2018\u2019\u201a\u201b]/g;

/** A PowerShell string of a stranger's value: nothing in it is expanded, and nothing in it ends it. */
export function quoted(value: string): string {
  return `'${value.replace(/\p{Cc}/gu, '').replace(QUOTES, '$&$&')}'`;
}
