/** A reception on loopback over a spool in memory, for the targets that speak to it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reply } from '../../src/mail/reply.ts';
import type { NewMessage, SpoolId } from '../../src/mail/spooled.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/logger.ts';
import { ensureSelfSigned } from '../../src/platform/server-certificate.ts';
import type { BodyDraft } from '../../src/reception/ports.ts';
import { type Reception, startReception } from '../../src/reception/server.ts';
import { checkSettings } from '../../src/settings/load.ts';
import { Broken } from './target.ts';

const SETTINGS = (folder: string, more: string): string => `hostname: mx1.example.com
data-directory: ${folder}
listeners: [{ address: 127.0.0.1, port: 0 }]
domains: [{ name: example.com, unknown-recipients: reject, verify-recipients: off }]
cloud: { routing-domains: [tenant.example.net], tenant: { headers: { X-OriginatorOrg: example.onmicrosoft.com } } }
connectors:
  - { name: cloud, address-spaces: [tenant.example.net, "*"], next-hop: { mx: true } }
  - { name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["10.1.0.5:25"] } }
limits: { exempt: [127.0.0.0/8], recipients: 100, message-size: 1MiB }
${more}`;

/** One count for all of them, as the spool's ids are. */
let ids = 0;

export interface Taken {
  readonly message: NewMessage;
  /** Wire form, our Received field in front. */
  readonly body: Buffer;
}

export class Perimeter implements AsyncDisposable {
  readonly #folder: string;
  readonly #take: (taken: Taken) => void;
  #reception: Reception | undefined;
  /** Messages that were begun, and those of them that were committed or dropped. */
  drafts = 0;
  ended = 0;

  private constructor(take: (taken: Taken) => void) {
    this.#folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
    this.#take = take;
  }

  /** `take` gets each message that is answered with 250. */
  static async open(take: (taken: Taken) => void, more = ''): Promise<Perimeter> {
    const made = new Perimeter(take);
    const folder = made.#folder;
    const loaded = await checkSettings(join(folder, 'bridgehead.yaml'), SETTINGS(folder, more));
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    await ensureSelfSigned(folder, 'mx1.example.com');
    made.#reception = await startReception(loaded.settings.reception, {
      admission: {
        admit: ({ recipient }) => ({
          reply:
            recipient.domain === 'example.com' ? reply(250, '2.1.5', 'Recipient OK') : reply(550, '5.7.1', 'Relaying denied'),
        }),
      },
      spooling: {
        newId: () => `01TEST${String(++ids).padStart(20, '0')}` as SpoolId,
        refusal: () => undefined,
        draft: () => made.#draft(),
      },
      events: { record() {} },
      log: silentLog,
      clock: systemClock,
    });
    return made;
  }

  #draft(): BodyDraft {
    this.drafts += 1;
    const chunks: Buffer[] = [];
    return {
      write: (chunk) => void chunks.push(Buffer.from(chunk)),
      commit: async (message) => {
        this.ended += 1;
        this.#take({ message, body: Buffer.concat(chunks) });
      },
      discard: () => {
        this.ended += 1;
      },
    };
  }

  get connections(): number {
    return this.#reception?.stats().connections ?? 0;
  }

  /** Says all of it in the pieces given and hears what is answered, until the connection ends. */
  async say(pieces: readonly Buffer[]): Promise<string> {
    const socket = connect(this.#reception?.addresses()[0]?.port ?? 0, '127.0.0.1');
    socket.on('error', () => {}); // what is not ours to end well: the server may close before all is said
    const heard: Buffer[] = [];
    socket.on('data', (chunk) => heard.push(chunk));
    const closed = once(socket, 'close');
    for (const piece of pieces)
      if (!socket.destroyed && !socket.write(piece)) await Promise.race([once(socket, 'drain'), closed]);
    socket.end();
    await closed;
    return Buffer.concat(heard).toString('latin1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reception?.stop(0);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Every reply of a session is whole, one code, printable ASCII (RFC 5321 §4.2); returns their codes. */
export function codesOf(heard: string): number[] {
  const codes: number[] = [];
  if (heard === '') return codes;
  if (!heard.endsWith('\r\n')) throw new Broken(`a reply without its end: ${JSON.stringify(heard.slice(-100))}`);
  for (const line of heard.slice(0, -2).split('\r\n')) {
    const match = /^([2-5]\d\d)([ -])[ -~]*$/.exec(line);
    if (match === null || line.length > 1_000) throw new Broken(`not the line of a reply: ${JSON.stringify(line.slice(0, 200))}`);
    if (match[2] === ' ') codes.push(Number(match[1]));
  }
  return codes;
}
