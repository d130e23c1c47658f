/** What `wave list`, `show` and `report` print: values in the form of their `--json`. */
import type { EventRecord } from '../../mail/event.ts';
import type { HeldMail } from './held-volume.ts';
import { type Confirmation, counts, type MailboxState, type Member, type Schedule, type Step, type Wave } from './wave.ts';

export interface WaveCounts extends Readonly<Record<MailboxState, number>> {
  /** Test users (`kind: probe`) are in no other count. */
  readonly mailboxes: number;
  readonly probes: number;
}

export interface WaveSummary {
  readonly name: string;
  readonly created: string;
  readonly 'created-by': string;
  readonly schedule: {
    readonly at: string;
    readonly by: string;
    readonly state: Schedule['state'];
    readonly note: string | null;
  } | null;
  readonly counts: WaveCounts;
  /** What waits for the wave now. */
  readonly held: { readonly messages: number; readonly octets: number };
}

export interface WaveStep {
  readonly state: MailboxState;
  readonly time: string;
  readonly who: string;
  readonly reason: string;
  readonly 'directory-version': number | null;
}

export interface WaveMailbox {
  readonly address: string;
  readonly kind: string | null;
  readonly state: MailboxState;
  readonly since: string;
  readonly confirmed: WaveConfirmation | null;
  /** An administrator's word that counts in place of the wave's (C6). */
  readonly 'overruled-by': string | null;
}

export interface WaveConfirmation {
  readonly time: string;
  readonly 'message-id': string | null;
  readonly 'remote-mta': NonNullable<Confirmation['remoteMta']> | null;
  readonly tls: NonNullable<Confirmation['tls']> | null;
}

export interface WaveDetails extends WaveSummary {
  readonly mailboxes: readonly (WaveMailbox & { readonly steps: readonly WaveStep[] })[];
}

export interface WaveReport extends WaveSummary {
  readonly mailboxes: readonly WaveReportMailbox[];
  /** Mailboxes with more records than were looked at: their numbers are at least that. */
  readonly incomplete: readonly string[];
}

export interface WaveReportMailbox extends WaveMailbox {
  /** Messages held since the wave began, and those of them that wait still. */
  readonly held: number;
  readonly 'held-now': number;
  readonly delivered: { readonly cloud: number; readonly 'on-premises': number };
  readonly bounced: readonly {
    readonly time: string;
    readonly event: 'FAIL' | 'EXPIRE';
    readonly sender: string | null;
    readonly 'message-id': string | null;
    readonly reply: string | null;
  }[];
}

export function summaryOf(wave: Wave, held: HeldMail): WaveSummary {
  const { schedule } = wave;
  return {
    name: wave.name,
    created: iso(wave.created.time),
    'created-by': wave.created.who,
    schedule:
      schedule === undefined
        ? null
        : { at: iso(schedule.at), by: schedule.who, state: schedule.state, note: schedule.note ?? null },
    counts: countsOf(wave.members),
    held: { messages: held.messages, octets: held.octets },
  };
}

function countsOf(members: readonly Member[]): WaveCounts {
  const sums = { mailboxes: 0, probes: 0, 'on-premises': 0, both: 0, hold: 0, cloud: 0, confirmed: 0 };
  for (const member of members) {
    if (!counts(member)) sums.probes += 1;
    else {
      sums.mailboxes += 1;
      sums[member.state] += 1;
    }
  }
  return sums;
}

/** What the active version says of a mailbox that a wave does not decide: its source. */
export type OverruledBy = (member: Member) => string | null;

function mailboxOf(member: Member, overruledBy: OverruledBy): WaveMailbox {
  const { confirmation } = member;
  return {
    address: member.address.address,
    kind: member.kind ?? null,
    state: member.state,
    since: iso(member.steps.at(-1)?.time ?? 0),
    confirmed:
      confirmation === undefined
        ? null
        : {
            time: iso(confirmation.time),
            'message-id': confirmation.messageId ?? null,
            'remote-mta': confirmation.remoteMta ?? null,
            tls: confirmation.tls ?? null,
          },
    'overruled-by': overruledBy(member),
  };
}

export function detailsOf(wave: Wave, held: HeldMail, overruledBy: OverruledBy): WaveDetails {
  return {
    ...summaryOf(wave, held),
    mailboxes: wave.members.map((member) => ({ ...mailboxOf(member, overruledBy), steps: member.steps.map(stepOf) })),
  };
}

function stepOf({ state, time, who, reason, version }: Step): WaveStep {
  return { state, time: iso(time), who, reason, 'directory-version': version ?? null };
}

/** One line of the report: the mailbox as the records about it tell. */
export function reportOf(member: Member, records: readonly EventRecord[], overruledBy: OverruledBy): WaveReportMailbox {
  const waiting = new Set<string>();
  const held = new Set<string>();
  const delivered = { cloud: 0, 'on-premises': 0 };
  const bounced: WaveReportMailbox['bounced'][number][] = [];
  for (const record of records) {
    const mail = `${record['spool-id']} ${record['original-recipient']}`;
    switch (record.event) {
      case 'HOLD':
        held.add(mail);
        waiting.add(mail);
        break;
      case 'SEND':
        waiting.delete(mail);
        if (record.route === 'cloud' || record.route === 'on-premises') delivered[record.route] += 1;
        break;
      case 'FAIL':
      case 'EXPIRE':
        waiting.delete(mail);
        bounced.push({
          time: record.time,
          event: record.event,
          sender: record.sender ?? null,
          'message-id': record['message-id'] ?? null,
          reply: replyText(record),
        });
        break;
      case 'RELEASE':
        waiting.delete(mail);
        break;
      case 'RECEIVE':
      case 'DEFER':
      case 'REDIRECT':
      case 'DSN':
      case 'REJECT':
        break;
    }
  }
  return { ...mailboxOf(member, overruledBy), held: held.size, 'held-now': waiting.size, delivered, bounced };
}

function replyText({ reply }: EventRecord): string | null {
  if (reply === undefined) return null;
  return `${reply.code}${reply.enhanced === undefined ? '' : ` ${reply.enhanced}`} ${reply.text}`;
}

const iso = (time: number): string => new Date(time).toISOString();
