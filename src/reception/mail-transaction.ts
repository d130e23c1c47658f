/**
 * A transaction of a session and its message: from DATA or the first BDAT to the one answer, with the deadlines and the least
 * rate that hold meanwhile. The commands that lead to it are session.ts.
 */
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import { receivedField } from '../mail/trace.ts';
import { IncomingMessage, NOT_STORED } from './accept.ts';
import { type BdatCommand, DotStuffer, parseBdat } from './chunks.ts';
import type { MailCommand } from './command.ts';
import { Conversation, type Waiting } from './conversation.ts';
import { rejectRecords } from './records.ts';
import * as replies from './replies.ts';
import { sizeLimit, type Transaction } from './transaction.ts';

/** A message that is refused for its size is still read to its end, up to this many times the size. */
const DRAIN_FACTOR = 4;

/** A chunk of BDAT on its way in. */
interface Chunk {
  /** Octets yet to come. */
  left: number;
  readonly octets: number;
  readonly last: boolean;
  /** Why it is not taken; its octets are read all the same, for they are no commands (RFC 3030 §2). */
  readonly refusal?: string;
}

export abstract class MailTransaction extends Conversation {
  /** The name that the client gave itself; absent before HELO and EHLO. */
  protected helo: string | undefined;
  protected esmtp = false;
  protected transaction: Transaction | undefined;
  private incoming: IncomingMessage | undefined;
  private chunk: Chunk | undefined;
  /** The message comes by BDAT. */
  private stuffer: DotStuffer | undefined;
  private transactionSince = 0;
  /** Since when the least rate of a message is measured, and what had come by then. */
  private rateSince = 0;
  private rateArrived = 0;

  protected override get inTransaction(): boolean {
    return this.transaction !== undefined;
  }

  protected override startOver(): void {
    this.helo = undefined;
    this.esmtp = false;
  }

  /** MAIL FROM was taken. */
  protected begin(command: MailCommand): void {
    this.transaction = { ...command, admitted: [] };
    this.transactionSince = this.house.now;
  }

  get inData(): boolean {
    return this.stuffer === undefined && this.chunk === undefined ? this.incoming !== undefined : this.chunk !== undefined;
  }

  /** The message has begun with BDAT: nothing but more chunks, or RSET, may follow. */
  protected get comesInChunks(): boolean {
    return this.stuffer !== undefined;
  }

  protected data(bare: boolean): void {
    if (!bare) return this.error(replies.PARAMETER_NOT_ALLOWED);
    if (this.comesInChunks) return this.error(replies.CHUNKS_GO_ON);
    const { transaction } = this;
    if (transaction === undefined) return this.error(replies.MAIL_FIRST);
    if (transaction.admitted.length === 0) return this.error(replies.RCPT_FIRST);
    const incoming = this.openMessage(transaction);
    if (incoming === undefined) return this.refuseMessage(transaction, NOT_STORED, {});
    this.write(replies.SEND_DATA);
    if (incoming.pending !== undefined) this.awaitBody(incoming, incoming.pending, undefined);
    return undefined;
  }

  /** RFC 3030 §2: the octets follow at once, whatever we answer. */
  protected bdat(line: string): void {
    const command = parseBdat(line);
    const { settings } = this.house;
    // where it is not known how many octets follow, they would be read as commands: that is how mail is smuggled
    if (command === undefined) return this.sayGoodbye(replies.BDAT_SYNTAX);
    if (command.octets > settings.messageSize * DRAIN_FACTOR) return this.sayGoodbye(replies.ENDLESS_MESSAGE);
    const refusal = this.chunkRefusal();
    this.chunk = { ...command, left: command.octets, ...(refusal === undefined ? undefined : { refusal }) };
    if (command.octets === 0) this.chunkEnds(this.chunk);
    return undefined;
  }

