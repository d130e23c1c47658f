/** Exim's main log: `<=` a message comes, `=>` `->` `**` `==` what became of a recipient. */
import { mailboxKey, parseMailbox } from '../../mail/address.ts';
import { KnownMessages, type LogReader, type PastCounts, type PastMessage } from './past-message.ts';
import { isoTime } from './past-postfix.ts';

const LINE = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?: ([+-]\d{4}))? (?:\[\d+\] )?(.*)$/;
/** Ids of before and since Exim 4.97. */
const QUEUED = /^(\w{6}-\w{6}-\w{2}|\w{6}-\w{11}-\w{4}) (<=|=>|->|>>|\*>|\*\*|==|Completed)(?: (.*))?$/;

export function isEximLine(line: string): boolean {
  return QUEUED.test(LINE.exec(line)?.[4] ?? '');
}

export class EximLog implements LogReader {
  readonly #counts: PastCounts;
  readonly #put: (message: PastMessage) => void;
  readonly #known = new KnownMessages();

  constructor(counts: PastCounts, put: (message: PastMessage) => void) {
    this.#counts = counts;
    this.#put = put;
  }

  line(line: string, number: number): void {
    const [, date, clock = '', zone, text] = LINE.exec(line) ?? [];
    if (text === undefined) {
      this.#counts.notUnderstood++;
      return;
    }
    const [, id = '', flag, said = ''] = QUEUED.exec(text) ?? [];
    switch (flag) {
      case undefined:
        this.#counts.others++;
        return;
      case 'Completed':
        this.#known.forget(id);
        this.#counts.others++;
        return;
      case '<=':
        this.#arrival(id, said);
        this.#counts.others++;
        return;
      default:
        this.#recipient(id, said, isoTime(`${date}T${clock}${zone ?? ''}`), number);
    }
  }

  #arrival(id: string, said: string): void {
    const known = this.#known.of(id);
    const [written = ''] = said.split(' ', 1);
    const sender = written === '<>' ? null : parseMailbox(written);
    if (sender !== undefined) known.sender = sender;
    const size = / S=(\d+)/.exec(said)?.[1];
    if (size !== undefined) known.size = Number(size);
  }

  /** `=> final <as the sender wrote it> R=router T=transport`; a file or a pipe may stand for the final address. */
  #recipient(id: string, said: string, time: string | undefined, number: number): void {
    const [place = ''] = said.split(/ [A-Z]{1,4}=|: /, 1);
    const written = / <([^<>\s]+)>/.exec(place)?.[1] ?? place.split(' ', 1)[0]?.replace(/:$/, '') ?? '';
    const recipient = parseMailbox(written);
    if (recipient === undefined) {
      this.#counts.notUnderstood++;
      return;
    }
    const known = this.#known.of(id);
    if (!this.#known.isFirst(known, mailboxKey(recipient))) {
      this.#counts.repeats++;
      return;
    }
    this.#put({
      ...(time === undefined ? {} : { time }),
      ...(known.sender === undefined ? {} : { sender: known.sender }),
      recipient,
      ...(known.size === undefined ? {} : { size: known.size }),
      line: number,
    });
  }
}
