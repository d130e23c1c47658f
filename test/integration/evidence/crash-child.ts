/** Writes evidence until it is killed; its outbox forgets every acknowledgement, as a crash before the sync would. */
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openEvidence } from '../../../src/evidence/evidence.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { MemoryOutbox, NOON, received, sent } from './records.ts';

const [directory = '', batches = '0'] = process.argv.slice(2);
const outbox = new MemoryOutbox();
outbox.forgetful = true;
const acknowledge = outbox.acknowledge.bind(outbox);
outbox.acknowledge = (sequences) => {
  acknowledge(sequences);
  writeSync(1, 'acknowledged\n');
};
const evidence = await openEvidence(directory, {
  outbox,
  clock: { now: () => NOON, monotonic: () => performance.now() },
  log: silentLog,
  keepDays: 90,
});
for (let n = 0; n < Number(batches); n++) {
  outbox.commit(received(n), sent(n));
  if (n % 20 === 19) void evidence.drain();
  await delay(0);
}
await evidence[Symbol.asyncDispose]();
