/** Messages, ways and outcomes for the scheduler's tests, and the spool as delivery's port describes it, in memory. */

import type { Control, DeliverySettings, DueMail, Notable, Notifying, Routing } from '../../../../src/delivery/ports.ts';
import type { Transaction, Transport } from '../../../../src/delivery/transaction.ts';
import { type Domain, type Mailbox, parseMailbox } from '../../../../src/mail/address.ts';
import type { Attempt, Outcome } from '../../../../src/mail/attempt.ts';
import type { EventRecord } from '../../../../src/mail/event.ts';
import { reply } from '../../../../src/mail/reply.ts';
import type { Connector, Leg, RouteDecision, Side } from '../../../../src/mail/route.ts';
import type {
  Notification,
  Settlement,
  SpooledBody,
  SpooledMessage,
  SpooledRecipient,
  SpoolId,
} from '../../../../src/mail/spooled.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function box(address: string): Mailbox {
  const parsed = parseMailbox(address);
  if (parsed === undefined) throw new Error(address);
  return parsed;
}

export function connector(name: string, side: Side = 'on-premises', more: Partial<Connector> = {}): Connector {
  return {
    name,
    side,
    addressSpaces: [],
    nextHop: { kind: 'smart-hosts', hosts: [{ host: name, port: 25 }], order: 'failover' },
    tls: { mode: 'none', profile: 'intermediate' },
    origin: 'any',
    ip: 'any',
    connections: 20,
    ...more,
  };
}

export const CLOUD = connector('cloud', 'cloud');
export const ON_PREMISES = connector('on-premises');

export const SETTINGS: DeliverySettings = {
  hostname: 'mx1.example.com',
  relayNames: ['mx1.example.com'],
  connectors: [CLOUD, ON_PREMISES],
  retry: [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR],
  expireAfter: 5 * DAY,
  warnAfter: 4 * HOUR,
  dnsServers: [],
};

export const legBy = (by: Connector, address: Mailbox): Leg => ({ side: by.side, connector: by, address });

export function deliverBy(by: Connector, address: Mailbox, copies: readonly Leg[] = []): RouteDecision {
  return {
    kind: 'deliver',
    route: by.side,
    primary: legBy(by, address),
    copies,
    reply: reply(250, '2.1.5', 'ok'),
    reason: `to ${by.name}`,
    directoryVersion: 1,
    canonical: address,
    steps: [],
  };
}

export function holdFor(heldBy: string, address: Mailbox): RouteDecision {
  return {
    kind: 'hold',
    route: 'hold',
    heldBy,
    reply: reply(250, '2.1.5', 'ok'),
    reason: heldBy,
    directoryVersion: 1,
    canonical: address,
    steps: [],
  };
}

export const relayed: Outcome = { kind: 'relayed', reply: reply(250, '2.0.0', 'Ok') };
export const deferred: Outcome = { kind: 'deferred', reply: reply(451, '4.7.1', 'Greylisted'), cause: 'answer' };
export const failed: Outcome = { kind: 'failed', reply: reply(550, '5.1.1', 'User unknown'), cause: 'answer' };
export const refusedConnection: Outcome = {
  kind: 'deferred',
  reply: reply(451, '4.4.1', 'connection refused'),
  cause: 'connection',
};

export function attemptOf(outcome: Outcome, more: Partial<Attempt> = {}): Attempt {
  return { outcome, tls: { result: 'not-tried' }, durationMs: 1, dsnPassedOn: false, finalDelivery: false, ...more };
}

let counter = 0;

export function message(to: readonly (string | Partial<SpooledRecipient>)[], more: Partial<SpooledMessage> = {}): SpooledMessage {
  counter += 1;
  const receivedAt = more.receivedAt ?? Date.now();
  return {
    id: `01J${String(counter).padStart(23, '0')}` as SpoolId,
    receivedAt,
    sender: box('sender@example.net'),
    eightBit: false,
    smtputf8: false,
    origin: { peer: 'external', address: '198.51.100.7', name: 'client.example.net', ownHops: 0, tenantProof: false },
    size: 100,
    wireSize: 100,
    recipients: to.map((one, index) => ({
      index,
      address: box(typeof one === 'string' ? one : 'user@example.com'),
      state: 'queued',
      attempts: 0,
      nextAttemptAt: receivedAt,
      ...(typeof one === 'string' ? undefined : one),
    })),
    ...more,
  };
}

/** The spool's port, kept in memory. `failing` makes settlements reject. */
export class FakeSpool implements DueMail {
  readonly messages = new Map<SpoolId, SpooledMessage>();
  /** Messages as they were when their last recipient ended. */
  readonly done = new Map<SpoolId, SpooledMessage>();
  readonly claimed = new Set<SpoolId>();
  readonly events: EventRecord[] = [];
  readonly notifications: Notification[] = [];
  settlements = 0;
  failing = false;
  #wake: () => void = () => {};

