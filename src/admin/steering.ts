/** What an operator does to queued mail, and what delivery must know of it at once. */
import type { RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { QueuePort, Selector, Steering } from './ports.ts';

/** The spool, which leaves held what `holder` names somebody for. */
interface SteerableSpool extends Omit<QueuePort, 'steer'> {
  steer(
    selector: Selector,
    steering: Steering & {
      readonly holder?: (message: SpooledMessage, recipient: SpooledRecipient) => string | undefined;
    },
  ): Promise<{ messages: number; recipients: number }>;
}

/** How delivery hears of it; without a relay nobody listens, and the next start finds what was done. */
export interface Steered {
  /** `queue retry` means now: also where the next hop was given up for a while. */
  retryNow(connector: string | undefined): void;
  recheckHeld(): Promise<void>;
}

export function steerable(
  spool: SteerableSpool,
  decide: (message: SpooledMessage, recipient: SpooledRecipient) => RouteDecision,
  delivery?: Steered,
): QueuePort {
  return {
    list: (selector, page) => spool.list(selector, page),
    load: (id) => spool.load(id),
    stats: () => spool.stats(),
    async steer(selector, steering) {
      const stillHeld = new Map<string, number>();
      const done = await spool.steer(
        selector,
        steering.kind !== 'release'
          ? steering
          : {
              ...steering,
              // Released by the operator, it would be held by its route again at the next look
              holder(message, recipient) {
                const decision = decide(message, recipient);
                if (decision.kind !== 'hold') return undefined;
                stillHeld.set(decision.heldBy, (stillHeld.get(decision.heldBy) ?? 0) + 1);
                return decision.heldBy;
              },
            },
      );
      if (done.recipients > 0) {
        if (steering.kind === 'retry') delivery?.retryNow(selector.connector);
        else if (steering.kind === 'reroute' || steering.kind === 'release') await delivery?.recheckHeld();
      }
      return { ...done, stillHeld: [...stillHeld].map(([by, recipients]) => ({ by, recipients })) };
    },
  };
}
