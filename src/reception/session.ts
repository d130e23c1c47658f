/** One SMTP session: the commands, in the order in which they may come, and the transaction they build (RFC 5321 §4.1.4). */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Client, PeerClass } from '../mail/peer.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import { receivedField } from '../mail/trace.ts';
import { tlsEvidence } from '../platform/tls-facts.ts';
import { IncomingMessage, NOT_STORED, TOO_BIG } from './accept.ts';
import { parseMail, parseRcpt, type RcptCommand, type RefusedCommand } from './command.ts';
import type { House } from './house.ts';
import { plainAddress } from './peers.ts';
import type { Admission } from './ports.ts';
import { IN_CLEAR, type Refusal, rejectRecord, rejectRecords, type SessionFacts } from './records.ts';
import * as replies from './replies.ts';
import { LeanConnection, type LeanServer } from './smtp-overrides.ts';
import { admit, sizeLimit, type Transaction } from './transaction.ts';

/** More errors than this, and the session ends (contract of the perimeter: 20, as Postfix). */
const ERROR_LIMIT = 20;
/** For peers: their errors are those of the many whose mail they pass on. */
const PEER_ERROR_LIMIT = 10 * ERROR_LIMIT;
/** Commands that lead to no message; beyond them each one counts as an error. */
const IDLE_COMMAND_LIMIT = 100;
/** A message that is refused for its size is still read to its end, up to this many times the size. */
const DRAIN_FACTOR = 4;
const HTTP = /^(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|TRACE|CONNECT|PATCH) .*HTTP\/\d/i;

/** What the session waits for, apart from its client. */
type Waiting = 'admission' | 'body' | 'commit';

export class Session extends LeanConnection implements SessionFacts {
  readonly sessionId: string;
  client: Client;
  tls: TlsEvidence = IN_CLEAR;
  /** House time of the last whole command or piece of a message. */
  heard: number;
  private readonly house: House;
  private readonly exempt: boolean;
  private helo: string | undefined;
  private esmtp = false;
  private transaction: Transaction | undefined;
  private incoming: IncomingMessage | undefined;
  /** Since when the least rate of a message is measured, and what had come by then. */
  private rateSince = 0;
  private rateArrived = 0;
  private errors = 0;
  private idleCommands = 0;
  private waiting: Waiting | undefined;
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

  protected override opened(): void {
    if (this.secure) this.tlsStarted(this._socket as TLSSocket);
    this.write(this.house.settings.greeting);
  }

  protected override tlsStarted(socket: TLSSocket): void {
    const facts = tlsEvidence(socket);
    this.tls = { result: facts.verified === true ? 'verified' : 'encrypted', ...facts };
    this.protocol?.note(`TLS: ${facts.protocol ?? 'unknown'} with ${facts.cipher ?? 'unknown'}`);
    const certificate = facts['peer-certificate'];
    this.helo = undefined;
    this.esmtp = false;
    this.heard = this.house.now;
    const peer: PeerClass = this.house.settings.peers.classify(
      this.client.address,
      certificate === undefined ? undefined : { verified: facts.verified === true, names: certificate.names },
    );
    this.client = { peer, address: this.client.address };
  }

  get inData(): boolean {
    return this.incoming !== undefined;
  }

