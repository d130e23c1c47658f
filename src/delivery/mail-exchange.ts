/**
 * One mail transaction on a connection: MAIL, RCPT, DATA, the body, the answer; in LMTP one answer a recipient
 * (RFC 5321 §3.3, RFC 2033 §4.2). With PIPELINING the whole envelope leaves in one write (RFC 2920).
 */
import type { Outcome } from '../mail/attempt.ts';
import { digestOf } from '../mail/body-digest.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';
import { SLICE, streamBody, writeEnd } from './body-writer.ts';
import { mailCommand, rcptCommand } from './envelope-commands.ts';
import { readReply, sessionFailure } from './network-replies.ts';
import type { ConnectionLost, Exchange, SmtpConnection } from './smtp-connection.ts';
import type { Transaction } from './transaction.ts';

/** What came of it. */
export interface ExchangeReport {
  /** One a recipient, in their order. */
  readonly outcomes: readonly Outcome[];
  /** MAIL got an answer; without one a kept connection was dead already, and nothing of the message has left us. */
  readonly answered: boolean;
  /** The end of DATA was refused for good with several recipients, who share this outcome: which one is meant is not known (C4). */
  readonly refusedTogether: Outcome | undefined;
  /** SHA-256 of the body, where all of it was handed to the socket. */
  readonly bodySha256?: string;
  /** The spooled body is not the one that was accepted; it was not let through. */
  readonly corrupt?: true;
}

const REPLY_CODE = /^[2-5]\d\d/;
const RESET = 0;
const MAIL = 1;
const RCPT = 2;
const DATA = 3;
const BODY = 4;
const END = 5;
const NOTHING = 6;
type Step = 0 | 1 | 2 | 3 | 4 | 5 | 6;
const WAITING_FOR = ['RSET', 'MAIL FROM', 'RCPT TO', 'DATA', 'sending the message', 'the end of DATA', 'an empty DATA'] as const;

const LF = 10;

export const UNREADABLE = reply(451, '4.3.0', 'the message could not be read whole from the spool');
/** Mail that changed while it lay here is not the sender's any more. */
export const CORRUPT = reply(
  451,
  '4.3.0',
  'the message in the spool is not the one that was accepted: SHA-256 of its body differs',
);
/** Not the next hop's doing: before its dot the message waited for other outcomes to become durable, in vain. */
export const STORE_BEHIND = reply(451, '4.3.0', 'the outcomes of earlier messages could not be written down');

export class MailExchange implements Exchange {
  readonly #connection: SmtpConnection;
  readonly #host: string;
  readonly #transaction: Transaction;
  readonly #done: (report: ExchangeReport) => void;
  readonly #outcomes: (Outcome | undefined)[];
  readonly #transactionEnds: number;
  #step: Step = MAIL;
  /** The recipient whose answer comes next. */
  #next = 0;
  #accepted = 0;
  #answered = false;
  #refusedTogether: Outcome | undefined;
  #mailRefusal: SmtpReply | undefined;
  /** All but the end is sent, and that must wait (final-dots.ts). */
  #atTheDot = false;
  /** The kernel has all octets, the final dot too: from here on the peer may have the message (RFC 1047). */
  #dotLeft = false;
  #bodySha256: string | undefined;
  #corrupt = false;

  constructor(connection: SmtpConnection, host: string, transaction: Transaction, done: (report: ExchangeReport) => void) {
    this.#connection = connection;
    this.#host = host;
    this.#transaction = transaction;
    this.#done = done;
    this.#outcomes = transaction.recipients.map(() => undefined);
    this.#transactionEnds = connection.now() + connection.deadlines.transaction;
  }

