/** Asks a next hop whether it knows a recipient, before we accept one (C3): MAIL FROM:<>, RCPT TO, RSET. */
import { type Mailbox, mailboxKey } from '../mail/address.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';
import type { Clock } from '../platform/clock.ts';
import { readReply, sessionFailure } from './network-replies.ts';
import type { NextHostFinder } from './next-hosts.ts';
import type { Pool, Session, Target } from './pool.ts';
import type { SessionOpener } from './session.ts';
import type { ConnectionLost, Exchange, SmtpConnection } from './smtp-connection.ts';

/** `unavailable`: no answer, or one that says nothing of the recipient. */
export interface Verification {
  readonly answer: 'known' | 'unknown' | 'unavailable';
  readonly reply: SmtpReply;
}

export interface CallForwardLimits {
  /** Milliseconds. */
  readonly known: number;
  readonly unknown: number;
  /** Recipients remembered. */
  readonly remembered: number;
  /** Questions under way at once; more are answered `unavailable`, so that guessing costs our next hop nothing. */
  readonly atOnce: number;
}

export const CALL_FORWARD_LIMITS: CallForwardLimits = { known: 3_600_000, unknown: 300_000, remembered: 10_000, atOnce: 20 };

/** Nobody waits for an answer longer than this, but one that comes late is remembered. */
const LONGEST = 30_000;

const TOO_LATE: Verification = { answer: 'unavailable', reply: reply(451, '4.4.2', 'the next hop did not answer in time') };
const TOO_MANY: Verification = { answer: 'unavailable', reply: reply(451, '4.3.2', 'too many recipients are being verified') };

export class CallForward {
  readonly #finder: NextHostFinder;
  readonly #pool: Pool;
  readonly #opener: SessionOpener;
  readonly #clock: Clock;
  readonly #limits: CallForwardLimits;
  /** In order of use, the longest unused in front. */
  readonly #cache = new Map<string, { readonly verification: Verification; readonly until: number }>();
  readonly #asking = new Map<string, Promise<Verification>>();

  constructor(finder: NextHostFinder, pool: Pool, opener: SessionOpener, clock: Clock, limits: CallForwardLimits) {
    this.#finder = finder;
    this.#pool = pool;
    this.#opener = opener;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Never rejects, never takes longer than `deadline` milliseconds. Without a promise where the answer is remembered. */
  verify(connector: Connector, recipient: Mailbox, deadline: number): Verification | Promise<Verification> {
    const key = `${connector.name} ${mailboxKey(recipient)}`;
    const remembered = this.#recall(key);
    if (remembered !== undefined) return remembered;
    let asked = this.#asking.get(key);
    if (asked === undefined) {
      if (this.#asking.size >= this.#limits.atOnce) return TOO_MANY;
      asked = this.#ask(connector, recipient).then((verification) => {
        this.#asking.delete(key);
        this.#keep(key, verification);
        return verification;
      });
      this.#asking.set(key, asked);
    }
    return inTime(asked, deadline);
  }

  #recall(key: string): Verification | undefined {
    const entry = this.#cache.get(key);
    if (entry === undefined) return undefined;
    this.#cache.delete(key);
    if (entry.until <= this.#clock.monotonic()) return undefined;
    this.#cache.set(key, entry);
    return entry.verification;
  }

  #keep(key: string, verification: Verification): void {
    if (verification.answer === 'unavailable') return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined && this.#cache.size >= this.#limits.remembered) this.#cache.delete(oldest);
    this.#cache.set(key, { verification, until: this.#clock.monotonic() + this.#limits[verification.answer] });
  }

  async #ask(connector: Connector, recipient: Mailbox): Promise<Verification> {
    const next = await this.#finder.find(connector, recipient.domain);
    if ('outcome' in next) return { answer: 'unavailable', reply: next.outcome.reply };
    let last: SmtpReply = reply(451, '4.4.4', `the connector ${connector.name} has no address to connect to`);
    for (const target of next.targets) {
      // a kept connection may have died while it was kept: then a fresh one is asked
      for (let kept = true; kept; ) {
        const session = this.#pool.take(target) ?? (await this.#open(target));
        kept = 'connection' in session && session.idleSince > 0;
        if ('reply' in session) {
          last = session.reply;
          continue;
        }
        const question = await this.#question(session, recipient);
        if ('answer' in question) return question;
        last = question.reply;
      }
    }
    return { answer: 'unavailable', reply: last };
  }

  async #open(target: Target) {
    const session = await this.#opener.open(target);
    target.downUntil = 'reply' in session ? this.#clock.monotonic() + this.#pool.limits.down : 0;
    return session;
  }

  async #question(session: Session, recipient: Mailbox): Promise<Verification | { readonly reply: SmtpReply }> {
    session.transactions++;
    const { connection, target } = session;
    const result = await new Promise<Verification | { readonly reply: SmtpReply }>((done) => {
      new RecipientQuestion(connection, target.name, recipient, done).start();
    });
    this.#pool.keep(session);
    return result;
  }
}

