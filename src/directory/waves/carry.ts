/**
 * Mail that went to the side a mailbox lives on no longer. Its body left the spool with its delivery, so the relay cannot
 * send it again; it names each message, and how the mover finds it there.
 */
import type { Mailbox } from '../../mail/address.ts';
import { addressesOf, type RecordsDeps, recordsOf } from './mailbox-records.ts';
import { isInCloud, type Member } from './wave.ts';

/** One message that is on the other side; the form of `wave replay --json`. */
export interface CarryItem {
  readonly address: string;
  /** Where it is, and where the mailbox lives now. */
  readonly from: 'cloud' | 'on-premises';
  readonly to: 'cloud' | 'on-premises';
  /** When it was delivered there. */
  readonly time: string;
  readonly 'message-id': string | null;
  readonly 'spool-id': string | null;
  readonly sender: string | null;
  /** A search for this message on that side. */
  readonly search: string;
}

export interface CarryList {
  readonly messages: readonly CarryItem[];
  /** Mailboxes with more records than were looked at: their list has the newest. */
  readonly incomplete: readonly string[];
}

/** What was delivered to the other side of these mailboxes, from each one's switch on, or from `since` (milliseconds). */
export async function carryList(members: readonly Member[], deps: RecordsDeps, since?: number): Promise<CarryList> {
  const messages: CarryItem[] = [];
  const incomplete: string[] = [];
  const addresses = addressesOf(members, deps);
  const meant = members.flatMap((member) => {
    const from = since ?? member.switchedAt;
    return from === undefined ? [] : [{ member, since: from, addresses: addresses.get(member.key) ?? new Set<string>() }];
  });
  const answers = await recordsOf(meant, deps.evidence);
  for (const [index, { member }] of meant.entries()) {
    const { records, isWhole } = answers[index] ?? { records: [], isWhole: false };
    const to = isInCloud(member) || member.heldFrom === 'cloud' ? 'cloud' : 'on-premises';
    const other = to === 'cloud' ? 'on-premises' : 'cloud';
    if (!isWhole) incomplete.push(member.address.address);
    for (const record of records) {
      if (record.event !== 'SEND' || record.route !== other) continue;
      messages.push({
        address: member.address.address,
        from: other,
        to,
        time: record.time,
        'message-id': record['message-id'] ?? null,
        'spool-id': record['spool-id'] ?? null,
        sender: record.sender ?? null,
        search: searchFor(other, member.address, record['message-id'], record.time),
      });
    }
  }
  return { messages, incomplete };
}

/** Graph finds a message by its Message-ID; on-premises IMAP does (RFC 3501 §6.4.4). Without one only the time is left. */
function searchFor(side: CarryItem['from'], { address }: Mailbox, messageId: string | undefined, time: string): string {
  if (side === 'cloud') {
    const filter =
      messageId === undefined ? `receivedDateTime ge ${time}` : `internetMessageId eq '${messageId.replaceAll("'", "''")}'`;
    return `GET /v1.0/users/${encodeURIComponent(address)}/messages?$filter=${encodeURIComponent(filter)}`;
  }
  if (messageId === undefined) return `${address}: UID SEARCH SINCE ${imapDate(time)}`;
  return `${address}: UID SEARCH HEADER Message-ID "${messageId.replace(/["\\]/g, '\\$&')}"`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const imapDate = (time: string): string =>
  `${Number(time.slice(8, 10))}-${MONTHS[Number(time.slice(5, 7)) - 1]}-${time.slice(0, 4)}`;

/** How to carry mail from one side to the other, for people. */
export function carryInstructions(from: CarryItem['from']): string[] {
  return from === 'cloud'
    ? [
        'The relay keeps no copy of delivered mail: these messages are in the cloud mailboxes alone.',
        'Find each with its search (Microsoft Graph, permission Mail.Read), and let the mover copy it to the on-premises mailbox.',
        'With imapsync: --host1 outlook.office365.com --search \'HEADER Message-ID "<id>"\', host2 the on-premises server.',
        'Carry them before a cloud mailbox is removed.',
      ]
    : [
        'The relay keeps no copy of delivered mail: these messages are in the on-premises mailboxes alone.',
        "Run the mover's delta pass once more; it brings what came since its last one.",
        'Or find each with its search (IMAP) and copy it: imapsync --search \'HEADER Message-ID "<id>"\', host2 outlook.office365.com.',
      ];
}
