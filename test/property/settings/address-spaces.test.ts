/** The tables of address spaces say what going through all of them says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWithin } from '../../../src/mail/address.ts';
import { chooseConnector, meetsAny } from '../../../src/settings/address-spaces.ts';

const domain = fc.array(fc.constantFrom('a', 'b', 'example'), { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const pattern = fc.oneof(
  fc.constant('*'),
  domain,
  domain.map((name) => `*.${name}`),
);
const origin = fc.constantFrom('internal' as const, 'external' as const);
const connector = fc.record({
  origin: fc.constantFrom('any' as const, 'internal' as const, 'external' as const),
  addressSpaces: fc.array(fc.record({ pattern, cost: fc.nat(2) }), { maxLength: 4 }),
});

/** An exact name before every wildcard, the longer wildcard before the shorter, `*` last. */
function fitOf(space: string, name: string): number {
  if (space === name) return 1000;
  if (space === '*') return 1;
  return space.startsWith('*.') && isWithin(name, space.slice(2)) ? space.length : 0;
}

describe('address spaces', () => {
  it('choose the most specific, then the cheapest, then the first', () => {
    fc.assert(
      fc.property(fc.array(connector, { maxLength: 6 }), domain, origin, (connectors, name, from) => {
        const fitting = connectors
          .filter((one) => one.origin === 'any' || one.origin === from)
          .flatMap((one) => one.addressSpaces.map((space) => ({ one, fit: fitOf(space.pattern, name), cost: space.cost })))
          .filter(({ fit }) => fit > 0)
          .toSorted((a, b) => b.fit - a.fit || a.cost - b.cost);
        expect(chooseConnector(connectors)(name, from)).toBe(fitting[0]?.one);
      }),
    );
  });

  it('meet a pattern where a domain can fit both', () => {
    const bare = (text: string): string => text.replace(/^\*\./, '');
    const under = (wild: string, other: string): boolean => wild.startsWith('*.') && isWithin(bare(other), wild.slice(2));
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 5 }),
        pattern.filter((one) => one !== '*'),
        (spaces, one) => {
          const meets = spaces.some((space) => space === '*' || space === one || under(space, one) || under(one, space));
          expect(meetsAny(spaces)(one)).toBe(meets);
        },
      ),
    );
  });
});
