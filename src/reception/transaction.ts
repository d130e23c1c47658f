/** A mail transaction before its message: the sender, and who was admitted (RFC 5321 §3.3). */
import type { Recipient, ReversePath } from '../mail/envelope.ts';
import type { SmtpReply } from '../mail/reply.ts';
import type { RcptCommand } from './command.ts';
import type { Admission } from './ports.ts';
import type { Admitted } from './records.ts';

/** What MAIL FROM said, and who was admitted by RCPT TO. */
export interface Transaction {
  readonly sender: ReversePath;
  readonly size?: number;
  readonly eightBit: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envid?: string;
  readonly admitted: Admitted[];
  /** Keys of what was admitted, made when there is a second recipient. */
  keys?: Set<string>;
}

/** Adds a recipient; once more the same mailbox with the same parameters is one delivery all the same. */
export function admit(transaction: Transaction, command: RcptCommand, admission: Admission): void {
  const { recipient, notify, orcpt } = command;
  const entry: Recipient = {
    address: recipient,
    ...(notify === undefined ? undefined : { notify }),
    ...(orcpt === undefined ? undefined : { orcpt }),
  };
  if (!isRepeated(transaction, entry)) transaction.admitted.push({ recipient: entry, admission });
}

/** The answer to RCPT says that there is no such recipient, in our words or in Exchange's (RFC 3463 §3.2). */
export function isUnknown({ enhanced }: SmtpReply): boolean {
  return enhanced === '5.1.1' || enhanced === '5.1.10';
}

/** The largest message that the way of any admitted recipient takes, octets; `most` where a way tells none (C14). */
export function sizeLimit({ admitted }: Transaction, most: number): number {
  let limit = 0;
  for (const { admission } of admitted) limit = Math.max(limit, admission.messageSize ?? most);
  return Math.min(limit, most);
}

function isRepeated(transaction: Transaction, entry: Recipient): boolean {
  const { admitted } = transaction;
  const [first] = admitted;
  if (first === undefined) return false;
  transaction.keys ??= new Set([keyOf(first.recipient)]);
  const key = keyOf(entry);
  if (transaction.keys.has(key)) return true;
  transaction.keys.add(key);
  return false;
}

function keyOf(entry: Recipient): string {
  return `${entry.address.address} ${entry.notify?.join() ?? ''} ${entry.orcpt ?? ''}`;
}
