/**
 * R18, C5: whether a lane refuses one sender or one address, who fail alone, or everybody, which stops the connector.
 * Only what the verdict needs is kept, so that the memory of a lane is bounded.
 */
import type { Attempt } from '../mail/attempt.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';
import type { SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import type { Log } from '../platform/logger.ts';
import type { Lane } from './lanes.ts';
import { kindOf } from './outcome-table.ts';
import type { Part } from './plan.ts';
import type { Control } from './ports.ts';

/** Refused with one code, and nobody let through: from here on it is not about them. */
const MESSAGES = 10;
const SENDERS = 5;
const RECIPIENTS = 5;
/** Put off so often before the refusal is believed: where it is the only one, and where there are others. */
const PATIENCE_ALONE = 2;
const PATIENCE_IN_COMPANY = 4;

interface Tally {
  readonly messages: Set<string>;
  readonly senders: Set<string>;
  readonly recipients: Set<string>;
  /** All were refused before, and nobody was let through since. */
  everybody: boolean;
}

/** Whether this answer, told to everybody, would stop the connector. */
export function isStop({ outcome }: Attempt, { side, nextHop }: Connector): boolean {
  if (outcome.kind === 'relayed' || outcome.reply.code < 500) return false;
  const refusal = { reply: outcome.reply, side, byMx: nextHop.kind === 'mx', stage: outcome.cause, inGrace: false };
  return kindOf(refusal) === 'stop';
}

/** What one lane refused since it last let something through. */
export class MassRefusal {
  /** By enhanced code: at most as many as the table knows. */
  readonly #tallies = new Map<string, Tally>();

  /** Takes note of a transaction. Answers the refusal where it is everybody's now. */
  note(message: SpooledMessage, parts: readonly Part[], attempts: readonly Attempt[]): SmtpReply | undefined {
    if (attempts.some(({ outcome }) => outcome.kind === 'relayed')) {
      this.#tallies.clear();
      return undefined;
    }
    let everybody: SmtpReply | undefined;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      const attempt = attempts[i];
      if (part === undefined || attempt === undefined || !isStop(attempt, part.leg.connector)) continue;
      const { reply } = attempt.outcome;
      const tally = this.#tallyOf(reply);
      add(tally.messages, message.id, MESSAGES);
      add(tally.senders, formatReversePath(message.sender), SENDERS);
      add(tally.recipients, part.recipient.address.address, RECIPIENTS);
      if (tally.messages.size < MESSAGES || tally.senders.size < SENDERS || tally.recipients.size < RECIPIENTS) continue;
      this.#tallies.set(reply.enhanced ?? '', emptyTally(true));
      everybody = reply;
    }
    return everybody;
  }

  /** Whether a recipient refused with a stop code fails alone now. */
  failsAlone(reply: SmtpReply, { policyRefusals = 0 }: SpooledRecipient): boolean {
    const tally = this.#tallies.get(reply.enhanced ?? '');
    if (tally?.everybody === true) return false;
    const inCompany = tally !== undefined && tally.senders.size > 1 && tally.recipients.size > 1;
    return policyRefusals >= (inCompany ? PATIENCE_IN_COMPANY : PATIENCE_ALONE);
  }

  #tallyOf(reply: SmtpReply): Tally {
    const enhanced = reply.enhanced ?? '';
    let tally = this.#tallies.get(enhanced);
    if (tally === undefined) {
      tally = emptyTally(false);
      this.#tallies.set(enhanced, tally);
    }
    return tally;
  }
}

const emptyTally = (everybody: boolean): Tally => ({
  messages: new Set(),
  senders: new Set(),
  recipients: new Set(),
  everybody,
});

function add(set: Set<string>, one: string, most: number): void {
  if (set.size < most) set.add(one);
}

/** The hop refuses everybody: its mail waits for an operator (R18). */
export async function stopConnector(
  lane: Lane,
  { code, enhanced = '' }: { readonly code: number; readonly enhanced?: string },
  { control, log }: { readonly control: Control; readonly log: Log },
): Promise<void> {
  const { name } = lane.connector;
  log.error({ connector: name, reply: `${code} ${enhanced}` }, 'next hop refuses everybody, connector stopped');
  lane.stopping = true;
  try {
    await control.pause?.(name, `refusals: ${code} ${enhanced}`);
  } catch (error) {
    log.error({ err: error, connector: name }, 'connector not paused');
  } finally {
    lane.stopping = false;
  }
}
