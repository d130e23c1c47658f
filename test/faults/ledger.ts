/**
 * One ledger for all faults: what each sender was told about each message, and what each next hop got. Lost, wrong and
 * refused-but-delivered must be nothing; duplicates are counted and held against the faults that explain them.
 */
import type { Delivery } from '../e2e/support/smtp-sink.ts';

export type Told = 'acked' | 'refused' | 'unknown';

interface Entry {
  readonly hash: string;
  readonly recipients: readonly string[];
  told: Told;
}

export interface Findings {
  readonly acked: number;
  readonly refused: number;
  readonly unknown: number;
  readonly deliveries: number;
  /** `token recipient` of acknowledged messages that never arrived. */
  readonly lost: readonly string[];
  /** Arrived with other octets than were sent, or under no known token, or for a recipient it was not for. */
  readonly wrong: readonly string[];
  readonly refusedButDelivered: readonly string[];
  /** Each arrival beyond the first of the same message and recipient, with the time of the one before it. */
  readonly duplicates: readonly { readonly key: string; readonly at: number; readonly before: number }[];
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #deliveries = new Map<string, number[]>();
  readonly #wrong: string[] = [];
  readonly #bounced = new Set<string>();
  #count = 0;

  /** A message is about to be sent; until the sender is told, nobody knows. `recipients` as they arrive at the next hop. */
  sending(token: string, hash: string, recipients: readonly string[]): void {
    this.#entries.set(token, { hash, recipients, told: 'unknown' });
  }

  told(token: string, told: Told): void {
    const entry = this.#entries.get(token);
    if (entry !== undefined) entry.told = told;
  }

  delivered(delivery: Delivery): void {
    this.#count += delivery.recipients.length;
    const entry = this.#entries.get(delivery.token);
    for (const recipient of delivery.recipients) {
      const key = `${delivery.token} ${recipient}`;
      if (entry === undefined || entry.hash !== delivery.hash || !entry.recipients.includes(recipient)) this.#wrong.push(key);
      const times = this.#deliveries.get(key);
      if (times === undefined) this.#deliveries.set(key, [delivery.at]);
      else times.push(delivery.at);
    }
  }

  /** The sender got a DSN for this message: those of its recipients whom it did not reach are accounted for. */
  bounced(token: string): void {
    this.#bounced.add(token);
  }

  /** `token recipient` of what was acknowledged, has not arrived and was not bounced. */
  missing(): string[] {
    const missing: string[] = [];
    for (const [token, entry] of this.#entries) {
      if (entry.told !== 'acked' || this.#bounced.has(token)) continue;
      for (const recipient of entry.recipients) {
        if (!this.#deliveries.has(`${token} ${recipient}`)) missing.push(`${token} ${recipient}`);
      }
    }
    return missing;
  }

  findings(): Findings {
    const entries = [...this.#entries];
    const count = (told: Told) => entries.filter(([, entry]) => entry.told === told).length;
    const arrivedAtAll = (token: string, entry: Entry) => entry.recipients.some((r) => this.#deliveries.has(`${token} ${r}`));
    return {
      acked: count('acked'),
      refused: count('refused'),
      unknown: count('unknown'),
      deliveries: this.#count,
      lost: this.missing(),
      wrong: this.#wrong,
      refusedButDelivered: entries.filter(([token, e]) => e.told === 'refused' && arrivedAtAll(token, e)).map(([token]) => token),
      duplicates: [...this.#deliveries].flatMap(([key, times]) =>
        times.slice(1).map((at, index) => ({ key, at, before: times[index] ?? 0 })),
      ),
    };
  }
}
