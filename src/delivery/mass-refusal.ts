/**
 * R18, C5: whether a lane refuses one sender or one address, who fail alone, or everybody, which stops the connector.
 * Only what the verdict needs is kept, so that the memory of a lane is bounded, and nothing of it on disk: a connector that
 * was stopped stays stopped, mail that waits is tried again after a restart and fills the tally anew, and how often each
 * recipient was refused is spooled with him. The worst is that the first one or two whom a restart finds have two tries less.
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

/** Milliseconds; longer than the longest step of the schedule, so that mail of a quiet night is still company. */
const WINDOW = 6 * 3_600_000;

/** Each with when it was refused last, milliseconds since the epoch. */
interface Tally {
  readonly messages: Map<string, number>;
  readonly senders: Map<string, number>;
  readonly recipients: Map<string, number>;
  /** When all were refused, where nobody was let through since. */
  everybody: number | undefined;
}

/** Whether this answer, told to everybody, would stop the connector. */
export function isStop({ outcome }: Attempt, { side, nextHop }: Connector): boolean {
  if (outcome.kind === 'relayed' || outcome.reply.code < 500) return false;
  const refusal = { reply: outcome.reply, side, byMx: nextHop.kind === 'mx', stage: outcome.cause, inGrace: false };
  return kindOf(refusal) === 'stop';
}

/** What one lane refused in the last hours, since it last let something through. */
export class MassRefusal {
  /** By enhanced code: at most as many as the table knows. */
  readonly #tallies = new Map<string, Tally>();

  /** Takes note of a transaction. Answers the refusal where it is everybody's now. */
  note(message: SpooledMessage, parts: readonly Part[], attempts: readonly Attempt[], now: number): SmtpReply | undefined {
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
      const tally = this.#tallyOf(reply, now);
      add(tally.messages, message.id, MESSAGES, now);
      add(tally.senders, formatReversePath(message.sender), SENDERS, now);
      add(tally.recipients, part.recipient.address.address, RECIPIENTS, now);
      if (tally.messages.size < MESSAGES || tally.senders.size < SENDERS || tally.recipients.size < RECIPIENTS) continue;
      this.#tallies.set(reply.enhanced ?? '', emptyTally(now));
      everybody = reply;
    }
    return everybody;
  }

  /** Whether a recipient refused with a stop code fails alone now. */
  failsAlone(reply: SmtpReply, { policyRefusals = 0 }: SpooledRecipient, now: number): boolean {
    const tally = this.#tallies.has(reply.enhanced ?? '') ? this.#tallyOf(reply, now) : undefined;
    if (tally?.everybody !== undefined) return false;
    const inCompany = tally !== undefined && tally.senders.size > 1 && tally.recipients.size > 1;
    return policyRefusals >= (inCompany ? PATIENCE_IN_COMPANY : PATIENCE_ALONE);
  }

  /** Without what is older than the window. */
  #tallyOf(reply: SmtpReply, now: number): Tally {
    const enhanced = reply.enhanced ?? '';
    let tally = this.#tallies.get(enhanced);
    if (tally === undefined) {
      tally = emptyTally(undefined);
      this.#tallies.set(enhanced, tally);
    }
    const oldest = now - WINDOW;
    for (const noted of [tally.messages, tally.senders, tally.recipients])
      for (const [one, at] of noted) if (at <= oldest) noted.delete(one);
    if (tally.everybody !== undefined && tally.everybody <= oldest) tally.everybody = undefined;
    return tally;
  }
}

const emptyTally = (everybody: number | undefined): Tally => ({
  messages: new Map(),
  senders: new Map(),
  recipients: new Map(),
  everybody,
});

function add(noted: Map<string, number>, one: string, most: number, now: number): void {
  if (noted.size < most || noted.has(one)) noted.set(one, now);
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
