/** Where a message's story gets a word of advice: under the last refusal of each kind. Pure. */
import type { EventName, EventRecord } from '../mail/event.ts';
import { adviceLines, adviceOn, entryFor, type Fate } from '../mail/reply-advice.ts';

const FATES: Partial<Record<EventName, Fate>> = { DEFER: 'deferred', FAIL: 'failed', EXPIRE: 'expired' };

/** The lines for each record that gets some. What is refused for the same reason again and again is explained once. */
export function advised(records: readonly EventRecord[]): Map<EventRecord, readonly string[]> {
  const last = new Map<unknown, { readonly record: EventRecord; readonly lines: readonly string[] }>();
  for (const record of records) {
    const fate = FATES[record.event];
    if (fate === undefined || record.reply === undefined) continue;
    const advice = adviceOn(record.reply, fate);
    if (advice !== undefined) last.set(entryFor(record.reply), { record, lines: adviceLines(advice) });
  }
  return new Map([...last.values()].map(({ record, lines }) => [record, lines]));
}
