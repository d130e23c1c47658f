/**
 * One connection as a conversation: who the client is, what we wait for, how errors and idle commands add up, and the
 * deadlines that end it. What is said in it, and the message, are session.ts.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Client, PeerClass } from '../mail/peer.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import { tlsEvidence } from '../platform/tls-facts.ts';
import type { House } from './house.ts';
import { plainAddress } from './peers.ts';
import { IN_CLEAR, type Refusal, rejectRecord, type SessionFacts } from './records.ts';
import * as replies from './replies.ts';
import { LeanConnection, type LeanServer } from './smtp-overrides.ts';

/** More errors than this, and the session ends (contract of the perimeter: 20, as Postfix). */
const ERROR_LIMIT = 20;
/** For peers: their errors are those of the many whose mail they pass on. */
const PEER_ERROR_LIMIT = 10 * ERROR_LIMIT;
/** Commands that lead to no message; beyond them each one counts as an error. */
const IDLE_COMMAND_LIMIT = 100;

/** What the session waits for, apart from its client. */
export type Waiting = 'admission' | 'body' | 'commit';

export abstract class Conversation extends LeanConnection implements SessionFacts {
  readonly sessionId: string;
  client: Client;
  tls: TlsEvidence = IN_CLEAR;
  /** House time of the last whole command or piece of a message. */
  heard: number;
  protected readonly house: House;
  protected waiting: Waiting | undefined;
  private readonly exempt: boolean;
  private errors = 0;
  private idleCommands = 0;
  private waitingSince = 0;
  /** Grows with every wait, so that an answer that comes too late is known. */
  private wait = 0;

  constructor(server: LeanServer, socket: Socket | TLSSocket, id: string, house: House) {
    super(server, socket, { id, localAddress: server.address, localPort: server.port });
    this.house = house;
    this.sessionId = id;
    const address = plainAddress(socket.remoteAddress ?? '');
    this.client = { peer: house.settings.peers.classify(address), address };
    this.exempt = house.limits.isExempt(address);
    this.heard = house.now;
  }

  /** A transaction is under way. */
  protected abstract get inTransaction(): boolean;
  /** What we waited for did not come in time. */
  protected abstract overdue(waiting: Waiting): void;
  /** Called by the sweep while a client is neither silent nor waited on: ends a message that comes too slowly. */
  protected abstract checkMessage(now: number): void;
  /** The session starts anew under TLS. */
  protected abstract startOver(): void;

  protected override opened(): void {
    if (this.secure) this.tlsStarted(this._socket as TLSSocket);
    this.write(this.house.settings.greeting);
  }

  protected override tlsStarted(socket: TLSSocket): void {
    const facts = tlsEvidence(socket);
    this.tls = { result: facts.verified === true ? 'verified' : 'encrypted', ...facts };
    const certificate = facts['peer-certificate'];
    this.startOver();
    this.heard = this.house.now;
    const peer: PeerClass = this.house.settings.peers.classify(
      this.client.address,
      certificate === undefined ? undefined : { verified: facts.verified === true, names: certificate.names },
    );
    this.client = { peer, address: this.client.address };
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
    if (text.startsWith('5')) this.errors += 1;
    if (this.errors > this.errorLimit && !this.exempt) this.sayGoodbye(replies.TOO_MANY_ERRORS);
    else this.write(text);
  }

  private get errorLimit(): number {
    return this.client.peer === 'external' ? ERROR_LIMIT : PEER_ERROR_LIMIT;
  }

  protected idle(answer: string): void {
    this.idleCommands += 1;
    if (this.idleCommands > IDLE_COMMAND_LIMIT && !this.exempt) this.errors += 1;
    if (this.errors > this.errorLimit && !this.exempt) this.sayGoodbye(replies.TOO_MANY_ERRORS);
    else this.write(answer);
  }

  /** A message was taken: what went wrong before it is forgiven. */
  protected forgive(): void {
    this.errors = 0;
    this.idleCommands = 0;
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
    } else if (now - this.heard > house.settings.sessionIdle) {
      this.sayGoodbye(replies.IDLE);
    } else if (house.draining && !this.inTransaction && now - this.heard > deadlines.goodbye) {
      this.sayGoodbye(replies.SHUTTING_DOWN);
    } else {
      this.checkMessage(now);
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
    // a client that goes away is no event; a handshake that failed is worth a line
    if (this._upgrading) this.house.log.info({ sessionId: this.sessionId, client, err: error }, 'tls handshake failed');
    else this.house.log.debug({ sessionId: this.sessionId, client, code: error.code }, 'connection failed');
  }
}
