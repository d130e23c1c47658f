/**
 * What memory keeps of each spooled message: when it is due, and the few facts that `status` counts. A binary heap by
 * due time, so that choosing what is due never scans the queue. Some 200 octets a message.
 */
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { ConnectorCount } from './ports.ts';
import { dueAt } from './states.ts';

export interface Entry {
  readonly id: SpoolId;
  readonly receivedAt: number;
  /** Octets of the stored body. */
  readonly bytes: number;
  readonly bodyInFile: boolean;
  /** Milliseconds since the epoch; `Infinity` while every recipient waits for a release. */
  due: number;
  /** Somebody has it (`due` gave it out); it is not given out again before `release`. */
  claimed: boolean;
  /** A recipient is held. */
  held: boolean;
  /** The connector of the last attempt. */
  connector: string | undefined;
  /** Its place in the heap; -1 while it is not there. */
  place: number;
}

export class DueIndex {
  readonly #entries = new Map<SpoolId, Entry>();
  readonly #heap: Entry[] = [];
  /** Connector names are shared, not kept once per message. */
  readonly #names = new Map<string, string>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Octets of all bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  get(id: SpoolId): Entry | undefined {
    return this.#entries.get(id);
  }

  ids(): IterableIterator<SpoolId> {
    return this.#entries.keys();
  }

  *held(): Generator<SpoolId> {
    for (const entry of this.#entries.values()) if (entry.held) yield entry.id;
  }

  add(message: SpooledMessage, bodyInFile: boolean): void {
    const entry: Entry = {
      id: message.id,
      receivedAt: message.receivedAt,
      bytes: message.wireSize,
      bodyInFile,
      due: 0,
      claimed: false,
      held: false,
      connector: undefined,
      place: -1,
    };
    this.#entries.set(entry.id, entry);
    this.#bytes += entry.bytes;
    this.#note(entry, message);
    this.#queue(entry);
  }

  /** Takes over what changed in a message; a claimed one stays claimed. */
  update(message: SpooledMessage): void {
    const entry = this.#entries.get(message.id);
    if (entry === undefined) return;
    this.#note(entry, message);
    if (entry.claimed) return;
    this.#unqueue(entry);
    this.#queue(entry);
  }

  remove(id: SpoolId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#unqueue(entry);
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
  }

  /** Claims up to `limit` messages that are due, the earliest first. */
  claim(now: number, limit: number): SpoolId[] {
    const ids: SpoolId[] = [];
    for (let top = this.#heap[0]; top !== undefined && top.due <= now && ids.length < limit; top = this.#heap[0]) {
      this.#unqueue(top);
      top.claimed = true;
      ids.push(top.id);
    }
    return ids;
  }

  /** Ends a claim. */
  release(id: SpoolId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || !entry.claimed) return;
    entry.claimed = false;
    this.#queue(entry);
  }

  nextDue(): number | undefined {
    return this.#heap[0]?.due;
  }

  /** How many messages last went by each connector. Looks at every entry: for `status`, not for the hot path. */
  byConnector(): ConnectorCount[] {
    const counts = new Map<string | undefined, { connector: string | undefined; messages: number; oldest: number }>();
    for (const { connector, receivedAt } of this.#entries.values()) {
      const count = counts.get(connector);
      if (count === undefined) counts.set(connector, { connector, messages: 1, oldest: receivedAt });
      else {
        count.messages += 1;
        if (receivedAt < count.oldest) count.oldest = receivedAt;
      }
    }
    return [...counts.values()];
  }

  #note(entry: Entry, message: SpooledMessage): void {
    entry.due = dueAt(message);
    entry.held = false;
    entry.connector = undefined;
    for (const { state, lastConnector } of message.recipients) {
      if (state === 'held') entry.held = true;
      if (lastConnector === undefined || (state !== 'queued' && state !== 'deferred' && state !== 'held')) continue;
      let name = this.#names.get(lastConnector);
      if (name === undefined) {
        name = lastConnector;
        this.#names.set(name, name);
      }
      entry.connector = name;
    }
  }

  #queue(entry: Entry): void {
    if (entry.due === Number.POSITIVE_INFINITY) return;
    entry.place = this.#heap.length;
    this.#heap.push(entry);
    this.#rise(entry);
  }

  #unqueue(entry: Entry): void {
    const { place } = entry;
    if (place < 0) return;
    entry.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    last.place = place;
    this.#heap[place] = last;
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: Entry): void {
    const heap = this.#heap;
    while (entry.place > 0) {
      const parent = heap[(entry.place - 1) >> 1] as Entry;
      if (!before(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    for (;;) {
      let child = heap[entry.place * 2 + 1];
      const other = heap[entry.place * 2 + 2];
      if (child !== undefined && other !== undefined && before(other, child)) child = other;
      if (child === undefined || !before(child, entry)) return;
      this.#swap(child, entry);
    }
  }

  /** Moves `upper` up to where `lower` is; `lower` takes its place. */
  #swap(upper: Entry, lower: Entry): void {
    const { place } = upper;
    upper.place = lower.place;
    lower.place = place;
    this.#heap[upper.place] = upper;
    this.#heap[lower.place] = lower;
  }
}

/** Ids are ordered by time: among equals the message that came first goes first. */
function before(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.id < b.id);
}
