/**
 * The embedded spool: mail from the 250 to its last recipient. It is the spool of reception (`Spooling`), the due mail
 * of delivery (`DueMail`), the outbox of evidence (`Outbox`), the sink of records that belong to no message, and what an
 * operator steers. What is on disk is the truth; memory is a cache of it.
 */
import type { EventRecord } from '../mail/event.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { NewMessage, Settlement, SpooledBody, SpooledMessage, SpoolId } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import { ulid } from '../platform/ids.ts';
import type { Log } from '../platform/logger.ts';
import { BodyDraft, type DraftMemory, type DraftParts } from './body-draft.ts';
import type { BodyFiles } from './body-files.ts';
import { decode, encode } from './codec.ts';
import { Culprits } from './culprits.ts';
import { entries } from './databases.ts';
import { DiskSpace, octetsFree } from './disk-space.ts';
import type { DueIndex } from './due-index.ts';
import { FreshMail } from './fresh-mail.ts';
import type { Write } from './group.ts';
import type { Hands, HandsFile } from './hands.ts';
import { type Selector, type Steering, steer } from './operations.ts';
import type { Batch } from './outbox.ts';
import type { CommittedLines, Failure, SpoolParts, SpoolSettings, SpoolStats } from './ports.ts';
import { select, type Walked } from './selection.ts';
import { accepted, isDone, settled } from './states.ts';
import type { Store } from './store.ts';
import { BytesBody, MissingBody, PiecesBody } from './stored-body.ts';
import { type Culprit, Suspects, suspectKey } from './suspects.ts';

const MOST_LOOSE_RECORDS = 10_000;
/** Milliseconds that the process must live before it tries again what it may have died over. */
const LAST_TRIAL = 60_000;

