import { describe, expect, it } from 'vitest';
import type { PeerClass } from '../../../src/mail/peer.ts';
import { clientKey, networkKey } from '../../../src/reception/clients.ts';
import { type Bite, Gate } from '../../../src/reception/gate.ts';
import { LIMIT_NAMES } from '../../../src/reception/limits.ts';
import type { LimitSettings } from '../../../src/reception/ports.ts';
import { Visitor } from '../../../src/reception/visitor.ts';
import { limits, most, rates } from '../../support/limits.ts';

const CLIENT = '192.0.2.1';
const SAME_NETWORK = '192.0.2.2';

function gateWith(change: Partial<LimitSettings>) {
  const gate = new Gate(limits(change));
  const bites: Bite[] = [];
  const teller = { tell: (bite: Bite) => void bites.push(bite) };
  return {
    gate,
    bites,
    teller,
    reasons: () => bites.map(({ reason }) => reason),
    enter: (address: string, peer: PeerClass = 'external') => gate.enter(address, peer, teller)?.text,
  };
}

const unknown = (visitor: Visitor, count: number): void => {
  for (let i = 0; i < count; i++) visitor.unknownRecipient();
};

describe('connections', () => {
  it('are bound for one client before all, and who left makes room', () => {
    const { gate, enter } = gateWith({ connections: most(3), peerReserve: 0, connectionsPerClient: most(2) });
    expect(enter(CLIENT)).toBeUndefined();
    expect(enter(CLIENT)).toBeUndefined();
    expect(enter(CLIENT)).toBe('Too many connections from your address, try again later');
    expect(enter('198.51.100.2')).toBeUndefined();
    expect(enter('203.0.113.3')).toBe('Too many connections, try again later');
    gate.leave(CLIENT);
    expect(enter('::ffff:203.0.113.3')).toBeUndefined();
    expect(gate.open).toBe(3);
  });

  it('leave the reserve to listed peers', () => {
    const { enter, reasons } = gateWith({ connections: most(10), peerReserve: 20 });
    for (let i = 0; i < 8; i++) expect(enter(`198.51.${i}.1`)).toBeUndefined();
    expect(enter('198.51.100.1')).toBe('Too many connections, try again later');
    expect(enter('10.0.0.1', 'gateway')).toBeUndefined();
    expect(enter('10.0.0.2', 'on-premises')).toBeUndefined();
    expect(enter('10.0.0.2', 'on-premises')).toBe('Too many connections, try again later');
    expect(reasons()).toEqual(['limits.peer-reserve: 9, 8 allowed', 'limits.connections: 11, 10 allowed']);
  });

  it('count by network as well', () => {
    const { enter } = gateWith({ connectionsPerNetwork: most(2) });
    enter('192.0.2.1');
    enter('192.0.2.2');
    expect(enter('192.0.2.3')).toBe('Too many connections from your network, try again later');
    expect(enter('192.0.3.1')).toBeUndefined();
  });

  it('take an IPv6 /64 for one client and a /48 for one network', () => {
    const { enter } = gateWith({ connectionsPerClient: most(2), connectionsPerNetwork: most(3) });
    enter('2001:db8:1:2:aaaa::1');
    enter('2001:db8:1:2:bbbb::1');
    expect(enter('2001:db8:1:2:cccc::1')).toMatch(/your address/);
    expect(enter('2001:db8:1:3::1')).toBeUndefined();
    expect(enter('2001:db8:1:4::1')).toMatch(/your network/);
    expect(enter('2001:db8:2::1')).toBeUndefined();
  });

  it('of exempt networks and of listed peers are not bound by client', () => {
    const { enter } = gateWith({ connectionsPerClient: most(1), exempt: ['127.0.0.0/8'] });
    for (let i = 0; i < 10; i++) {
      expect(enter('127.0.0.1')).toBeUndefined();
      expect(enter('10.0.0.1', 'cloud')).toBeUndefined();
    }
  });
});

describe('keys', () => {
  it('tell neighbours apart', () => {
    expect(clientKey('192.0.2.1')).not.toBe(clientKey('192.0.2.2'));
    expect(networkKey('192.0.2.1')).toBe(networkKey('192.0.2.2'));
    expect(networkKey('255.255.255.255')).not.toBe(networkKey('255.255.254.255'));
    expect(clientKey('2001:db8::1')).toBe(clientKey('2001:db8:0:0:1:2:3:4'));
  });
});

