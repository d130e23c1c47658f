/** What is said in one SMTP session: the commands, in the order in which they may come (RFC 5321 §4.1.4). */
import { formatReply } from '../mail/reply.ts';
import { TOO_BIG } from './accept.ts';
import { parseMail, parseRcpt, type RcptCommand, type RefusedCommand } from './command.ts';
import { withName } from './entrance.ts';
import { MailTransaction } from './mail-transaction.ts';
import type { Admission } from './ports.ts';
import * as replies from './replies.ts';
import type { LeanServer } from './smtp-overrides.ts';
import { admit, isUnknown, type Transaction } from './transaction.ts';
import { parseXclient, withXclient } from './xclient.ts';

const HTTP = /^(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|TRACE|CONNECT|PATCH) .*HTTP\/\d/i;

export class Session extends MailTransaction {
  onLine(text: string): void {
    const { house } = this;
    this.heard = house.now;
    if (this.protocol !== undefined) this.protocol.received(`${text}\r\n`);
    if (!this.greeted && !this.tooEarly()) return;
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
      case 'BDAT':
        this.bdat(line);
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
      case 'XCLIENT':
        this.xclient(line);
        break;
      case 'PROXY':
      case '\0': // the third line of a header of version 2
        // a balancer that we do not know as one: its clients would all be taken for the balancer
        this.house.strayHeader(this.from.address);
        this.visitor.lie();
        this.sayGoodbye(replies.NOT_A_PROXY);
        break;
      case 'AUTH':
      case 'EXPN':
      case 'HELP':
      case 'TURN':
      case 'ETRN':
        this.error(replies.NOT_IMPLEMENTED);
        break;
      default:
        // a web page can make a browser speak to us: the lines of its request must not be tried one by one
        if (HTTP.test(line)) {
          this.visitor.lie();
          this.sayGoodbye(replies.NOT_HTTP);
        } else {
          this.error(replies.UNKNOWN_COMMAND);
        }
    }
  }

  onLineTooLong(): void {
    this.heard = this.house.now;
    if (!this.greeted && !this.tooEarly()) return;
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
    this.client = withName(this.client, name);
    const { settings } = this.house;
    const offer = this.secure ? settings.ehloInTls : settings.ehloInClear;
    this.write(esmtp ? (this.mayNameClient ? withXclient(offer) : offer) : settings.helo);
  }

  private xclient(line: string): void {
    if (!this.mayNameClient) return this.error(replies.UNKNOWN_COMMAND);
    if (this.transaction !== undefined) return this.error(replies.XCLIENT_IN_MAIL);
    const facts = parseXclient(line);
    if (facts === undefined) return this.error(replies.XCLIENT_SYNTAX);
    this.nameClient(facts);
    // with HELO the name is said already; the EHLO that may follow counts instead
    this.helo = facts.helo ?? undefined;
    this.esmtp = this.helo !== undefined && facts.esmtp === true;
    this.write(this.house.settings.greeting);
    return undefined;
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
    const notHere = (this._server as LeanServer).submission?.atMail(this.client, this.secure);
    if (notHere !== undefined) return this.refuse({ reply: notHere });
    const tooMany = this.visitor.message(this) ?? this.visitor.session(house.now - this.since, this);
    if (tooMany !== undefined) return this.refuseAll(tooMany);
    const command = parseMail(line);
    if ('refusal' in command) return this.refuse({ sender: command.address, reply: command.refusal });
    const { sender, size } = command;
    if (size !== undefined && size > house.settings.messageSize) return this.refuse({ sender, size, reply: TOO_BIG });
    const refusal = house.spooling.refusal();
    if (refusal !== undefined) return this.refuse({ sender, reply: refusal });
    this.begin(command);
    this.write(replies.SENDER_OK);
  }

  private rcpt(line: string): void {
    const { house, transaction, client } = this;
    if (transaction === undefined) return this.error(replies.MAIL_FIRST);
    if (this.comesInChunks) return this.error(replies.CHUNKS_GO_ON);
    const tooMany = this.visitor.recipient(this);
    if (tooMany !== undefined) return this.refuseAll(tooMany);
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
      if (isUnknown(admission.reply)) this.visitor.unknownRecipient();
      return this.refuse({ sender: transaction.sender, recipient: command.recipient.address, reply: admission.reply, admission });
    }
    admit(transaction, command, admission);
    this.write(replies.oneLine(formatReply(admission.reply)));
  }
}
