/**
 * One connection as a conversation: who the client is, what we wait for, how errors and idle commands add up, and the
 * deadlines that end it. What is said in it is session.ts, the message mail-transaction.ts.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Client, PeerClass } from '../mail/peer.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import { tlsEvidence } from '../platform/tls-facts.ts';
import { clientBehind, clientOf, type Entrance, isUnnamed } from './entrance.ts';
import type { Bite, Teller } from './gate.ts';
import type { House } from './house.ts';
import { IN_CLEAR, type Refusal, rejectRecord, type SessionFacts } from './records.ts';
import * as replies from './replies.ts';
import { LeanConnection, type LeanServer } from './smtp-overrides.ts';
import { Visitor } from './visitor.ts';
import type { XclientFacts } from './xclient.ts';

/** What the session waits for, apart from its client. */
export type Waiting = 'admission' | 'body' | 'commit';

export abstract class Conversation extends LeanConnection implements SessionFacts, Teller {
  readonly sessionId: string;
  /** Of the connection, whomever a filter names as its client. */
  readonly from: Entrance;
  client: Client;
  tls: TlsEvidence = IN_CLEAR;
  /** House time of the last whole command or piece of a message. */
  heard: number;
  protected readonly house: House;
  protected waiting: Waiting | undefined;
  protected visitor: Visitor;
  /** What the connection itself is: XCLIENT does not change it. */
  private connectedPeer: PeerClass;
  /** House time of the connect, or of the last XCLIENT. */
  protected since: number;
  private waitingSince = 0;
  /** The greeting is out. */
  protected greeted = false;
  private greetingDelay = 0;
  private hasFailed = false;
  /** Grows with every wait, so that an answer that comes too late is known. */
  private wait = 0;

  constructor(server: LeanServer, socket: Socket | TLSSocket, id: string, from: Entrance, house: House) {
    super(server, socket, { id, localAddress: server.address, localPort: server.port });
    this.house = house;
    this.sessionId = id;
    this.from = from;
    this.client = clientOf(from, house.settings.peers);
    this.connectedPeer = this.client.peer;
    this.visitor = new Visitor(house.gate, from.address);
    this.visitor.peer = this.client.peer;
    this.heard = house.now;
    this.since = house.now;
  }

  /** Makes a record of a limit that this session met. */
  tell(bite: Bite): void {
    this.house.tell(bite, this);
  }

  /** A transaction is under way. */
  protected abstract get inTransaction(): boolean;
  /** What we waited for did not come in time. */
  protected abstract overdue(waiting: Waiting): void;
  /** Called by the sweep in a transaction whose client is neither silent nor waited on: how it is ended where it takes too long. */
  protected abstract slowness(now: number): SmtpReply | undefined;
  /** The session starts anew under TLS. */
  protected abstract startOver(): void;

  protected override opened(): void {
    const { house, visitor } = this;
    if (this.secure) this.tlsStarted(this._socket as TLSSocket);
    // a balancer's health check is answered at once, whatever else came from its address
    const isOutsider = visitor.isBound && !isUnnamed(this.from);
    if (isOutsider) house.blockLists.ask(this.client.address);
    this.greetingDelay = isOutsider ? visitor.greetingDelay(this) : 0;
    if (this.greetingDelay === 0) this.greet();
  }

  private greet(): void {
    this.greeted = true;
    this.heard = this.house.now;
    const { submission } = this._server as LeanServer;
    // a balancer that looks whether we live is greeted: it brings no mail
    if (submission !== undefined && !isUnnamed(this.from)) {
      const refusal = submission.atGreeting(this.client, this.secure, this.house.settings.peers);
      if (refusal !== undefined) return this.shutOut(refusal);
    }
    this.write(this.house.settings.greeting);
    return undefined;
  }

  private shutOut(refusal: SmtpReply): void {
    const { house } = this;
    house.record(rejectRecord(this, house.clock.now(), { reply: refusal }));
    this.refuseAll(refusal);
  }

  /** RFC 5321 §4.3.1: who speaks before our greeting reads no answers. Whether the session goes on all the same. */
  protected tooEarly(): boolean {
    const refusal = this.visitor.early(this);
    if (refusal === undefined) this.greet();
    else this.refuseAll(refusal);
    return !this._closing;
  }

  protected override tlsStarted(socket: TLSSocket): void {
    const facts = tlsEvidence(socket);
    this.tls = { result: facts.verified === true ? 'verified' : 'encrypted', ...facts };
    this.protocol?.note(`TLS: ${facts.protocol ?? 'unknown'} with ${facts.cipher ?? 'unknown'}`);
    const certificate = facts['peer-certificate'];
    this.startOver();
    this.heard = this.house.now;
    // RFC 3207 §4.2: whom a filter named in clear is forgotten as well
    if (this.isNamed) this.visitor = new Visitor(this.house.gate, this.from.address);
    this.client = clientOf(
      this.from,
      this.house.settings.peers,
      certificate === undefined ? undefined : { verified: facts.verified === true, names: certificate.names },
    );
    this.connectedPeer = this.client.peer;
    this.visitor.peer = this.client.peer;
  }

