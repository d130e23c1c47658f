/**
 * What flows: counts since the start for the metrics, the last hour by the minute for `status`, and each connector's
 * last success and failure. Fed with every event; a few additions each.
 */
import type { EventName, EventRecord } from '../mail/event.ts';
import { isSameHop, protectionOf } from '../mail/protection.ts';
import type { TlsResult } from '../mail/tls.ts';
import type { Status } from './contract.ts';
import type { EvidencePort } from './ports.ts';

const MINUTE = 60_000;
const MINUTES = 60;
/** Records of the last hour that are read at a start, at most. */
const RECALLED = 4_000;

/** Upper bounds of the delivery durations, seconds; the last bucket has none. */
export const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

/** The clock times of one connector's attempts. */
export interface Durations {
  readonly buckets: number[];
  /** Seconds. */
  sum: number;
  count: number;
}

export interface LastContacts {
  success: EventRecord | undefined;
  failure: EventRecord | undefined;
}

interface Flow {
  received: number;
  sent: number;
  deferred: number;
  failed: number;
  refused: number;
  tlsIn: number;
  allIn: number;
  tlsOut: number;
  allOut: number;
}

const NO_FLOW: Flow = { received: 0, sent: 0, deferred: 0, failed: 0, refused: 0, tlsIn: 0, allIn: 0, tlsOut: 0, allOut: 0 };

export class Activity {
  /** Per event name, then per connector (`''`: none). */
  readonly events = new Map<EventName, Map<string, number>>();
  /** Per direction and result. */
  readonly tls = { in: new Map<TlsResult, number>(), out: new Map<TlsResult, number>() };
  readonly durations = new Map<string, Durations>();
  readonly #contacts = new Map<string, LastContacts>();
  readonly #minutes: { minute: number; flow: Flow }[] = [];
  #before: EventRecord | undefined;

  /** Notes one event. `time`: milliseconds since the epoch. */
  note(event: EventRecord, time: number): void {
    const connector = event.connector ?? '';
    const result = event.tls?.result;
    this.#count(event.event, connector, result, event['duration-ms']);
    this.#flow(event, time);
    this.#contact(event.event, connector, event);
  }

  /** Takes up events from before the start: for the last hour and the last contacts, not for the counters. */
  recall(events: readonly EventRecord[], isWholeHour: boolean): void {
    for (const event of events) {
      // A part of the hour would pass for the whole (R19)
      if (isWholeHour) this.#flow(event, Date.parse(event.time));
      this.#contact(event.event, event.connector ?? '', event);
    }
  }

  #count(event: EventName, connector: string, result: TlsResult | undefined, milliseconds: number | undefined): void {
    let counts = this.events.get(event);
    if (counts === undefined) this.events.set(event, (counts = new Map()));
    add(counts, connector);
    const inward = event === 'RECEIVE' || event === 'REJECT';
    if (result !== undefined) add(inward ? this.tls.in : this.tls.out, result);
    if (milliseconds === undefined || connector === '' || inward) return;
    let durations = this.durations.get(connector);
    if (durations === undefined) {
      this.durations.set(
        connector,
        (durations = { buckets: Array<number>(DURATION_BOUNDS.length + 1).fill(0), sum: 0, count: 0 }),
      );
    }
    const seconds = milliseconds / 1000;
    let bucket = 0;
    while (bucket < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[bucket] ?? 0)) bucket += 1;
    durations.buckets[bucket] = (durations.buckets[bucket] ?? 0) + 1;
    durations.sum += seconds;
    durations.count += 1;
  }

  #flow(event: EventRecord, time: number): void {
    const flow = this.#flowOf(time);
    switch (event.event) {
      case 'RECEIVE':
        flow.received += 1;
        this.#hop(flow, 'In', event);
        break;
      case 'REJECT':
        flow.refused += 1;
        break;
      case 'SEND':
        flow.sent += 1;
        this.#hop(flow, 'Out', event);
        break;
      case 'DEFER':
        flow.deferred += 1;
        break;
      case 'FAIL':
      case 'EXPIRE':
        flow.failed += 1;
        break;
      case 'HOLD':
      case 'RELEASE':
      case 'REDIRECT':
      case 'DSN':
        break;
    }
  }

  /** Counted as `report tls` counts: what went over a network, a message once for each hop. */
  #hop(flow: Flow, direction: 'In' | 'Out', event: EventRecord): void {
    const isSame = isSameHop(this.#before, event);
    this.#before = event;
    const protection = protectionOf(event);
    if (isSame || protection === 'local') return;
    flow[`all${direction}`] += 1;
    if (protection === 'encrypted') flow[`tls${direction}`] += 1;
  }

  #contact(event: EventName, connector: string, record: EventRecord): void {
    if (connector === '' || (event !== 'SEND' && event !== 'DEFER' && event !== 'FAIL')) return;
    let contacts = this.#contacts.get(connector);
    if (contacts === undefined) this.#contacts.set(connector, (contacts = { success: undefined, failure: undefined }));
    if (event === 'SEND') contacts.success = record;
    else contacts.failure = record;
  }

  #flowOf(time: number): Flow {
    const minute = Math.floor(time / MINUTE);
    const place = minute % MINUTES;
    const kept = this.#minutes[place];
    if (kept !== undefined && kept.minute === minute) return kept.flow;
    const flow = { ...NO_FLOW };
    this.#minutes[place] = { minute, flow };
    return flow;
  }

  contactsOf(connector: string): Readonly<LastContacts> {
    return this.#contacts.get(connector) ?? { success: undefined, failure: undefined };
  }

  lastHour(now: number): Status['last-hour'] {
    const last = Math.floor(now / MINUTE);
    const sum = { ...NO_FLOW };
    for (const kept of this.#minutes) {
      if (kept === undefined || kept.minute <= last - MINUTES || kept.minute > last) continue;
      for (const name of Object.keys(sum) as (keyof Flow)[]) sum[name] += kept.flow[name];
    }
    const { received, sent, deferred, failed, refused, tlsIn, allIn, tlsOut, allOut } = sum;
    return {
      received,
      sent,
      deferred,
      failed,
      refused,
      'tls-in': { encrypted: tlsIn, all: allIn },
      'tls-out': { encrypted: tlsOut, all: allOut },
    };
  }
}

/** Lets a new process know what the one before it did: the last hour's flow and each connector's last contacts. */
export async function recallLastHour(activity: Activity, evidence: EvidencePort, now: number): Promise<void> {
  const { records, more } = await evidence.query({ since: now - MINUTES * MINUTE, limit: RECALLED });
  activity.recall(records, !more);
}

function add<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
