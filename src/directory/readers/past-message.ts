/** What the logs of other relays tell of a message. */
import type { Mailbox } from '../../mail/address.ts';

/** One message to one recipient. What the log does not say is absent. */
export interface PastMessage {
  /** ISO 8601 */
  readonly time?: string;
  /** `null`: the null sender of notifications. */
  readonly sender?: Mailbox | null;
  /** As the sender wrote it, where the log has that. */
  readonly recipient: Mailbox;
  /** Octets. */
  readonly size?: number;
  readonly line: number;
}

/** Counted while a log is read. */
export interface PastCounts {
  lines: number;
  messages: number;
  /** A message that was told before: a further attempt, a further server. */
  repeats: number;
  /** Understood, and no message. */
  others: number;
  notUnderstood: number;
}

export interface LogReader {
  line(line: string, number: number): void;
}

/** Messages; beyond these the oldest is forgotten. */
const MAX_KNOWN = 100_000;
/** Recipients of one message that are remembered for repeats. */
const MAX_RECIPIENTS = 10_000;

export interface KnownMessage {
  sender?: Mailbox | null;
  size?: number;
  readonly recipients: Set<string>;
}

/** Messages by their queue id, while they are on their way. */
export class KnownMessages {
  readonly #known = new Map<string, KnownMessage>();

  of(id: string): KnownMessage {
    const standing = this.#known.get(id);
    if (standing !== undefined) return standing;
    if (this.#known.size >= MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    const fresh: KnownMessage = { recipients: new Set() };
    this.#known.set(id, fresh);
    return fresh;
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  /** Whether this is the first word of a recipient. */
  isFirst(message: KnownMessage, key: string): boolean {
    if (message.recipients.has(key)) return false;
    if (message.recipients.size < MAX_RECIPIENTS) message.recipients.add(key);
    return true;
  }
}
