/** Records of the spool that a disk or a hand has changed: refused as unreadable, or a message in all its parts. */

import type { SpoolId } from '../../../src/mail/spooled.ts';
import { decode, encode } from '../../../src/spool/codec.ts';
import { Broken, type Target } from '../target.ts';
import { RECORDS } from './records.ts';

export const spoolRecords: Target = {
  name: 'spool-records',
  inputs: 'record',
  long: 300_000,
  short: 20_000,
  open: async () => ({
    corpus: RECORDS.map((record) => Buffer.from(record)),
    words: [
      'null',
      '[]',
      '{}',
      '"queued"',
      '"held"',
      '"\\u0000"',
      '1e999',
      '-1',
      '[[',
      ']]',
      ',',
      '"@"',
      '"x@"',
      '"\\"a b\\"@x"',
    ],
    run(input) {
      let decoded: ReturnType<typeof decode>;
      try {
        decoded = decode('01KAGQ00000000000000000000' as SpoolId, input.toString());
      } catch {
        return; // start-up sets it aside
      }
      const { message, bodyInFile } = decoded;
      const again = decode(message.id, encode(message, bodyInFile));
      if (JSON.stringify(again) !== JSON.stringify(decoded))
        throw new Broken('a record that is another when it is written again');
    },
    [Symbol.asyncDispose]: async () => {},
  }),
};
