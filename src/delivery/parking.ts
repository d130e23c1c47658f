/**
 * Mail for a closed lane. It is put off without an attempt of its own and let go of, so that a hundred thousand messages
 * for a dead hop cost an id each; when the hop is back they are made due again, a batch at a time.
 */
import type { SpooledMessage, SpooledRecipient, SpoolId } from '../mail/spooled.ts';
import type { Task } from './attempts.ts';
import type { Dispatch } from './dispatch.ts';
import type { Lane } from './lanes.ts';
import { openLedger } from './ledger.ts';
import { plan } from './plan.ts';
import type { DueMail, Routing } from './ports.ts';
import { type Closed, enterClosed } from './settle.ts';

/** Parked ids looked at in one go; some may be gone or have moved. */
const LOOKS = 400;

export class Parking {
  readonly #dispatch: Dispatch;
  readonly #due: DueMail;
  readonly #routing: Routing;
  readonly #now: () => number;

  constructor(dispatch: Dispatch, due: DueMail, routing: Routing, now: () => number) {
    this.#dispatch = dispatch;
    this.#due = due;
    this.#routing = routing;
    this.#now = now;
  }

  /** Puts a task off, durably, and ends its claim. */
  async putOff(task: Task, closed: Closed): Promise<void> {
    const { lane, message, parts } = task;
    const ledger = openLedger();
    for (const part of parts) enterClosed(ledger, message, part, closed, this.#dispatch.moment());
    if (await this.#dispatch.commits.commit(message, ledger)) {
      if (ledger.retryAt !== undefined) lane.park(message.id);
      this.#dispatch.claims.finish(message.id, task.share, ledger.retryAt);
    }
  }

  /** Makes parked mail due again, as much as the lane can soon use; the rest follows as it empties. */
  async wake(lane: Lane, most: number): Promise<void> {
    if (lane.waking || this.#dispatch.stopped || lane.waiting.length > most) return;
    lane.waking = true;
    try {
      const settled: Promise<boolean>[] = [];
      let looked = 0;
      for (const id of lane.parked) {
        if (settled.length >= most || ++looked > LOOKS) break;
        lane.parked.delete(id);
        try {
          const woken = this.#makeDue(id, (message, recipient) => this.#laneOf(message, recipient) === lane);
          if (woken !== undefined) settled.push(woken);
        } catch {
          lane.park(id); // the spool cannot be read now: the lane is looked at again, and the message has a time of its own
          break;
        }
      }
      await Promise.all(settled);
    } finally {
      lane.waking = false;
    }
    this.#dispatch.pumpSoon();
  }

  /** Makes due what is parked in this lane but belongs elsewhere by now (R1). */
  wakeMoved(lane: Lane, id: SpoolId): Promise<boolean> | undefined {
    const woken = this.#makeDue(id, (message, recipient) => this.#laneOf(message, recipient) !== lane);
    if (woken !== undefined) lane.parked.delete(id);
    return woken;
  }

  #makeDue(id: SpoolId, wanted: (message: SpooledMessage, recipient: SpooledRecipient) => boolean): Promise<boolean> | undefined {
    const { claims, commits } = this.#dispatch;
    const message = this.#due.load(id);
    if (message === undefined) return undefined;
    const now = this.#now();
    const ledger = openLedger();
    for (const recipient of message.recipients) {
      if (recipient.state !== 'deferred' || recipient.nextAttemptAt <= now || claims.isBusy(id, recipient.index)) continue;
      if (wanted(message, recipient)) ledger.changes.push({ index: recipient.index, nextAttemptAt: now });
    }
    if (ledger.changes.length === 0) return undefined;
    if (claims.isShared(id)) claims.lookAgain(id, now);
    return commits.commit(message, ledger);
  }

  /** The lane a recipient would take now; `undefined` where it would take none. */
  #laneOf(message: SpooledMessage, recipient: SpooledRecipient): Lane | undefined {
    const step = plan(message, recipient, this.#routing);
    return step.kind === 'attempt' ? this.#dispatch.lanes.of(step.part.leg) : undefined;
  }
}
