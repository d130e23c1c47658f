import { describe, expect, it } from 'vitest';
import { Activity, recallLastHour } from '../../../src/admin/activity.ts';
import { TlsTally } from '../../../src/evidence/tls-tally.ts';
import type { EventRecord } from '../../../src/mail/event.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const event = (name: EventRecord['event'], more: Partial<EventRecord> = {}): EventRecord => ({
  time: new Date(NOW).toISOString(),
  event: name,
  connector: 'cloud',
  ...more,
});

describe('activity', () => {
  it('counts the last sixty minutes and forgets what is older', () => {
    const activity = new Activity();
    activity.note(event('RECEIVE', { tls: { result: 'not-used' } }), NOW - 61 * 60_000);
    activity.note(event('RECEIVE', { tls: { result: 'encrypted' } }), NOW - 59 * 60_000);
    activity.note(event('REJECT', { tls: { result: 'not-used' } }), NOW);
    activity.note(event('SEND', { tls: { result: 'not-offered' } }), NOW);
    activity.note(event('DEFER'), NOW);
    activity.note(event('EXPIRE'), NOW);
    expect(activity.lastHour(NOW)).toEqual({
      received: 1,
      sent: 1,
      deferred: 1,
      failed: 1,
      refused: 1,
      'tls-in': { encrypted: 1, all: 1 },
      'tls-out': { encrypted: 0, all: 1 },
    });
    expect(activity.lastHour(NOW + 60 * 60_000).sent).toBe(0);
  });

  it('counts the protection of hops as the report does: a message once, not what crossed no network', () => {
    const activity = new Activity();
    const tally = new TlsTally();
    const to = (address: string): Partial<EventRecord> => ({ 'remote-mta': { name: 'next', address, port: 25 } });
    const records = [
      event('RECEIVE', { 'spool-id': 'A', connector: 'cloud', tls: { result: 'encrypted' } }),
      event('RECEIVE', { 'spool-id': 'A', connector: 'on-premises', tls: { result: 'encrypted' } }),
      event('RECEIVE', { 'spool-id': 'B', tls: { result: 'not-used' } }),
      event('REJECT', { tls: { result: 'not-used' } }),
      event('SEND', { 'spool-id': 'A', ...to('192.0.2.1'), tls: { result: 'verified' } }),
      event('SEND', { 'spool-id': 'A', ...to('192.0.2.1'), tls: { result: 'verified' } }),
      event('SEND', { 'spool-id': 'A', ...to('192.0.2.2'), tls: { result: 'not-offered' } }),
      event('SEND', { 'spool-id': 'B', ...to('192.0.2.2') }),
      event('SEND', { 'spool-id': 'B', connector: 'mailbox', tls: { result: 'not-tried' } }),
    ];
    for (const record of records) {
      activity.note(record, NOW);
      tally.note(record);
    }
    const { in: inward, out } = tally.report();
    const hour = activity.lastHour(NOW);
    expect(hour).toMatchObject({ received: 3, sent: 5 });
    expect(hour['tls-in']).toEqual({ encrypted: 1, all: 2 });
    expect(hour['tls-out']).toEqual({ encrypted: 1, all: 3 });
    expect(hour['tls-in']).toEqual({ encrypted: inward.encrypted, all: inward.hops - inward.local });
    expect(hour['tls-out']).toEqual({ encrypted: out.encrypted, all: out.hops - out.local });
  });

  it('knows the last success and the last failure of each connector, and nothing where there was none (R19)', () => {
    const activity = new Activity();
    const success = event('SEND');
    const failure = event('DEFER');
    activity.note(event('SEND'), NOW);
    activity.note(success, NOW);
    activity.note(failure, NOW);
    expect(activity.contactsOf('cloud')).toEqual({ success, failure });
    expect(activity.contactsOf('on-premises')).toEqual({ success: undefined, failure: undefined });
  });

  it('recalls the last hour after a restart, without counting it again for the metrics', async () => {
    const activity = new Activity();
    const success = event('SEND', { tls: { result: 'verified' } });
    await recallLastHour(activity, { query: () => Promise.resolve({ records: [success], more: false }) }, NOW);
    expect(activity.lastHour(NOW).sent).toBe(1);
    expect(activity.contactsOf('cloud').success).toEqual(success);
    expect(activity.events.size).toBe(0);
  });

  it('recalls no flow where it cannot read the whole hour (R19)', async () => {
    const activity = new Activity();
    await recallLastHour(activity, { query: () => Promise.resolve({ records: [event('SEND')], more: true }) }, NOW);
    expect(activity.lastHour(NOW).sent).toBe(0);
    expect(activity.contactsOf('cloud').success).toBeDefined();
  });
});
