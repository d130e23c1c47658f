/** Good records of the spool. */
import { encode } from '../../../src/spool/codec.ts';
import { box, message, recipient } from '../../unit/bounce/samples.ts';

export const RECORDS: readonly string[] = [
  encode(message(), false),
  encode(message({ sender: null, eightBit: true, smtputf8: true, envid: 'x y', ret: 'HDRS' }), false),
  encode(
    message({
      ret: 'FULL',
      sender: box('"a b"@example.net'),
      recipients: [
        recipient('one@example.com', { notify: ['FAILURE', 'DELAY'], orcpt: 'rfc822;one@example.com' }),
        recipient('two@example.com', {
          index: 1,
          state: 'deferred',
          attempts: 3,
          nextAttemptAt: 1_800_000_000_000,
          lastReply: { code: 451, enhanced: '4.7.1', text: 'later' },
          lastConnector: 'cloud',
        }),
        recipient('"q q"@example.com', { index: 2, state: 'held' }),
      ],
    }),
    false,
  ),
];