describe('rates', () => {
  const near = {
    perClient: rates({ connects: most(2), messages: most(2), recipients: most(2), unknown: most(2) }),
    perNetwork: rates({ connects: most(5), messages: most(3), recipients: most(3), unknown: most(3) }),
  };

  it('of connects are counted by the minute', () => {
    const { gate, enter } = gateWith(near);
    const knock = (address: string) => {
      const refusal = enter(address);
      if (refusal === undefined) gate.leave(address);
      return refusal;
    };
    knock(CLIENT);
    knock(CLIENT);
    expect(knock(CLIENT)).toBe('Too many new connections from your address, try again later');
    knock(SAME_NETWORK);
    knock(SAME_NETWORK);
    expect(knock('192.0.2.3')).toBe('Too many new connections from your network, try again later');
    gate.tick(60_000);
    expect(knock(CLIENT)).toBeUndefined();
  });

  it.each(['message', 'recipient'] as const)('of each %s are counted for client and network', (what) => {
    const { gate, teller, enter } = gateWith(near);
    enter(CLIENT);
    enter(SAME_NETWORK);
    const [one, two] = [new Visitor(gate, CLIENT), new Visitor(gate, SAME_NETWORK)];
    expect(one[what](teller)).toBeUndefined();
    expect(one[what](teller)).toBeUndefined();
    expect(one[what](teller)?.text).toMatch(/from your address/);
    expect(two[what](teller)?.text).toMatch(/from your network/);
    gate.tick(60_000);
    expect(one[what](teller)).toBeUndefined();
  });

  it('of unknown recipients end the session and close the door for the minute', () => {
    const { gate, teller, enter, reasons } = gateWith(near);
    enter(CLIENT);
    const visitor = new Visitor(gate, CLIENT);
    unknown(visitor, 2);
    expect(visitor.recipient(teller)).toBeUndefined();
    unknown(visitor, 1);
    expect(visitor.recipient(teller)).toMatchObject({ code: 421, enhanced: '4.7.0' });
    expect(enter(CLIENT)).toBe('Too many unknown recipients from your address, try again later');
    expect(reasons()).toEqual(['limits.per-client.unknown-recipients-per-minute: 3, 2 allowed']);
    gate.tick(60_000);
    expect(enter(CLIENT)).toBeUndefined();
  });

  it('do not bind listed peers', () => {
    const { gate, teller, enter } = gateWith(near);
    enter('10.0.0.1', 'cloud');
    const visitor = new Visitor(gate, '10.0.0.1');
    visitor.peer = 'cloud';
    unknown(visitor, 10);
    for (let i = 0; i < 10; i++) {
      expect(visitor.message(teller)).toBeUndefined();
      expect(visitor.recipient(teller)).toBeUndefined();
    }
  });
});

describe('modes', () => {
  it('monitor counts and tells, and refuses nothing', () => {
    const { gate, teller, enter, bites } = gateWith({ perClient: rates({ messages: most(1, 'monitor') }) });
    enter(CLIENT);
    const visitor = new Visitor(gate, CLIENT);
    for (let i = 0; i < 5; i++) expect(visitor.message(teller)).toBeUndefined();
    expect(bites).toHaveLength(1);
    expect(bites[0]?.limit).toMatchObject({ name: 'per-client.messages-per-minute', enforced: false });
    expect(gate.bitten.get('per-client.messages-per-minute')).toEqual({ enforced: 0, monitored: 4 });
  });

  it('off lets all pass', () => {
    const off = most(1, 'off');
    const { gate, teller, enter } = gateWith({
      connections: off,
      connectionsPerClient: off,
      connectionsPerNetwork: off,
      perClient: { connects: off, messages: off, recipients: off, unknown: off },
      perNetwork: { connects: off, messages: off, recipients: off, unknown: off },
      errors: off,
      idleCommands: off,
      session: off,
      transaction: off,
      octetsPerSecond: off,
      earlyTalkers: 'off',
    });
    for (let i = 0; i < 50; i++) {
      expect(enter(CLIENT)).toBeUndefined();
      const visitor = new Visitor(gate, CLIENT);
      unknown(visitor, 5);
      const answers = [
        visitor.message(teller),
        visitor.recipient(teller),
        visitor.error(teller),
        visitor.idleCommand(teller),
        visitor.early(teller),
        visitor.session(1e9, teller),
        visitor.transaction(1e9, teller),
        visitor.rate(0, teller),
      ];
      expect(answers.every((answer) => answer === undefined)).toBe(true);
    }
    expect(gate.bitten.size).toBe(0);
  });
});

