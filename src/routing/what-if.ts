/** What would be if another directory were active: one recipient explained, and the queued mail that would move. */
import { setImmediate } from 'node:timers/promises';
import { formatReply } from '../mail/reply.ts';
import type { RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import { type AdmissionDeps, explainRoute } from './admission.ts';
import type { ActiveDirectory } from './ports.ts';

/** `explain --directory-version N` and `--with FILE`: as `explainRoute`, by the directory that is given. */
export function explainWith(
  deps: AdmissionDeps,
  directory: ActiveDirectory,
  query: Parameters<typeof explainRoute>[1],
): RouteDecision | Promise<RouteDecision> {
  return explainRoute({ ...deps, directory: { active: () => directory } }, query);
}

/** One queued recipient whose mail would go elsewhere. */
export interface QueuedMove {
  readonly id: string;
  readonly recipient: string;
  /** `cloud by cloud to user@tenant`, `hold`, `550 5.1.1 ...` */
  readonly from: string;
  readonly to: string;
}

export interface QueuedMoves {
  /** Recipients that are still to be delivered. */
  readonly recipients: number;
  readonly moves: number;
  /** By route: `on-premises → cloud`. */
  readonly changes: Readonly<Record<string, number>>;
  /** The first of them. */
  readonly list: readonly QueuedMove[];
}

type Decide = (message: SpooledMessage, recipient: SpooledRecipient) => RouteDecision;

const IN_ONE_GO = 1000;

/** Which queued mail would move. `decideNow` and `decideThen` are `routeSpooled` with the one and the other directory. */
export async function queuedMoves(
  messages: Iterable<SpooledMessage> | AsyncIterable<SpooledMessage>,
  decideNow: Decide,
  decideThen: Decide,
  most = 100,
): Promise<QueuedMoves> {
  const changes: Record<string, number> = {};
  const list: QueuedMove[] = [];
  let recipients = 0;
  let moves = 0;
  let sincePause = 0;
  for await (const message of messages) {
    for (const recipient of message.recipients) {
      if (recipient.state === 'relayed' || recipient.state === 'failed' || recipient.state === 'expired') continue;
      recipients++;
      const before = decideNow(message, recipient);
      const after = decideThen(message, recipient);
      const from = wayOf(before);
      const to = wayOf(after);
      if (from === to) continue;
      moves++;
      const change = `${before.route} → ${after.route}`;
      changes[change] = (changes[change] ?? 0) + 1;
      if (list.length < most) list.push({ id: message.id, recipient: recipient.address.address, from, to });
    }
    if (++sincePause % IN_ONE_GO === 0) await setImmediate();
  }
  return { recipients, moves, changes, list };
}

/** All that matters of a decision: a reason may change and the way stay. */
function wayOf(decision: RouteDecision): string {
  switch (decision.kind) {
    case 'deliver': {
      const legs = [decision.primary, ...decision.copies];
      return `${decision.route} ${legs.map(({ connector, address }) => `by ${connector.name} to ${address.address}`).join(', copy ')}`;
    }
    case 'hold':
      return 'hold';
    case 'reject':
      return formatReply(decision.reply);
  }
}
