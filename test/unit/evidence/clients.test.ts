import { describe, expect, it } from 'vitest';
import { clientsOf } from '../../../src/evidence/clients.ts';
import type { EventRecord } from '../../../src/mail/event.ts';

const at = (minute: number): string => `2026-11-22T10:${String(minute).padStart(2, '0')}:00.000Z`;
const came = (minute: number, address: string, more: Partial<EventRecord> = {}): EventRecord => ({
  time: at(minute),
  event: 'RECEIVE',
  sender: 'scanner@example.com',
  recipient: 'anna@example.com',
  peer: 'external',
  client: { address, name: 'copier.example.net' },
  ...more,
});

describe('report clients', () => {
  it('lists who still connects: how often, from when to when, and for whom', async () => {
    const { clients, omitted } = await clientsOf([
      came(1, '198.51.100.7'),
      came(2, '198.51.100.7', { recipient: 'Bert@example.com', client: { address: '198.51.100.7', name: 'new.example.net' } }),
      came(3, '198.51.100.7', { event: 'REJECT', recipient: 'nobody@example.com' }),
      came(4, '10.1.0.5', { peer: 'on-premises', client: { address: '10.1.0.5' } }),
      came(5, '10.1.0.5', { event: 'SEND' }),
    ]);
    expect(omitted).toBe(0);
    expect(clients).toEqual([
      {
        address: '198.51.100.7',
        name: 'copier.example.net',
        peer: 'external',
        taken: 2,
        refused: 1,
        first: at(1),
        last: at(3),
        recipients: 3,
        examples: {
          recipients: ['anna@example.com', 'bert@example.com', 'nobody@example.com'],
          senders: ['scanner@example.com'],
        },
      },
      {
        address: '10.1.0.5',
        name: null,
        peer: 'on-premises',
        taken: 1,
        refused: 0,
        first: at(4),
        last: at(4),
        recipients: 1,
        examples: { recipients: ['anna@example.com'], senders: ['scanner@example.com'] },
      },
    ]);
  });

  it('counts from the switch on, for one domain, and only for some classes of peers', async () => {
    const records = [
      came(1, '198.51.100.7'),
      came(10, '198.51.100.8'),
      came(11, '198.51.100.9', { recipient: 'x@other.example' }),
      came(12, '10.1.0.5', { peer: 'on-premises', recipient: 'x@sub.example.com' }),
    ];
    const since = Date.parse(at(5));
    const all = await clientsOf(records, { since, domain: 'example.com' });
    expect(all.clients.map(({ address }) => address)).toEqual(['10.1.0.5', '198.51.100.8']);
    const outside = await clientsOf(records, { since, domain: 'example.com', peers: ['external'] });
    expect(outside.clients.map(({ address }) => address)).toEqual(['198.51.100.8']);
    expect((await clientsOf(records, { until: since })).clients).toHaveLength(1);
  });

  it('stays in bounds however many come', async () => {
    async function* many(): AsyncIterable<EventRecord> {
      for (let i = 0; i < 12_000; i++) yield came(1, `2001:db8::${i.toString(16)}`);
    }
    const { clients, omitted } = await clientsOf(many());
    expect(clients).toHaveLength(10_000);
    expect(omitted).toBe(2000);
  });
});
