/** Where a probe is waited for. */
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { headerOf, isProbe } from './message.ts';

export interface Arrival {
  readonly header: string;
  /** `maildir /path`, `imap INBOX` */
  readonly seen: string;
  /** Milliseconds since the epoch, where the mailbox tells it. */
  readonly time?: number;
}

/** A mailbox that is looked into. What goes wrong rejects, with words for people. */
export interface Mailroom extends AsyncDisposable {
  /** The probe with this token, once it has come; it is removed there. */
  look(token: string): Promise<Arrival | undefined>;
}

/** Octets of a message that are read for its header. */
const MOST_READ = 256 * 1024;
/** Messages of a folder that are read in one look: there are a few new ones at most. */
const MOST_MESSAGES = 500;

/** A Maildir: new messages are in new/, and in cur/ once a mail program has seen them. */
export class MaildirRoom implements Mailroom {
  readonly #path: string;
  /** What was there before, or is no probe. */
  readonly #known = new Set<string>();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Rejects where the folder cannot be read. One that is not there yet is made by the first delivery. */
  static async open(path: string): Promise<MaildirRoom> {
    const room = new MaildirRoom(path);
    for (const name of await room.#names()) room.#known.add(keyOf(name));
    return room;
  }

  async look(token: string): Promise<Arrival | undefined> {
    const fresh = (await this.#names()).filter((name) => !this.#known.has(keyOf(name))).slice(0, MOST_MESSAGES);
    for (const name of fresh) {
      const file = join(this.#path, name);
      const header = await readHead(file);
      if (header === undefined) continue; // moved meanwhile: the next look finds it in cur/
      this.#known.add(keyOf(name));
      if (!isProbe(header, token)) continue;
      const { mtimeMs } = await stat(file);
      await unlink(file);
      return { header, seen: `maildir ${this.#path}`, time: Math.round(mtimeMs) };
    }
    return undefined;
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    for (const part of ['new', 'cur']) {
      const found = await readdir(join(this.#path, part)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw new Error(`the Maildir ${this.#path} cannot be read (${error.code ?? error.message})`);
      });
      for (const name of found) names.push(join(part, name));
    }
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The unique part of a name, which stays when flags are set: `new/1.M2P3` and `cur/1.M2P3:2,S` are one message. */
const keyOf = (name: string): string => name.replace(/^(?:new|cur)[\\/]/, '').replace(/:2,.*$/, '');

async function readHead(file: string): Promise<string | undefined> {
  try {
    await using handle = await open(file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MOST_READ), 0, MOST_READ, 0);
    return headerOf(buffer.toString('latin1', 0, bytesRead));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
