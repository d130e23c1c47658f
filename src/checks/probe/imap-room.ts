/** A mailbox that is reached by IMAP. */
import { readFile } from 'node:fs/promises';
import type { ImapFlow } from 'imapflow';
import type { Arrival, Mailroom } from './arrivals.ts';
import { isProbe } from './message.ts';
import type { ImapSettings } from './ports.ts';

/** Milliseconds; each bounds what it is named for, so that no look lasts longer than all of them. */
const DEADLINES = { connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 30_000 } as const;

export class ImapRoom implements Mailroom {
  readonly #settings: ImapSettings;
  #client: ImapFlow | undefined;

  private constructor(settings: ImapSettings) {
    this.#settings = settings;
  }

  /** Signs in, and sees that all mailboxes are there. Rejects, with words for people, where that fails. */
  static async open(settings: ImapSettings): Promise<ImapRoom> {
    const room = new ImapRoom(settings);
    const client = await room.#connected();
    for (const mailbox of settings.mailboxes) await room.#enter(client, mailbox);
    return room;
  }

  async look(token: string): Promise<Arrival | undefined> {
    const client = await this.#connected();
    for (const mailbox of this.#settings.mailboxes) {
      await this.#enter(client, mailbox);
      // the subject is what every server can search; the field decides
      for (const uid of (await client.search({ subject: token }, { uid: true })) || []) {
        const message = await client.fetchOne(String(uid), { headers: true, uid: true }, { uid: true });
        const header = message === false ? undefined : message.headers?.toString('latin1');
        if (header === undefined || !isProbe(header, token)) continue;
        await client.messageDelete(String(uid), { uid: true });
        return { header, seen: `imap ${mailbox}` };
      }
    }
    return undefined;
  }

  async #enter(client: ImapFlow, mailbox: string): Promise<void> {
    const { user, host } = this.#settings;
    await client.mailboxOpen(mailbox).catch((error: unknown) => {
      throw new Error(`the mailbox "${mailbox}" of ${user} at ${host} cannot be opened (${wordsOf(error)})`);
    });
  }

  async #connected(): Promise<ImapFlow> {
    if (this.#client?.usable === true) return this.#client;
    this.#client?.close();
    const { host, port, tls, user, caFile, passwordFile, accessTokenFile } = this.#settings;
    const secret = async (file: string | undefined): Promise<string | undefined> =>
      file === undefined ? undefined : (await readFile(file, 'utf8')).trim();
    const [pass, accessToken, ca] = await Promise.all([
      secret(passwordFile),
      secret(accessTokenFile),
      caFile === undefined ? undefined : readFile(caFile, 'utf8'),
    ]);
    // who has no such probe never loads it
    const { ImapFlow: Client } = await import('imapflow');
    const client = new Client({
      host,
      port,
      secure: tls === 'implicit',
      ...(tls === 'implicit' ? {} : { doSTARTTLS: tls === 'starttls' }),
      ...(ca === undefined ? {} : { tls: { ca } }),
      auth: { user, ...(pass === undefined ? {} : { pass }), ...(accessToken === undefined ? {} : { accessToken }) },
      logger: false,
      disableAutoIdle: true,
      ...DEADLINES,
    });
    client.on('error', () => {}); // the call under way rejects as well
    this.#client = client;
    try {
      await client.connect();
    } catch (error) {
      client.close();
      throw new Error(`${user} cannot sign in at ${host}:${port} by IMAP (${wordsOf(error)})`);
    }
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
  }
}

/** What the server said, where it said something. */
function wordsOf(error: unknown): string {
  const { responseText, code, message } = error as { responseText?: string; code?: string; message?: string };
  return responseText ?? [code, message].filter((word) => word !== undefined && word !== '').join(': ');
}
