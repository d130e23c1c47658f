import { describe, expect, it } from 'vitest';
import { Lane, Lanes } from '../../../../src/delivery/lanes.ts';
import type { Outcome } from '../../../../src/mail/attempt.ts';
import { reply } from '../../../../src/mail/reply.ts';
import type { SpoolId } from '../../../../src/mail/spooled.ts';
import { attemptOf, box, connector, deferred, legBy, MINUTE, ON_PREMISES, refusedConnection, relayed } from './samples.ts';

const throttled: Outcome = { kind: 'deferred', reply: reply(451, '4.7.500', 'Server busy'), cause: 'answer' };
const destination = box('user@example.com').domain;
const laneOf = () => new Lane('on-premises', ON_PREMISES, destination);
const seen = (lane: Lane, outcome: Parameters<typeof attemptOf>[0], started: number, ended: number) =>
  lane.observe([attemptOf(outcome)], started, ended, ended, () => MINUTE);

describe('lanes', () => {
  it('never mix domains with different TLS in one transaction', () => {
    const lanes = new Lanes();
    const tls = { mode: 'verified', profile: 'intermediate' } as const;
    const by = {
      ...ON_PREMISES,
      tlsDestinations: [
        { pattern: 'partner.example', tls, source: '' },
        { pattern: '*.agency.example', tls, source: '' },
      ],
    };
    const laneFor = (address: string) => lanes.of(legBy(by, box(address))).key;
    expect(laneFor('a@example.com')).toBe('on-premises');
    expect(laneFor('a@partner.example')).toBe('on-premises partner.example');
    expect(laneFor('a@one.agency.example')).toBe('on-premises *.agency.example');
    expect(laneFor('a@two.agency.example')).toBe('on-premises *.agency.example');
  });
});

describe('a lane', () => {
  it('risks few connections until the hop has answered, then all that the connector allows', () => {
    const lane = laneOf();
    expect(lane.slots).toBe(5);
    seen(lane, deferred, 0, 1);
    expect(lane.slots).toBe(20);
  });

  it('closes when the hop cannot be reached, opens for one probe, and for all when that gets through', () => {
    const lane = laneOf();
    expect(seen(lane, refusedConnection, 0, 1)).toBe('down');
    expect(lane.backingOff).toBe(true);
    lane.probe();
    expect(lane.backingOff).toBe(false);
    expect(lane.slots).toBe(1);
    expect(seen(lane, relayed, 2, 3)).toBe('up');
    expect(lane.slots).toBe(20);
  });

  it('R18: halves its connections when throttled, grows again one a minute, and backs off when one is too many', () => {
    const lane = laneOf();
    seen(lane, relayed, 0, 1);
    lane.active = 7;
    expect(seen(lane, throttled, 2, 3)).toBeUndefined();
    expect(lane.slots).toBe(4);
    seen(lane, throttled, 2, 4); // set out with the other
    expect(lane.slots).toBe(4);
    seen(lane, relayed, 4, 4 + MINUTE);
    expect(lane.slots).toBe(5);
    lane.active = 0;
    seen(lane, throttled, 5 + MINUTE, 6 + MINUTE);
    expect(lane.slots).toBe(1);
    expect(lane.backingOff).toBe(false);
    expect(seen(lane, throttled, 7 + MINUTE, 8 + MINUTE)).toBe('down');
    expect(lane.backingOff).toBe(true);
    lane.probe();
    expect(seen(lane, relayed, 9 + MINUTE, 10 + MINUTE)).toBe('up');
    expect(lane.slots).toBe(1);
  });

  it('counts failures of those that set out before it closed as one', () => {
    const lane = laneOf();
    seen(lane, refusedConnection, 0, 10);
    expect(seen(lane, refusedConnection, 1, 11)).toBeUndefined();
    expect(lane.down?.failures).toBe(1);
    lane.probe();
    seen(lane, refusedConnection, 20, 21);
    expect(lane.down).toMatchObject({ failures: 2, since: 10 });
  });

  it('uses fewer connections where only further ones are refused, and one more a minute', () => {
    const lane = laneOf();
    seen(lane, relayed, 0, 1);
    lane.active = 7;
    seen(lane, relayed, 1, 3);
    expect(seen(lane, refusedConnection, 2, 4)).toBeUndefined();
    expect(lane.slots).toBe(7);
    seen(lane, relayed, 4, 5);
    expect(lane.slots).toBe(7);
    seen(lane, relayed, 5, 5 + MINUTE);
    expect(lane.slots).toBe(8);
  });

  it('takes its turns in order', () => {
    const { waiting } = laneOf();
    for (let i = 0; i < 10_000; i++) waiting.push(String(i) as SpoolId);
    for (let i = 0; i < 10_000; i++) expect(waiting.shift()).toBe(String(i));
    expect(waiting.shift()).toBeUndefined();
  });
});

describe('lanes', () => {
  it('are one for each connector, and by MX one for each domain', () => {
    const lanes = new Lanes();
    const mx = connector('internet', 'internet', { nextHop: { kind: 'mx' } });
    const [a, b] = [box('x@a.example'), box('x@b.example')];
    expect(lanes.of(legBy(ON_PREMISES, a))).toBe(lanes.of(legBy(ON_PREMISES, b)));
    expect(lanes.of(legBy(mx, a))).not.toBe(lanes.of(legBy(mx, b)));
  });

  it('that are idle are forgotten when there are thousands', () => {
    const lanes = new Lanes();
    const mx = connector('internet', 'internet', { nextHop: { kind: 'mx' } });
    for (let i = 0; i < 12_000; i++) lanes.of(legBy(mx, box(`x@d${i}.example`)));
    expect([...lanes.all()].length).toBeLessThanOrEqual(5000);
  });

  it('that are down are forgotten as well, but those for which mail waits', () => {
    const lanes = new Lanes();
    const mx = connector('internet', 'internet', { nextHop: { kind: 'mx' } });
    const waits = lanes.of(legBy(mx, box('x@waits.example')));
    waits.park('01J00000000000000000000000' as SpoolId);
    for (let i = 0; i < 12_000; i++) seen(lanes.of(legBy(mx, box(`x@dead${i}.example`))), refusedConnection, 0, 1);
    expect([...lanes.all()].length).toBeLessThanOrEqual(5000);
    expect(lanes.of(legBy(mx, box('x@waits.example')))).toBe(waits);
  });
});
