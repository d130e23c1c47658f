/** Mail whose sender is being found out about before its first route: so many at a time, and nobody else waits for them. */
import type { SenderAuthentication } from '../mail/authentication.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Log } from '../platform/logger.ts';
import { Queue } from './lanes.ts';
import type { Authentication, DueMail } from './ports.ts';

/** Messages at a time: most of it is waiting for DNS. */
const AT_A_TIME = 100;

type Share = readonly number[] | undefined;

export interface SenderCheckDeps {
  readonly authentication: Authentication;
  readonly due: Pick<DueMail, 'body'>;
  readonly log: Log;
  readonly isStopped: () => boolean;
  /** Makes the answer durable; `false` where it never will be. */
  readonly keep: (message: SpooledMessage, found: SenderAuthentication) => Promise<boolean>;
  /** Takes the message up again, with what was found or without need of it. */
  readonly takeUp: (id: SpoolId, share: Share) => void;
  /** Keeps it claimed for a while: a bug or a broken disk was in the way. */
  readonly stall: (id: SpoolId, share: Share) => void;
}

export class SenderChecks {
  readonly #deps: SenderCheckDeps;
  /** Ids alone, as lanes keep them: a flood while DNS is down costs a few megabytes. */
  readonly #waiting = new Queue<{ readonly id: SpoolId; readonly share: Share }>();
  #underWay = 0;

  constructor(deps: SenderCheckDeps) {
    this.#deps = deps;
  }

  /**
   * Begins where the message needs it: finds out who sent it, keeps the answer with it, and has it taken up again. A crash
   * before that is durable asks anew. The message stays claimed, and no lane knows of it yet.
   */
  begins(message: SpooledMessage, share: Share): boolean {
    if (!this.#deps.authentication.needs(message)) return false;
    if (this.#underWay < AT_A_TIME) void this.#check(message, share);
    else this.#waiting.push({ id: message.id, share });
    return true;
  }

  async #check(message: SpooledMessage, share: Share): Promise<void> {
    const { authentication, due, log, isStopped, keep, takeUp, stall } = this.#deps;
    this.#underWay += 1;
    try {
      const found = await authentication.authenticate(message, due.body(message));
      if (!isStopped() && (await keep(message, found))) takeUp(message.id, share);
    } catch (error) {
      log.error({ err: error, spoolId: message.id }, 'sender not authenticated');
      stall(message.id, share);
    }
    this.#underWay -= 1;
    // those that need it no more end at once, so more than one may take the place
    while (!isStopped() && this.#underWay < AT_A_TIME) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      takeUp(next.id, next.share);
    }
  }
}
