/** One run of a probe: sent, waited for, answered, reported. */
import type { EventRecord } from '../../mail/event.ts';
import type { TlsEvidence } from '../../mail/tls.ts';
import { type Arrival, MaildirRoom, type Mailroom } from './arrivals.ts';
import { type AnswerBox, BOX } from './box.ts';
import { ImapRoom } from './imap-room.ts';
import { composeProbe, headerOf, noticeIn } from './message.ts';
import type { ProbeLeg, ProbeParts, ProbeReport, ProbeSettings } from './ports.ts';
import { handOver } from './send.ts';
import { answerAddress, type Tokens } from './token.ts';

/** Milliseconds between two looks where nothing happens. */
const POLL = { maildir: 1_000, imap: 5_000 } as const;
/** A message that is deferred again and again tells nothing new. */
const MOST_RECORDS = 100;

interface Failure {
  readonly problem: string;
  readonly next: readonly string[];
}

export class ProbeRun {
  readonly #probe: ProbeSettings;
  readonly #parts: ProbeParts;
  readonly #box: AnswerBox;
  readonly #token: string;
  readonly messageId: string;
  readonly #began: number;
  readonly #signal: AbortSignal;
  readonly #records: EventRecord[] = [];
  #wake: (() => void) | undefined;
  #hasNews = false;
  #arrival: (Arrival & { readonly at: number }) | undefined;
  #answer: { readonly header: string; readonly at: number; readonly record: EventRecord | undefined } | undefined;
  #failure: Failure | undefined;

  constructor(probe: ProbeSettings, parts: ProbeParts, box: AnswerBox, tokens: Tokens, signal: AbortSignal) {
    this.#probe = probe;
    this.#parts = parts;
    this.#box = box;
    this.#began = parts.clock.now();
    this.#token = tokens.make(this.#began);
    this.messageId = `<${this.#token}@${parts.hostname}>`;
    this.#signal = signal;
  }