  /** A filter has named its client. */
  private get isNamed(): boolean {
    return this.client.peer !== this.connectedPeer;
  }

  /** XCLIENT is for the addresses of filters alone: a certificate with a filter's name does not suffice. */
  protected get mayNameClient(): boolean {
    const { originalClient, gateways } = this.house.settings;
    return originalClient === 'xclient' && this.connectedPeer === 'gateway' && gateways.has(this.from.address);
  }

  /** The session starts over with the client that a filter names, and with that client's limits. */
  protected nameClient(facts: XclientFacts): void {
    const { house } = this;
    this.startOver();
    this.client = clientBehind(this.from, this.client, facts);
    this.visitor = new Visitor(house.gate, this.client.address);
    this.since = house.now;
    if (this.visitor.isBound) house.blockLists.ask(this.client.address);
  }

  /** Answers an error that is recorded, as a refusal of mail is. */
  protected refuse(refusal: Refusal): void {
    const { house } = this;
    house.record(rejectRecord(this, house.clock.now(), refusal));
    this.error(refusal.reply);
  }

  protected error(answer: SmtpReply | string): void {
    const text = typeof answer === 'string' ? answer : replies.oneLine(formatReply(answer));
    // A lasting refusal is the client's error; what is our own trouble or a limit it may meet in good faith is not.
    const refusal = text.startsWith('5') ? this.visitor.error(this) : undefined;
    if (refusal === undefined) this.write(text);
    else this.refuseAll(refusal);
  }

  protected idle(answer: string): void {
    const refusal = this.visitor.idleCommand(this);
    if (refusal === undefined) this.write(answer);
    else this.refuseAll(refusal);
  }

  /** A limit is met: nothing more of this session. */
  protected refuseAll(refusal: SmtpReply): void {
    this.sayGoodbye(formatReply(refusal));
  }

  /** 421 (or another last word), then the end (RFC 5321 §3.8). */
  protected sayGoodbye(text: string): void {
    this.write(text);
    this.forget();
    this.hangUp(false);
  }

  protected await(waiting: Waiting): number {
    if (this.waiting === undefined) this.input.hold();
    this.waiting = waiting;
    this.waitingSince = this.house.now;
    this.wait += 1;
    return this.wait;
  }

  /** Whether this wait is still the one; if so it is over, and `input.release` is due. */
  protected awaited(wait: number): boolean {
    if (wait !== this.wait || this._closed) return false;
    this.waiting = undefined;
    this.heard = this.house.now;
    return true;
  }

  protected broken(error: unknown): void {
    this.house.log.error({ err: error, sessionId: this.sessionId }, 'session failed');
    this._socket.destroy();
  }

  /** Called by the sweep: ends what has lasted too long (design.md P8). */
  checkDeadlines(): void {
    const { house, waiting } = this;
    const { now, deadlines } = house;
    if (this._closing || this._closed) return;
    if (this._upgrading) {
      if (now - this.heard > deadlines.handshake) this._socket.destroy();
    } else if (waiting !== undefined) {
      if (now - this.waitingSince > deadlines.handler) this.giveUp(waiting);
    } else if (!this.greeted) {
      if (now - this.since >= this.greetingDelay) this.greet();
    } else if (now - this.heard > house.settings.sessionIdle) {
      this.sayGoodbye(replies.IDLE);
    } else if (house.draining && !this.inTransaction && now - this.heard > deadlines.goodbye) {
      this.sayGoodbye(replies.SHUTTING_DOWN);
    } else {
      const refusal = this.inTransaction ? this.slowness(now) : this.visitor.session(now - this.since, this);
      if (refusal !== undefined) this.refuseAll(refusal);
    }
  }

  private giveUp(waiting: Waiting): void {
    this.house.log.error({ sessionId: this.sessionId, waiting }, 'deadline passed');
    this.wait += 1;
    this.waiting = undefined;
    this.overdue(waiting);
  }

  /** At shutdown, when its time is up. */
  end(): void {
    if (this._closing || this._closed) return;
    if (this._upgrading) this._socket.destroy();
    else this.sayGoodbye(replies.SHUTTING_DOWN);
  }

  /** Nothing is lost by ending it now. */
  get isIdle(): boolean {
    return !this.inTransaction && this.waiting === undefined;
  }

  protected override failed(error: Error & { code?: string }): void {
    const { client } = this;
    // a client that goes away is no event; a handshake that failed is worth a line, and smtp-server tells of it twice
    if (this.hasFailed) return;
    this.hasFailed = true;
    if (this._upgrading) this.house.log.info({ sessionId: this.sessionId, client, err: error }, 'tls handshake failed');
    else this.house.log.debug({ sessionId: this.sessionId, client, code: error.code }, 'connection failed');
  }
}
