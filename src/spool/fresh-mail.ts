/**
 * What memory has of spooled messages: fresh ones with their bodies, so that the first delivery reads nothing, and those
 * with a change under way, so that everybody sees it. Everything else is read from the store.
 */
import type { SpooledBody, SpooledMessage, SpoolId } from '../mail/spooled.ts';

export interface FreshMessage {
  /** `undefined`: the last recipient is done, the removal is under way. */
  message: SpooledMessage | undefined;
  body: SpooledBody | undefined;
  /** Changes that are not durable yet. */
  pending: number;
}

export class FreshMail {
  readonly #messages = new Map<SpoolId, FreshMessage>();
  readonly #limit: number;
  /** Octets of bodies. */
  #octets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(id: SpoolId): FreshMessage | undefined {
    return this.#messages.get(id);
  }

  /**
   * Keeps a message that was just accepted. Where there is no room the oldest go, and are read again when it is their
   * turn: what waits for a dead next hop must not keep the next message for a live one from memory.
   */
  offer(message: SpooledMessage, body: SpooledBody | undefined): void {
    if (body === undefined || body.length > this.#limit) return;
    this.#octets += body.length;
    if (this.#octets > this.#limit) {
      for (const [id, oldest] of this.#messages) {
        this.#octets -= oldest.body?.length ?? 0;
        oldest.body = undefined;
        if (oldest.pending === 0) this.#messages.delete(id);
        if (this.#octets <= this.#limit) break;
      }
    }
    this.#messages.set(message.id, { message, body, pending: 0 });
  }

  /** Notes a change that is on its way to disk. Its end takes one from `pending`. */
  change(id: SpoolId, message: SpooledMessage | undefined): FreshMessage {
    let fresh = this.#messages.get(id);
    if (fresh === undefined) {
      fresh = { message, body: undefined, pending: 1 };
      this.#messages.set(id, fresh);
    } else {
      fresh.message = message;
      fresh.pending += 1;
    }
    return fresh;
  }

  /** Lets a message go unless a change of it is under way. */
  forget(id: SpoolId): void {
    const fresh = this.#messages.get(id);
    if (fresh === undefined || fresh.pending > 0) return;
    this.#messages.delete(id);
    if (fresh.body !== undefined) this.#octets -= fresh.body.length;
  }
}
