/** Walks the spool for an operator, page by page, so that a long queue never holds up mail. */
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import { decode } from './codec.ts';
import { type Databases, readPage } from './databases.ts';
import { type Selector, selectsAnything, selectsMessage } from './operations.ts';

const PAGE = 200;

/** What the walk needs of the spool. */
export interface Walked {
  readonly databases: () => Databases;
  /** The message as memory has it: `null` where it is gone, `undefined` where the record is right. */
  readonly inMemory: (id: SpoolId) => SpooledMessage | null | undefined;
  readonly load: (id: SpoolId) => SpooledMessage | undefined;
}

/** Pages of the selected messages behind `after`, in the order of ids; the event loop turns between two pages. */
export async function* select(spool: Walked, selector: Selector, now: number, after?: SpoolId): AsyncGenerator<SpooledMessage[]> {
  if (!selectsAnything(selector)) return;
  if (selector.id !== undefined) {
    const message = spool.load(selector.id);
    if (message !== undefined && selectsMessage(selector, message, now)) yield [message];
    return;
  }
  for (let last = after; ; ) {
    const page = readPage(spool.databases().messages, last, PAGE);
    const selected: SpooledMessage[] = [];
    for (const { key: id, value } of page) {
      const known = spool.inMemory(id);
      const message = known === undefined ? decode(id, value).message : known;
      if (message !== null && selectsMessage(selector, message, now)) selected.push(message);
    }
    yield selected;
    if (page.length < PAGE) return;
    last = page.at(-1)?.key;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
