/** Makes ledgers durable, with the notifications they owe. */
import type { SenderAuthentication } from '../mail/authentication.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { Notification, SpooledBody, SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import type { Ledger } from './ledger.ts';
import type { DueMail, Notable, Notifying, Suppressed } from './ports.ts';
import { dsnRecord, suppressedRecord } from './records.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
/** A notice without an excerpt is better than silence. */
const UNREADABLE: SpooledBody = { length: 0, bytes: Buffer.alloc(0), async *chunks() {} };

export class Commits {
  readonly #due: DueMail;
  readonly #notifying: Notifying;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onEnd: () => void;
  readonly #pauses = new Set<() => void>();
  #stopped = false;
  /** Settlements under way. */
  pending = 0;

  constructor(due: DueMail, notifying: Notifying, clock: Clock, log: Log, onEnd: () => void) {
    this.#due = due;
    this.#notifying = notifying;
    this.#clock = clock;
    this.#log = log;
    this.#onEnd = onEnd;
  }

  /** Gives up on settlements that the store keeps refusing; their attempts are repeated after the next start. */
  stop(): void {
    this.#stopped = true;
    for (const end of this.#pauses) end();
  }

  /**
   * Resolves `true` once the ledger is durable. While the store refuses it, tries again with the message still claimed:
   * letting go would deliver it again and again. `false` only after `stop`. A crash before it is durable repeats the attempt.
   */
  async commit(message: SpooledMessage, ledger: Ledger, authentication?: SenderAuthentication): Promise<boolean> {
    this.pending += 1;
    try {
      const notifications = ledger.notables.length === 0 ? undefined : await this.#notify(message, ledger);
      const settlement = {
        id: message.id,
        changes: ledger.changes,
        events: ledger.events,
        ...(authentication === undefined ? undefined : { authentication }),
        ...(ledger.copies.length > 0 ? { copies: ledger.copies } : undefined),
        ...(notifications === undefined ? undefined : { notifications }),
      };
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
        try {
          await this.#due.settle(settlement);
          return true;
        } catch (error) {
          if (this.#isGone(message.id)) return true;
          this.#log.error({ err: error, spoolId: message.id }, 'outcome not durable, trying again');
        }
        if (!this.#stopped) await this.#sleep(pause);
        if (this.#stopped) return false;
      }
    } finally {
      this.pending -= 1;
      this.#onEnd();
    }
  }

  /** An operator or another task of it was faster: nothing is left to be settled. */
  #isGone(id: SpoolId): boolean {
    try {
      return this.#due.load(id) === undefined;
    } catch {
      return false;
    }
  }

  #sleep(pause: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, pause);
    this.#pauses.add(resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#pauses.delete(resolve);
    });
  }

  /** One notification for all that is owed (RFC 3464 §2.3: a report may tell of several actions). */
  async #notify(message: SpooledMessage, ledger: Ledger): Promise<Notification[] | undefined> {
    const { notables } = ledger;
    // RFC 5321 §6.1: a notice that fails must not beget another; the postmaster reads of it here.
    if (message.sender === null) {
      const recipients = notables.filter(({ action }) => action === 'failed').length;
      if (recipients > 0) this.#log.warn({ spoolId: message.id, recipients }, 'undeliverable notification dropped');
    }
    const notification = await this.#notifyOf(message, notables);
    if (notification === undefined) return undefined;
    if ('suppressed' in notification) {
      const { suppressed: reason, action } = notification;
      // all the postmaster has of it, beside the record: the sender hears nothing
      this.#log.warn({ spoolId: message.id, sender: formatReversePath(message.sender), action, reason }, 'notification not sent');
      ledger.events.push(suppressedRecord(message, notification, this.#clock.now()));
      return undefined;
    }
    const action = notification.action ?? notables[0]?.action ?? 'failed';
    ledger.events.push(dsnRecord(message, notification, action, this.#clock.now()));
    return [notification];
  }

  async #notifyOf(message: SpooledMessage, notables: readonly Notable[]): Promise<Notification | Suppressed | undefined> {
    let body = UNREADABLE;
    try {
      body = this.#due.body(message);
    } catch (error) {
      this.#log.error({ err: error, spoolId: message.id }, 'body not readable');
    }
    try {
      return await this.#notifying.notify(message, body, notables);
    } catch (error) {
      this.#log.error({ err: error, spoolId: message.id }, 'notification not composed');
      return undefined;
    }
  }
}
