import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueIndex } from '../../../src/spool/due-index.ts';
import { settled } from '../../../src/spool/states.ts';
import { id, spooled } from './messages.ts';

describe('the index by due time', () => {
  it('gives out what is due, the oldest due time first, each once until it is released', () => {
    const index = new DueIndex();
    index.add(spooled(1, 30), false);
    index.add(spooled(2, 10), false);
    index.add(spooled(3, 20), false);
    expect(index.nextDue()).toBe(10);
    expect(index.claim(20, 10)).toEqual([id(2), id(3)]);
    expect(index.claim(20, 10)).toEqual([]);
    index.release(id(3));
    expect(index.claim(40, 1)).toEqual([id(3)]);
    expect(index.claim(40, 5)).toEqual([id(1)]);
    expect(index.nextDue()).toBeUndefined();
  });

  it('follows a change of a claimed message only when the claim ends', () => {
    const index = new DueIndex();
    const message = spooled(1, 10);
    index.add(message, false);
    index.claim(10, 1);
    index.update(settled(message, [{ index: 0, state: 'deferred', nextAttemptAt: 50 }], undefined, 10));
    expect(index.nextDue()).toBeUndefined();
    index.release(id(1));
    expect(index.nextDue()).toBe(50);
  });

  it('counts messages and octets by the connector of the last attempt', () => {
    const index = new DueIndex();
    const message = spooled(1, 10);
    index.add(message, false);
    index.add(spooled(2, 5), true);
    index.update(settled(message, [{ index: 0, state: 'deferred', lastConnector: 'cloud' }], undefined, 10));
    expect(index.bytes).toBe(200);
    expect(index.byConnector()).toEqual([
      { connector: 'cloud', messages: 1, oldest: 10 },
      { connector: undefined, messages: 1, oldest: 5 },
    ]);
    index.remove(id(2));
    expect([index.size, index.bytes]).toEqual([1, 100]);
  });

  it('lists what is held, claimed or not', () => {
    const index = new DueIndex();
    const message = spooled(1, 10);
    index.add(message, false);
    index.add(spooled(2, 10), false);
    index.claim(10, 1);
    index.update(settled(message, [{ index: 0, state: 'held' }], undefined, 10));
    expect([...index.held()]).toEqual([id(1)]);
  });

  it('keeps the order of due times through any mix of changes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(20), fc.nat(100), fc.constantFrom('put', 'remove', 'hold')), { maxLength: 200 }),
        (steps) => {
          const index = new DueIndex();
          const due = new Map<number, number>();
          for (const [number, at, kind] of steps) {
            if (kind === 'remove') {
              index.remove(id(number));
              due.delete(number);
            } else {
              const message = spooled(number, at);
              if (!due.has(number)) index.add(message, false);
              index.update(kind === 'hold' ? settled(message, [{ index: 0, state: 'held' }], undefined, at) : message);
              due.set(number, kind === 'hold' ? Number.POSITIVE_INFINITY : at);
            }
            const waiting = [...due.values()].filter(Number.isFinite);
            expect(index.nextDue()).toBe(waiting.length === 0 ? undefined : Math.min(...waiting));
          }
          const order = [...due].filter(([, at]) => Number.isFinite(at)).toSorted(([a, x], [b, y]) => x - y || a - b);
          expect(index.claim(1000, 1000)).toEqual(order.map(([number]) => id(number)));
        },
      ),
    );
  });
});
