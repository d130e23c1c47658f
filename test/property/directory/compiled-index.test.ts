/** The compiled index against the plain map that it stands for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompiledIndex } from '../../../src/directory/compiled-index.ts';
import type { DirectoryRecord } from '../../../src/directory/ports.ts';
import { type Domain, mailbox } from '../../../src/mail/address.ts';

const DOMAIN = 'example.com' as Domain;
const localParts = fc.oneof(
  fc.stringMatching(/^[a-z]{1,3}$/),
  fc
    .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
    .filter((text) => mailbox(text, DOMAIN) !== undefined && text.isWellFormed()),
);

describe('the compiled index', () => {
  it('answers as a map does: each key has its first owner, and each owner what was added', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(localParts, fc.array(localParts, { maxLength: 4 }), fc.constantFrom('on-premises', 'cloud', 'hold', 'both')),
          { maxLength: 60 },
        ),
        (people) => {
          const index = new CompiledIndex();
          const model = new Map<string, number>();
          for (const [name, keys, route] of people) {
            const address = mailbox(name, DOMAIN);
            if (address === undefined) continue;
            const record: DirectoryRecord = {
              address,
              route: route as DirectoryRecord['route'],
              aliases: [],
              primary: 'on-premises',
              line: 7,
            };
            const owner = index.add(record, 'plain p.csv');
            expect(index.entry(owner)).toEqual({ address, route, primary: 'on-premises', source: 'plain p.csv:7' });
            for (const key of keys) {
              const standing = index.claim(key, owner, 'alias');
              expect(standing?.owner).toBe(model.get(key));
              if (!model.has(key)) model.set(key, owner);
            }
          }
          for (const [key, owner] of model) expect(index.claimOf(key)).toEqual({ owner, role: 'alias' });
          expect(index.find('nobody has this@key')).toBeUndefined();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('grows: every one of many keys is found again', () => {
    const index = new CompiledIndex();
    for (let i = 0; i < 20_000; i++) {
      const address = mailbox(`user${i}`, DOMAIN);
      if (address === undefined) continue;
      const owner = index.add({ address, route: 'cloud', aliases: [], primary: 'cloud', line: i }, 'plain p.csv');
      index.claim(`user${i}@example.com`, owner, 'primary');
    }
    for (let i = 0; i < 20_000; i++) expect(index.claimOf(`user${i}@example.com`)?.owner).toBe(i);
    expect(index.size).toBe(20_000);
  });
});
