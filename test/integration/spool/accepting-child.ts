/** Accepts and settles in a loop until it is killed, and says on standard output what is durable. */
import { writeSync } from 'node:fs';
import type { SpoolId } from '../../../src/mail/spooled.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { openSpool } from '../../../src/spool/open.ts';
import { newMessage } from '../../unit/spool/messages.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: accepting-child.ts DIRECTORY');
const spool = await openSpool({ directory, messageSize: 1 << 20 }, { clock: systemClock, log: silentLog });
const time = '2026-11-22T10:00:00.000Z';

async function accept(worker: number): Promise<void> {
  for (let i = 0; ; i++) {
    const id = spool.newId();
    const draft = spool.draft(id);
    const octets = (i + worker) % 10 === 0 ? 200_000 : 3000;
    await draft.write(Buffer.alloc(octets, 'x'));
    await draft.commit(newMessage(id, Date.now()), [{ time, event: 'RECEIVE', 'spool-id': id }]);
    writeSync(1, `accepted ${id}\n`);
    if (i % 2 === 0) for (const due of spool.due(Date.now(), 1)) await settle(due);
  }
}

async function settle(id: SpoolId): Promise<void> {
  await spool.settle({ id, changes: [{ index: 0, state: 'relayed' }], events: [{ time, event: 'SEND', 'spool-id': id }] });
  writeSync(1, `settled ${id}\n`);
  spool.release(id);
}

await Promise.all(Array.from({ length: 8 }, (_, worker) => accept(worker)));
