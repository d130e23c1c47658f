/**
 * `report tls`: how mail was protected in a span of time, summed up record by record in the order in which they were
 * written. Bounded: of messages only those are remembered that are under way, of names and reasons the first thousands.
 */
import type { EventRecord } from '../mail/event.ts';
import { isSameHop, protectionOf } from '../mail/protection.ts';
import { type HopCounts, type NamedCounts, Names, nothing, type Sum } from './hop-counts.ts';
import { type ExceptionKind, exceptionOf, isOfDomain, remoteOf } from './tls-exceptions.ts';

/** Exceptions alike, with one of them as an example. */
export interface ExceptionGroup {
  readonly kind: ExceptionKind;
  readonly direction: 'in' | 'out';
  /** The client's peer class, or the connector. */
  readonly way: string;
  readonly remote: string;
  readonly reason: string;
  readonly hops: number;
  /** ISO 8601 */
  readonly first: string;
  readonly last: string;
  /** A spool id, for `trace --id`. */
  readonly example: string | null;
}

/** Messages that came, or that we made, in the span; each under one word alone. */
export interface MessageCounts {
  readonly all: number;
  /** On every hop of ours that crossed a network. */
  readonly encrypted: number;
  /** On one hop at least. */
  readonly 'in-clear': number;
  /** Not with every recipient yet, and encrypted so far. */
  readonly 'under-way': number;
  /** No hop in clear, and of one hop at least it is not known. */
  readonly unknown: number;
  /** Crossed no network. */
  readonly local: number;
}

export interface TlsReport {
  readonly messages: MessageCounts;
  readonly in: HopCounts;
  readonly out: HopCounts;
  readonly protocols: readonly NamedCounts[];
  readonly ciphers: readonly NamedCounts[];
  readonly peers: readonly NamedCounts[];
  readonly connectors: readonly NamedCounts[];
  /** The busiest; the others are summed up in one called `others`. */
  readonly remotes: readonly NamedCounts[];
  readonly exceptions: readonly ExceptionGroup[];
  /** Hops of all exceptions, by kind. */
  readonly 'exception-hops': Readonly<Record<ExceptionKind, number>>;
  /** Hops of exceptions for whose kind there was no room in the list. */
  readonly 'exceptions-omitted': number;
}

const MOST_UNDER_WAY = 200_000;
const MOST_GROUPS = 5_000;
const REMOTES_TOLD = 200;

type Group = { -readonly [K in keyof ExceptionGroup]: ExceptionGroup[K] };

/** What is known of a message under way: flags, and above them how many recipients are not done. */
const CLEAR = 1;
const UNKNOWN = 2;
const NETWORK = 4;
const RECIPIENT = 8;

