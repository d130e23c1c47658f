/** What the records say of one mailbox: whatever address of it the mail was for. */
import type { EventRecord } from '../../mail/event.ts';
import type { WaveDeps } from './ports.ts';
import type { Member } from './wave.ts';

export type RecordsDeps = Pick<WaveDeps, 'directory' | 'evidence' | 'addressesOf'>;

/** In the order of time. `isWhole` is false where there were more than are looked at. */
export interface MailboxRecords {
  readonly records: readonly EventRecord[];
  readonly isWhole: boolean;
}

/** Records looked at for one address. */
const LIMIT = 10_000;

/** All addresses of each of these mailboxes that mail can have had, in lower case, by key. */
export function addressesOf(members: readonly Member[], deps: RecordsDeps): Map<string, ReadonlySet<string>> {
  const active = deps.directory.active();
  const known = deps.addressesOf?.(new Set(members.map(({ key }) => key)));
  return new Map(
    members.map((member) => {
      const { key, address, subAddresses = [] } = member;
      const routing = active.find(key)?.routingAddress;
      const all = [
        address.address,
        ...(known?.get(key) ?? []),
        ...subAddresses,
        ...(routing === undefined ? [] : [routing.address]),
      ];
      return [key, new Set(all.map((text) => text.toLowerCase()))];
    }),
  );
}

/**
 * The records about a mailbox, by all its addresses, from `since` on (milliseconds since the epoch); those of best-effort
 * copies are not among them.
 */
export async function recordsOf(
  addresses: ReadonlySet<string>,
  since: number,
  evidence: RecordsDeps['evidence'],
): Promise<MailboxRecords> {
  const found = new Map<string, EventRecord>();
  let isWhole = true;
  for (const address of addresses) {
    const { records, more } = await evidence.query({ recipient: address, since, limit: LIMIT });
    if (more) isWhole = false;
    for (const record of records) {
      if (record.copy === true || Date.parse(record.time) < since || !isAbout(record, addresses)) continue;
      const { time, event, recipient } = record;
      found.set(`${time} ${event} ${record['spool-id']} ${recipient} ${record['original-recipient']}`, record);
    }
  }
  return { records: [...found.values()].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)), isWhole };
}

function isAbout(record: EventRecord, addresses: ReadonlySet<string>): boolean {
  const { recipient, 'original-recipient': original } = record;
  return (
    (recipient !== undefined && addresses.has(recipient.toLowerCase())) ||
    (original !== undefined && addresses.has(original.toLowerCase()))
  );
}
