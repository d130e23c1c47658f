/** One connection as the gate sees it: what it counts for its client and network, and its own budgets. */
import type { PeerClass } from '../mail/peer.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { ClientRecord } from './clients.ts';
import { type Gate, MARKS, type Teller } from './gate.ts';
import type { Limit } from './limits.ts';

/** The budgets of a listed peer are so many times as large: its errors are those of the many whose mail it passes on. */
const PEER_FACTOR = 10;

export class Visitor {
  /** As known so far; a certificate may tell more. */
  peer: PeerClass = 'external';
  private readonly gate: Gate;
  private readonly client: ClientRecord;
  private readonly network: ClientRecord;
  private readonly isExempt: boolean;
  private readonly isFree: boolean;
  private errors = 0;
  private idleCommands = 0;
  /** Limits of time that were monitored once already, as bits: a sweep would count them again and again. */
  private noted = 0;

  constructor(gate: Gate, address: string) {
    const { client, network } = gate.recordsOf(address);
    this.gate = gate;
    this.client = client;
    this.network = network;
    this.isExempt = gate.isExempt(address);
    this.isFree = gate.isFree(address);
  }

  /** By the limits for clients from outside. */
  get isBound(): boolean {
    return this.peer === 'external' && !this.isExempt && !this.isFree;
  }

  /** Milliseconds that its greeting waits: none, but for clients with a bad record. */
  greetingDelay(teller: Teller): number {
    const { greetingDelay } = this.gate.limits;
    if (!this.isBound || greetingDelay.most === 0 || !this.gate.isBad(this.client)) return 0;
    this.gate.note(greetingDelay, this.client, greetingDelay.most, teller);
    return greetingDelay.enforced ? greetingDelay.most : 0;
  }

  /** It spoke before our greeting. */
  early(teller: Teller): SmtpReply | undefined {
    const { earlyTalkers } = this.gate.limits;
    if (earlyTalkers.most > 0) return undefined;
    this.client.marks += MARKS.lie;
    return this.gate.bite(earlyTalkers, this.client, 1, teller);
  }

  /** MAIL FROM. */
  message(teller: Teller): SmtpReply | undefined {
    if (!this.isBound) return undefined;
    const { gate, client, network } = this;
    const { perClient, perNetwork } = gate.limits;
    gate.turn(client, network);
    client.messages += 1;
    network.messages += 1;
    return (
      gate.check(perClient.messages, client, client.messages, teller) ??
      gate.check(perNetwork.messages, network, network.messages, teller)
    );
  }

  /** RCPT TO, before it is asked whether we know the recipient. */
  recipient(teller: Teller): SmtpReply | undefined {
    if (!this.isBound) return undefined;
    const { gate, client, network } = this;
    const { perClient, perNetwork } = gate.limits;
    gate.turn(client, network);
    client.recipients += 1;
    network.recipients += 1;
    return (
      gate.check(perClient.recipients, client, client.recipients, teller) ??
      gate.check(perNetwork.recipients, network, network.recipients, teller) ??
      gate.check(perClient.unknown, client, client.unknown, teller) ??
      gate.check(perNetwork.unknown, network, network.unknown, teller)
    );
  }

  /** The answer to a recipient was that there is none. */
  unknownRecipient(): void {
    if (!this.isBound) return;
    this.gate.turn(this.client, this.network);
    this.client.unknown += 1;
    this.network.unknown += 1;
    this.client.marks += MARKS.unknown;
  }

  /** A command was wrong, or its mail was refused for good. */
  error(teller: Teller): SmtpReply | undefined {
    this.errors += 1;
    if (this.isBound) this.client.marks += MARKS.error;
    return this.budget(this.gate.limits.errors, this.errors, teller);
  }

  /** A command that leads to no message. */
  idleCommand(teller: Teller): SmtpReply | undefined {
    this.idleCommands += 1;
    return this.budget(this.gate.limits.idleCommands, this.idleCommands, teller);
  }

  private budget(limit: Limit, count: number, teller: Teller): SmtpReply | undefined {
    const most = this.peer === 'external' ? limit.most : limit.most * PEER_FACTOR;
    return count <= most || this.isExempt ? undefined : this.gate.bite(limit, this.client, count, teller);
  }

  /** A message was taken: what went wrong before it is forgiven. */
  good(): void {
    this.errors = 0;
    this.idleCommands = 0;
    if (this.client.marks > 0) this.client.marks = Math.max(0, this.client.marks + MARKS.good);
  }

  /** What it says is no SMTP. */
  lie(): void {
    if (this.isBound) this.client.marks += MARKS.lie;
  }

  /** Milliseconds that its session lasts, between transactions. */
  session(age: number, teller: Teller): SmtpReply | undefined {
    return this.isBound ? this.time(this.gate.limits.session, age, teller) : undefined;
  }

  /** Milliseconds since MAIL FROM. */
  transaction(age: number, teller: Teller): SmtpReply | undefined {
    return this.isBound ? this.time(this.gate.limits.transaction, age, teller) : undefined;
  }

  /** The rate of its message, octets a second. */
  rate(octets: number, teller: Teller): SmtpReply | undefined {
    const { octetsPerSecond } = this.gate.limits;
    if (octets >= octetsPerSecond.most || this.isExempt) return undefined;
    return this.once(octetsPerSecond, octets, teller);
  }

  private time(limit: Limit, age: number, teller: Teller): SmtpReply | undefined {
    return age > limit.most ? this.once(limit, age, teller) : undefined;
  }

  private once(limit: Limit, count: number, teller: Teller): SmtpReply | undefined {
    if ((this.noted & limit.bit) !== 0) return undefined;
    this.noted |= limit.bit;
    return this.gate.bite(limit, this.client, count, teller);
  }
}
