import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readHeaders } from '../../../../src/evidence/headers/header-report.ts';
import { parseReceived } from '../../../../src/evidence/headers/received.ts';
import { processorTime, tryField } from '../../../support/mutated-headers.ts';

const SLOWEST = 50;

describe('headers that nobody wrote', () => {
  it('never throw, take 50 ms, or prove TLS that no text states', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fffffff }), (seed) => {
        const first = tryField(seed);
        // The rest of the machine may have had the core meanwhile: slow is what is slow twice
        const again = first.milliseconds < SLOWEST ? first : tryField(seed);
        expect({ wrong: again.wrong, slow: again.milliseconds >= SLOWEST, seed }).toEqual({
          wrong: undefined,
          slow: false,
          seed,
        });
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    '(',
    ')',
    '(a',
    '((a) ',
    '"',
    '\\',
    '<',
    '[',
    ';',
    ' by x',
    ' from x (y)',
    ' with tls x',
    '1 Jan ',
    '(\\',
    '=a ',
    ', ',
  ])('are read in linear time: %j over and over', (piece) => {
    const field = `from a (${piece.repeat(20_000)}`;
    parseReceived(field);
    const began = processorTime();
    parseReceived(field);
    expect(processorTime() - began).toBeLessThan(SLOWEST);
  });

  it('never throw for any octets', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.array(fc.string({ maxLength: 12 }), { maxLength: 3 }),
        (octets, names) => {
          expect(readHeaders(octets, names).verdict).not.toBe('');
        },
      ),
      { numRuns: 2000 },
    );
  });
});
