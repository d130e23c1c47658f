/**
 * C4: the cloud may take a message and refuse it later, by a notification to its sender. One that passes through here on
 * its way to a sender of ours is read beside its delivery, and what it says of a cloud mailbox is learned as if it had been
 * the answer. The notification itself is neither changed nor delayed, and one that cannot be read changes nothing.
 */
import { setTimeout as pause, setImmediate } from 'node:timers/promises';
import type { Mailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { EnhancedStatus } from '../../mail/reply.ts';
import type { SpooledBody, SpoolId } from '../../mail/spooled.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryEntry } from '../ports.ts';
import { ownerOf } from './owner.ts';
import type { WaveEvidence } from './ports.ts';

/** What a notification says of one recipient. */
export interface Reported {
  readonly original?: Mailbox;
  readonly final?: Mailbox;
  readonly action: string;
  readonly status: string;
  readonly diagnostic?: string;
}

export interface LateRefusalParts {
  /** The body of an accepted message; `undefined` where it is gone. */
  readonly body: (id: SpoolId) => SpooledBody | undefined;
  readonly read: (message: Buffer) => Promise<readonly Reported[]>;
  readonly evidence: WaveEvidence;
  readonly directory: { active(): { find(key: string): DirectoryEntry | undefined } };
  /** Given the record of the delivery, with the later answer in place of the first one. */
  readonly learn: (refused: EventRecord) => void;
  readonly log: Log;
}

/** Octets: the status stands before the message that came back (RFC 6522 §3). */
const LOOKED_AT = 262_144;
/** Notifications that wait to be read; more at once say nothing new. */
const MOST_WAITING = 32;
/** Milliseconds between two: whatever the cloud sends, reading it takes little from mail. */
const APART = 50;
/** How far back the delivery may lie that a notification speaks of: the cloud tries for a day or two. */
const DELIVERED_WITHIN = 7 * 86_400_000;
const RECORDS = 1_000;

export class LateRefusals implements AsyncDisposable {
  readonly #parts: LateRefusalParts;
  #waiting = 0;
  #stopped = false;
  #working: Promise<void> = Promise.resolve();

  constructor(parts: LateRefusalParts) {
    this.#parts = parts;
  }

  /** Every record that is durable. */
  onEvent(record: EventRecord): void {
    const { event, sender, peer, recipient, 'spool-id': id } = record;
    if (event !== 'RECEIVE' || sender !== '' || peer !== 'cloud' || id === undefined || recipient === undefined) return;
    if (this.#waiting >= MOST_WAITING) return;
    this.#waiting += 1;
    // taken down now: it leaves the spool with its delivery
    const taken = this.#take(id as SpoolId).catch(() => undefined);
    this.#working = this.#working.then(async () => {
      try {
        const message = await taken;
        if (message !== undefined && !this.#stopped) await this.#learnFrom(message, recipient, Date.parse(record.time));
      } catch (error) {
        this.#parts.log.info({ err: error, spoolId: id }, 'notification not understood');
      } finally {
        this.#waiting -= 1;
      }
    });
  }

  /** Reads nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  /** The first octets of it, where it is a report. */
  async #take(id: SpoolId): Promise<Buffer | undefined> {
    // the record is told before the spool knows the message, and delivery needs the network
    await setImmediate();
    const body = this.#parts.body(id);
    if (body === undefined) return undefined;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body.chunks()) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= LOOKED_AT) break;
    }
    const message = Buffer.concat(chunks).subarray(0, LOOKED_AT);
    return /^Content-Type:\s*multipart\/report\b/im.test(message.toString('latin1', 0, 65_536)) ? message : undefined;
  }

  async #learnFrom(message: Buffer, sender: string, now: number): Promise<void> {
    for (const reported of await this.#parts.read(message)) {
      if (reported.action !== 'failed' || !reported.status.startsWith('5.')) continue;
      const addresses = this.#inCloud(reported);
      if (addresses.length === 0) continue;
      // other tenants write from the same addresses (C1): what counts is a notification about mail that we did deliver
      const since = now - DELIVERED_WITHIN;
      const { records } = await this.#parts.evidence.query({ recipients: addresses, sender, since, limit: RECORDS });
      const delivery = records.findLast((one) => one.event === 'SEND' && one.route === 'cloud' && isAbout(one, addresses));
      if (delivery === undefined) continue;
      const { status, diagnostic } = reported;
      const text = diagnostic?.replace(/^\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?/, '') ?? 'refused later';
      this.#parts.learn({
        ...delivery,
        time: new Date(now).toISOString(),
        event: 'FAIL',
        reply: { code: 550, enhanced: status as EnhancedStatus, text: `${text} (said later, in a notification)` },
      });
    }
    await pause(APART);
  }

  /** The addresses of the report, where they are of a mailbox that the directory has in the cloud. */
  #inCloud({ original, final }: Reported): string[] {
    const active = this.#parts.directory.active();
    const named = [original, final].filter((one) => one !== undefined);
    const isThere = named.some((one) => ['cloud', 'both'].includes(ownerOf(active, one)?.entry.route ?? ''));
    return isThere ? named.map(({ address }) => address) : [];
  }
}

function isAbout({ recipient, 'original-recipient': original }: EventRecord, addresses: readonly string[]): boolean {
  const wanted = addresses.map((address) => address.toLowerCase());
  return [recipient, original].some((one) => one !== undefined && wanted.includes(one.toLowerCase()));
}
