/**
 * The ledger recipient by recipient: what each next hop got and whether it said so (confirmed), what each sender was told
 * in a DSN, what still waits. Each recipient of an acknowledged message ends in exactly one of relayed, failed or queued;
 * a second copy is explained by a message that a next hop took without a word, and by nothing else.
 */
import { Ledger, type Told } from './ledger.ts';

export type End = 'relayed' | 'failed' | 'queued';

interface Fate {
  confirmed: number;
  /** Whole messages that a next hop kept without saying so (RFC 1047). */
  silent: number;
  /** RCPT commands, also refused ones. */
  offered: number;
  /** Offered once more although it was confirmed. */
  late: number;
  failedAt: number | undefined;
  refusedAt: number | undefined;
  delayed: number;
}

export interface Message {
  readonly token: string;
  readonly recipients: readonly string[];
  told: Told;
}

export class Fates {
  readonly ledger = new Ledger();
  readonly #messages = new Map<string, Message>();
  readonly #fates = new Map<string, Fate>();

  sending(token: string, hash: string, recipients: readonly string[]): void {
    this.ledger.sending(token, hash, recipients);
    this.#messages.set(token, { token, recipients, told: 'unknown' });
  }

  told(token: string, told: Told): void {
    this.ledger.told(token, told);
    const message = this.#messages.get(token);
    if (message !== undefined) message.told = told;
  }

  offered(token: string, recipient: string): void {
    const fate = this.of(token, recipient);
    fate.offered += 1;
    if (fate.confirmed > 0) fate.late += 1;
  }

  /** A next hop has the whole message; `confirmed` where it answered 2xx. */
  arrived(token: string, hash: string, recipients: readonly string[], confirmed: boolean, at = Date.now()): void {
    this.ledger.delivered({ at, token, hash, recipients, trace: '' });
    for (const recipient of recipients) {
      const fate = this.of(token, recipient);
      if (confirmed) fate.confirmed += 1;
      else fate.silent += 1;
    }
  }

  /** A next hop said a 5xx to this recipient. */
  refused(token: string, recipient: string): void {
    this.of(token, recipient).refusedAt ??= Date.now();
  }

  /** A DSN about this recipient arrived. */
  notice(token: string, recipient: string, action: string): void {
    const fate = this.of(token, recipient);
    if (action === 'failed') fate.failedAt ??= Date.now();
    else if (action === 'delayed') fate.delayed += 1;
  }

  of(token: string, recipient: string): Fate {
    const key = `${token} ${recipient}`;
    let fate = this.#fates.get(key);
    if (fate === undefined) {
      fate = { confirmed: 0, silent: 0, offered: 0, late: 0, failedAt: undefined, refusedAt: undefined, delayed: 0 };
      this.#fates.set(key, fate);
    }
    return fate;
  }

  /** How it ended for one recipient: what has neither arrived nor failed is queued, or lost. */
  endOf(token: string, recipient: string): End {
    const { confirmed, failedAt } = this.of(token, recipient);
    return confirmed > 0 ? 'relayed' : failedAt === undefined ? 'queued' : 'failed';
  }

  acked(): Message[] {
    return [...this.#messages.values()].filter(({ told }) => told === 'acked');
  }

  /** Copies beyond the first, per recipient. */
  copies(token: string, recipient: string): number {
    const { confirmed, silent } = this.of(token, recipient);
    return Math.max(0, confirmed + silent - 1);
  }

  /** Every promise that does not hold; `queued` are the ids `token recipient` that the relay still has. */
  broken(queued: ReadonlySet<string>): string[] {
    const { wrong, refusedButDelivered } = this.ledger.findings();
    const broken = wrong.map((key) => `wrong octets or recipient: ${key}`);
    broken.push(...refusedButDelivered.map((token) => `refused, and delivered: ${token}`));
    for (const { token, recipients } of this.acked()) {
      for (const recipient of recipients) {
        const key = `${token} ${recipient}`;
        const { confirmed, silent, late, failedAt } = this.of(token, recipient);
        if (confirmed === 0 && failedAt === undefined && !queued.has(key)) broken.push(`lost: ${key}`);
        if (confirmed > 1) broken.push(`delivered and confirmed ${confirmed} times: ${key}`);
        if (late > 0) broken.push(`offered again though confirmed: ${key}`);
        if (confirmed > 0 && failedAt !== undefined) broken.push(`delivered, and reported as failed: ${key}`);
        if (queued.has(key) && confirmed > 0) broken.push(`delivered, and still queued: ${key}`);
        if (this.copies(token, recipient) > silent) broken.push(`more copies than lost answers: ${key}`);
      }
    }
    return broken;
  }
}