  private chunkRefusal(): string | undefined {
    const { transaction } = this;
    if (transaction === undefined) return replies.MAIL_FIRST;
    if (transaction.admitted.length === 0) return replies.RCPT_FIRST;
    if (this.stuffer !== undefined) return undefined;
    if (this.openMessage(transaction) === undefined) return replies.oneLine(formatReply(NOT_STORED));
    this.stuffer = new DotStuffer();
    return undefined;
  }

  private openMessage(transaction: Transaction): IncomingMessage | undefined {
    const { house } = this;
    const { settings } = house;
    const id = house.spooling.newId();
    const [first, second] = transaction.admitted;
    const trace = receivedField({
      helo: this.helo ?? '',
      address: this.client.address,
      ...(this.client.reverseName === undefined ? undefined : { reverseName: this.client.reverseName }),
      esmtp: this.esmtp,
      ...(this.secure ? { tls: this.tls } : undefined),
      by: settings.hostname,
      id,
      ...(first !== undefined && second === undefined ? { recipient: first.recipient.address } : undefined),
      time: house.clock.now(),
    });
    try {
      const draft = house.spooling.draft(id);
      this.incoming = new IncomingMessage(id, draft, settings, trace, sizeLimit(transaction, settings.messageSize));
      if (this.client.peer === 'gateway' && settings.originalClient === 'received') this.incoming.lookBehind(settings.gateways);
    } catch (error) {
      house.log.error({ err: error, sessionId: this.sessionId }, 'message could not be opened');
      return undefined;
    }
    this.rateSince = house.now;
    this.rateArrived = 0;
    return this.incoming;
  }

  onData(octets: Buffer, from: number): number {
    this.heard = this.house.now;
    if (this.chunk !== undefined) return this.onChunk(this.chunk, octets, from);
    const incoming = this.incoming as IncomingMessage; // inData said so
    const behind = incoming.take(octets, from);
    if (behind < 0 && this.isEndless(incoming)) this.sayGoodbye(replies.ENDLESS_MESSAGE);
    else if (incoming.pending !== undefined) this.awaitBody(incoming, incoming.pending, behind < 0 ? undefined : 'finish');
    else if (behind >= 0) this.finish(incoming);
    return behind;
  }

  private isEndless({ arrived }: IncomingMessage): boolean {
    return arrived > this.house.settings.messageSize * DRAIN_FACTOR;
  }

  private onChunk(chunk: Chunk, octets: Buffer, from: number): number {
    const behind = Math.min(octets.length, from + chunk.left);
    chunk.left -= behind - from;
    const { incoming, stuffer } = this;
    if (chunk.refusal === undefined && incoming !== undefined && stuffer !== undefined) {
      const whole = from === 0 && behind === octets.length;
      incoming.take(stuffer.take(whole ? octets : octets.subarray(from, behind)), 0);
      if (this.isEndless(incoming)) {
        this.sayGoodbye(replies.ENDLESS_MESSAGE);
        return -1;
      }
      if (chunk.left > 0 && incoming.pending !== undefined) this.awaitBody(incoming, incoming.pending, undefined);
    }
    if (chunk.left === 0) this.chunkEnds(chunk);
    return behind < octets.length ? behind : -1;
  }

  private chunkEnds(chunk: Chunk): void {
    this.chunk = undefined;
    const { incoming, stuffer } = this;
    if (chunk.refusal !== undefined) return this.error(chunk.refusal);
    if (incoming === undefined || stuffer === undefined) return undefined;
    if (chunk.last) incoming.take(stuffer.end(this.house.settings.bareLineEnds === 'normalise'), 0);
    if (incoming.pending !== undefined) this.awaitBody(incoming, incoming.pending, chunk.last ? 'finish' : chunk);
    else if (chunk.last) this.finish(incoming);
    else this.write(replies.chunkTaken(chunk.octets));
    return undefined;
  }

