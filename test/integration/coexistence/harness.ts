/** A relay with all its parts between three servers that do as the test says; clients come from addresses that say who they are. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { NamedFile } from '../../../src/admin/directory-contract.ts';
import { HttpOperations } from '../../../src/cli/client.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { type Relay, startRelay } from '../../../src/relay.ts';
import { loadSettings } from '../../../src/settings/load.ts';
import { type ReceivedMessage, ScriptedPeer } from '../../support/scripted-peer.ts';

export const ROUTING_DOMAIN = 'tenant.mail.onmicrosoft.com';
const ROUTING_DOMAINS = [ROUTING_DOMAIN, 'contoso.mail.onmicrosoft.com', 'domain1.microsoftonline.com'];
/** Of mailboxes that are reached by a connector of their own. */
export const STRICT_DOMAIN = 'strict.mail.onmicrosoft.com';
export const OUR_TENANT = 'X-OriginatorOrg: tenant.onmicrosoft.com\r\n';
export const DAY = 86_400_000;

/** By the address they come from. */
const FROM = { external: '127.0.0.9', 'on-premises': '127.0.0.2', cloud: '127.0.0.3' } as const;
export type From = keyof typeof FROM;

/** The answers to one transaction. */
export interface Said {
  readonly ehlo: string;
  readonly mail: string;
  readonly rcpt: readonly string[];
  /** To the final dot; '' where no recipient was taken. */
  readonly dot: string;
}

export interface Mail {
  readonly from?: From;
  readonly sender?: string;
  readonly to: string | readonly string[];
  /** Fields, each with its CRLF. */
  readonly header?: string;
  /** Behind the header; `Hello` where absent. */
  readonly body?: string;
  /** Parameters of MAIL and of each RCPT. */
  readonly mailParameters?: string;
  readonly rcptParameters?: string;
}

/** Changes to the settings, as lines of the file; `CLOUD` and `HOME` in a connector are the ports of the servers. */
export interface Setting {
  readonly domains?: readonly string[];
  readonly connectors?: readonly string[];
  readonly more?: readonly string[];
  readonly recipients: readonly string[];
  /** Of a second, weaker source. */
  readonly second?: readonly string[];
  /** Stronger sources, before the file. */
  readonly sources?: readonly string[];
  /** Further settings of `directory`, such as `grace-period: 1h`. */
  readonly directory?: string;
}

