/** A reception on loopback with ports that remember, and a client that speaks SMTP line by line. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { EventRecord } from '../../../src/mail/event.ts';
import { reply } from '../../../src/mail/reply.ts';
import type { NewMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { type CertificateFiles, ensureSelfSigned } from '../../../src/platform/server-certificate.ts';
import type { Deadlines } from '../../../src/reception/house.ts';
import type { Admission, AdmissionQuery, BodyDraft, ReceptionSettings, Spooling } from '../../../src/reception/ports.ts';
import { type Reception, type ReceptionPorts, startReception } from '../../../src/reception/server.ts';
import { limits } from '../../support/limits.ts';

export interface Spooled {
  readonly message: NewMessage;
  readonly events: readonly EventRecord[];
  /** In wire form. */
  readonly body: string;
}

/** A spool in memory. */
export class MemorySpool implements Spooling {
  readonly messages: Spooled[] = [];
  discarded = 0;
  refusing: ReturnType<Spooling['refusal']>;
  commitWith: (() => Promise<void>) | undefined;
  writeWith: ((chunk: Buffer) => Promise<void> | undefined) | undefined;
  private ids = 0;

  newId(): SpoolId {
    this.ids += 1;
    return `01TEST${String(this.ids).padStart(20, '0')}` as SpoolId;
  }

  refusal(): ReturnType<Spooling['refusal']> {
    return this.refusing;
  }

  draft(): BodyDraft {
    const chunks: Buffer[] = [];
    return {
      write: (chunk) => {
        chunks.push(Buffer.from(chunk));
        return this.writeWith?.(chunk);
      },
      commit: async (message, events) => {
        await this.commitWith?.();
        this.messages.push({ message, events, body: Buffer.concat(chunks).toString('latin1') });
      },
      discard: () => {
        this.discarded += 1;
      },
    };
  }
}

export interface Perimeter extends AsyncDisposable {
  readonly reception: Reception;
  readonly spool: MemorySpool;
  readonly records: EventRecord[];
  readonly queries: AdmissionQuery[];
  readonly port: number;
  readonly certificate: CertificateFiles;
  readonly settings: ReceptionSettings;
  admit: (query: AdmissionQuery) => Admission | Promise<Admission>;
  client(): Promise<Client>;
}

export const ADMITTED: Admission = {
  reply: reply(250, '2.1.5', 'Recipient OK'),
  route: 'cloud',
  connector: 'cloud',
  reason: 'directory: migrated (version 3)',
  directoryVersion: 3,
};

// one for all tests of a file: making a key takes long
let selfSigned: Promise<CertificateFiles> | undefined;
async function makeSelfSigned(): Promise<CertificateFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'reception-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return ensureSelfSigned(directory, 'mx1.example.com');
}

export async function perimeter(
  change: Partial<ReceptionSettings> = {},
  more: { deadlines?: Deadlines; ports?: Partial<ReceptionPorts> } = {},
): Promise<Perimeter> {
  selfSigned ??= makeSelfSigned();
  const certificate = await selfSigned;
  const settings: ReceptionSettings = {
    hostname: 'mx1.example.com',
    relayNames: ['mx1.example.com', 'mx2.example.com'],
    listeners: [{ address: '127.0.0.1', port: 0, tls: 'starttls' }],
    tls: { ...certificate, profile: 'intermediate' },
    peers: [],
    tenantHeaders: { 'X-OriginatorOrg': 'example.onmicrosoft.com' },
    bareLineEnds: 'reject',
    messageSize: 1_000_000,
    recipients: 5,
    sessionIdle: 300_000,
    limits: limits(),
    blockLists: { lists: [], servers: [] },
    ...change,
  };
  const spool = new MemorySpool();
  const records: EventRecord[] = [];
  const queries: AdmissionQuery[] = [];
  const made: Perimeter = {
    spool,
    records,
    queries,
    certificate,
    settings,
    admit: () => ADMITTED,
    reception: await startReception(
      settings,
      {
        admission: {
          admit: (query) => {
            queries.push(query);
            return made.admit(query);
          },
        },
        spooling: spool,
        events: { record: (event) => records.push(event) },
        log: silentLog,
        clock: systemClock,
        ...more.ports,
      },
      more.deadlines,
    ),
    get port() {
      return this.reception.addresses()[0]?.port ?? 0;
    },
    client() {
      return Client.open(this.port);
    },
    async [Symbol.asyncDispose]() {
      await this.reception.stop(0);
    },
  };
  return made;
}

export class Client {
  socket: Socket;
  private received = '';
  private wake: (() => void) | undefined;
  ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.attach();
  }

  /** Connects and reads the greeting. */
  static async open(port: number): Promise<Client> {
    const client = await Client.raw(port);
    await client.reply();
    return client;
  }

  static async raw(port: number, from = '127.0.0.1'): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    await once(socket, 'connect');
    return new Client(socket);
  }

  static async overTls(port: number, options: ConnectionOptions = {}): Promise<Client> {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    return new Client(socket);
  }

  private attach(): void {
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.wake?.();
    });
    const end = (): void => {
      this.ended = true;
      this.wake?.();
    };
    this.socket.on('end', end).on('close', end).on('error', end);
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next reply, all its lines joined by newlines; '' when the server has closed. */
  async reply(): Promise<string> {
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\r\n)*\d{3}(?: [^\n]*)?\r\n/.exec(this.received);
      if (whole !== null) {
        this.received = this.received.slice(whole[0].length);
        return whole[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.ended) return '';
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** What comes by itself within so many milliseconds; 'nothing' where that is so. */
  async within(time: number): Promise<string> {
    const late = Promise.withResolvers<string>();
    const timer = setTimeout(() => late.resolve('nothing'), time);
    const first = await Promise.race([this.reply(), late.promise]);
    clearTimeout(timer);
    return first;
  }

  async command(text: string): Promise<string> {
    this.write(`${text}\r\n`);
    return this.reply();
  }

  async close(): Promise<void> {
    while (!this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  async startTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    await this.command('STARTTLS');
    return this.handshake(options);
  }

  async handshake(options: ConnectionOptions = {}): Promise<TLSSocket> {
    this.socket.removeAllListeners();
    const socket = tlsConnect({ socket: this.socket, rejectUnauthorized: false, servername: 'mx1.example.com', ...options });
    await once(socket, 'secureConnect');
    this.socket = socket;
    this.attach();
    return socket;
  }

  /** EHLO, MAIL, RCPT, up to the 354. */
  async upToData(recipients: readonly string[] = ['user@example.com'], sender = 'a@example.net'): Promise<void> {
    await this.command('EHLO client.example.net');
    await this.command(`MAIL FROM:<${sender}>`);
    for (const recipient of recipients) await this.command(`RCPT TO:<${recipient}>`);
    await this.command('DATA');
  }

  /** A whole message; `text` without the final dot. Answers the reply to the final dot. */
  async mail(text: string, recipients?: readonly string[]): Promise<string> {
    await this.upToData(recipients);
    return this.command(`${text}.`);
  }
}
