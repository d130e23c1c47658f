/**
 * Finds out who a spooled message is really from: SPF, DKIM and DMARC (coexistence.md G5, R8), after the 250 and before its
 * first route, where an identity, a refusal or an Authentication-Results field hangs on it. Everything else costs nothing:
 * the thread is not even started.
 */
import { Worker } from 'node:worker_threads';
import { type SenderAuthentication, unauthenticated } from '../mail/authentication.ts';
import { formatReversePath } from '../mail/envelope.ts';
import type { SpooledBody, SpooledMessage } from '../mail/spooled.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { workerFile } from '../platform/worker-file.ts';
import type { AuthenticationSettings, Facts, FromThread, Question, ToThread } from './ports.ts';
import { conclude } from './verdict.ts';

/** Milliseconds that the thread may take beyond the deadline of DNS, for signatures and for mail before this one. */
const THREAD_GRACE = 5_000;
/** Milliseconds until DNS is asked again about a message of which it could not tell. */
const AGAIN = 60_000;
/** MiB. */
const HEAP = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 256 };

interface Pending {
  readonly chunks: AsyncIterator<Buffer>;
  done(facts: Facts | undefined): void;
}

export class Authenticator implements AsyncDisposable {
  #settings: AuthenticationSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pending = new Map<number, Pending>();
  #thread: Worker | undefined;
  #last = 0;

  constructor(settings: AuthenticationSettings, parts: { readonly clock: Clock; readonly log: Log }) {
    this.#settings = settings;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  reconfigure(settings: AuthenticationSettings): void {
    this.#settings = settings;
  }

  /** Asked for every message: most end at the first line. */
  needs({ origin, authentication }: SpooledMessage): boolean {
    const { claims, addResults } = this.#settings;
    if (!claims && addResults.length === 0) return false;
    const { peer } = origin;
    // ours, or our tenant's (C1): they are believed; what has no address is of our own making
    if (origin.address === undefined || peer === 'on-premises' || (peer === 'cloud' && origin.tenantProof)) return false;
    if (authentication !== undefined) {
      // DNS did not tell: asked again, for the next attempt
      const isOpen = claims && authentication['own-domain'] === 'unknown';
      return isOpen && this.#clock.now() - Date.parse(authentication.time) > AGAIN;
    }
    return (claims && origin.claims !== undefined) || addResults.includes(peer);
  }

  /** Never rejects; by the deadline what is not known is `temperror`. */
  async authenticate(message: SpooledMessage, body: SpooledBody): Promise<SenderAuthentication> {
    const { origin, sender } = message;
    const { hostname, dnsServers, deadline, ownDomains } = this.#settings;
    const question: Question = {
      // a filter in front of us hides the client that SPF is about
      ...(origin.address !== undefined && origin.peer !== 'gateway' && { ip: origin.address }),
      ...(origin.name !== undefined && { helo: origin.name }),
      sender: formatReversePath(sender),
      hostname,
      dnsServers,
      dnsDeadline: deadline,
    };
    const facts = await this.#ask(question, body);
    const time = new Date(this.#clock.now()).toISOString();
    if (facts === undefined) {
      this.#log.warn({ spoolId: message.id }, 'sender not authenticated in time');
      return unauthenticated(time, origin.claims);
    }
    return conclude(facts, origin, sender === null, ownDomains, time);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pending of this.#pending.values()) pending.done(undefined);
    await this.#thread?.terminate();
  }

  #ask(question: Question, body: SpooledBody): Promise<Facts | undefined> {
    const { promise, resolve } = Promise.withResolvers<Facts | undefined>();
    const id = ++this.#last;
    const chunks = body.chunks()[Symbol.asyncIterator]();
    const timer = setTimeout(() => this.#overdue(id), question.dnsDeadline + THREAD_GRACE);
    this.#pending.set(id, {
      chunks,
      done: (facts) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        void chunks.return?.().catch(() => {});
        resolve(facts);
      },
    });
    this.#post({ id, question });
    return promise;
  }

  /** The thread should have answered long ago: it hangs, or is behind by that much. Another takes its place. */
  #overdue(id: number): void {
    this.#pending.get(id)?.done(undefined);
    this.#log.error({ waiting: this.#pending.size }, 'the authentication thread does not answer, starting another');
    const thread = this.#thread;
    this.#lost();
    void thread?.terminate();
  }

  #lost(): void {
    this.#thread = undefined;
    for (const pending of this.#pending.values()) pending.done(undefined);
  }

  #post(message: ToThread, given: readonly ArrayBuffer[] = []): void {
    this.#thread ??= this.#start();
    this.#thread.postMessage(message, given);
  }

  #start(): Worker {
    const thread = new Worker(workerFile('./thread', import.meta.url), { resourceLimits: HEAP });
    thread.unref();
    thread.on('message', (message: FromThread) => this.#answered(message));
    thread.on('error', (error) => this.#log.error({ err: error }, 'the authentication thread failed'));
    thread.on('exit', () => {
      if (this.#thread === thread) this.#lost();
    });
    return thread;
  }

  #answered(message: FromThread): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) {
      if ('wants' in message) this.#post({ id: message.id, end: 'broken' });
    } else if ('wants' in message) void this.#feed(message.id, pending);
    else if ('facts' in message) pending.done(message.facts);
    else {
      this.#log.warn({ why: message.failed }, 'message not authenticated');
      pending.done(undefined);
    }
  }

  async #feed(id: number, { chunks }: Pending): Promise<void> {
    try {
      const { done, value } = await chunks.next();
      if (!this.#pending.has(id)) return;
      if (done === true) this.#post({ id, end: 'whole' });
      else {
        // a copy of its own: what it is a slice of stays here
        const chunk = new Uint8Array(value);
        this.#post({ id, chunk }, [chunk.buffer]);
      }
    } catch {
      if (this.#pending.has(id)) this.#post({ id, end: 'broken' });
    }
  }
}
