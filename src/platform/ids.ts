/** Names for messages and sessions: ULIDs, ordered by time and unique within the process even when the clock steps back. */
import { randomFillSync } from 'node:crypto';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const POOL = Buffer.allocUnsafe(4096);
let taken = POOL.length;
let lastTime = 0;
let prefix = '';
let counter = 0;

/**
 * A ULID (26 characters): 48 bits of time, 30 bits of a counter that starts at random each millisecond, 50 bits of
 * chance. The time part never goes back, so that ids sort in the order in which they were given.
 */
export function ulid(now: number): string {
  if (now > lastTime || prefix === '') {
    lastTime = Math.max(now, lastTime);
    prefix = encode(lastTime, 10);
    counter = random() * 256 * 64;
  }
  counter += 1;
  let chance = '';
  for (let i = 0; i < 10; i++) chance += CROCKFORD[random() & 31];
  return prefix + encode(counter, 6) + chance;
}

function random(): number {
  if (taken >= POOL.length) {
    randomFillSync(POOL);
    taken = 0;
  }
  return POOL[taken++] ?? 0;
}

function encode(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i++) {
    text = CROCKFORD[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