export class TlsTally {
  readonly #domain: string | undefined;
  readonly #underWay = new Map<string, number>();
  readonly #messages = { all: 0, encrypted: 0, 'in-clear': 0, 'under-way': 0, unknown: 0, local: 0 };
  readonly #hops = { in: nothing(), out: nothing() };
  readonly #protocols = new Names();
  readonly #ciphers = new Names();
  readonly #peers = new Names();
  readonly #connectors = new Names();
  readonly #remotes = new Names();
  readonly #groups = new Map<string, Group>();
  readonly #byKind: Record<ExceptionKind, number> = {
    'in-clear': 0,
    'not-sent': 0,
    downgraded: 0,
    'not-verified': 0,
    unknown: 0,
  };
  #omitted = 0;
  #before: EventRecord | undefined;

  /** `domain`: messages alone of which a sender or recipient is in it; lower case. */
  constructor(domain?: string) {
    this.#domain = domain;
  }

  /** Records in the order in which they were written. */
  note(record: EventRecord): void {
    if (this.#domain !== undefined && !isOfDomain(record, this.#domain)) return;
    const id = record['spool-id'];
    if (id === undefined) return; // refused: nothing of it went any way
    switch (record.event) {
      case 'RECEIVE':
        this.#received(id, record);
        break;
      case 'DSN':
        this.#begin(id, 0);
        break;
      case 'SEND':
        this.#went(id, record, this.#isNewHop(record));
        this.#done(id, record);
        break;
      case 'DEFER':
      case 'FAIL':
        if (this.#isNewHop(record)) this.#exception('out', record);
        if (record.event === 'FAIL') this.#done(id, record);
        break;
      case 'EXPIRE':
        this.#done(id, record);
        break;
      case 'HOLD':
      case 'RELEASE':
      case 'REDIRECT':
      case 'REJECT':
        break;
    }
  }

  #isNewHop(record: EventRecord): boolean {
    const isNew = !isSameHop(this.#before, record);
    this.#before = record;
    return isNew;
  }

  /** One record for each recipient; the message came once. */
  #received(id: string, record: EventRecord): void {
    const known = this.#underWay.get(id);
    if (known !== undefined) {
      this.#underWay.set(id, known + RECIPIENT);
      return;
    }
    this.#begin(id, this.#hop('in', record));
    this.#exception('in', record);
  }

  #begin(id: string, flags: number): void {
    this.#messages.all += 1;
    if (this.#underWay.size < MOST_UNDER_WAY) this.#underWay.set(id, flags + RECIPIENT);
    else this.#messages[flags & CLEAR ? 'in-clear' : 'unknown'] += 1; // no room to follow it
  }

  #went(id: string, record: EventRecord, isNew: boolean): void {
    if (!isNew) return;
    const flags = this.#hop('out', record);
    this.#exception('out', record);
    const known = this.#underWay.get(id);
    if (known !== undefined) this.#underWay.set(id, known | flags);
  }

  #done(id: string, record: EventRecord): void {
    const known = this.#underWay.get(id);
    if (known === undefined || record.copy === true) return;
    if (known >= 2 * RECIPIENT) {
      this.#underWay.set(id, known - RECIPIENT);
      return;
    }
    this.#underWay.delete(id);
    this.#messages[wordOf(known)] += 1;
  }

  /** Counts a hop; its flags for the message. */
  #hop(direction: 'in' | 'out', record: EventRecord): number {
    const went = protectionOf(record);
    const protection = went === 'nothing-went' ? 'unknown' : went;
    const { tls } = record;
    const isVerified = tls?.result === 'verified';
    const add = (sum: Sum): void => {
      sum.hops += 1;
      sum[protection] += 1;
      if (isVerified) sum.verified += 1;
    };
    add(this.#hops[direction]);
    const without = protection === 'in-clear' ? 'in clear' : protection;
    add(this.#protocols.of(direction, protection === 'encrypted' ? (tls?.protocol ?? 'unknown') : without));
    add(this.#ciphers.of(direction, protection === 'encrypted' ? (tls?.cipher ?? 'unknown') : without));
    add(
      direction === 'in'
        ? this.#peers.of('in', record.peer ?? 'unknown')
        : this.#connectors.of('out', record.connector ?? 'unknown'),
    );
    add(this.#remotes.of(direction, remoteOf(record)));
    switch (protection) {
      case 'encrypted':
        return NETWORK;
      case 'in-clear':
        return NETWORK | CLEAR;
      case 'unknown':
        return NETWORK | UNKNOWN;
      case 'local':
        return 0;
    }
  }

  #exception(direction: 'in' | 'out', record: EventRecord): void {
    const found = exceptionOf(record);
    if (found === undefined) return;
    const way = (direction === 'in' ? record.peer : record.connector) ?? 'unknown';
    const remote = remoteOf(record);
    this.#byKind[found.kind] += 1;
    const key = `${found.kind} ${direction} ${way} ${remote} ${found.reason}`;
    const group = this.#groups.get(key);
    if (group !== undefined) {
      group.hops += 1;
      if (record.time < group.first) group.first = record.time;
      if (record.time > group.last) group.last = record.time;
    } else if (this.#groups.size >= MOST_GROUPS) this.#omitted += 1;
    else {
      const { time } = record;
      this.#groups.set(key, {
        ...found,
        direction,
        way,
        remote,
        hops: 1,
        first: time,
        last: time,
        example: record['spool-id'] ?? null,
      });
    }
  }

  report(): TlsReport {
    const messages = { ...this.#messages };
    for (const known of this.#underWay.values())
      messages[known & CLEAR ? 'in-clear' : known & UNKNOWN ? 'unknown' : 'under-way'] += 1;
    const kinds = Object.keys(this.#byKind);
    const exceptions = [...this.#groups.values()].sort(
      (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || b.hops - a.hops || a.first.localeCompare(b.first),
    );
    return {
      messages,
      in: this.#hops.in,
      out: this.#hops.out,
      protocols: this.#protocols.list(),
      ciphers: this.#ciphers.list(),
      peers: this.#peers.list(),
      connectors: this.#connectors.list(),
      remotes: this.#remotes.list(REMOTES_TOLD),
      exceptions,
      'exception-hops': this.#byKind,
      'exceptions-omitted': this.#omitted,
    };
  }
}

function wordOf(flags: number): keyof MessageCounts {
  if (flags & CLEAR) return 'in-clear';
  if (flags & UNKNOWN) return 'unknown';
  return flags & NETWORK ? 'encrypted' : 'local';
}
