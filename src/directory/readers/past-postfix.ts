/** The mail log of Postfix, under either syslog's time stamp. */
import { mailboxKey, parseMailbox } from '../../mail/address.ts';
import { KnownMessages, type LogReader, type PastCounts, type PastMessage } from './past-message.ts';

const LINE = /^(?:([A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d)|(\d{4}-\d\d-\d\dT\S+)) \S+ (\S+?)(?:\[\d+\])?: (.*)$/;
const QUEUED = /^([0-9A-Za-z]{6,20}): (.*)$/;
const FROM = /^from=<([^>]*)>, size=(\d+)/;
const TO = /^to=<([^>]*)>,(?: orig_to=<([^>]*)>,)? relay=([^,]*),/;
/** A content filter on the same machine gives the message back, and it is told once more under another id. */
const FILTER = /^(?:127\.0\.0\.1|localhost|\[?::1\]?)\[[^\]]*\]:100\d\d$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function isPostfixLine(line: string): boolean {
  return LINE.exec(line)?.[3]?.startsWith('postfix') === true;
}

export class PostfixLog implements LogReader {
  readonly #counts: PastCounts;
  readonly #put: (message: PastMessage) => void;
  readonly #now: Date;
  readonly #known = new KnownMessages();

  /** `now` gives the year, which syslog leaves out; its times are the machine's own. */
  constructor(counts: PastCounts, put: (message: PastMessage) => void, now: Date) {
    this.#counts = counts;
    this.#put = put;
    this.#now = now;
  }

  line(line: string, number: number): void {
    const [, day, iso, program = '', text = ''] = LINE.exec(line) ?? [];
    if (program === '') {
      this.#counts.notUnderstood++;
      return;
    }
    const [, id = '', said = ''] = program.startsWith('postfix') ? (QUEUED.exec(text) ?? []) : [];
    const from = FROM.exec(said);
    if (from !== null) {
      const known = this.#known.of(id);
      known.size = Number(from[2]);
      const sender = from[1] === '' ? null : parseMailbox(from[1] ?? '');
      if (sender !== undefined) known.sender = sender;
    }
    if (said === 'removed') this.#known.forget(id);
    const to = TO.exec(said);
    if (to === null || FILTER.test(to[3] ?? '')) {
      this.#counts.others++;
      return;
    }
    const recipient = parseMailbox(to[2] ?? to[1] ?? '') ?? parseMailbox(to[1] ?? '');
    if (recipient === undefined) {
      this.#counts.notUnderstood++;
      return;
    }
    const known = this.#known.of(id);
    if (!this.#known.isFirst(known, mailboxKey(recipient))) {
      this.#counts.repeats++;
      return;
    }
    const time = iso === undefined ? this.#timeOf(day ?? '') : isoTime(iso);
    this.#put({
      ...(time === undefined ? {} : { time }),
      ...(known.sender === undefined ? {} : { sender: known.sender }),
      recipient,
      ...(known.size === undefined ? {} : { size: known.size }),
      line: number,
    });
  }

  /** The latest year in which the time is not in the future. */
  #timeOf(day: string): string | undefined {
    const [month = '', date = '', clock = ''] = day.split(/ +/);
    const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map(Number);
    const index = MONTHS.indexOf(month);
    if (index === -1) return undefined;
    const at = (year: number): Date => new Date(year, index, Number(date), hours, minutes, seconds);
    const year = this.#now.getFullYear();
    const time = at(year).getTime() > this.#now.getTime() + 86_400_000 ? at(year - 1) : at(year);
    return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
  }
}

/** In UTC; `undefined` where it is no time. */
export function isoTime(text: string): string | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