  add(...messages: SpooledMessage[]): void {
    for (const one of messages) this.messages.set(one.id, one);
    this.#wake();
  }
  due(now: number, limit: number): SpoolId[] {
    const due: [SpoolId, number][] = [];
    for (const [id, one] of this.messages) {
      const at = dueAt(one);
      if (at <= now && !this.claimed.has(id)) due.push([id, at]);
    }
    const ids = due
      .sort((a, b) => a[1] - b[1])
      .slice(0, limit)
      .map(([id]) => id);
    for (const id of ids) this.claimed.add(id);
    return ids;
  }
  nextDue(): number | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const [id, one] of this.messages) if (!this.claimed.has(id)) next = Math.min(next, dueAt(one));
    return Number.isFinite(next) ? next : undefined;
  }
  onDue(wake: () => void): void {
    this.#wake = wake;
  }
  load(id: SpoolId): SpooledMessage | undefined {
    return this.messages.get(id);
  }
  body(): SpooledBody {
    const bytes = Buffer.from('Subject: x\r\n\r\nx\r\n');
    return { length: bytes.length, bytes, async *chunks() {} };
  }
  async settle(settlement: Settlement): Promise<void> {
    await Promise.resolve();
    if (this.failing) throw new Error('EIO');
    const before = this.messages.get(settlement.id);
    if (before === undefined) throw new Error('no such message');
    this.settlements += 1;
    const recipients = [...before.recipients];
    for (const change of settlement.changes) {
      const one = recipients[change.index];
      if (one === undefined || isFinal(one)) throw new Error('a final state was changed');
      recipients[change.index] = { ...one, ...change };
    }
    recipients.push(...(settlement.copies ?? []));
    const { authentication } = settlement;
    const after = { ...before, recipients, ...(authentication !== undefined && { authentication }) };
    if (recipients.every(isFinal)) {
      this.messages.delete(settlement.id);
      this.done.set(settlement.id, after);
    } else this.messages.set(settlement.id, after);
    this.events.push(...settlement.events);
    this.notifications.push(...(settlement.notifications ?? []));
    this.#wake();
  }
  release(id: SpoolId): void {
    if (!this.claimed.delete(id)) throw new Error('released what was not claimed');
  }
  *held(): Generator<SpoolId> {
    for (const [id, one] of this.messages) if (one.recipients.some(({ state }) => state === 'held')) yield id;
  }
  /** A message whether it is done or not. */
  look(id: SpoolId): SpooledMessage {
    const one = this.messages.get(id) ?? this.done.get(id);
    if (one === undefined) throw new Error(`no message ${id}`);
    return one;
  }
  eventsOf(id: SpoolId): string[] {
    return this.events.filter((event) => event['spool-id'] === id).map(({ event }) => event);
  }
}

export const isFinal = ({ state }: SpooledRecipient): boolean => state === 'relayed' || state === 'failed' || state === 'expired';

function dueAt(one: SpooledMessage): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { state, nextAttemptAt } of one.recipients) {
    if (state === 'queued' || state === 'deferred') due = Math.min(due, nextAttemptAt);
  }
  return due;
}

export interface Delivery {
  readonly at: number;
  readonly connector: string;
  readonly destination: Domain;
  readonly transaction: Transaction;
}

/** A transport that answers as the test says, at once or after a while, and notes what was asked of it. */
export class FakeTransport implements Transport {
  readonly deliveries: Delivery[] = [];
  active = 0;
  mostActive = 0;
  /** Final dots that left. */
  dots = 0;
  /** Per connector; `undefined` keeps the transaction until `finish`. */
  answer: (delivery: Delivery, recipient: Mailbox) => Outcome = () => relayed;
  extra: Partial<Attempt> = {};
  /** Milliseconds that a transaction takes, per connector; 0: none at all. */
  takes: (connector: string) => number = () => 0;

  async deliver(by: Connector, destination: Domain, transaction: Transaction): Promise<readonly Attempt[]> {
    const delivery = { at: Date.now(), connector: by.name, destination, transaction };
    this.deliveries.push(delivery);
    this.active += 1;
    this.mostActive = Math.max(this.mostActive, this.active);
    const wait = this.takes(by.name);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const held = transaction.mayEnd?.();
    if (held !== undefined) await held;
    this.dots += 1;
    this.active -= 1;
    return transaction.recipients.map(({ address }) => attemptOf(this.answer(delivery, address), this.extra));
  }
  async close(): Promise<void> {}
  to(connectorName: string): Delivery[] {
    return this.deliveries.filter(({ connector: name }) => name === connectorName);
  }
}

export class FakeRouting implements Routing {
  decisions = 0;
  route: (message: SpooledMessage, recipient: SpooledRecipient) => RouteDecision = (_, recipient) =>
    deliverBy(recipient.address.localPart.startsWith('cloud') ? CLOUD : ON_PREMISES, recipient.address);
  decide(one: SpooledMessage, recipient: SpooledRecipient): RouteDecision {
    this.decisions += 1;
    return this.route(one, recipient);
  }
}

export class FakeControl implements Control {
  readonly paused = new Set<string>();
  readonly pauses: string[] = [];
  async pause(name: string, by: string): Promise<void> {
    await Promise.resolve();
    this.paused.add(name);
    this.pauses.push(`${name} ${by}`);
  }
  isPaused(name: string): boolean {
    return this.paused.has(name);
  }
}

/** Notes what it is told; answers with a notification of its own for every failure of a sender that can be told. */
export class FakeNotifying implements Notifying {
  readonly told: Notable[] = [];
  async notify(about: SpooledMessage, _body: SpooledBody, notables: readonly Notable[]): Promise<Notification | undefined> {
    if (about.sender === null) return undefined;
    this.told.push(...notables);
    const action = (['failed', 'delayed', 'relayed', 'delivered'] as const).find((one) =>
      notables.some((notable) => notable.action === one),
    );
    counter += 1;
    return {
      message: {
        id: `01D${String(counter).padStart(23, '0')}` as SpoolId,
        receivedAt: Date.now(),
        envelope: { sender: null, recipients: [{ address: about.sender }], eightBit: false, smtputf8: false },
        origin: { peer: 'external', ownHops: 0, tenantProof: false },
        size: 10,
      },
      body: Buffer.from('x\r\n'),
      ...(action === undefined ? undefined : { action }),
    };
  }
}