  /** Sends what can be sent before the first answer. */
  start(): void {
    const connection = this.#connection;
    connection.begin(this);
    this.#step = connection.needsReset ? RESET : MAIL;
    this.#wait(connection.deadlines.mail);
    let lines = this.#step === RESET ? 'RSET\r\n' : '';
    if (connection.pipelining || this.#step === MAIL) lines += mailCommand(connection, this.#transaction);
    if (connection.pipelining) {
      for (const recipient of this.#transaction.recipients) lines += rcptCommand(connection, recipient);
      lines += 'DATA\r\n';
    }
    this.#send(lines);
  }

  onReply(wire: string): void {
    // RFC 5321 §4.2: three digits; a `2` and a half confirms nothing
    const kind = REPLY_CODE.test(wire) ? wire.charCodeAt(0) - 48 : 0;
    // RFC 5321 §4.3.2: DATA is taken with 354, and nothing else is; a 250 there answers something else
    if (kind < 2 || (kind === 3 && (this.#step !== DATA || !wire.startsWith('354'))) || (kind === 2 && this.#step === DATA)) {
      this.#connection.abort({
        code: 'EPROTOCOL',
        message: `not an answer to ${WAITING_FOR[this.#step]}: ${wire.slice(0, 100)}`,
      });
      return;
    }
    // RFC 5321 §3.8: the peer closes, whatever the command; no further answers come
    if (wire.startsWith('421')) {
      this.#connection.abort({ code: 'ECLOSED', message: 'service closing', reply: wire });
      return;
    }
    switch (this.#step) {
      case RESET:
        this.#connection.needsReset = false;
        this.#step = MAIL;
        this.#wait(this.#connection.deadlines.mail);
        if (!this.#connection.pipelining) this.#send(mailCommand(this.#connection, this.#transaction));
        return;
      case MAIL:
        this.#answered = true;
        if (kind !== 2) this.#mailRefusal = readReply(wire);
        this.#step = RCPT;
        if (this.#mailRefusal !== undefined && !this.#connection.pipelining) this.#refuseAll(this.#mailRefusal);
        else this.#nextRecipient();
        return;
      case RCPT:
        if (kind === 2) this.#accepted++;
        else this.#outcomes[this.#next] = this.#recipientRefusal(readReply(wire));
        this.#next++;
        this.#nextRecipient();
        return;
      case DATA:
        this.#answerToData(kind, wire);
        return;
      case BODY:
        this.#answerBeforeTheDot(kind, wire);
        return;
      case END:
        this.#answerToTheDot(kind, wire);
        return;
      case NOTHING:
        this.#finish();
        return;
    }
  }

  #recipientRefusal(answer: SmtpReply): Outcome {
    // RFC 5321 §4.5.3.1.10: some say 552 where they mean 452, too many recipients
    const tooMany = answer.code === 552 && (answer.enhanced === undefined || answer.enhanced === '5.5.3') && this.#accepted > 0;
    return tooMany ? { kind: 'deferred', reply: answer, cause: 'answer' } : refusal(answer);
  }

  #nextRecipient(): void {
    const { recipients } = this.#transaction;
    const { deadlines, pipelining } = this.#connection;
    const recipient = recipients[this.#next];
    if (recipient !== undefined) {
      this.#wait(deadlines.rcpt);
      if (!pipelining) this.#send(rcptCommand(this.#connection, recipient));
      return;
    }
    if (this.#accepted === 0 && !pipelining) {
      this.#connection.needsReset = true;
      this.#finish();
      return;
    }
    this.#step = DATA;
    this.#wait(deadlines.data);
    if (!pipelining) this.#send('DATA\r\n');
  }

  #answerToData(kind: number, wire: string): void {
    const connection = this.#connection;
    if (this.#mailRefusal !== undefined || this.#accepted === 0) {
      if (kind <= 3 && this.#mailRefusal !== undefined) {
        // a peer that refuses the sender and takes DATA cannot be trusted with an empty message
        const refused = this.#mailRefusal;
        this.#refuseAll(refused);
        connection.abort({ code: 'EPROTOCOL', message: 'DATA taken after MAIL was refused' });
      } else if (kind <= 3) {
        // RFC 2920 §3.1: DATA may be taken with no valid recipient; the empty message goes to nobody
        this.#step = NOTHING;
        this.#wait(connection.deadlines.final);
        connection.command('.\r\n');
      } else {
        connection.needsReset = true;
        if (this.#mailRefusal === undefined) this.#finish();
        else this.#refuseAll(this.#mailRefusal);
      }
      return;
    }
    if (kind > 3) {
      connection.needsReset = true;
      this.#settleRest(refusal(readReply(wire)));
      this.#finish();
      return;
    }
    // a refusal there is understood: the peer has made up its mind
    if (this.#connection.ahead < '4' && this.#isOutOfStep()) return;
    this.#next = 0;
    this.#step = BODY;
    const { body, stuffed } = this.#transaction;
    const { bytes, length } = body;
    this.#wait(connection.deadlines.block);
    if (bytes === undefined || bytes.length !== length || length > SLICE) {
      void this.#stream();
      return;
    }
    this.#end(bytes, LF, body.sha256 ?? digestOf(bytes, stuffed));
  }

  /** The rest and the final dot, unless the body is not the one that was accepted: then nobody gets it. */
  #end(last: Buffer, before: number, sha256: string): void {
    const expected = this.#transaction.bodySha256;
    if (expected !== undefined && sha256 !== expected) {
      this.#corrupt = true;
      this.#unfit(CORRUPT);
      return;
    }
    this.#bodySha256 = sha256;
    const held = this.#transaction.mayEnd?.();
    if (held === undefined) this.#writeEnd(last, before);
    else void this.#endLater(held, last, before);
  }

  async #endLater(held: Promise<void>, last: Buffer, before: number): Promise<void> {
    this.#atTheDot = true;
    this.#wait(this.#connection.deadlines.block);
    await held;
    this.#atTheDot = false;
    if (this.#step === BODY) this.#writeEnd(last, before); // not answered or lost meanwhile
  }

  #writeEnd(last: Buffer, before: number): void {
    this.#step = END;
    this.#wait(this.#connection.deadlines.final);
    writeEnd(this.#connection._socket, last, before, this.#onDotWritten);
  }

  readonly #onDotWritten = (error?: Error | null): void => {
    if (error === null || error === undefined) this.#dotLeft = true;
  };

  async #stream(): Promise<void> {
    const connection = this.#connection;
    const streamed = await streamBody(
      connection._socket,
      this.#transaction,
      () => this.#step === BODY, // not answered or lost meanwhile
      () => this.#wait(connection.deadlines.block),
    );
    if (streamed === 'unwanted') return;
    if (streamed === 'broken') {
      this.#unfit(UNREADABLE);
      return;
    }
    this.#end(streamed.last, streamed.before, streamed.sha256);
  }

  /** Without its final dot the peer takes nothing of what it has got so far. */
  #unfit(why: SmtpReply): void {
    this.#settleRest({ kind: 'deferred', reply: why, cause: 'answer' });
    this.#connection.abort({ code: 'ESPOOL', message: why.text });
  }

