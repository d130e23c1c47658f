/** Messages and what happened to them, for the tests of notifications. */

import type { BounceSettings, Happening } from '../../../src/bounce/ports.ts';
import { type Mailbox, parseMailbox } from '../../../src/mail/address.ts';
import { reply } from '../../../src/mail/reply.ts';
import type { SpooledBody, SpooledMessage, SpooledRecipient, SpoolId } from '../../../src/mail/spooled.ts';

export const RECEIVED_AT = Date.UTC(2026, 10, 22, 10);
export const NOW = RECEIVED_AT + 60_000;

export function box(address: string): Mailbox {
  const parsed = parseMailbox(address);
  if (parsed === undefined) throw new Error(address);
  return parsed;
}

export const SETTINGS: BounceSettings = {
  hostname: 'mx1.example.com',
  postmaster: box('mailops@example.com'),
  excerpt: 50_000,
  perHour: { most: 50, mode: 'enforce' },
};

export function recipient(address = 'User@Example.com', more: Partial<SpooledRecipient> = {}): SpooledRecipient {
  return { index: 0, address: box(address), state: 'queued', attempts: 1, nextAttemptAt: 0, ...more };
}

export function message(more: Partial<SpooledMessage> = {}): SpooledMessage {
  return {
    id: '01JAAAAAAAAAAAAAAAAAAAAAAA' as SpoolId,
    receivedAt: RECEIVED_AT,
    sender: box('sender@example.net'),
    eightBit: false,
    smtputf8: false,
    origin: { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false },
    messageId: '<a@b>',
    size: 100,
    wireSize: 100,
    recipients: [recipient()],
    ...more,
  };
}

export const refused: Happening = {
  recipient: recipient(),
  action: 'failed',
  attempt: {
    outcome: { kind: 'failed', reply: reply(550, '5.1.1', 'User unknown'), cause: 'answer' },
    remoteMta: { name: 'mail.example', address: '203.0.113.9', port: 25 },
  },
};

export const delayed: Happening = {
  recipient: recipient(),
  action: 'delayed',
  attempt: { outcome: { kind: 'deferred', reply: reply(451, '4.4.1', 'connection refused'), cause: 'connection' } },
  willRetryUntil: RECEIVED_AT + 5 * 86_400_000,
};

export const inMemory = (bytes: Buffer): SpooledBody => ({ length: bytes.length, bytes, async *chunks() {} });

export const onDisk = (...pieces: readonly Buffer[]): SpooledBody => ({
  length: pieces.reduce((sum, piece) => sum + piece.length, 0),
  async *chunks() {
    yield* pieces;
  },
});
