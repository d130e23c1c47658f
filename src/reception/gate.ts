/**
 * Who may come in, and how much: the limits of admission on connections, rates and budgets, and the record of bad
 * behaviour. Decides on values; what it says is written and sent by others (design.md P8).
 *
 * Listed peers (by network, or by certificate once shown) are bound by the total of connections and ten times the
 * budgets; networks under `limits.exempt` by nothing here.
 */
import type { PeerClass } from '../mail/peer.ts';
import type { SmtpReply } from '../mail/reply.ts';
import { type ClientRecord, ClientTable, clientKey, networkKey } from './clients.ts';
import { type Limit, type LimitName, type Limits, makeLimits } from './limits.ts';
import { NetworkSet } from './peers.ts';
import type { LimitSettings } from './ports.ts';

/** Clients, and as many networks, that are remembered: some 10 MiB when full. */
const REMEMBERED = 50_000;
/** Records of limits that bit in one minute, of all clients: a flood from many addresses must not fill the evidence. */
const TOLD_PER_MINUTE = 600;
const MINUTE = 60_000;

/** From here on a client has a bad record: its greeting is delayed. */
const BAD = 20;
export const MARKS = { error: 1, unknown: 1, bite: 5, lie: 10, good: -5 } as const;

/** A limit was met, and it is worth a record: the first of a client and limit in a minute. */
export interface Bite {
  readonly limit: Limit;
  /** For the record: what was counted, what is allowed, what else was not told. */
  readonly reason: string;
}

/** Makes a record of it. */
export interface Teller {
  tell(bite: Bite): void;
}

export interface Bitten {
  enforced: number;
  monitored: number;
}

export class Gate {
  limits: Limits;
  private exempt: NetworkSet;
  private ownMachine: LimitSettings['ownMachine'];
  private readonly clients: ClientTable;
  private readonly networks: ClientTable;
  private all = 0;
  private minute = 0;
  private told = 0;
  /** Per limit, since the start. */
  readonly bitten = new Map<LimitName, Bitten>();

  constructor(settings: LimitSettings, remembered = Math.max(REMEMBERED, settings.connections.most)) {
    this.limits = makeLimits(settings);
    this.exempt = new NetworkSet(settings.exempt);
    this.ownMachine = settings.ownMachine;
    this.clients = new ClientTable(remembered);
    this.networks = new ClientTable(remembered);
  }

  /** New limits; connections that are open stay. */
  change(settings: LimitSettings): void {
    this.limits = makeLimits(settings);
    this.exempt = new NetworkSet(settings.exempt);
    this.ownMachine = settings.ownMachine;
  }

  /** Called by the sweep with the monotonic time, milliseconds: minutes begin here. */
  tick(now: number): void {
    const minute = Math.floor(now / MINUTE);
    if (minute === this.minute) return;
    this.minute = minute;
    this.told = 0;
  }

  get open(): number {
    return this.all;
  }

  /** Clients and networks in memory. */
  get remembered(): number {
    return this.clients.size + this.networks.size;
  }

  /**
   * Counts a new connection in, or says how it is refused. Each one that was counted must `leave`. `isBalancer`: the
   * connection is a balancer's own, as its health checks are; one that is refused takes us out of service for everybody.
   */
  enter(address: string, peer: PeerClass, teller: Teller, isBalancer = false): SmtpReply | undefined {
    const client = this.clients.seen(clientKey(address));
    const network = this.networks.seen(networkKey(address));
    if (!this.isExempt(address)) {
      const refusal =
        (this.all >= this.limits.connections.most
          ? this.bite(this.limits.connections, client, this.all + 1, teller)
          : undefined) ??
        (peer === 'external' && !isBalancer ? this.connects(client, network, teller, this.isFree(address)) : undefined);
      if (refusal !== undefined) return refusal;
    }
    this.all += 1;
    this.clients.opened(client);
    this.networks.opened(network);
    return undefined;
  }

