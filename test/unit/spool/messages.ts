/** Messages for the spool's tests. */
import { type Mailbox, parseMailbox } from '../../../src/mail/address.ts';
import type { NewMessage, SpooledMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { accepted } from '../../../src/spool/states.ts';

export function box(address: string): Mailbox {
  const parsed = parseMailbox(address);
  if (parsed === undefined) throw new Error(`not a mailbox: ${address}`);
  return parsed;
}

/** An id of our form; the number is its order. */
export function id(number: number): SpoolId {
  return `01JD${String(number).padStart(22, '0')}` as SpoolId;
}

export function newMessage(
  spoolId: SpoolId,
  receivedAt: number,
  recipients: readonly string[] = ['user@example.com'],
): NewMessage {
  return {
    id: spoolId,
    receivedAt,
    envelope: {
      sender: box('sender@example.net'),
      recipients: recipients.map((address) => ({ address: box(address) })),
      eightBit: false,
      smtputf8: false,
    },
    origin: { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false },
    messageId: '<a@example.net>',
    size: 100,
  };
}

export function spooled(number: number, receivedAt: number, recipients?: readonly string[]): SpooledMessage {
  return accepted(newMessage(id(number), receivedAt, recipients), 100);
}
