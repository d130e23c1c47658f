/**
 * Tells people of findings: by a mail through our own spool, and by a webhook where mail itself may be what is broken.
 * Once a minute it looks at what `status` would say. Each trouble is told once, again when it was over and came back, an
 * error that stands once a day; several of one minute go together. A crash leaves what was told before the last look: at
 * most one minute's words are told twice.
 */
import { readFileSync } from 'node:fs';
import type { Mailbox } from '../mail/address.ts';
import type { EventRecord } from '../mail/event.ts';
import type { NewMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import { replaceFile } from '../platform/files.ts';
import type { Log } from '../platform/logger.ts';
import { AlertBook, type Finding, type KnownFinding } from './alert-book.ts';
import { composeAlert } from './alert-mail.ts';
import { giveUpOldNews, nothingWaits, queue, told, type Waiting } from './alert-queue.ts';
import { callWebhook } from './alert-webhook.ts';

export interface AlertSettings {
  readonly hostname: string;
  /** Whose name the mails bear. */
  readonly from: Mailbox;
  readonly mailTo: readonly Mailbox[];
  /** Absolute path of a file with the URL. */
  readonly webhookFile?: string;
}

export interface AlertParts {
  /** What needs a person now. */
  readonly findings: () => readonly Finding[];
  /** A mail of our own into the spool; durable when resolved. */
  readonly submit: (message: NewMessage, body: Buffer, events: readonly EventRecord[]) => Promise<void>;
  readonly newId: () => SpoolId;
  /** Where it is kept what was told; absolute path. */
  readonly file: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What outlives a restart. */
interface Kept {
  readonly known: Record<string, KnownFinding>;
  readonly mail: Waiting;
  readonly webhook: Waiting;
}

export interface AlertCounts {
  readonly mail: { readonly sent: number; readonly failed: number };
  readonly webhook: { readonly sent: number; readonly failed: number };
}

/** Milliseconds. */
const EVERY = 60_000;
const HOUR = 3_600_000;
const WEBHOOK_DEADLINE = 10_000;
/** What comes beyond waits and goes together. */
const MAILS_AN_HOUR = 10;
/** Alert mails whose fate is watched. */
const MOST_MAILS = 100;
const SPOOL = 'the spool does not take it';
const MAIL_FAILED = 'alert-mail-failed';
const WEBHOOK_FAILED = 'alert-webhook-failed';

export class Alerts implements AsyncDisposable {
  #settings: AlertSettings;
  readonly #parts: AlertParts;
  readonly #book: AlertBook;
  readonly #mail: Waiting;
  readonly #webhook: Waiting;
  readonly #counts = { mail: { sent: 0, failed: 0 }, webhook: { sent: 0, failed: 0 } };
  readonly #mails = new Set<string>();
  readonly #stop = new AbortController();
  #mailed: number[] = [];
  /** By address; `SPOOL` where it did not get so far. */
  readonly #mailFailures = new Map<string, string>();
  #webhookFailure: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #kept = '';

  constructor(settings: AlertSettings, parts: AlertParts) {
    this.#settings = settings;
    this.#parts = parts;
    const { known, mail, webhook } = this.#read();
    this.#book = new AlertBook(known, parts.clock.now());
    this.#mail = mail;
    this.#webhook = webhook;
  }

  /** Looks once a minute from now on. */
  start(every = EVERY): void {
    this.#timer = setInterval(() => void this.look(), every);
    this.#timer.unref();
  }

  reconfigure(settings: AlertSettings): void {
    this.#settings = settings;
    for (const address of this.#mailFailures.keys())
      if (!settings.mailTo.some((one) => one.address === address)) this.#mailFailures.delete(address);
    if (settings.webhookFile === undefined) this.#webhookFailure = undefined;
  }

  get counts(): AlertCounts {
    return this.#counts;
  }

  /** What is wrong with telling itself: for `status`, and for the other way of telling. */
  findings(): Finding[] {
    const found: Finding[] = [];
    if (this.#mailFailures.size > 0)
      found.push({
        code: MAIL_FAILED,
        severity: 'warning',
        problem: `alert mail does not get through: ${[...this.#mailFailures].map(([to, why]) => `${to}: ${why}`).join('; ')}`,
        remedy: 'look at alerts.mail-to, and at the connector that leads there: bridgehead explain ADDRESS',
      });
    if (this.#webhookFailure !== undefined)
      found.push({
        code: WEBHOOK_FAILED,
        severity: 'warning',
        problem: `the alert webhook does not work: ${this.#webhookFailure}`,
        remedy: 'look at the URL in alerts.webhook-file, and at the way to it',
      });
    return found;
  }

  /** Every durable record: what became of our own mails. */
  onEvent(event: EventRecord): void {
    if (this.#mails.size === 0 || event['spool-id'] === undefined || !this.#mails.has(event['spool-id'])) return;
    const to = event['original-recipient'] ?? event.recipient ?? '';
    if (event.event === 'SEND') this.#mailFailures.delete(to);
    else if (event.event === 'FAIL' || event.event === 'EXPIRE') {
      // the null sender: nobody else hears of it. Told by the webhook and `status`, never by another mail
      this.#counts.mail.failed += 1;
      const { code, enhanced, text } = event.reply ?? {};
      this.#mailFailures.set(to, [code, enhanced, text].filter(Boolean).join(' ') || 'it was given up');
    }
  }

  /** Looks now, and tells. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { log, clock } = this.#parts;
    const { mailTo, webhookFile } = this.#settings;
    if (mailTo.length === 0 && webhookFile === undefined) return;
    try {
      const notices = this.#book.look(this.#parts.findings(), clock.now());
      for (const { state, key, severity, problem } of notices) log.info({ state, code: key, severity, problem }, 'alert');
      if (mailTo.length > 0)
        queue(
          this.#mail,
          notices.filter(({ key }) => key !== MAIL_FAILED),
        );
      if (webhookFile !== undefined)
        queue(
          this.#webhook,
          notices.filter(({ key }) => key !== WEBHOOK_FAILED),
        );
      await this.#tellByMail();
      await this.#tellByWebhook();
      this.#keep();
    } catch (error) {
      log.error({ err: error }, 'alerts not told');
    }
  }

  async #tellByMail(): Promise<void> {
    const { clock, log, submit, newId } = this.#parts;
    const { hostname, from, mailTo } = this.#settings;
    const { notices, omitted } = this.#mail;
    const now = clock.now();
    this.#mailed = this.#mailed.filter((time) => now - time < HOUR);
    if (notices.length === 0 || mailTo.length === 0 || this.#mailed.length >= MAILS_AN_HOUR) return;
    const utf8 = mailTo.some(({ address }) => /[^\x20-\x7e]/.test(address));
    const id = newId();
    const messageId = `<${id}@${hostname}>`;
    const body = composeAlert({ hostname, from, to: mailTo, messageId, now, notices, omitted });
    const message: NewMessage = {
      id,
      receivedAt: now,
      envelope: {
        // as a notification (RFC 5321 §4.5.5): a failed alert must not beget mail
        sender: null,
        recipients: mailTo.map((address) => ({ address, notify: ['NEVER'] })),
        // RFC 6531: such an address stands in the To field as well
        eightBit: utf8,
        smtputf8: utf8,
      },
      origin: { peer: 'external', ownHops: 0, tenantProof: false },
      messageId,
      size: body.length,
    };
    try {
      await submit(
        message,
        body,
        mailTo.map((to) => received(message, to, now)),
      );
    } catch (error) {
      this.#counts.mail.failed += 1;
      this.#mailFailures.set(SPOOL, error instanceof Error ? error.message : String(error));
      log.warn({ err: error }, 'alert mail not spooled');
      giveUpOldNews(this.#mail);
      return;
    }
    this.#counts.mail.sent += 1;
    this.#mailFailures.delete(SPOOL);
    this.#mailed.push(now);
    this.#mails.add(id);
    if (this.#mails.size > MOST_MAILS) for (const oldest of this.#mails) if (this.#mails.delete(oldest)) break;
    told(this.#mail);
  }

  async #tellByWebhook(): Promise<void> {
    const { clock, log, version } = this.#parts;
    const { hostname, webhookFile } = this.#settings;
    const { notices, omitted } = this.#webhook;
    if (notices.length === 0 || webhookFile === undefined) return;
    try {
      await callWebhook(
        webhookFile,
        { hostname, version, now: clock.now(), notices, omitted },
        WEBHOOK_DEADLINE,
        this.#stop.signal,
      );
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#counts.webhook.failed += 1;
      this.#webhookFailure = (error as Error).message;
      log.warn({ cause: this.#webhookFailure }, 'alert webhook failed');
      giveUpOldNews(this.#webhook);
      return;
    }
    this.#counts.webhook.sent += 1;
    this.#webhookFailure = undefined;
    told(this.#webhook);
  }

  #read(): Kept {
    const none = { known: {}, mail: nothingWaits(), webhook: nothingWaits() };
    try {
      this.#kept = readFileSync(this.#parts.file, 'utf8');
      return { ...none, ...(JSON.parse(this.#kept) as Partial<Kept>) };
    } catch (error) {
      // a lost memory tells everything once more, which is better than nothing
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#parts.log.warn({ err: error, file: this.#parts.file }, 'what was alerted before is not known');
      return none;
    }
  }

  /** A crash before leaves what was known a minute ago, after it what is known now. */
  #keep(): void {
    const kept = { known: this.#book.toJSON(), mail: this.#mail, webhook: this.#webhook } satisfies Kept;
    const text = `${JSON.stringify(kept)}\n`;
    if (text === this.#kept) return;
    try {
      replaceFile(this.#parts.file, text);
      this.#kept = text;
    } catch (error) {
      this.#parts.log.warn({ err: error, file: this.#parts.file }, 'what was alerted cannot be kept');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#looking;
  }
}

/** An alert has a story like other mail (`trace`). */
function received({ id, messageId, size }: NewMessage, to: Mailbox, now: number): EventRecord {
  return {
    time: new Date(now).toISOString(),
    event: 'RECEIVE',
    'spool-id': id,
    ...(messageId !== undefined && { 'message-id': messageId }),
    sender: '',
    recipient: to.address,
    reason: 'alert of the relay itself',
    size,
  };
}
