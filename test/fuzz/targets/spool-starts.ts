/**
 * A spool whose records were changed, opened by the daemon's own start: it opens, what cannot be read is set aside with its
 * body, what can be is due, and nothing is in a state that no code knows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { openSpool } from '../../../src/spool/open.ts';
import { Mutator } from '../mutate.ts';
import { must, pick, type Target } from '../target.ts';
import { RECORDS } from './records.ts';

const MESSAGES = 40;

export const spoolStarts: Target = {
  name: 'spool-starts',
  inputs: 'start',
  long: 500,
  short: 15,
  blocks: true,
  open: async () => {
    const mutator = new Mutator(
      RECORDS.map((record) => Buffer.from(record)),
      ['null', '[]', '"x"', '1e999', '-1', '"@"'],
    );
    return {
      corpus: [Buffer.from('all of them broken')],
      words: [],
      make: () => Buffer.from('some of them broken'),
      async run(input, chance) {
        const folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
        try {
          const settings = { directory: join(folder, 'spool'), messageSize: 2 ** 20 };
          await (await openSpool(settings, { clock: systemClock, log: silentLog }))[Symbol.asyncDispose]();
          const root = open<string, string>(join(settings.directory, 'store'), {
            maxDbs: 8,
            noSubdir: false,
            overlappingSync: false,
          });
          const messages = root.openDB<string, string>('messages', { encoding: 'string' });
          const stored = root.openDB<Buffer, string>('bodies', { encoding: 'binary' });
          root.transactionSync(() => {
            for (let i = 0; i < MESSAGES; i++) {
              const id = `01KAGQ${String(i).padStart(20, '0')}`;
              const whole = input.toString().startsWith('some') && chance() < 0.3;
              const record = whole ? pick(chance, RECORDS) : mutator.next(chance).toString();
              void messages.put(id, record);
              if (chance() < 0.9) void stored.put(id, Buffer.alloc(100, 'x'));
            }
          });
          await root.close();
          for (let starts = 0; starts < 2; starts++) {
            const spool = await openSpool(settings, { clock: systemClock, log: silentLog });
            const { messages: count, bytes } = spool.stats();
            must(count <= MESSAGES && bytes >= 0, `${count} messages, ${bytes} octets`);
            await spool[Symbol.asyncDispose]();
          }
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      },
      [Symbol.asyncDispose]: async () => {},
    };
  },
};
