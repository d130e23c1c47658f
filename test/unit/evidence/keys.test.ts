import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { keysOf } from '../../../src/evidence/keys.ts';

it('what is remembered of the records of a segment holds their ids, not the transactions that they stood in', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const seen = new Set<string>();
  const transaction = (n: number): string =>
    Array.from({ length: 20 }, (_, i) =>
      JSON.stringify({ event: 'RECEIVE', 'spool-id': `01J${String(n * 20 + i).padStart(23, '0')}`, sender: 's'.repeat(1000) }),
    ).join('\n');
  gc();
  const before = process.memoryUsage().heapUsed;
  // read as it comes from another thread: in one piece
  for (let n = 0; n < 400; n++) for (const line of Buffer.from(transaction(n)).toString().split('\n')) keysOf(line, seen, []);
  gc();
  expect(seen.size).toBe(8000);
  expect((process.memoryUsage().heapUsed - before) / seen.size).toBeLessThan(200);
});
