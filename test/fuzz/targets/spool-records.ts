/** Records of the spool that a disk or a hand has changed: refused as unreadable, or a message in all its parts. */
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { decode, encode } from '../../../src/spool/codec.ts';
import { must, type Target } from '../target.ts';
import { RECORDS } from './records.ts';

/** As JSON, names in order. */
const inOrder = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

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
      // the order of names is nothing to anybody: one that stands twice takes the place of the first
      must(inOrder(again) === inOrder(decoded), 'a record that is another when it is written again');
      const { sender, recipients, origin, receivedAt, size } = message;
      must(typeof origin === 'object' && origin !== null && receivedAt + size >= 0, 'a message that lacks a part');
      for (const { address } of [...recipients, ...(sender === null ? [] : [{ address: sender }])])
        must(typeof address.address === 'string' && address.address.includes('@'), 'an address that is none');
    },
    [Symbol.asyncDispose]: async () => {},
  }),
};