  onLine(text: string): void {
    const { house } = this;
    this.heard = house.now;
    if (this.protocol !== undefined) this.protocol.received(`${text}\r\n`);
    const line = text.endsWith(' ') ? text.trimEnd() : text;
    const space = line.indexOf(' ');
    const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase();
    if (house.draining && this.transaction === undefined && verb !== 'QUIT') {
      this.sayGoodbye(replies.SHUTTING_DOWN);
      return;
    }
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        this.hello(verb === 'EHLO', space < 0 ? '' : line.slice(space + 1).trim());
        break;
      case 'MAIL':
        this.mail(line);
        break;
      case 'RCPT':
        this.rcpt(line);
        break;
      case 'DATA':
        this.data(space < 0);
        break;
      case 'RSET':
        this.forget();
        this.idle(replies.RESET);
        break;
      case 'NOOP':
        this.idle(replies.OK);
        break;
      case 'VRFY':
        if (space < 0) this.error(replies.VRFY_SYNTAX);
        else this.idle(replies.CANNOT_VERIFY);
        break;
      case 'QUIT':
        this.write(replies.BYE);
        this.hangUp(true);
        break;
      case 'STARTTLS':
        this.startTlsCommand(space < 0);
        break;
      case 'AUTH':
      case 'EXPN':
      case 'HELP':
      case 'BDAT':
      case 'TURN':
      case 'ETRN':
        this.error(replies.NOT_IMPLEMENTED);
        break;
      default:
        // a web page can make a browser speak to us: the lines of its request must not be tried one by one
        if (HTTP.test(line)) this.sayGoodbye(replies.NOT_HTTP);
        else this.error(replies.UNKNOWN_COMMAND);
    }
  }

  onLineTooLong(): void {
    this.heard = this.house.now;
    this.error(replies.LINE_TOO_LONG);
  }

  private hello(esmtp: boolean, name: string): void {
    if (name === '' || name.length > 255 || /[\u0000-\u0020\u007f]/.test(name)) {
      this.error(esmtp ? replies.EHLO_SYNTAX : replies.HELO_SYNTAX);
      return;
    }
    this.forget(); // RFC 5321 §4.1.4: as RSET
    this.helo = name;
    this.esmtp = esmtp;
    this.client = { peer: this.client.peer, address: this.client.address, helo: name };
    const { settings } = this.house;
    this.write(esmtp ? (this.secure ? settings.ehloInTls : settings.ehloInClear) : settings.helo);
  }

  private startTlsCommand(bare: boolean): void {
    if (!bare) return this.error(replies.PARAMETER_NOT_ALLOWED);
    if (this.secure) return this.error(replies.TLS_ALREADY);
    this.forget();
    this.write(replies.READY_FOR_TLS);
    this.startTls();
  }

  private mail(line: string): void {
    const { house } = this;
    if (this.helo === undefined) return this.error(replies.HELLO_FIRST);
    if (this.transaction !== undefined) return this.error(replies.NESTED_MAIL);
    const command = parseMail(line);
    if ('refusal' in command) return this.refuse({ sender: command.address, reply: command.refusal });
    const { sender, size } = command;
    if (size !== undefined && size > house.settings.messageSize) return this.refuse({ sender, size, reply: TOO_BIG });
    const refusal = house.spooling.refusal();
    if (refusal !== undefined) return this.refuse({ sender, reply: refusal });
    this.transaction = { ...command, admitted: [] };
    this.write(replies.SENDER_OK);
  }

  private rcpt(line: string): void {
    const { house, transaction, client } = this;
    if (transaction === undefined) return this.error(replies.MAIL_FIRST);
    const command: RcptCommand | RefusedCommand = parseRcpt(line, house.settings.domain, client.peer === 'on-premises');
    const { sender } = transaction;
    if ('refusal' in command) return this.refuse({ sender, recipient: command.address, reply: command.refusal });
    if (transaction.admitted.length >= house.settings.recipients) {
      return this.refuse({ sender, recipient: command.recipient.address, reply: replies.TOO_MANY_RECIPIENTS });
    }
    const { size } = transaction;
    let admission: Admission | Promise<Admission>;
    try {
      admission = house.admission.admit({
        recipient: command.recipient,
        sender,
        client,
        ...(size === undefined ? undefined : { size }),
      });
    } catch (error) {
      house.log.error({ err: error, sessionId: this.sessionId }, 'admission failed');
      admission = { reply: replies.INTERNAL_ERROR };
    }
    if (!(admission instanceof Promise)) return this.admitted(transaction, command, admission);
    const wait = this.await('admission');
    admission
      .catch((error: unknown): Admission => {
        house.log.error({ err: error, sessionId: this.sessionId }, 'admission failed');
        return { reply: replies.INTERNAL_ERROR };
      })
      .then((decided) => {
        if (!this.awaited(wait)) return;
        this.admitted(transaction, command, decided);
        this.input.release();
      })
      .catch((error: unknown) => this.broken(error));
    return undefined;
  }

  private admitted(transaction: Transaction, command: RcptCommand, admission: Admission): void {
    if (admission.reply.code >= 300) {
      return this.refuse({ sender: transaction.sender, recipient: command.recipient.address, reply: admission.reply, admission });
    }
    admit(transaction, command, admission);
    this.write(replies.oneLine(formatReply(admission.reply)));
  }

  private data(bare: boolean): void {
    const { house, transaction } = this;
    if (!bare) return this.error(replies.PARAMETER_NOT_ALLOWED);
    if (transaction === undefined) return this.error(replies.MAIL_FIRST);
    const [first, second] = transaction.admitted;
    if (first === undefined) return this.error(replies.RCPT_FIRST);
    const { settings } = house;
    const id = house.spooling.newId();
    const trace = receivedField({
      helo: this.helo ?? '',
      address: this.client.address,
      esmtp: this.esmtp,
      ...(this.secure ? { tls: this.tls } : undefined),
      by: settings.hostname,
      id,
      ...(second === undefined ? { recipient: first.recipient.address } : undefined),
      time: house.clock.now(),
    });
    try {
      this.incoming = new IncomingMessage(
        id,
        house.spooling.draft(id),
        settings,
        trace,
        sizeLimit(transaction, settings.messageSize),
      );
    } catch (error) {
      house.log.error({ err: error, sessionId: this.sessionId }, 'message could not be opened');
      return this.refuseMessage(transaction, NOT_STORED, {});
    }
    this.rateSince = house.now;
    this.rateArrived = 0;
    this.write(replies.SEND_DATA);
    if (this.incoming.pending !== undefined) this.awaitBody(this.incoming, this.incoming.pending, false);
    return undefined;
  }

  onData(chunk: Buffer, from: number): number {
    const incoming = this.incoming as IncomingMessage; // inData said so
    this.heard = this.house.now;
    const behind = incoming.take(chunk, from);
    const over = behind >= 0;
    if (!over && incoming.arrived > this.house.settings.messageSize * DRAIN_FACTOR) this.sayGoodbye(replies.ENDLESS_MESSAGE);
    else if (incoming.pending !== undefined) this.awaitBody(incoming, incoming.pending, over);
    else if (over) this.finish(incoming);
    return behind;
  }

  /** The draft cannot keep up: nothing more is read until it can. */
  private awaitBody(incoming: IncomingMessage, pending: Promise<void>, over: boolean): void {
    incoming.pending = undefined;
    const wait = this.await('body');
    pending
      .then(() => {
        if (!this.awaited(wait)) return;
        this.rateSince = this.house.now;
        this.rateArrived = incoming.arrived;
        if (over) this.finish(incoming);
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
    this.incoming = undefined;
    this.transaction = undefined;
    this.house.accepted += 1;
    this.errors = 0;
    this.idleCommands = 0;
    this.write(formatReply(answer));
  }

  private refuseMessage(transaction: Transaction, answer: SmtpReply, facts: { size?: number; messageId?: string }): void {
    const { house } = this;
    this.incoming = undefined;
    this.transaction = undefined;
    for (const record of rejectRecords(this, house.clock.now(), transaction, transaction.admitted, answer, facts))
      house.record(record);
    this.error(answer);
  }

  /** Answers an error that is recorded, as a refusal of mail is. */
  private refuse(refusal: Refusal): void {
    const { house } = this;
    house.record(rejectRecord(this, house.clock.now(), refusal));
    this.error(refusal.reply);
  }

  private error(answer: SmtpReply | string): void {
    const text = typeof answer === 'string' ? answer : replies.oneLine(formatReply(answer));
    // A lasting refusal is the client's error; what is our own trouble or a limit it may meet in good faith is not.
    if (text.startsWith('5')) this.errors += 1;
    if (this.errors > this.errorLimit && !this.exempt) this.sayGoodbye(replies.TOO_MANY_ERRORS);
    else this.write(text);
  }

  private get errorLimit(): number {
    return this.client.peer === 'external' ? ERROR_LIMIT : PEER_ERROR_LIMIT;
  }

  private idle(answer: string): void {
    this.idleCommands += 1;
    if (this.idleCommands > IDLE_COMMAND_LIMIT && !this.exempt) this.errors += 1;
    if (this.errors > this.errorLimit && !this.exempt) this.sayGoodbye(replies.TOO_MANY_ERRORS);
    else this.write(answer);
  }

  /** 421 with our name, then the end (RFC 5321 §3.8). */
  private sayGoodbye(text: string): void {
    this.write(text);
    this.forget();
    this.hangUp(false);
  }

  /** Forgets the transaction; what came of a message is dropped. A message that is being committed is the spool's. */
  protected override forget(): void {
    if (this.incoming !== undefined && this.waiting !== 'commit') this.incoming.drop();
    this.incoming = undefined;
    this.transaction = undefined;
  }

  private await(waiting: Waiting): number {
    if (this.waiting === undefined) this.input.hold();
    this.waiting = waiting;
    this.waitingSince = this.house.now;
    this.wait += 1;
    return this.wait;
  }

  /** Whether this wait is still the one; if so it is over, and `input.release` is due. */
  private awaited(wait: number): boolean {
    if (wait !== this.wait || this._closed) return false;
    this.waiting = undefined;
    this.heard = this.house.now;
    return true;
  }

  private broken(error: unknown): void {
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
      if (now - this.waitingSince > deadlines.handler) this.overdue(waiting);
    } else if (now - this.heard > house.settings.sessionIdle) {
      this.sayGoodbye(replies.IDLE);
    } else if (house.draining && this.transaction === undefined && now - this.heard > deadlines.goodbye) {
      this.sayGoodbye(replies.SHUTTING_DOWN);
    } else if (this.incoming !== undefined && now - this.rateSince > house.settings.sessionIdle) {
      const rate = (this.incoming.arrived - this.rateArrived) / ((now - this.rateSince) / 1000);
      this.rateSince = now;
      this.rateArrived = this.incoming.arrived;
      if (rate < deadlines.octetsPerSecond) this.sayGoodbye(replies.TOO_SLOW);
    }
  }

  private overdue(waiting: Waiting): void {
    const { incoming, transaction, house } = this;
    house.log.error({ sessionId: this.sessionId, waiting }, 'deadline passed');
    this.wait += 1;
    this.waiting = undefined;
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

  /** At shutdown, when its time is up. */
  end(): void {
    if (this._closing || this._closed) return;
    if (this._upgrading) this._socket.destroy();
    else this.sayGoodbye(replies.SHUTTING_DOWN);
  }

  /** Nothing is lost by ending it now. */
  get isIdle(): boolean {
    return this.transaction === undefined && this.waiting === undefined;
  }

  protected override closed(): void {
    this.forget();
    this.house.left(this);
  }

  protected override failed(error: Error & { code?: string }): void {
    const { client } = this;
    // a client that goes away is no event; a handshake that failed is worth a line
    if (this._upgrading) this.house.log.info({ sessionId: this.sessionId, client, err: error }, 'tls handshake failed');
    else this.house.log.debug({ sessionId: this.sessionId, client, code: error.code }, 'connection failed');
  }
}
