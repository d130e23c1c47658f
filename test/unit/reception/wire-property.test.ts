import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataWalk } from '../../../src/reception/wire.ts';

const PIECES = ['\r', '\n', '.', 'a', 'bcdefghijklmnop', '\r\n', '\r\n.', '\0', '\r\n.\r\n', '..', '\t'] as const;
const message = fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }).map((pieces) => `${pieces.join('')}z\r\n.\r\nREST`);

/** What the walk must find, said slowly. */
function plainly(text: string): object {
  const end = text.startsWith('.\r\n') ? 0 : text.indexOf('\r\n.\r\n') + 2;
  const body = text.slice(0, end);
  const lines = body.split('\r\n').slice(0, -1);
  return {
    body,
    behind: end + 3,
    bareLineEnds: body.match(/\r(?!\n)|(?<!\r)\n/g)?.length ?? 0,
    nuls: body.match(/\0/g)?.length ?? 0,
    stuffedDots: lines.filter((line) => line.startsWith('.')).length,
    longestLine: Math.max(0, ...lines.map((line) => (line.startsWith('.') ? line.length - 1 : line.length))),
  };
}

describe('the walk over DATA', () => {
  it('finds what a slow reading of the whole text finds, however it is cut and wherever it lies', () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.integer({ min: 1, max: 14 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 7 }),
        (text, lengths, offset) => {
          const walk = new DataWalk();
          let body = '';
          let at = 0;
          let behind = -1;
          for (let i = 0; behind < 0 && at < text.length; i++) {
            const piece = text.slice(at, at + (lengths[i % lengths.length] ?? 1));
            const chunk = Buffer.from('#'.repeat(offset) + piece, 'latin1');
            const found = walk.take(chunk, offset);
            body += (walk.held?.toString('latin1') ?? '') + chunk.toString('latin1', offset, walk.bodyEnd);
            if (found >= 0) behind = at + found - offset;
            at += piece.length;
          }
          const { bareLineEnds, nuls, stuffedDots, longestLine } = walk;
          expect({ body, behind, bareLineEnds, nuls, stuffedDots, longestLine }).toEqual(plainly(text));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
