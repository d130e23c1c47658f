/**
 * What is remembered of clients: a record for each address and each network, of numbers alone, in a table that never
 * holds more than its bound. Pure.
 *
 * A client is one IPv4 address or one IPv6 /64 (who has one address there has them all), a network is an IPv4 /24 or
 * an IPv6 /48, what a site gets (RFC 6177).
 */
import { ipv6Groups, plainAddress } from './peers.ts';

/** Marks of a bad record halve in so many minutes. */
const HALF_LIFE = 10;

export type ClientKey = number | string;

/** What one client or network did, in the minute that runs. */
export class ClientRecord {
  readonly key: ClientKey;
  /** Its neighbours among those that may be forgotten; itself where it is not among them. */
  before: ClientRecord = this;
  next: ClientRecord = this;
  /** Sessions that are open now. */
  open = 0;
  /** The minute of the counts, on the reception's clock. */
  minute = -1;
  connects = 0;
  messages = 0;
  recipients = 0;
  unknown = 0;
  /** The limits that this minute's records tell of already, as bits. */
  told = 0;
  /** Bites that no record tells of, since the last record. */
  untold = 0;
  /** How bad its record is; see gate.ts for what adds and takes. */
  marks = 0;

  constructor(key: ClientKey) {
    this.key = key;
  }

  /** Begins the minute `now`, where it has not begun. */
  turn(now: number): void {
    if (this.minute === now) return;
    if (this.marks > 0) this.marks = this.marks < 0.5 ? 0 : this.marks * 0.5 ** ((now - this.minute) / HALF_LIFE);
    this.minute = now;
    this.connects = 0;
    this.messages = 0;
    this.recipients = 0;
    this.unknown = 0;
    this.told = 0;
  }
}

/**
 * The least recently seen go first. Those with open sessions stay; where they alone fill the table, who comes beside them
 * is not remembered. Who may go is a linked list, for the first key of a Map from which much was deleted is slow to find.
 */
export class ClientTable {
  private readonly bound: number;
  private readonly records = new Map<ClientKey, ClientRecord>();
  /** Before the first and behind the last of those that may go. */
  private readonly ends = new ClientRecord('');

  constructor(bound: number) {
    this.bound = bound;
  }

  get size(): number {
    return this.records.size;
  }

  find(key: ClientKey): ClientRecord | undefined {
    return this.records.get(key);
  }

  /** The record of a client that is here now: made where there is none, the last to go from now on. */
  seen(key: ClientKey): ClientRecord {
    const known = this.records.get(key);
    if (known !== undefined) {
      if (known.open === 0) this.append(known);
      return known;
    }
    const record = new ClientRecord(key);
    const first = this.ends.next;
    if (this.records.size >= this.bound) {
      if (first === this.ends) return record;
      remove(first);
      this.records.delete(first.key);
    }
    this.records.set(key, record);
    this.append(record);
    return record;
  }

  /** A session of it begins. */
  opened(record: ClientRecord): void {
    record.open += 1;
    remove(record);
  }

  /** A session of it has ended. */
  closed(key: ClientKey): void {
    const record = this.records.get(key);
    if (record === undefined || record.open === 0) return;
    record.open -= 1;
    if (record.open === 0) this.append(record);
  }

  private append(record: ClientRecord): void {
    remove(record);
    const { ends } = this;
    record.before = ends.before;
    record.next = ends;
    ends.before.next = record;
    ends.before = record;
  }
}

/** Takes it out of the list it is in, if it is in one. */
function remove(record: ClientRecord): void {
  record.before.next = record.next;
  record.next.before = record.before;
  record.before = record;
  record.next = record;
}

/** Of an address as a socket tells it. */
export function clientKey(address: string): ClientKey {
  const plain = plainAddress(address);
  return plain.includes(':') ? groups(plain, 4) : quad(plain);
}

/** The network of the same address. */
export function networkKey(address: string): ClientKey {
  const plain = plainAddress(address);
  return plain.includes(':') ? groups(plain, 3) : quad(plain) >>> 8;
}

function groups(address: string, count: number): string {
  return ipv6Groups(address).slice(0, count).join(':');
}

function quad(address: string): number {
  let number = 0;
  for (const octet of address.split('.')) number = number * 256 + Number(octet);
  return number;
}