  /** The draft cannot keep up: nothing more is read until it can. */
  private awaitBody(incoming: IncomingMessage, pending: Promise<void>, then: 'finish' | BdatCommand | undefined): void {
    incoming.pending = undefined;
    const wait = this.await('body');
    pending
      .then(() => {
        if (!this.awaited(wait)) return;
        this.rateSince = this.house.now;
        this.rateArrived = incoming.arrived;
        if (then === 'finish') this.finish(incoming);
        else if (then !== undefined) this.write(replies.chunkTaken(then.octets));
        this.input.release();
      })
      .catch((error: unknown) => this.broken(error));
  }

  /** The final dot has come: the one answer, 250 only when all is durable. */
  private finish(incoming: IncomingMessage): void {
    const { house } = this;
    const transaction = this.transaction as Transaction;
    const refusal = incoming.refusal();
    if (refusal !== undefined) {
      incoming.drop();
      this.answerMessage(incoming, transaction, refusal);
      return;
    }
    const wait = this.await('commit');
    let committed: Promise<SmtpReply>;
    try {
      committed = incoming.commit(transaction, this, house.clock.now());
    } catch (error) {
      committed = Promise.reject(error as Error);
    }
    committed.then(
      (accepted) => {
        if (!this.awaited(wait)) return;
        this.answerMessage(incoming, transaction, accepted);
        this.input.release();
      },
      (error: unknown) => {
        house.log.error({ err: error, spoolId: incoming.id }, 'message could not be stored');
        if (!this.awaited(wait)) return;
        this.answerMessage(incoming, transaction, house.spooling.refusal() ?? NOT_STORED);
        this.input.release();
      },
    );
  }

  private answerMessage(incoming: IncomingMessage, transaction: Transaction, answer: SmtpReply): void {
    if (answer.code >= 300) {
      const { messageId, arrivedSize: size } = incoming;
      this.refuseMessage(transaction, answer, messageId === undefined ? { size } : { size, messageId });
      return;
    }
    this.endTransaction();
    this.house.accepted += 1;
    this.visitor.good();
    this.write(formatReply(answer));
  }

  private refuseMessage(transaction: Transaction, answer: SmtpReply, facts: { size?: number; messageId?: string }): void {
    const { house } = this;
    this.endTransaction();
    for (const record of rejectRecords(this, house.clock.now(), transaction, transaction.admitted, answer, facts))
      house.record(record);
    this.error(answer);
  }

  private endTransaction(): void {
    this.incoming = undefined;
    this.transaction = undefined;
    this.stuffer = undefined;
  }

  /** Forgets the transaction; what came of a message is dropped. A message that is being committed is the spool's. */
  protected override forget(): void {
    if (this.incoming !== undefined && this.waiting !== 'commit') this.incoming.drop();
    this.incoming = undefined;
    this.transaction = undefined;
    this.stuffer = undefined;
    this.chunk = undefined;
  }

  protected override slowness(now: number): SmtpReply | undefined {
    const { incoming, house, visitor } = this;
    const tooLong = visitor.transaction(now - this.transactionSince, this);
    if (tooLong !== undefined || incoming === undefined || now - this.rateSince <= house.deadlines.rateWindow) return tooLong;
    const rate = (incoming.arrived - this.rateArrived) / ((now - this.rateSince) / 1000);
    this.rateSince = now;
    this.rateArrived = incoming.arrived;
    return visitor.rate(rate, this);
  }

  protected override overdue(waiting: Waiting): void {
    const { incoming, transaction } = this;
    if (waiting === 'body' && incoming !== undefined) {
      incoming.giveUpStoring();
      this.sayGoodbye(replies.OUT_OF_SERVICE); // in the middle of a message there is no other answer
    } else {
      // A commit may yet succeed after this 451: the client's second try is a duplicate then, never a loss (RFC 1047).
      if (waiting === 'commit' && incoming !== undefined && transaction !== undefined)
        this.answerMessage(incoming, transaction, NOT_STORED);
      else this.error(replies.INTERNAL_ERROR);
      this.input.release();
    }
  }

  protected override closed(): void {
    this.forget();
    this.house.left(this);
  }
}