  /** Every record of the relay while this run goes on. */
  onEvent(record: EventRecord): void {
    const isOurs = record['message-id'] === this.messageId || record.recipient?.includes(this.#token) === true;
    if (!isOurs || this.#records.length >= MOST_RECORDS) return;
    this.#records.push(record);
    this.#hasNews = true;
    this.#wake?.();
  }

  /** Never rejects. */
  async run(): Promise<ProbeReport> {
    try {
      await this.#go();
    } catch (error) {
      // a mailbox that cannot be looked into, a disk that fails: said in the report, for it is what was asked
      this.#failure ??= { problem: error instanceof Error ? error.message : String(error), next: this.#accessSteps() };
    }
    return this.#report();
  }

  async #go(): Promise<void> {
    const { wait } = this.#probe;
    // before it is sent: where nobody can look, nothing need be sent
    await using room = await openRoom(wait);
    await this.#box.tidy(this.#began);
    const end = this.#began + this.#probe.deadline;
    if (!(await this.#send())) return;
    while (this.#failure === undefined && !this.#isDone()) {
      const left = end - this.#parts.clock.now();
      if (left <= 0 || this.#signal.aborted) return this.#tooLate();
      await this.#news(Math.min(left, this.#poll()));
      this.#readRecords();
      await this.#readBox();
      if (room !== undefined && this.#arrival === undefined) {
        const arrival = await room.look(this.#token);
        if (arrival !== undefined) this.#arrival = { ...arrival, at: arrival.time ?? this.#parts.clock.now() };
      }
    }
  }

  #poll(): number {
    const poll = this.#parts.poll ?? POLL;
    return this.#probe.wait.imap === undefined ? poll.maildir : poll.imap;
  }

  #isDone(): boolean {
    const { maildir, imap, reply } = this.#probe.wait;
    const hasRoom = maildir !== undefined || imap !== undefined;
    return (!hasRoom || this.#arrival !== undefined) && (!reply || this.#answer !== undefined);
  }

  async #send(): Promise<boolean> {
    const { name, to, from, wait } = this.#probe;
    const listeners = this.#parts.listeners();
    const listener = listeners.find(({ tls }) => tls === 'starttls') ?? listeners[0];
    if (listener === undefined) {
      this.#failure = { problem: 'the relay takes no mail at the moment', next: ['bridgehead status'] };
      return false;
    }
    const answerTo = answerAddress(this.#token, from.domain);
    const lines = composeProbe({
      name,
      token: this.#token,
      from,
      to,
      answerTo,
      messageId: this.messageId,
      time: this.#began,
      wantsAnswer: wait.reply,
    });
    // answers and notices come to the envelope's sender (RFC 3834 §4, RFC 5321 §6.1)
    const sending = { helo: this.#parts.hostname, from: answerTo.address, to: to.address, lines };
    const sent = await handOver(listener, sending, this.#signal);
    if (sent.ok) return true;
    this.#failure = {
      problem: `our own listener did not take it: ${sent.step}: ${sent.reply}`,
      next: [`bridgehead explain ${to.address} --from ${from.address}`, 'bridgehead status'],
    };
    return false;
  }

  /** What our own records say of the way there. */
  #readRecords(): void {
    const { side } = this.#probe;
    const last = this.#outward().at(-1);
    if (last?.event === 'FAIL' || last?.event === 'EXPIRE') {
      const said = last.reply === undefined ? '' : `: ${last.reply.code} ${last.reply.enhanced ?? ''} ${last.reply.text}`;
      const host = last['remote-mta']?.name ?? last.connector ?? 'the next hop';
      this.#failure = { problem: `${host} refused it${said}`, next: this.#traceSteps(last) };
    }
    const sent = this.#sent();
    if (side !== undefined && sent?.route !== undefined && sent.route !== side && sent.route !== 'both')
      this.#failure = {
        problem: `it went to ${sent.route}, and ${this.#probe.to.address} is expected in ${side}: ${sent.reason ?? 'no reason recorded'}`,
        next: [`bridgehead explain ${this.#probe.to.address}`, `bridgehead directory show ${this.#probe.to.address}`],
      };
  }

  /** Answers and notices that came to the token's address. */
  async #readBox(): Promise<void> {
    const isThere = this.#records.some(({ event, connector }) => event === 'SEND' && connector === BOX);
    if (!isThere || this.#answer !== undefined) return;
    for (const message of await this.#box.take(this.#token)) {
      const notice = noticeIn(message);
      if (notice === undefined) {
        const record = this.#records.findLast(({ event, connector }) => event === 'RECEIVE' && connector === BOX);
        const at = record === undefined ? this.#parts.clock.now() : Date.parse(record.time);
        this.#answer ??= { header: headerOf(message), at, record };
      } else if (notice.action === 'failed') {
        this.#failure ??= { problem: `a notice came back: ${notice.text}`, next: this.#traceSteps(this.#sent()) };
      }
    }
  }

  #tooLate(): void {
    const { to, wait, deadline, from } = this.#probe;
    const sent = this.#sent();
    const last = this.#outward().at(-1);
    const time = `within ${Math.round(deadline / 1000)} s`;
    if (this.#signal.aborted) {
      this.#failure = { problem: 'the relay stopped before it was there', next: [] };
    } else if (sent === undefined) {
      const why = last?.reply === undefined ? '' : `: ${last.reply.code} ${last.reply.text}`;
      const state = last?.event === 'DEFER' ? 'is deferred' : last?.event === 'HOLD' ? 'is held' : 'waits in the queue';
      this.#failure = { problem: `it ${state}, and did not leave ${time}${why}`, next: this.#traceSteps(last) };
    } else if ((wait.maildir !== undefined || wait.imap !== undefined) && this.#arrival === undefined) {
      this.#failure = {
        problem: `${sent['remote-mta']?.name ?? sent.connector ?? 'the next hop'} took it, and it was not in the mailbox ${time}`,
        next: [...this.#mailboxSteps(), ...this.#traceSteps(sent)],
      };
    } else {
      this.#failure = {
        problem: `it arrived, and no answer came back ${time}`,
        next: [
          `See that ${to.address} answers automatically, each time (an out-of-office answers each sender once; the probe's sender is a new one each time)`,
          `See that mail from there to ${from.domain} leads to this relay: its connector or MX, and no junk filter on answers`,
          ...this.#traceSteps(sent),
        ],
      };
    }
  }

  /** The mailbox could not be looked into. */
  #accessSteps(): string[] {
    const { imap } = this.#probe.wait;
    if (imap === undefined) return this.#mailboxSteps();
    const secret = imap.accessTokenFile === undefined ? 'password-file' : 'access-token-file';
    return [
      `See that ${imap.user} can sign in at ${imap.host} by IMAP with what the settings say: probes, ${this.#probe.name}, wait.imap (user, ${secret}, tls, ca-file, mailboxes)`,
    ];
  }

