/** From a task to a transaction, and from its attempts to a ledger. Pure. */
import type { Attempt } from '../mail/attempt.ts';
import { reply } from '../mail/reply.ts';
import type { SpooledBody, SpooledMessage, SpooledRecipient } from '../mail/spooled.ts';
import { graced } from './grace.ts';
import type { Lane } from './lanes.ts';
import { type Ledger, type Moment, openLedger } from './ledger.ts';
import { isStop, type MassRefusal } from './mass-refusal.ts';
import type { Part } from './plan.ts';
import type { Grace, Hands } from './ports.ts';
import { enterAttempt } from './settle.ts';
import type { Transaction } from './transaction.ts';

/** Recipients of one message for one lane: one transaction. */
export interface Task {
  readonly lane: Lane;
  readonly message: SpooledMessage;
  readonly parts: readonly Part[];
  /** The recipients as claims know them; `undefined` where the message has no other task. */
  readonly share: readonly number[] | undefined;
  /** The side in whose lane it waited, before its route perhaps changed. */
  readonly waitedFor: string | undefined;
}

/** An attempt that a fault of ours kept from happening. */
const BROKEN: Attempt = {
  outcome: { kind: 'deferred', reply: reply(451, '4.3.0', 'Local error in processing'), cause: 'answer' },
  tls: { result: 'not-tried' },
  durationMs: 0,
  dsnPassedOn: false,
  finalDelivery: false,
};

export const indexesOf = (parts: readonly Part[]): number[] => parts.map((part) => part.recipient.index);

/** `longer` is what the body has more than the spooled one, octets. */
export function transactionOf(
  message: SpooledMessage,
  parts: readonly Part[],
  body: SpooledBody,
  longer: number,
  mayEnd: Transaction['mayEnd'],
): Transaction {
  const { id, sender, ret, envid, eightBit, smtputf8, size, wireSize, bodySha256 } = message;
  return {
    spoolId: id,
    sender,
    recipients: parts.map(({ recipient, leg }) => ({
      address: leg.address,
      // Exchange keeps the original in ORCPT, and so do we (coexistence.md 1.3).
      orcpt: recipient.orcpt ?? `rfc822;${recipient.address.address}`,
      ...(recipient.notify === undefined ? undefined : { notify: recipient.notify }),
    })),
    eightBit,
    smtputf8,
    size: size + longer,
    body,
    stuffed: wireSize !== size,
    ...(mayEnd === undefined ? undefined : { mayEnd }),
    ...(bodySha256 === undefined ? undefined : { bodySha256 }),
    ...(ret === undefined ? undefined : { ret }),
    ...(envid === undefined ? undefined : { envid }),
  };
}

/** Enters each attempt in one ledger. */
export function enterAttempts(task: Task, attempts: readonly Attempt[], moment: () => Moment, grace?: Grace): Ledger {
  const ledger = openLedger();
  task.parts.forEach((part, i) => {
    const at = moment();
    const attempt = attempts[i] ?? BROKEN;
    const put =
      attempt.outcome.kind === 'failed'
        ? (graced(part, attempt, at.now, grace) ?? doubted(part, attempt, task.lane.refusals, at.now))
        : undefined;
    enterAttempt(ledger, task.message, put?.part ?? part, put?.attempt ?? attempt, at, task.waitedFor);
  });
  return ledger;
}

/** A refusal that may be everybody's (R18), as the deferral that it counts as until that shows; `undefined` where it stands. */
function doubted(
  part: Part,
  attempt: Attempt,
  refusals: MassRefusal,
  now: number,
): { readonly part: Part; readonly attempt: Attempt } | undefined {
  const { reply } = attempt.outcome;
  if (!isStop(attempt, part.leg.connector) || refusals.failsAlone(reply, part.recipient, now)) return undefined;
  const reason = `${part.reason}; put off until it shows whether everybody is refused (R18)`;
  return { part: { ...part, reason }, attempt: { ...attempt, outcome: { kind: 'deferred', reply, cause: 'answer' } } };
}

/** What is written down of an attempt: of several recipients in one transaction the first. */
export function gripOn({ id }: SpooledMessage, recipient: SpooledRecipient | undefined): Parameters<Hands['begin']>[0] {
  return { id, index: recipient?.index ?? 0, tries: (recipient?.attempts ?? 0) + (recipient?.deferrals ?? 0) };
}
