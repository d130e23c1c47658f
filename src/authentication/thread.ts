/** The thread that runs mailauth: signatures cost CPU time that mail in flight must not wait for. */
import { Resolver } from 'node:dns/promises';
import { Readable } from 'node:stream';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { type DNSResolver, dkimVerify, dmarc, spf } from 'mailauth';
import { HeaderTooLong, messageInput } from './message-input.ts';
import type { Facts, FromThread, Question, ToThread } from './ports.ts';

/** Milliseconds for one answer of one server; each is asked twice. */
const ONE_ANSWER = 2_000;
/** RFC 7208 §4.6.4 bounds SPF by itself; a message may bear any number of signatures. */
const MOST_LOOKUPS = 60;
/** Signatures below this prove nothing (RFC 8301 §3.2). */
const LEAST_KEY_BITS = 1024;

/** The octets of one message, pulled from the main thread piece by piece. */
class Inbox implements AsyncIterable<Buffer> {
  readonly #ask: () => void;
  #take: ((next: Buffer | 'whole' | 'broken') => void) | undefined;
  #ended: 'broken' | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  put(next: Buffer | 'whole' | 'broken'): void {
    if (next === 'broken') this.#ended = next;
    this.#take?.(next);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const next = await new Promise<Buffer | 'whole' | 'broken'>((resolve) => {
        this.#take = resolve;
        if (this.#ended === undefined) this.#ask();
        else resolve(this.#ended);
      });
      if (next === 'whole') return;
      if (next === 'broken') throw new Error('the message could not be read');
      yield next;
    }
  }
}

/** Asks the settings' servers; after the deadline, or too many questions, every answer is a failure of the server. */
function resolverOf({ dnsServers, dnsDeadline }: Question): DNSResolver {
  const resolver = new Resolver({ timeout: ONE_ANSWER, tries: 2 });
  if (dnsServers.length > 0) resolver.setServers(dnsServers);
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => {
      resolver.cancel();
      reject(failure('ETIMEOUT'));
    }, dnsDeadline).unref();
  });
  late.catch(() => {});
  let lookups = 0;
  return async (domain, type) => {
    lookups += 1;
    if (lookups > MOST_LOOKUPS) throw failure('ESERVFAIL');
    return (await Promise.race([resolver.resolve(domain, type), late])) as string[][] | string[];
  };
}

const failure = (code: string): Error => Object.assign(new Error(`DNS: ${code}`), { code });

async function find(question: Question, chunks: AsyncIterable<Buffer>): Promise<Facts> {
  const resolver = resolverOf(question);
  const { ip, helo = '', sender, hostname } = question;
  const [signatures, path] = await Promise.all([
    dkimVerify(Readable.from(messageInput(chunks), { objectMode: false }), { resolver, sender, minBitLength: LEAST_KEY_BITS }),
    ip === undefined ? undefined : spf({ resolver, ip, helo: helo === '' ? `[${ip}]` : helo, sender, mta: hostname }),
  ]);
  const passed = signatures.results.filter(({ status }) => status.result === 'pass');
  const policy = await dmarc({
    headerFrom: signatures.headerFrom,
    fromFields: signatures.fromFields,
    spfDomains: path?.status.result === 'pass' ? [path.domain] : [],
    dkimDomains: passed.map(({ signingDomain = '', status: { underSized = 0 } }) => ({ domain: signingDomain, underSized })),
    resolver,
  });
  return {
    spf: path === undefined ? { result: 'none' } : { result: path.status.result, domain: path.domain },
    dkim: signatures.results
      .filter(({ signingDomain }) => signingDomain !== undefined)
      .map(({ status: { result, underSized = 0 }, signingDomain = '', selector = '' }) => ({
        result,
        domain: signingDomain,
        selector,
        uncovered: underSized,
      })),
    dmarc:
      policy === false
        ? { result: 'permerror' }
        : {
            result: policy.status.result,
            ...(policy.status.header?.from !== undefined && { domain: policy.status.header.from }),
            ...(policy.policy !== undefined && { policy: policy.policy }),
          },
  };
}

function serve(port: MessagePort): void {
  const inboxes = new Map<number, Inbox>();
  const say = (message: FromThread): void => port.postMessage(message);
  const answer = async (id: number, question: Question): Promise<void> => {
    const inbox = new Inbox(() => say({ id, wants: 'more' }));
    inboxes.set(id, inbox);
    try {
      say({ id, facts: await find(question, inbox) });
    } catch (error) {
      say({ id, failed: error instanceof HeaderTooLong ? 'header too long' : String(error) });
    } finally {
      inboxes.delete(id);
    }
  };
  port.on('message', (message: ToThread) => {
    if ('question' in message) void answer(message.id, message.question);
    else if ('chunk' in message) inboxes.get(message.id)?.put(Buffer.from(message.chunk.buffer));
    else inboxes.get(message.id)?.put(message.end);
  });
}

if (parentPort !== null) serve(parentPort);