  #mailboxSteps(): string[] {
    const { maildir, imap } = this.#probe.wait;
    if (maildir !== undefined) return [`ls -l ${maildir}/new`];
    if (imap !== undefined)
      return [`Look into the mailboxes of ${imap.user} at ${imap.host}, the junk mail and the quarantine too`];
    return [];
  }

  #traceSteps(record: EventRecord | undefined): string[] {
    const trace = `bridgehead trace --message-id '${this.messageId}'`;
    return record?.connector === undefined ? [trace] : [trace, `bridgehead connector test ${record.connector}`];
  }

  /** Records of the probe itself, without those of what came back. */
  #outward(): EventRecord[] {
    return this.#records.filter((record) => record['message-id'] === this.messageId && record.connector !== BOX);
  }

  #sent(): EventRecord | undefined {
    return this.#outward().find(({ event, copy }) => event === 'SEND' && copy !== true);
  }

  /** Waits until a record comes, at most so many milliseconds. */
  #news(most: number): Promise<void> {
    if (this.#hasNews || this.#signal.aborted) {
      this.#hasNews = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const give = (): void => {
        clearTimeout(timer);
        this.#signal.removeEventListener('abort', give);
        this.#wake = undefined;
        this.#hasNews = false;
        resolve();
      };
      const timer = setTimeout(give, most);
      this.#signal.addEventListener('abort', give);
      this.#wake = give;
    });
  }

  #report(): ProbeReport {
    const { name, to } = this.#probe;
    const there = this.#there();
    return {
      probe: name,
      time: new Date(this.#began).toISOString(),
      ok: this.#failure === undefined,
      to: to.address,
      token: this.#token,
      'message-id': this.messageId,
      there,
      back: this.#back(there),
      problem: this.#failure?.problem ?? null,
      next: this.#failure?.next ?? [],
      records: this.#records,
    };
  }

  #there(): ProbeLeg {
    const { maildir, imap } = this.#probe.wait;
    const sent = this.#sent();
    const last = this.#outward().findLast(({ event }) => event === 'SEND' || event === 'DEFER' || event === 'FAIL');
    const hasRoom = maildir !== undefined || imap !== undefined;
    const at = this.#arrival?.at ?? (hasRoom || sent === undefined ? undefined : Date.parse(sent.time));
    return {
      ok: at !== undefined,
      seconds: at === undefined ? null : secondsBetween(this.#began, at),
      seen: this.#arrival?.seen ?? (sent === undefined ? null : 'the next hop took it'),
      tls: tlsOf(sent ?? last),
      hops: this.#arrival === undefined ? [] : this.#parts.readHops(this.#arrival.header),
    };
  }

  #back(there: ProbeLeg): ProbeLeg {
    const answer = this.#answer;
    const asked = this.#probe.wait.reply;
    if (answer === undefined)
      return { ok: asked && there.ok === true ? false : null, seconds: null, seen: null, tls: null, hops: [] };
    const sent = this.#sent();
    const from = this.#arrival?.at ?? (sent === undefined ? this.#began : Date.parse(sent.time));
    return {
      ok: true,
      seconds: secondsBetween(from, answer.at),
      seen: 'the relay took an answer',
      tls: tlsOf(answer.record),
      hops: this.#parts.readHops(answer.header),
    };
  }
}

function openRoom({ maildir, imap }: ProbeSettings['wait']): Promise<Mailroom | undefined> {
  if (maildir !== undefined) return MaildirRoom.open(maildir);
  return imap === undefined ? Promise.resolve(undefined) : ImapRoom.open(imap);
}

/** Nothing where no network was passed (Maildir), or where it did not come to a session. */
const tlsOf = (record: EventRecord | undefined): TlsEvidence | null => {
  const isMoot = record?.tls?.result === 'not-tried' && (record.event !== 'SEND' || record['remote-mta'] === undefined);
  return isMoot ? null : (record?.tls ?? null);
};
/** To the millisecond; the clock of another machine may be behind ours. */
const secondsBetween = (from: number, to: number): number => Math.max(0, Math.round(to - from)) / 1000;