  private connects(client: ClientRecord, network: ClientRecord, teller: Teller, isFree: boolean): SmtpReply | undefined {
    const { limits } = this;
    this.turn(client, network);
    client.connects += 1;
    network.connects += 1;
    const sessions =
      (this.all >= limits.unlisted.most && this.all < limits.connections.most
        ? this.bite(limits.unlisted, client, this.all + 1, teller)
        : undefined) ?? this.check(limits.connectionsPerClient, client, client.open + 1, teller);
    if (sessions !== undefined || isFree) return sessions;
    return (
      this.check(limits.connectionsPerNetwork, network, network.open + 1, teller) ??
      this.check(limits.perClient.connects, client, client.connects, teller) ??
      this.check(limits.perNetwork.connects, network, network.connects, teller) ??
      // who has been through all our addresses this minute need not come in again
      this.check(limits.perClient.unknown, client, client.unknown, teller) ??
      this.check(limits.perNetwork.unknown, network, network.unknown, teller)
    );
  }

  leave(address: string): void {
    if (this.all > 0) this.all -= 1;
    this.clients.closed(clientKey(address));
    this.networks.closed(networkKey(address));
  }

  /** What is remembered of a connection that was counted in. */
  recordsOf(address: string): { readonly client: ClientRecord; readonly network: ClientRecord } {
    const [client, network] = [clientKey(address), networkKey(address)];
    return {
      client: this.clients.find(client) ?? this.clients.seen(client),
      network: this.networks.find(network) ?? this.networks.seen(network),
    };
  }

  /** A client on this machine itself, where those are not bound by rates and have no record. */
  isFree(address: string): boolean {
    return this.ownMachine === 'free' && (address === '127.0.0.1' || address === '::1');
  }

  isExempt(address: string): boolean {
    return this.exempt.has(address);
  }

  turn(client: ClientRecord, network: ClientRecord): void {
    client.turn(this.minute);
    network.turn(this.minute);
  }

  isBad(record: ClientRecord): boolean {
    record.turn(this.minute);
    return record.marks >= BAD;
  }

  /** Milliseconds until a client that was refused is told so: as long as its greeting would have waited. */
  waitAtTheDoor(address: string): number {
    const { greetingDelay } = this.limits;
    if (greetingDelay.most === 0 || !greetingDelay.enforced || this.isFree(address)) return 0;
    const client = this.clients.find(clientKey(address));
    const network = this.networks.find(networkKey(address));
    const isBad = (client !== undefined && this.isBad(client)) || (network !== undefined && this.isBad(network));
    return isBad ? greetingDelay.most : 0;
  }

  /** What `count` is answered with, where it is over the limit and the limit is enforced. */
  check(limit: Limit, record: ClientRecord, count: number, teller: Teller): SmtpReply | undefined {
    return count > limit.most ? this.bite(limit, record, count, teller) : undefined;
  }

  /** A limit is met: counted, told once a minute, and answered where it is enforced. */
  bite(limit: Limit, record: ClientRecord, count: number, teller: Teller): SmtpReply | undefined {
    record.turn(this.minute);
    if (limit.enforced) record.marks += MARKS.bite;
    this.note(limit, record, count, teller);
    return limit.enforced ? limit.answer : undefined;
  }

  /** Counts that a limit is met, and tells it once a minute. */
  note(limit: Limit, record: ClientRecord, count: number, teller: Teller): void {
    this.count(limit);
    record.turn(this.minute);
    if ((record.told & limit.bit) !== 0 || this.told >= TOLD_PER_MINUTE) {
      record.untold += 1;
    } else {
      record.told |= limit.bit;
      this.told += 1;
      const more =
        record.untold === 0 ? '' : `; ${record.untold} bites of this and other limits by this client since its last record`;
      record.untold = 0;
      teller.tell({ limit, reason: `limits.${limit.name}: ${told(limit, count)}${more}` });
    }
  }

  /** For the metrics. */
  private count(limit: Limit): void {
    let bitten = this.bitten.get(limit.name);
    if (bitten === undefined) this.bitten.set(limit.name, (bitten = { enforced: 0, monitored: 0 }));
    if (limit.enforced) bitten.enforced += 1;
    else bitten.monitored += 1;
  }
}

function told({ name, most }: Limit, count: number): string {
  if (name === 'session' || name === 'transaction') return `${Math.round(count / 1000)} s, ${Math.round(most / 1000)} s allowed`;
  if (name === 'greeting-delay') return `a bad record: ${Math.round(count / 1000)} s`;
  if (name === 'octets-per-second') return `${Math.round(count)} octets a second, at least ${most} expected`;
  return name === 'early-talkers' ? 'it spoke before our greeting' : `${count}, ${most} allowed`;
}
