/** Records as the relay writes them, and an outbox in memory, for the tests of the evidence store. */

import type { Outbox, OutboxBatch } from '../../../src/evidence/ports.ts';
import type { EventRecord } from '../../../src/mail/event.ts';

/** An outbox that keeps what was not acknowledged, as the spool's does; `stopped` loses no batch but says nothing of it. */
export class MemoryOutbox implements Outbox {
  readonly kept = new Map<number, string>();
  readonly acknowledged: number[] = [];
  forgetful = false;
  #take: (batch: OutboxBatch) => void = () => {};
  #last = 0;

  commit(...records: EventRecord[]): number {
    const batch = { sequence: ++this.#last, lines: records.map((record) => JSON.stringify(record)).join('\n') };
    this.kept.set(batch.sequence, batch.lines);
    this.#take(batch);
    return batch.sequence;
  }

  *pending(): Iterable<OutboxBatch> {
    for (const [sequence, lines] of this.kept) yield { sequence, lines };
  }

  onCommitted(take: (batch: OutboxBatch) => void): void {
    this.#take = take;
  }

  acknowledge(sequences: readonly number[]): void {
    this.acknowledged.push(...sequences);
    if (this.forgetful) return; // the crash came before the acknowledgement was on disk
    for (const sequence of sequences) this.kept.delete(sequence);
  }
}

export const NOON = Date.parse('2026-11-22T12:00:00Z');

/** The n-th message, one second after the one before. */
export function received(n: number, more: Partial<EventRecord> = {}): EventRecord {
  return {
    time: new Date(NOON + n * 1000).toISOString(),
    event: 'RECEIVE',
    'spool-id': spoolId(n),
    'session-id': `S${n}`,
    'message-id': `<m${n}@example.net>`,
    sender: `sender${n % 500}@example.net`,
    recipient: `user${n % 2000}@example.com`,
    peer: 'external',
    client: { address: `198.51.100.${n % 250}`, name: 'client.example.net' },
    route: 'cloud',
    connector: 'cloud',
    reason: 'directory: migrated (version 12, wave pilot)',
    'directory-version': 12,
    size: 5120,
    tls: { result: 'encrypted', protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', bits: 256 },
    ...more,
  };
}

export function sent(n: number, more: Partial<EventRecord> = {}): EventRecord {
  return {
    ...received(n),
    time: new Date(NOON + n * 1000 + 57).toISOString(),
    event: 'SEND',
    recipient: `user${n % 2000}@domain1.microsoftonline.com`,
    'original-recipient': `user${n % 2000}@example.com`,
    'remote-mta': { name: 'mail.example', address: '203.0.113.9', port: 25 },
    reply: { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 4C1' },
    attempt: 1,
    'duration-ms': 41,
    tls: {
      result: 'encrypted',
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      bits: 256,
      'key-exchange': 'X25519',
      'peer-certificate': {
        subject: 'CN=mail.example',
        issuer: 'CN=mail.example',
        names: ['mail.example'],
        'valid-to': '2027-01-01T00:00:00.000Z',
        sha256: 'ab'.repeat(32),
      },
      verified: false,
      'verification-error': 'DEPTH_ZERO_SELF_SIGNED_CERT',
      ladder: [{ offer: 'STARTTLS intermediate', result: 'encrypted' }],
    },
    ...more,
  };
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID of the time at which the n-th message came. */
export function spoolId(n: number): string {
  let rest = NOON + n * 1000;
  let time = '';
  for (let i = 0; i < 10; i++) {
    time = CROCKFORD[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return `${time}${String(n).padStart(16, '0')}`;
}
