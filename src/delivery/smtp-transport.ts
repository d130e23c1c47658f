/** Carries transactions by SMTP and LMTP: the next host that takes a connection, a kept one where there is one. */
import type { Attempt, Outcome, RemoteMta } from '../mail/attempt.ts';
import { reply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import type { Clock } from '../platform/clock.ts';
import { type ExchangeReport, MailExchange } from './mail-exchange.ts';
import type { NextHostFinder } from './next-hosts.ts';
import type { Pool, Session, Target } from './pool.ts';
import { type NotOpened, type SessionOpener, TLS_NOT_TRIED } from './session.ts';
import type { SmtpConnection } from './smtp-connection.ts';
import type { Transaction, TransactionRecipient } from './transaction.ts';

export class SmtpTransport {
  readonly #finder: NextHostFinder;
  readonly #pool: Pool;
  readonly #opener: SessionOpener;
  readonly #clock: Clock;

  constructor(finder: NextHostFinder, pool: Pool, opener: SessionOpener, clock: Clock) {
    this.#finder = finder;
    this.#pool = pool;
    this.#opener = opener;
    this.#clock = clock;
  }

  async deliver(connector: Connector, destination: string, transaction: Transaction): Promise<readonly Attempt[]> {
    const started = this.#clock.monotonic();
    const found = this.#finder.find(connector, destination);
    const next = found instanceof Promise ? await found : found;
    if ('outcome' in next) return this.#attempts(transaction, next.outcome, undefined, TLS_NOT_TRIED, started);
    let last: { readonly target: Target; readonly failure: NotOpened } | undefined;
    for (const target of next.targets) {
      const kept = this.#pool.take(target);
      const session = kept ?? (await this.#open(target));
      if ('reply' in session) {
        last = { target, failure: session };
        continue;
      }
      let { report, used } = await this.#transact(session, transaction);
      if (!report.answered && kept !== undefined && used.connection._destroyed) {
        // it died while it was kept, and nothing of the message has left us: once more, on a fresh connection
        const fresh = await this.#open(target);
        if ('reply' in fresh) {
          last = { target, failure: fresh };
          continue;
        }
        ({ report, used } = await this.#transact(fresh, transaction));
      }
      if (report.refusedTogether !== undefined) return this.#oneByOne(connector, destination, transaction, report, used, started);
      return this.#settled(report, used, started);
    }
    if (last === undefined) {
      const nowhere = reply(451, '4.4.4', `the connector ${connector.name} has no address to connect to`);
      return this.#attempts(
        transaction,
        { kind: 'deferred', reply: nowhere, cause: 'connection' },
        undefined,
        TLS_NOT_TRIED,
        started,
      );
    }
    const { target, failure } = last;
    const outcome: Outcome = { kind: 'deferred', reply: failure.reply, cause: 'connection' };
    return this.#attempts(transaction, outcome, target.remoteMta, failure.tls, started);
  }

  async #open(target: Target): Promise<Session | NotOpened> {
    const session = await this.#opener.open(target);
    target.downUntil = 'reply' in session ? this.#clock.monotonic() + this.#pool.limits.down : 0;
    return session;
  }

  async #transact(session: Session, transaction: Transaction): Promise<{ report: ExchangeReport; used: Session }> {
    const { connection, target } = session;
    const unsuitable = unfit(connection, target.name, transaction);
    if (unsuitable !== undefined) {
      this.#pool.keep(session);
      const outcomes = transaction.recipients.map(() => unsuitable);
      return { report: { outcomes, answered: true, refusedTogether: undefined }, used: session };
    }
    session.transactions++;
    const report = await new Promise<ExchangeReport>((done) => {
      new MailExchange(connection, target.name, transaction, done).start();
    });
    this.#pool.keep(session);
    return { report, used: session };
  }

  /**
   * C4: a 5xx at the end of DATA may mean one recipient of several. Nobody fails before each was tried alone, once.
   */
  async #oneByOne(
    connector: Connector,
    destination: string,
    transaction: Transaction,
    together: ExchangeReport,
    used: Session,
    started: number,
  ): Promise<readonly Attempt[]> {
    const attempts = this.#settled(together, used, started);
    let alone: Attempt | undefined;
    for (const [i, recipient] of transaction.recipients.entries()) {
      if (together.outcomes[i] !== together.refusedTogether) continue; // has an answer of its own, given at RCPT
      // where the way itself has failed meanwhile, the others wait as well
      alone =
        alone?.outcome.kind === 'deferred' && alone.outcome.cause === 'connection'
          ? alone
          : await this.#alone(connector, destination, transaction, recipient);
      if (alone !== undefined) attempts[i] = alone;
    }
    return attempts;
  }

  async #alone(connector: Connector, destination: string, transaction: Transaction, recipient: TransactionRecipient) {
    const [attempt] = await this.deliver(connector, destination, { ...transaction, recipients: [recipient] });
    return attempt;
  }

  #settled({ outcomes, bodySha256, corrupt }: ExchangeReport, { connection, target, tls }: Session, started: number): Attempt[] {
    const durationMs = Math.round(this.#clock.monotonic() - started);
    const { remoteMta } = target;
    const { dsn, lmtp } = connection;
    return outcomes.map((outcome) => ({
      outcome,
      remoteMta,
      tls,
      durationMs,
      dsnPassedOn: dsn && outcome.kind === 'relayed',
      finalDelivery: lmtp,
      ...(bodySha256 === undefined ? undefined : { bodySha256 }),
      ...(corrupt === undefined ? undefined : { corrupt }),
    }));
  }

  #attempts(
    transaction: Transaction,
    outcome: Outcome,
    remoteMta: RemoteMta | undefined,
    tls: TlsEvidence,
    started: number,
  ): Attempt[] {
    const durationMs = Math.round(this.#clock.monotonic() - started);
    return transaction.recipients.map(() => ({
      outcome,
      ...(remoteMta === undefined ? {} : { remoteMta }),
      tls,
      durationMs,
      dsnPassedOn: false,
      finalDelivery: false,
    }));
  }
}

const NOT_ASCII = /[^\x00-\x7f]/;

/** What this hop cannot take unchanged fails here, before MAIL: nothing is converted (coexistence.md 1.3). */
function unfit(connection: SmtpConnection, host: string, transaction: Transaction): Outcome | undefined {
  if (connection.maxSize > 0 && transaction.size > connection.maxSize) {
    return {
      kind: 'failed',
      reply: reply(552, '5.3.4', `the message has ${transaction.size} octets, ${host} takes ${connection.maxSize} at most`),
      cause: 'answer',
    };
  }
  if (!connection.smtputf8 && needsSmtputf8(transaction)) {
    return {
      kind: 'failed',
      reply: reply(553, '5.6.7', `${host} does not take internationalised mail (SMTPUTF8)`),
      cause: 'answer',
    };
  }
  if (transaction.eightBit && !connection.eightBitMime) {
    return { kind: 'failed', reply: reply(554, '5.6.3', `${host} does not take 8-bit messages (8BITMIME)`), cause: 'answer' };
  }
  return undefined;
}

function needsSmtputf8({ smtputf8, sender, recipients }: Transaction): boolean {
  if (smtputf8 || (sender !== null && NOT_ASCII.test(sender.address))) return true;
  for (const { address } of recipients) if (NOT_ASCII.test(address.address)) return true;
  return false;
}