export class Coexistence implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'coexistence-'));
  readonly cloud: ScriptedPeer;
  readonly home: ScriptedPeer;
  readonly internet: ScriptedPeer;
  /** How far the relay's clock is ahead, milliseconds. */
  later = 0;
  /** Where clients connect; the relay takes a free port where it is 0. */
  port = 0;
  #relay: Relay | undefined;
  #operations: HttpOperations | undefined;
  #marks = 0;

  private constructor(peers: readonly [ScriptedPeer, ScriptedPeer, ScriptedPeer]) {
    [this.cloud, this.home, this.internet] = peers;
  }

  /** The servers and the files alone. */
  static async prepare(setting: Setting): Promise<Coexistence> {
    const peers = await Promise.all([ScriptedPeer.start(), ScriptedPeer.start(), ScriptedPeer.start()]);
    const made = new Coexistence(peers as [ScriptedPeer, ScriptedPeer, ScriptedPeer]);
    made.file('recipients.csv', 'address,route,routing-address,aliases,kind,connector,primary', ...setting.recipients);
    if (setting.second !== undefined) made.file('second.csv', 'address,route', ...setting.second);
    made.configure(setting);
    return made;
  }

  static async start(setting: Setting): Promise<Coexistence> {
    const made = await Coexistence.prepare(setting);
    await made.start();
    return made;
  }

  get operations(): HttpOperations {
    if (this.#operations === undefined) throw new Error('the relay was not started');
    return this.#operations;
  }

  get settingsFile(): string {
    return join(this.folder, 'bridgehead.yaml');
  }

  hop(name: string, spaces: string, { port }: ScriptedPeer, more = 'tls: { mode: none }'): string {
    return `  - { name: ${name}, address-spaces: [${spaces}], next-hop: { smart-hosts: ["127.0.0.1:${port}"] }, ${more} }`;
  }

  configure({ domains, connectors = [], more = [], second, sources = [], directory }: Omit<Setting, 'recipients'>): void {
    this.file(
      'bridgehead.yaml',
      'hostname: relay.example.com',
      'data-directory: var',
      `listeners: [{ address: 127.0.0.1, port: ${this.port} }]`,
      'domains:',
      ...(domains ?? ['{ name: example.com, unknown-recipients: on-premises, verify-recipients: off }']).map(
        (one) => `  - ${one}`,
      ),
      `cloud: { routing-domains: [${[...ROUTING_DOMAINS, ...(connectors.join().includes(STRICT_DOMAIN) ? [STRICT_DOMAIN] : [])].join(', ')}], tenant: { headers: { X-OriginatorOrg: tenant.onmicrosoft.com } } }`,
      'peers:',
      `  on-premises: { networks: [${FROM['on-premises']}/32] }`,
      `  cloud: { networks: [${FROM.cloud}/32] }`,
      'connectors:',
      this.hop('cloud', ROUTING_DOMAINS.join(', '), this.cloud),
      this.hop('on-premises', '"*.example.com", contoso.com, proved.example', this.home),
      this.hop('internet', '"*"', this.internet),
      ...connectors.map((one) => one.replace('CLOUD', String(this.cloud.port)).replace('HOME', String(this.home.port))),
      `directory: { sources: [${sources.map((one) => `${one}, `).join('')}{ name: plain, file: recipients.csv }${second === undefined ? '' : ', { name: second, file: second.csv }'}]${directory === undefined ? '' : `, ${directory}`} }`,
      'admin: { address: 127.0.0.1, port: 0 }',
      ...more,
    );
  }

  /** Writes a file of these lines beside the settings. */
  file(name: string, ...lines: readonly (string | Buffer)[]): NamedFile {
    const path = join(this.folder, name);
    const [first] = lines;
    writeFileSync(path, Buffer.isBuffer(first) ? first : `${lines.join('\n')}\n`);
    return { name, path };
  }

  async start(): Promise<void> {
    const loaded = await loadSettings(this.settingsFile);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    const clock = { now: () => Date.now() + this.later, monotonic: () => systemClock.monotonic() };
    this.#relay = await startRelay(loaded.settings, { log: silentLog, clock, version: '0.1.0' });
    this.port = Number(this.#relay.listening[0]?.split(':').at(-1));
    this.#operations = new HttpOperations({ url: this.#relay.adminUrl });
  }

  /** A relay that runs as a process of its own. */
  connectTo(operations: HttpOperations): void {
    this.#operations = operations;
  }

  async stop(): Promise<void> {
    const relay = this.#relay;
    this.#relay = undefined;
    await relay?.stop(1_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    for (const peer of [this.cloud, this.home, this.internet]) await peer[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Friendly servers again, that saw nothing. */
  forget(): void {
    for (const peer of [this.cloud, this.home, this.internet]) {
      peer.script = {};
      peer.messages.length = 0;
      for (const { commands } of peer.sessions) commands.length = 0;
    }
  }

  /** One transaction, line by line. */
  async send(mail: Mail): Promise<Said> {
    const { from = 'external', sender, to, header = '', body = 'Hello', mailParameters = '', rcptParameters = '' } = mail;
    this.#marks += 1;
    const socket = connect({ port: this.port, host: '127.0.0.1', localAddress: FROM[from] });
    const replies = repliesOf(socket);
    const say = async (line: string): Promise<string> => {
      socket.write(`${line}\r\n`, 'latin1');
      return (await replies.next()).value ?? '';
    };
    await once(socket, 'connect');
    await replies.next();
    const ehlo = await say('EHLO client.test');
    const taken = await say(`MAIL FROM:<${sender ?? 'writer@partner.example'}>${mailParameters}`);
    const rcpt: string[] = [];
    for (const one of [to].flat()) rcpt.push(await say(`RCPT TO:<${one}>${rcptParameters}`));
    let dot = '';
    if (rcpt.some((one) => one.startsWith('2'))) {
      await say('DATA');
      const id = `<${this.#marks}.${Date.now()}@test>`;
      dot = await say(`${header}Message-ID: ${id}\r\nFrom: writer@partner.example\r\nSubject: a word\r\n\r\n${body}\r\n.`);
    }
    await say('QUIT');
    socket.destroy();
    return { ehlo, mail: taken, rcpt, dot };
  }

  /** As `send`, for mail that is taken. */
  async deliver(mail: Mail): Promise<void> {
    const said = await this.send(mail);
    if (/^[345]/m.test([...said.rcpt, said.dot].join('\n'))) throw new Error(`not taken: ${JSON.stringify(said)}`);
  }

  /** The records about a recipient, once one of them is `event`. */
  async records(recipient: string, event: EventRecord['event'], count = 1): Promise<EventRecord[]> {
    return await vi.waitFor(
      async () => {
        const { records } = await this.operations.trace({ recipient });
        if (records.filter((one) => one.event === event).length >= count) return records;
        throw new Error(`${recipient} has ${records.map((one) => one.event).join(', ')}; no ${event} number ${count}`);
      },
      { timeout: 8_000, interval: 25 },
    );
  }

  async retry(recipient: string): Promise<void> {
    await this.operations.retry({ recipient });
  }
}

/** The recipients of the messages that a server took. */
export const rcpts = (peer: ScriptedPeer): string[] =>
  peer.messages.flatMap((one) => one.rcpts.map((line) => /<(.*?)>/.exec(line)?.[1] ?? line));

/** The message once it is there. */
export async function arrived(peer: ScriptedPeer, recipient: string): Promise<ReceivedMessage> {
  return await vi.waitFor(
    () => {
      const found = peer.messages.find((one) => one.rcpts.some((line) => line.includes(`<${recipient}>`)));
      if (found === undefined) throw new Error(`nothing for ${recipient}, but for ${rcpts(peer).join(', ')}`);
      return found;
    },
    { timeout: 8_000, interval: 10 },
  );
}

/** What stands in a message, without the lines of its transport. */
export const text = ({ wire }: ReceivedMessage): string => wire.toString('latin1');

async function* repliesOf(socket: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let received = '';
  for await (const chunk of socket) {
    received += chunk.toString('latin1');
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\r\n)*\d{3} [^\n]*\r\n/.exec(received)?.[0];
      if (whole === undefined) break;
      received = received.slice(whole.length);
      yield whole.trimEnd();
    }
  }
  return undefined;
}
