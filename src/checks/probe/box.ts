/**
 * Where answers to probes come to: an address with the probe's token. The relay takes it at RCPT and delivers it into a
 * Maildir of its own, whatever the directory says; so an answer passes reception, spool and delivery like all mail.
 */
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mailbox } from '../../mail/address.ts';
import { reply } from '../../mail/reply.ts';
import type { Connector, RouteDecision } from '../../mail/route.ts';
import { type Tokens, tokenOf } from './token.ts';

export const BOX = 'probe-box';
/** Octets: an answer is small. */
const MOST_OCTETS = 1024 * 1024;
const MOST_READ = 256 * 1024;
/** Milliseconds: how late an answer is still taken, and how long one is kept. */
const LATEST = 24 * 3_600_000;
const MOST_KEPT = 200;
const TAKEN = reply(250, '2.1.5', 'Recipient OK');

export class AnswerBox {
  readonly #folder: string;
  readonly #tokens: Tokens;
  readonly #connector: Connector;

  constructor(folder: string, tokens: Tokens) {
    this.#folder = folder;
    this.#tokens = tokens;
    this.#connector = {
      name: BOX,
      side: 'on-premises',
      addressSpaces: [],
      nextHop: { kind: 'maildir', path: folder },
      tls: { mode: 'none', profile: 'intermediate' },
      origin: 'any',
      ip: 4,
      connections: 1,
    };
  }

  /** The answer to RCPT, where this is an address of a probe; `now` in milliseconds since the epoch. */
  admit(recipient: Mailbox, now: number) {
    const token = tokenOf(recipient);
    const madeAt = token === undefined ? undefined : this.#tokens.madeAt(token);
    if (madeAt === undefined || now - madeAt > LATEST) return undefined;
    return { reply: TAKEN, route: 'on-premises', connector: BOX, reason: 'answer to a probe', messageSize: MOST_OCTETS };
  }

  /** The way of a message to such an address, however late. */
  route(recipient: Mailbox, directoryVersion: number): RouteDecision | undefined {
    const token = tokenOf(recipient);
    if (token === undefined || this.#tokens.madeAt(token) === undefined) return undefined;
    return {
      kind: 'deliver',
      route: 'on-premises',
      primary: { side: 'on-premises', connector: this.#connector, address: recipient },
      copies: [],
      reply: TAKEN,
      reason: 'answer to a probe',
      directoryVersion,
      canonical: recipient,
      steps: [],
    };
  }

  /** The messages that came to this token's address since; they are removed. */
  async take(token: string): Promise<readonly string[]> {
    const messages: string[] = [];
    for (const name of await this.#names()) {
      const file = join(this.#folder, 'new', name);
      await using handle = await open(file, 'r');
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MOST_READ), 0, MOST_READ, 0);
      const message = buffer.toString('latin1', 0, bytesRead);
      if (!new RegExp(`^Delivered-To: .*${token}`, 'im').test(message.slice(0, 2000))) continue;
      messages.push(message);
      await unlink(file);
    }
    return messages;
  }

  /** Removes what nobody waits for any more. Milliseconds since the epoch. */
  async tidy(now: number): Promise<void> {
    const names = (await this.#names()).toSorted();
    for (const [i, name] of names.entries()) {
      const file = join(this.#folder, 'new', name);
      const isOld = i < names.length - MOST_KEPT || now - (await stat(file)).mtimeMs > LATEST;
      if (isOld) await unlink(file);
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(join(this.#folder, 'new'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return []; // the first delivery makes it
    }
  }
}
