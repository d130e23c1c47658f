/** The first delivery to the cloud confirms a switched mailbox, with its TLS. Fed by every record that is durable. */
import { mailboxKey } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryChanges } from '../ports.ts';
import { ownerOfText } from './owner.ts';
import { type Confirmation, confirm } from './wave.ts';
import type { WaveBook } from './wave-book.ts';

const MAX_SUB_ADDRESSES = 100;

export class FirstDeliveries {
  readonly #book: WaveBook;
  readonly #directory: Pick<DirectoryChanges, 'active'>;
  readonly #log: Log;
  /** Mailboxes that wait for theirs: key → wave. */
  #awaited = new Map<string, string>();

  constructor(book: WaveBook, directory: Pick<DirectoryChanges, 'active'>, log: Log) {
    this.#book = book;
    this.#directory = directory;
    this.#log = log;
  }

  /** Looks anew at who waits; after every change of a wave. */
  watch(): void {
    this.#awaited = new Map();
    for (const { name, members } of this.#book.all())
      for (const { key, state } of members) if (state === 'cloud') this.#awaited.set(key, name);
  }

  onEvent(record: EventRecord): void {
    if (!isCloudDelivery(record)) return;
    const original = record['original-recipient'];
    if (original === undefined || (this.#awaited.size === 0 && !original.includes('+'))) return;
    const active = this.#directory.active();
    const owner = ownerOfText(active, original) ?? ownerOfText(active, record.recipient);
    if (owner === undefined) return;
    const key = mailboxKey(owner.entry.address);
    if (owner.isSubAddress) this.#noteSubAddress(key, original);
    const wave = this.#awaited.get(key);
    if (wave !== undefined) this.confirm(wave, key, record);
  }

  /** Takes a delivery as the confirmation where the mailbox waits for one; else nothing happens. */
  confirm(name: string, key: string, record: EventRecord): void {
    const wave = this.#book.get(name);
    const after = wave === undefined ? undefined : confirm(wave, key, confirmationOf(record));
    if (after === undefined || after === wave) return;
    this.#book.note(after);
    this.#awaited.delete(key);
    this.#log.info({ wave: name, mailbox: key, tls: record.tls?.result }, 'mailbox confirmed');
  }

  /** Nothing leads from a mailbox to the tags that mail came for; so they are kept, to find that mail again. */
  #noteSubAddress(key: string, address: string): void {
    const found = this.#book.memberOf(key);
    const known = found?.member.subAddresses ?? [];
    if (found === undefined || known.includes(address) || known.length >= MAX_SUB_ADDRESSES) return;
    const members = found.wave.members.map((one) => (one.key === key ? { ...one, subAddresses: [...known, address] } : one));
    this.#book.note({ ...found.wave, members });
  }
}

export const isCloudDelivery = ({ event, route, copy }: EventRecord): boolean =>
  event === 'SEND' && route === 'cloud' && copy !== true;

function confirmationOf(record: EventRecord): Confirmation {
  const { 'message-id': messageId, 'remote-mta': remoteMta, tls } = record;
  return {
    time: Date.parse(record.time),
    ...(messageId === undefined ? {} : { messageId }),
    ...(remoteMta === undefined ? {} : { remoteMta }),
    ...(tls === undefined ? {} : { tls }),
  };
}