/** The exchange; without an `answer` the connection was lost. */
class RecipientQuestion implements Exchange {
  readonly #connection: SmtpConnection;
  readonly #host: string;
  readonly #done: (result: Verification | { readonly reply: SmtpReply }) => void;
  readonly #commands: string[];
  #verification: Verification | undefined;

  constructor(
    connection: SmtpConnection,
    host: string,
    recipient: Mailbox,
    done: (result: Verification | { readonly reply: SmtpReply }) => void,
  ) {
    this.#connection = connection;
    this.#host = host;
    this.#done = done;
    this.#commands = ['MAIL FROM:<>\r\n', `RCPT TO:<${recipient.address}>\r\n`, 'RSET\r\n'];
    if (connection.needsReset) this.#commands.unshift('RSET\r\n');
  }

  start(): void {
    this.#connection.begin(this);
    this.#say();
  }

  /** The whole group at once where the peer takes it (RFC 2920), else the next command. */
  #say(): void {
    const connection = this.#connection;
    connection.deadline = connection.now() + Math.min(connection.deadlines.rcpt, LONGEST);
    connection.command(connection.pipelining ? this.#commands.join('') : (this.#commands[0] ?? ''), 'utf8');
  }

  onReply(wire: string): void {
    const [asked] = this.#commands;
    this.#commands.shift();
    const answer = readReply(wire);
    if (asked?.startsWith('MAIL') && answer.code >= 300) this.#verification = { answer: 'unavailable', reply: answer };
    if (asked?.startsWith('RCPT')) this.#verification ??= verificationOf(answer);
    if (answer.code === 421) {
      this.#connection.abort({ code: 'ECLOSED', message: 'service closing', reply: wire });
    } else if (this.#commands.length === 0) {
      this.#connection.needsReset = answer.code >= 300;
      this.#connection.end();
      this.#finish({ code: 'EPROTOCOL', message: 'no answer to RCPT' });
    } else if (!this.#connection.pipelining) {
      this.#say();
    }
  }

  onLost(lost: ConnectionLost): void {
    this.#finish(lost);
  }

  #finish(lost: ConnectionLost): void {
    this.#done(this.#verification ?? { reply: sessionFailure(this.#host, 'RCPT TO', lost) });
  }
}

/** What an answer to RCPT says of the recipient; an answer of policy or of the sender says nothing (RFC 3463 §3.2). */
export function verificationOf(answer: SmtpReply): Verification {
  const { code, enhanced } = answer;
  if (code < 300) return { answer: 'known', reply: answer };
  if (code < 500) return { answer: 'unavailable', reply: answer };
  const [, subject, detail] = enhanced?.split('.') ?? [];
  if (subject === '1') return { answer: Number(detail) >= 7 && detail !== '10' ? 'unavailable' : 'unknown', reply: answer }; // 5.1.7, 5.1.8: the sender
  if (subject === '2') return { answer: detail === '1' ? 'unknown' : 'known', reply: answer }; // disabled; full, too big
  if (enhanced === '5.4.1') return { answer: 'unknown', reply: answer }; // Exchange Online's edge: access denied
  if (subject === undefined) return { answer: [550, 551, 553].includes(code) ? 'unknown' : 'unavailable', reply: answer };
  return { answer: 'unavailable', reply: answer };
}

function inTime(asked: Promise<Verification>, deadline: number): Promise<Verification> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(TOO_LATE), deadline);
    void asked.then((verification) => {
      clearTimeout(timer);
      resolve(verification);
    });
  });
}