export class Spool implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: Store;
  readonly #files: BodyFiles;
  readonly #index: DueIndex;
  readonly #lock: Disposable;
  readonly #aside: number;
  readonly #fresh: FreshMail;
  readonly #space: DiskSpace;
  readonly #drafts: DraftMemory;
  readonly #draftParts: DraftParts;
  readonly #walked: Walked;
  readonly #hands: HandsFile;
  readonly #suspects: Suspects;
  readonly #culprits: Culprits;
  #wake: () => void = () => {};
  #loose = 0;
  #dropped = 0;
  readonly newId: () => SpoolId;

  constructor(
    settings: SpoolSettings,
    parts: SpoolParts,
    opened: {
      store: Store;
      files: BodyFiles;
      index: DueIndex;
      lock: Disposable;
      aside: number;
      hands: HandsFile;
      suspects: ReadonlySet<SpoolId>;
    },
  ) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#store = opened.store;
    this.#files = opened.files;
    this.#index = opened.index;
    this.#lock = opened.lock;
    this.#aside = opened.aside;
    this.#hands = opened.hands;
    this.#suspects = new Suspects(
      opened.suspects,
      (id) => {
        this.#index.release(id);
        this.#wake();
      },
      (id) =>
        void this.#store
          .write({ writes: [], events: [], keep: true, control: { key: suspectKey(id), value: undefined } })
          .catch(() => {}),
    );
    this.#hands.ended = (id) => this.#suspects.clear(id);
    this.#culprits = new Culprits(
      {
        store: this.#store,
        suspects: this.#suspects,
        load: (id) => this.load(id),
        steer: (selector, steering) => this.steer(selector, steering),
        log: parts.log,
      },
      settings.lastTrial ?? LAST_TRIAL,
    );
    const memory = settings.memory ?? 16 * 1024 * 1024;
    this.#drafts = { used: 0, limit: memory };
    this.#fresh = new FreshMail(memory);
    // Postfix's rule: one and a half messages of the largest size.
    const free = settings.freeSpace ?? octetsFree;
    this.#space = new DiskSpace(() => free(settings.directory), settings.messageSize * 1.5, parts.clock, parts.log);
    this.#draftParts = {
      files: this.#files,
      memory: this.#drafts,
      accept: (message, wireSize, body, events, pieces) => this.#accept(message, wireSize, body, events, pieces),
      failed: (error) => this.#store.fail(error),
      full: () => this.#space.full(),
    };
    this.#walked = {
      databases: () => this.#store.databases,
      inMemory: (id) => {
        // Not in the index: durable this moment, and not born yet.
        if (this.#index.get(id) === undefined) return null;
        const fresh = this.#fresh.get(id);
        return fresh === undefined ? undefined : (fresh.message ?? null);
      },
      load: (id) => this.load(id),
    };
    this.newId = parts.newId ?? (() => ulid(parts.clock.now()) as SpoolId);
  }

  // Reception ---------------------------------------------------------------------------------------------------------

  /** `undefined` while mail is taken; else the reply to MAIL. */
  refusal(): SmtpReply | undefined {
    if (this.#store.failure !== undefined) return reply(451, '4.3.0', 'Mail storage failed, try again later');
    if (!this.#space.isEnough()) return reply(452, '4.3.1', 'Insufficient system storage');
    // A disk that falls behind: what waits for its sync is bounded (P8).
    if (this.#drafts.used > 2 * this.#drafts.limit) return reply(451, '4.3.2', 'Mail storage is busy, try again later');
    return undefined;
  }

  draft(id: SpoolId): BodyDraft {
    return new BodyDraft(id, this.#draftParts);
  }

  /** A crash before it resolves leaves the message as a whole or not at all, after it as a whole: then comes the 250. */
  async #accept(
    message: NewMessage,
    wireSize: number,
    body: Buffer | undefined,
    events: readonly EventRecord[],
    pieces?: readonly Buffer[],
  ): Promise<void> {
    const spooled = accepted(message, wireSize);
    const write =
      body === undefined
        ? { id: message.id, record: encode(spooled, true) }
        : { id: message.id, record: encode(spooled, false), body };
    await this.#store.write({ writes: [write], events, keep: false });
    const { bodySha256 } = message;
    const atHand = body === undefined ? pieces && new PiecesBody(pieces, wireSize, bodySha256) : new BytesBody(body, bodySha256);
    this.#born(spooled, body === undefined, atHand);
  }

  // Delivery ----------------------------------------------------------------------------------------------------------

  /** Ids of unclaimed messages that are due, the oldest due time first; claimed by this call. None while the store fails. */
  due(now: number, limit: number): SpoolId[] {
    return this.#store.failure === undefined ? this.#suspects.sift(this.#index.claim(now, limit)) : [];
  }

  /** When the next unclaimed message falls due; `undefined` where none waits, and while the store fails: `onDue` tells. */
  nextDue(): number | undefined {
    return this.#store.failure === undefined ? this.#index.nextDue() : undefined;
  }

  onDue(wake: () => void): void {
    this.#wake = wake;
    this.#store.recovered = wake;
  }

  held(): Iterable<SpoolId> {
    return this.#index.held();
  }

  load(id: SpoolId): SpooledMessage | undefined {
    const fresh = this.#fresh.get(id);
    if (fresh !== undefined) return fresh.message;
    if (this.#index.get(id) === undefined) return undefined;
    const record = this.#store.record(id);
    return record === undefined ? undefined : decode(id, record).message;
  }

  body(message: SpooledMessage): SpooledBody {
    const fresh = this.#fresh.get(message.id)?.body;
    if (fresh !== undefined) return fresh;
    if (this.#index.get(message.id)?.bodyInFile === true) return this.#files.body(message.id, message.wireSize);
    const stored = this.#store.body(message.id);
    if (stored?.length === message.wireSize) return new BytesBody(stored);
    return new MissingBody(message);
  }

  /**
   * Makes outcomes durable, with the DSNs and records that belong to them: a crash before it resolves leaves all or
   * nothing, and an attempt whose outcome is lost is made again. When the store fails it waits until that works again,
   * for an outcome that is forgotten is a duplicate. Rejects only when the spool is closed.
   */
  async settle({ id, changes, copies, events, notifications, authentication }: Settlement): Promise<void> {
    if (!this.#store.isOpen) await this.#store.opened(); // else at once: what is settled shows from this moment
    const message = this.load(id);
    if (message === undefined) throw new Error(`no message ${id} in the spool`);
    const merged = settled(message, changes, copies, this.#clock.now());
    const after = authentication === undefined ? merged : { ...merged, authentication };
    if (notifications === undefined || notifications.length === 0) return this.#rewrite(after, events);
    const born: { message: SpooledMessage; body: Buffer }[] = [];
    const writes: Write[] = [];
    for (const { message: made, body } of notifications) {
      const spooled = accepted(made, body.length);
      born.push({ message: spooled, body });
      writes.push({ id: made.id, record: encode(spooled, false), body });
    }
    await this.#rewrite(after, events, writes);
    for (const { message: made, body } of born) this.#born(made, false, new BytesBody(body));
  }

  /** Somebody waits for outcomes. */
  hurry(): void {
    this.#store.hurry();
  }

  /** Told of each attempt, so that what brings the process down is known at the next start. */
  get hands(): Hands {
    return this.#hands;
  }

  /** An uncaught error: what delivery has in its hands is written down as its possible cause. Blocks; never throws. */
  noteFault(): void {
    try {
      this.#hands.note();
    } catch (error) {
      this.#log.error({ err: error }, 'what was in hands could not be written down');
    }
  }

  /** The stop begins: a process that is killed from here on died over nothing. */
  ending(): void {
    this.#hands[Symbol.dispose]();
  }

  /** Sets aside what the process died over again and again. Durable when resolved. */
  holdCulprits(culprits: readonly Culprit[]): Promise<void> {
    return this.#culprits.hold(culprits);
  }

  release(id: SpoolId): void {
    this.#index.release(id);
    this.#fresh.forget(id);
    this.#suspects.released(id);
  }

  // Evidence ----------------------------------------------------------------------------------------------------------

  /** Batches that were committed and not yet acknowledged; at start these are what a crash left. */
  *pending(): Generator<CommittedLines> {
    for (const { key: sequence, value: lines } of entries(this.#store.databases.outbox)) yield { sequence, lines };
  }

  onCommitted(take: (batch: Batch) => void): void {
    this.#store.committed = take;
  }

  acknowledge(sequences: readonly number[]): void {
    this.#store.acknowledge(sequences);
  }

  /** Records what belongs to no message (REJECT). Nobody waits for it; a crash right after may lose it. Bounded. */
  record(event: EventRecord): void {
    if (this.#loose >= MOST_LOOSE_RECORDS) {
      if (this.#dropped++ === 0) this.#log.error('records are dropped: the spool does not keep up');
      return;
    }
    this.#loose += 1;
    this.#store.write({ writes: [], events: [event], keep: true }).then(this.#recorded, this.#recorded);
  }

  readonly #recorded = (): void => {
    this.#loose -= 1;
    if (this.#dropped === 0 || this.#loose > 0) return;
    this.#log.error({ dropped: this.#dropped }, 'records were dropped');
    this.#dropped = 0;
  };

  // Operators ---------------------------------------------------------------------------------------------------------

  /** One page of the selected messages in the order of ids, and where the next one begins. */
  async list(
    selector: Selector,
    { limit = 100, after }: { limit?: number; after?: SpoolId } = {},
  ): Promise<{ messages: SpooledMessage[]; next: SpoolId | undefined }> {
    const messages: SpooledMessage[] = [];
    for await (const page of select(this.#walked, selector, this.#clock.now(), after)) {
      for (const message of page) {
        if (messages.length === limit) return { messages, next: messages.at(-1)?.id };
        messages.push(message);
      }
    }
    return { messages, next: undefined };
  }

  /** Holds, releases, retries, expires or reroutes the selected recipients; durable when resolved. */
  async steer(selector: Selector, steering: Steering): Promise<{ messages: number; recipients: number }> {
    let messages = 0;
    let recipients = 0;
    for await (const page of select(this.#walked, selector, this.#clock.now())) {
      const written: Promise<void>[] = [];
      for (const message of page) {
        const result = steer(message, selector, steering, this.#clock.now());
        if (result === undefined) continue;
        if (result.recipients > 0) messages += 1;
        recipients += result.recipients;
        written.push(this.#rewrite(result.message, result.events));
      }
      await Promise.all(written);
    }
    return { messages, recipients };
  }

  /** A small setting that outlives a restart (a paused connector); `undefined` where it was never set. */
  control(key: string): string | undefined {
    return this.#store.control(`control:${key}`);
  }

  /** Effective at once, durable when resolved. `undefined` removes it. */
  setControl(key: string, value: string | undefined): Promise<void> {
    return this.#store.setControl(`control:${key}`, value);
  }

  stats(): SpoolStats {
    return {
      messages: this.#index.size,
      bytes: this.#index.bytes,
      connectors: this.#index.byConnector(),
      setAside: this.#aside,
      failure: this.#store.failure,
      spaceWanted: this.#space.wanted,
      culprits: this.#culprits.held(),
      onTrialSoon: this.#culprits.onTrialSoon(),
    };
  }

  /** Why nothing can be made durable; `undefined` while all is well. */
  get failure(): Failure | undefined {
    return this.#store.failure;
  }

  /** Finishes what is under way and lets go of the directory. */
  async close(): Promise<void> {
    this.#culprits[Symbol.dispose]();
    await this.#store.close();
    this.#hands[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---------------------------------------------------------------------------------------------------------------

  /** A message that became durable just now. */
  #born(message: SpooledMessage, bodyInFile: boolean, body: SpooledBody | undefined): void {
    this.#fresh.offer(message, body);
    const earliest = this.#index.nextDue();
    this.#index.add(message, bodyInFile);
    const due = this.#index.nextDue();
    if (due !== undefined && (earliest === undefined || due < earliest)) this.#wake();
  }

  /**
   * Writes a message anew, or removes it when its last recipient is done. A crash before it resolves leaves the old
   * state or the new, after it the new. A body file goes after the record that names it: a crash in between leaves a
   * leftover, removed at the next start.
   */
  async #rewrite(message: SpooledMessage, events: readonly EventRecord[], more: readonly Write[] = []): Promise<void> {
    const { id } = message;
    const entry = this.#index.get(id);
    if (entry === undefined) throw new Error(`no message ${id} in the spool`);
    const done = isDone(message);
    const fresh = this.#fresh.change(id, done ? undefined : message);
    const earliest = this.#index.nextDue();
    this.#index.update(message);
    const record = done ? undefined : encode(message, entry.bodyInFile);
    try {
      await this.#store.write({ writes: [{ id, record }, ...more], events, keep: true });
    } finally {
      fresh.pending -= 1;
      // A claimed message keeps its body in memory: others of its recipients are about to need it.
      if (done || !entry.claimed) this.#fresh.forget(id);
    }
    if (done) {
      this.#index.remove(id);
      if (entry.bodyInFile) {
        this.#files.remove(id, (error) => this.#log.warn({ err: error, spoolId: id }, 'a body file could not be removed'));
      }
      return;
    }
    const due = this.#index.nextDue();
    if (due !== undefined && (earliest === undefined || due < earliest)) this.#wake();
  }
}
