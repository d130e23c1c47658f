/**
 * Delivery into the Maildir of a connector: its folder is the configured path, never made from an address, and each
 * recipient of a message has a file of its own there, with Delivered-To. A message is written whole and synced in tmp/,
 * then linked into new/, and that directory is synced (cr.yp.to/proto/maildir.html; Linux does not make names durable
 * by itself).
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mailbox } from '../mail/address.ts';
import type { Attempt } from '../mail/attempt.ts';
import { BodyDigest } from '../mail/body-digest.ts';
import { formatReversePath, type ReversePath } from '../mail/envelope.ts';
import { reply } from '../mail/reply.ts';
import type { SpooledBody } from '../mail/spooled.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import type { Clock } from '../platform/clock.ts';
import { DirectorySync, makeDirectory } from '../platform/files.ts';
import { CORRUPT, UNREADABLE } from './mail-exchange.ts';
import type { Transaction } from './transaction.ts';
import { WireDecoder } from './wire-decoder.ts';

const NOT_TRIED: TlsEvidence = { result: 'not-tried' };

type Stored = Pick<Attempt, 'outcome' | 'bodySha256' | 'corrupt'>;

export class MaildirTransport {
  readonly #hostname: string;
  readonly #clock: Clock;
  readonly #folders = new Map<string, DirectorySync>();
  #deliveries = 0;

  constructor(hostname: string, clock: Clock) {
    this.#hostname = hostname.replaceAll('/', '\\057').replaceAll(':', '\\072');
    this.#clock = clock;
  }

  /** Never rejects: what the disk says is an outcome. */
  async deliver(folder: string, transaction: Transaction): Promise<readonly Attempt[]> {
    const attempts: Attempt[] = [];
    for (const { address } of transaction.recipients) {
      const started = this.#clock.monotonic();
      const stored = await this.#store(folder, transaction, address);
      const durationMs = Math.round(this.#clock.monotonic() - started);
      attempts.push({ ...stored, tls: NOT_TRIED, durationMs, dsnPassedOn: false, finalDelivery: true });
    }
    return attempts;
  }

  async #store(folder: string, transaction: Transaction, recipient: Mailbox): Promise<Stored> {
    const file = this.#uniqueName();
    const draft = join(folder, 'tmp', file);
    try {
      const arrivals = this.#arrivals(folder);
      const bodySha256 = await writeDraft(draft, transaction, recipient);
      if (bodySha256 === undefined) {
        await unlink(draft);
        return { outcome: { kind: 'deferred', reply: UNREADABLE, cause: 'answer' } };
      }
      if (transaction.bodySha256 !== undefined && transaction.bodySha256 !== bodySha256) {
        await unlink(draft);
        return { outcome: { kind: 'deferred', reply: CORRUPT, cause: 'answer' }, corrupt: true };
      }
      await transaction.mayEnd?.();
      // a crash before this line leaves a file in tmp/ that no reader sees; unlike rename, link replaces no file
      await link(draft, join(folder, 'new', file));
      await arrivals.sync();
      await unlink(draft).catch(() => {}); // the message is there all the same; readers clear tmp/ of what is old
      return { outcome: { kind: 'relayed', reply: reply(250, '2.0.0', `stored as ${file}`) }, bodySha256 };
    } catch (error) {
      this.#folders.delete(folder); // it may be gone: the next message makes it anew
      await unlink(draft).catch(() => {});
      return { outcome: { kind: 'deferred', reply: diskReply(error as NodeJS.ErrnoException), cause: 'connection' } };
    }
  }

  /** Makes the Maildir where it is missing; returns what makes names in its new/ durable. */
  #arrivals(folder: string): DirectorySync {
    let arrivals = this.#folders.get(folder);
    if (arrivals === undefined) {
      for (const part of ['tmp', 'cur', 'new']) makeDirectory(join(folder, part));
      arrivals = new DirectorySync(join(folder, 'new'));
      this.#folders.set(folder, arrivals);
    }
    return arrivals;
  }

  #uniqueName(): string {
    const now = this.#clock.now();
    const microseconds = Math.floor((now % 1_000) * 1_000);
    return `${Math.floor(now / 1_000)}.M${microseconds}P${process.pid}Q${++this.#deliveries}R${randomBytes(4).toString('hex')}.${this.#hostname}`;
  }
}

/** Writes and syncs. Answers the SHA-256 of the message's body; `undefined` where it ends short. */
async function writeDraft(
  path: string,
  { sender, body, stuffed }: { readonly sender: ReversePath; readonly body: SpooledBody; readonly stuffed: boolean },
  recipient: Mailbox,
): Promise<string | undefined> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.write(Buffer.from(`Return-Path: <${formatReversePath(sender)}>\nDelivered-To: ${recipient.address}\n`));
    const digest = new BodyDigest();
    const octets = await writeBody(file, body, (chunk) => digest.take(chunk, stuffed));
    if (octets !== body.length) return undefined;
    await file.sync();
    return digest.hex();
  } finally {
    await file.close();
  }
}

async function writeBody(file: FileHandle, body: SpooledBody, seen: (chunk: Buffer) => void): Promise<number> {
  const decoder = new WireDecoder();
  let octets = 0;
  if (body.bytes !== undefined) {
    octets = body.bytes.length;
    seen(body.bytes);
    await writeAll(file, decoder.decode(body.bytes));
  } else {
    try {
      for await (const chunk of body.chunks()) {
        octets += chunk.length;
        seen(chunk);
        await writeAll(file, decoder.decode(chunk));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === 'write') throw error;
      return -1; // the spool's own trouble
    }
  }
  await writeAll(file, decoder.end());
  return octets;
}

async function writeAll(file: FileHandle, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length; ) at += (await file.write(octets, at)).bytesWritten;
}

function diskReply({ code = 'EIO' }: NodeJS.ErrnoException) {
  switch (code) {
    case 'ENOSPC':
      return reply(452, '4.3.1', 'the mail folder has no space left');
    case 'EDQUOT':
      return reply(452, '4.2.2', 'the mail folder is over its quota');
    default:
      return reply(451, '4.3.0', `the mail folder cannot be written (${code})`);
  }
}
