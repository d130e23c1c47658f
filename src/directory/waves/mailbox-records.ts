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

/** Of one mailbox, and of as many as are asked for at once. Messages of the relay are few; a wave has hundreds of mailboxes. */
const LIMIT = 10_000;
const LIMIT_TOGETHER = 40_000;
/** Mailboxes in one question: one question for each would cost a wave of 1,000 seconds. */
const TOGETHER = 100;

/** All addresses of each of these mailboxes that mail can have had, in lower case, by key. */
export function addressesOf(members: readonly Member[], deps: RecordsDeps): Map<string, ReadonlySet<string>> {
  const active = deps.directory.active();
  return new Map(
    members.map((member) => {
      const { key, address, subAddresses = [] } = member;
      const routing = active.find(key)?.routingAddress;
      const all = [
        address.address,
        ...(deps.addressesOf?.(address) ?? []).map((one) => one.address),
        ...subAddresses,
        ...(routing === undefined ? [] : [routing.address]),
      ];
      return [key, new Set(all.map((text) => text.toLowerCase()))];
    }),
  );
}

/** One mailbox, and from when on (milliseconds since the epoch). */
export interface Asked {
  readonly addresses: ReadonlySet<string>;
  readonly since: number;
}

/**
 * The records about each of these mailboxes, by all its addresses; in the order asked. Those of best-effort copies are not
 * among them.
 */
export async function recordsOf(asked: readonly Asked[], evidence: RecordsDeps['evidence']): Promise<MailboxRecords[]> {
  const answers: MailboxRecords[] = [];
  for (let first = 0; first < asked.length; first += TOGETHER) {
    const some = asked.slice(first, first + TOGETHER);
    const together = await ask(some, LIMIT_TOGETHER, evidence);
    // much mail: then each alone, so that the answer says whose records are not all there
    if (together !== undefined) answers.push(...together);
    else for (const one of some) answers.push(...((await ask([one], LIMIT, evidence, true)) ?? []));
  }
  return answers;
}

/** `undefined` where there are more records than `limit`, unless a `part` of them will do. */
async function ask(
  asked: readonly Asked[],
  limit: number,
  evidence: RecordsDeps['evidence'],
  part = false,
): Promise<MailboxRecords[] | undefined> {
  const recipients = [...new Set(asked.flatMap(({ addresses }) => [...addresses]))];
  const since = asked.reduce((least, one) => Math.min(least, one.since), Number.POSITIVE_INFINITY);
  const { records, more } = await evidence.query({ recipients, since, limit });
  if (more && !part) return undefined;
  const byAddress = new Map<string, EventRecord[]>();
  for (const record of records) {
    if (record.copy === true) continue;
    const about = new Set([record.recipient?.toLowerCase() ?? '', record['original-recipient']?.toLowerCase() ?? '']);
    for (const address of about) {
      const known = byAddress.get(address);
      if (known === undefined) byAddress.set(address, [record]);
      else known.push(record);
    }
  }
  return asked.map((one) => ({ records: about(one, byAddress), isWhole: !more }));
}

function about({ addresses, since }: Asked, byAddress: ReadonlyMap<string, readonly EventRecord[]>): EventRecord[] {
  const found = new Map<string, EventRecord>();
  for (const address of addresses) {
    for (const record of byAddress.get(address) ?? []) {
      if (Date.parse(record.time) < since) continue;
      const { time, event, recipient } = record;
      found.set(`${time} ${event} ${record['spool-id']} ${recipient} ${record['original-recipient']}`, record);
    }
  }
  return [...found.values()].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}