  /** The peer answers while we send: it has made up its mind, and where its commands begin again is not known. */
  #answerBeforeTheDot(kind: number, wire: string): void {
    if (kind >= 4) this.#settleRest(refusal(readReply(wire)));
    this.#connection.abort({ code: 'EPROTOCOL', message: 'answered before the end of the message' });
  }

  #answerToTheDot(kind: number, wire: string): void {
    const answer = readReply(wire);
    const outcome: Outcome = kind === 2 ? { kind: 'relayed', reply: answer } : refusal(answer);
    if (!this.#connection.lmtp) {
      if (outcome.kind === 'failed' && this.#accepted > 1) this.#refusedTogether = outcome;
      this.#settleRest(outcome);
      this.#finish();
      return;
    }
    this.#outcomes[this.#undecided()] = outcome;
    if (--this.#accepted === 0) this.#finish();
  }

  #undecided(): number {
    while (this.#outcomes[this.#next] !== undefined) this.#next++;
    return this.#next;
  }

  onLost(lost: ConnectionLost): void {
    const { length } = this.#outcomes;
    if (this.#undecidedRemain()) {
      const behind = this.#step === END && this.#dotLeft;
      const what = behind ? 'after the final dot, it may have the message' : WAITING_FOR[this.#step];
      // A 421 and a connection that died before MAIL was answered say nothing of this message. Any later loss may be
      // the message's own doing: it must not count against the way.
      const cause = lost.reply !== undefined || !this.#answered ? 'connection' : 'answer';
      const outcome: Outcome = {
        kind: 'deferred',
        reply:
          this.#mailRefusal ??
          (this.#atTheDot && lost.code === 'ETIMEDOUT' ? STORE_BEHIND : sessionFailure(this.#host, what, lost)),
        cause,
        ...(behind && lost.reply === undefined ? { possibleDuplicate: true as const } : {}),
      };
      const settled = this.#mailRefusal === undefined ? outcome : refusal(this.#mailRefusal);
      for (let i = 0; i < length; i++) this.#outcomes[i] ??= settled;
    }
    this.#report();
  }

  #undecidedRemain(): boolean {
    return this.#outcomes.includes(undefined);
  }

  #refuseAll(answer: SmtpReply): void {
    this.#outcomes.fill(refusal(answer));
    this.#connection.needsReset = true;
    this.#finish();
  }

  #settleRest(outcome: Outcome): void {
    const outcomes = this.#outcomes;
    for (let i = 0; i < outcomes.length; i++) outcomes[i] ??= outcome;
  }

  #finish(): void {
    this.#connection.end();
    this.#report();
  }

  #report(): void {
    this.#step = NOTHING;
    this.#done({
      outcomes: this.#outcomes as Outcome[],
      answered: this.#answered,
      refusedTogether: this.#refusedTogether,
      ...(this.#bodySha256 === undefined ? undefined : { bodySha256: this.#bodySha256 }),
      ...(this.#corrupt ? { corrupt: true as const } : undefined),
    });
  }

  /** What was answered before it was asked would be taken for the answer to what is sent next: a 250 too many confirms a message that nobody has. */
  #isOutOfStep(): boolean {
    if (this.#connection.ahead === '') return false;
    this.#connection.abort({ code: 'EPROTOCOL', message: 'more answers than commands' });
    return true;
  }

  #send(lines: string): void {
    if (this.#isOutOfStep()) return;
    this.#connection.command(lines, this.#transaction.smtputf8 ? 'utf8' : 'latin1');
  }

  #wait(milliseconds: number): void {
    const at = this.#connection.now() + milliseconds;
    this.#connection.deadline = at < this.#transactionEnds ? at : this.#transactionEnds;
  }
}

function refusal(answer: SmtpReply): Outcome {
  return answer.code >= 500
    ? { kind: 'failed', reply: answer, cause: 'answer' }
    : { kind: 'deferred', reply: answer, cause: 'answer' };
}
