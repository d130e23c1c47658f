/** Records come back from their lines as they went, wherever the octets are cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DirectoryRecord } from '../../../src/directory/ports.ts';
import { contentOf, originLine, RecordLines } from '../../../src/directory/record-lines.ts';
import { type Domain, type Mailbox, mailbox } from '../../../src/mail/address.ts';

const boxes = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => text.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f\u200b\u2060\ufeff]/.test(text))
  .map((text) => mailbox(text, 'example.com' as Domain))
  .filter((one): one is Mailbox => one !== undefined);
const word = fc.stringMatching(/^[a-z]{1,8}$/);
const records: fc.Arbitrary<DirectoryRecord> = fc.record(
  {
    address: boxes,
    route: fc.constantFrom('on-premises', 'cloud', 'hold', 'both'),
    aliases: fc.array(boxes, { maxLength: 3 }),
    primary: fc.constantFrom('on-premises', 'cloud'),
    line: fc.nat(),
    routingAddress: boxes,
    kind: word,
    connector: word,
    x500: fc.array(word, { minLength: 1, maxLength: 3 }),
    members: fc.array(boxes, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['address', 'route', 'aliases', 'primary', 'line'] },
);

describe('lines of records', () => {
  it('give back what was written', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (written, step) => {
        const bytes = Buffer.from(originLine('a.csv') + written.map((record) => `${contentOf(record)}${record.line}\n`).join(''));
        const read: DirectoryRecord[] = [];
        const lines = new RecordLines(
          (record) => read.push(record),
          (origin) => expect(origin).toBe('a.csv'),
        );
        for (let at = 0; at < bytes.length; at += step) lines.take(bytes.subarray(at, at + step));
        expect(read).toEqual(written);
      }),
    );
  });
});