describe('records', () => {
  it('are one a minute for a client and limit, and tell how many there were without', () => {
    const { gate, enter, reasons } = gateWith({ connectionsPerClient: most(1) });
    enter(CLIENT);
    for (let i = 0; i < 5; i++) enter(CLIENT);
    gate.tick(60_000);
    enter(CLIENT);
    expect(reasons()).toEqual([
      'limits.connections-per-client: 2, 1 allowed',
      'limits.connections-per-client: 2, 1 allowed; 4 bites of this and other limits by this client since its last record',
    ]);
  });

  it('stay within their number in a flood from many addresses', () => {
    const { gate, enter, bites } = gateWith({ connections: most(1), peerReserve: 0 });
    enter(CLIENT);
    for (let i = 0; i < 5000; i++) enter(`10.${i >> 8}.${i & 255}.1`);
    expect(bites).toHaveLength(600);
    expect(gate.bitten.get('connections')?.enforced).toBe(5000);
  });

  it('have a bit for each limit', () => {
    expect(LIMIT_NAMES.length).toBeLessThan(31);
  });
});

describe('a bad record', () => {
  it('is made by errors and unknown recipients, delays the greeting, and fades', () => {
    const { gate, teller, enter, reasons } = gateWith({});
    enter(CLIENT);
    const visitor = new Visitor(gate, CLIENT);
    expect(visitor.greetingDelay(teller)).toBe(0);
    unknown(visitor, 15);
    for (let i = 0; i < 15; i++) visitor.error(teller);
    expect(new Visitor(gate, CLIENT).greetingDelay(teller)).toBe(5_000);
    expect(new Visitor(gate, SAME_NETWORK).greetingDelay(teller)).toBe(0);
    expect(reasons()).toContain('limits.greeting-delay: a bad record: 5 s');
    gate.tick(10 * 60_000);
    expect(new Visitor(gate, CLIENT).greetingDelay(teller)).toBe(0);
  });

  it('is mended by messages that are taken', () => {
    const { gate, teller, enter } = gateWith({});
    enter(CLIENT);
    const visitor = new Visitor(gate, CLIENT);
    unknown(visitor, 22);
    visitor.good();
    expect(new Visitor(gate, CLIENT).greetingDelay(teller)).toBe(0);
  });

  it('is nothing to a listed peer', () => {
    const { gate, teller } = gateWith({});
    const visitor = new Visitor(gate, CLIENT);
    unknown(visitor, 100);
    const peer = new Visitor(gate, CLIENT);
    peer.peer = 'on-premises';
    expect(peer.greetingDelay(teller)).toBe(0);
  });
});

describe('budgets', () => {
  it('of listed peers are ten times as large', () => {
    const { gate, teller } = gateWith({});
    const until = (peer: PeerClass): number => {
      const visitor = new Visitor(gate, CLIENT);
      visitor.peer = peer;
      for (let count = 1; ; count++) if (visitor.error(teller) !== undefined) return count;
    };
    expect(until('external')).toBe(21);
    expect(until('gateway')).toBe(201);
  });

  it('of time tell once what they monitor', () => {
    const { gate, teller, bites } = gateWith({ session: most(1000, 'monitor') });
    const visitor = new Visitor(gate, CLIENT);
    for (let i = 0; i < 10; i++) expect(visitor.session(2000 + i, teller)).toBeUndefined();
    expect(bites.map(({ reason }) => reason)).toEqual(['limits.session: 2 s, 1 s allowed']);
    expect(gate.bitten.get('session')).toEqual({ enforced: 0, monitored: 1 });
  });
});
