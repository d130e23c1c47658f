import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientTable, clientKey, networkKey } from '../../../src/reception/clients.ts';
import { Gate } from '../../../src/reception/gate.ts';
import { limits } from '../../support/limits.ts';

const NOBODY = { tell: () => {} };
const step = fc.record({
  kind: fc.constantFrom('enter', 'leave', 'visit'),
  client: fc.integer({ min: 0, max: 60 }),
});

describe('the table of clients', () => {
  it('never holds more than its bound, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 300 }), (bound, steps) => {
        const table = new ClientTable(bound);
        for (const { kind, client } of steps) {
          if (kind === 'leave') {
            table.closed(client);
          } else {
            const record = table.seen(client);
            if (kind === 'enter') table.opened(record);
          }
          expect(table.size).toBeLessThanOrEqual(bound);
        }
      }),
    );
  });

  it('knows every client with an open session, as long as those alone do not fill it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const gate = new Gate(limits(), 30);
        const open = new Map<number, number>();
        let refused = 0;
        for (const { kind, client } of steps) {
          const address = `192.0.${client}.1`;
          const count = open.get(client) ?? 0;
          if (kind === 'leave' && count > 0) {
            gate.leave(address);
            if (count === 1) open.delete(client);
            else open.set(client, count - 1);
          } else if (kind === 'enter' && (count > 0 || open.size < 29)) {
            if (gate.enter(address, 'external', NOBODY) === undefined) open.set(client, count + 1);
            else refused += 1;
          }
          expect(gate.open).toBe([...open.values()].reduce((sum, one) => sum + one, 0));
          expect(gate.remembered).toBeLessThanOrEqual(60);
        }
        expect(refused).toBe(0);
        const tight = limits({ connectionsPerClient: { most: 1, mode: 'enforce' } });
        gate.change(tight);
        for (const [client] of open) {
          expect(gate.enter(`192.0.${client}.1`, 'external', NOBODY)?.text).toMatch(/from your address/);
        }
      }),
    );
  });
});

describe('the keys of clients', () => {
  it('are the same for each way to write an IPv6 address of one /64', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.tuple(group, group, group, group), fc.tuple(group, group, group, group), (network, host) => {
        const all = [...network, ...host].map((one) => one.toString(16));
        const written = new URL(`http://[${all.join(':')}]`).hostname.slice(1, -1); // the form with ::
        expect(clientKey(written)).toBe(clientKey(all.join(':')));
        expect(clientKey(written)).toBe(network.map((one) => one.toString(16)).join(':'));
        expect(networkKey(written)).toBe(networkKey(all.join(':')));
      }),
    );
  });
});
