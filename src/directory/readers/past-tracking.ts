/** Exchange's message tracking log, and the cloud's message trace, as CSV (coexistence.md 1.1). */
import { mailboxKey, parseMailbox } from '../../mail/address.ts';
import type { PastCounts, PastMessage } from './past-message.ts';
import { isoTime } from './past-postfix.ts';

/** Names without case and signs: `date-time` and `DateTime` are one. The first that is there counts. */
const NAMES = {
  time: ['datetime', 'timestamp', 'origintimestamputc', 'origintimestamp', 'received', 'receiveddate'],
  event: ['eventid'],
  sender: ['senderaddress', 'sender', 'returnpath'],
  recipients: ['recipientaddress', 'recipients', 'recipientstatus'],
  size: ['totalbytes', 'size'],
  messageId: ['messageid'],
} as const;
type What = keyof typeof NAMES;
/** Messages that are remembered for repeats: each server on the way logs its own RECEIVE. */
const MAX_SEEN = 200_000;

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');

/** Whether these are the column names of such a log. */
export function isTrackingHeader(cells: readonly string[]): boolean {
  const header = headerOf(cells);
  return header.has('recipients') && header.has('sender') && (header.has('event') || header.has('time'));
}

/** `#Fields: date-time,...` of Exchange's own files, or a header line. */
function headerOf(cells: readonly string[]): Map<What, number> {
  const names = cells.map((cell) => plain(cell.replace(/^#Fields: */i, '')));
  const header = new Map<What, number>();
  for (const [what, spellings] of Object.entries(NAMES) as [What, readonly string[]][]) {
    const index = spellings.map((spelling) => names.indexOf(spelling)).find((at) => at !== -1);
    if (index !== undefined) header.set(what, index);
  }
  return header;
}

export class TrackingLog {
  readonly #counts: PastCounts;
  readonly #put: (message: PastMessage) => void;
  #header: Map<What, number> | undefined;
  readonly #seen = new Set<string>();

  constructor(counts: PastCounts, put: (message: PastMessage) => void) {
    this.#counts = counts;
    this.#put = put;
  }

  row(cells: readonly string[], line: number): void {
    // each of a day's files may be put behind the other, header lines and all
    if (isTrackingHeader(cells)) {
      this.#header = headerOf(cells);
      this.#counts.others++;
      return;
    }
    if (cells[0]?.startsWith('#') === true) {
      this.#counts.others++;
      return;
    }
    const event = this.#cell(cells, 'event');
    if (this.#header === undefined || (this.#header.has('event') && event === '')) {
      this.#counts.notUnderstood++;
      return;
    }
    if (event !== '' && event.toUpperCase() !== 'RECEIVE') {
      this.#counts.others++;
      return;
    }
    this.#message(cells, line);
  }

  #message(cells: readonly string[], line: number): void {
    const time = isoTime(this.#cell(cells, 'time'));
    const written = this.#cell(cells, 'sender');
    const sender = written === '' || written === '<>' ? null : parseMailbox(written);
    const size = /^\d+$/.test(this.#cell(cells, 'size')) ? Number(this.#cell(cells, 'size')) : undefined;
    const messageId = this.#cell(cells, 'messageId');
    // `addr##Receive, Send;addr##...` in the cloud's trace
    for (const text of this.#cell(cells, 'recipients').split(/[;|]/)) {
      const recipient = parseMailbox(text.split('##', 1)[0]?.trim() ?? '');
      if (recipient === undefined) {
        this.#counts.notUnderstood++;
        continue;
      }
      if (messageId !== '' && !this.#isFirst(`${messageId} ${mailboxKey(recipient)}`)) {
        this.#counts.repeats++;
        continue;
      }
      this.#put({
        ...(time === undefined ? {} : { time }),
        ...(sender === undefined ? {} : { sender }),
        recipient,
        ...(size === undefined ? {} : { size }),
        line,
      });
    }
  }

  #cell(cells: readonly string[], what: What): string {
    return cells[this.#header?.get(what) ?? -1] ?? '';
  }

  #isFirst(key: string): boolean {
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= MAX_SEEN) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    this.#seen.add(key);
    return true;
  }
}
