/** One relay, one next hop for each fault, all at once; senders whose address is the token of their message. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { arrived, hashOf, seeded, testMessage, unstuff } from '../e2e/support/messages.ts';
import { Relay } from '../e2e/support/relay.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { freePorts, type Workspace } from '../e2e/support/workspace.ts';
import { type PeerScript, type PeerSession, type Reaction, ScriptedPeer } from '../support/scripted-peer.ts';
import { type Fault, Strikes } from './downstream-faults.ts';
import { Fates } from './fates.ts';
import { HASTY } from './hasty-relay.ts';

export const CONNECTIONS = 5;
const SENDERS = 'senders.example';
/** How long a host that is down stays so: beyond the deadline of a connect, the hasty one or the real one. */
const downFor = (patient: boolean): number => (patient ? 45_000 : 4_000);

/** One fault with its next hop. */
export class Hop {
  readonly fault: Fault;
  readonly domain: string;
  readonly strikes: Strikes;
  readonly port: number;
  readonly tokens: string[] = [];
  peer: ScriptedPeer | undefined;
  /** The most connections that were open at once. */
  most = 0;
  #frozen: { readonly child: ChildProcess; readonly sockets: readonly Socket[] } | undefined;

  constructor(fault: Fault, index: number, port: number, { each, realDeadlines = false }: SceneOptions) {
    this.fault = fault;
    this.domain = `hop${index}.example`;
    this.port = port;
    const { strikes = 0 } = fault;
    const most = strikes === 'each' ? each : strikes === 'always' ? Number.POSITIVE_INFINITY : strikes;
    this.strikes = new Strikes(most, realDeadlines);
  }

  get recipients(): string[] {
    return (this.fault.to ?? ['a', 'b']).map((local) => `${local}@${this.domain}`);
  }

  async open(fates: Fates): Promise<void> {
    if (this.fault.down === 'blackhole') this.#frozen = await frozenListener(this.port);
    if (this.fault.down === undefined) this.peer = await ScriptedPeer.start(this.#script(fates), this.port);
  }

  /** What was down comes up after a while. */
  async comeUp(fates: Fates): Promise<void> {
    if (this.fault.down === undefined) return;
    await delay(downFor(this.strikes.patient));
    await this.#thaw();
    this.peer = await ScriptedPeer.start(this.#script(fates), this.port);
  }

  /** Once this turn of the loop is over: what was closed before this connection was made may be read behind it. */
  #count(): void {
    setImmediate(() => {
      const open = this.peer?.sessions.filter(({ socket }) => !socket.destroyed && !socket.readableEnded).length ?? 0;
      this.most = Math.max(this.most, open);
    });
  }

  async #thaw(): Promise<void> {
    if (this.#frozen === undefined) return;
    const { child, sockets } = this.#frozen;
    for (const socket of sockets) socket.destroy();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    this.#frozen = undefined;
  }

  async close(): Promise<void> {
    await this.#thaw();
    await this.peer?.[Symbol.asyncDispose]();
  }

  /** The fault's script, and what the ledger must hear of it. */
  #script(fates: Fates): PeerScript {
    const script = this.fault.script(this.strikes);
    const begun = new WeakSet<PeerSession>();
    const answer = (reaction: Reaction | undefined, usual: string, peer: PeerSession, line: string) =>
      typeof reaction === 'function' ? reaction(peer, line) : (reaction ?? usual);
    const refuses = (text: string | undefined, peer: PeerSession, recipients: readonly string[]) => {
      if (text?.startsWith('5') === true) for (const recipient of recipients) fates.refused(tokenOf(peer), recipient);
      return text;
    };
    return {
      ...script,
      greeting: (peer, line) => {
        this.#count();
        return answer(script.greeting, '220 mx.test ESMTP', peer, line);
      },
      mail: (peer, line) => {
        const text = refuses(answer(script.mail, '250 2.1.0 Ok', peer, line), peer, this.recipients);
        if (text?.startsWith('2') === true) begun.add(peer);
        else begun.delete(peer);
        return text;
      },
      rcpt: (peer, line) => {
        const recipient = addressOf(line);
        fates.offered(tokenOf(peer), recipient);
        if (!begun.has(peer)) return '503 5.5.1 MAIL first';
        return refuses(answer(script.rcpt, '250 2.1.5 Ok', peer, line), peer, [recipient]);
      },
      ...(script.data === undefined
        ? {}
        : { data: (peer, line) => refuses(answer(script.data, '354 Go on', peer, line), peer, this.recipients) }),
      onMessage: ({ rcpts, wire }, text) => {
        const what = arrived(unstuff(wire)) ?? { token: '', hash: '' };
        const recipients = rcpts.map(addressOf);
        // nobody refuses with a message kept; who says nothing, or nothing that can be understood, may have it
        if (text?.startsWith('4') === true || text?.startsWith('5') === true) {
          if (text.startsWith('5')) for (const recipient of recipients) fates.refused(what.token, recipient);
        } else fates.arrived(what.token, what.hash, recipients, text?.startsWith('2') === true);
      },
    };
  }
}

const addressOf = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? '';
const tokenOf = ({ commands }: PeerSession): string =>
  addressOf(commands.findLast((line) => line.startsWith('MAIL')) ?? '').replace(`@${SENDERS}`, '');

/** A listener that takes no connection, its backlog full: who connects hears nothing (a blackhole). */
async function frozenListener(port: number): Promise<{ child: ChildProcess; sockets: Socket[] }> {
  const program = `require('net').createServer().listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  const sockets = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await delay(200); // the kernel has filled its queue
  return { child, sockets };
}

export interface SceneOptions {
  readonly faults: readonly Fault[];
  /** How often a fault strikes that is named `each`. */
  readonly each: number;
  /** The real deadlines of next hops in place of hasty ones. */
  readonly realDeadlines?: boolean;
  readonly queue: string;
}

export class Downstream implements AsyncDisposable {
  readonly fates = new Fates();
  readonly relay: Relay;
  readonly hops: readonly Hop[];
  readonly #senders: ScriptedPeer;
  readonly #chance = seeded(7);
  #count = 0;

  private constructor(relay: Relay, hops: readonly Hop[], senders: ScriptedPeer) {
    this.relay = relay;
    this.hops = hops;
    this.#senders = senders;
    senders.script = { onMessage: ({ rcpts, wire }) => this.#notice(rcpts.map(addressOf)[0] ?? '', wire.toString('latin1')) };
  }

  static async open(workspace: Workspace, options: SceneOptions): Promise<Downstream> {
    const ports = await freePorts(options.faults.length);
    const hops = options.faults.map((fault, index) => new Hop(fault, index, ports[index] ?? 0, options));
    const senders = await ScriptedPeer.start();
    const relay = await Relay.prepare(workspace, {
      settings: settingsOf(hops, senders.port, options.queue),
      recipients: [],
      ...(options.realDeadlines === true
        ? {}
        : {
            run: {
              main: fileURLToPath(new URL('./hasty-relay.ts', import.meta.url)),
              args: ['--deadlines', JSON.stringify(HASTY)],
            },
          }),
    });
    const made = new Downstream(relay, hops, senders);
    for (const hop of hops) await hop.open(made.fates);
    await relay.start();
    return made;
  }

  /** Sends a message to all recipients of a hop on this session. */
  async send(client: SmtpClient, hop: Hop): Promise<string> {
    const token = `m${++this.#count}`;
    const { bytes, hash } = this.#message(token, hop.fault);
    this.fates.sending(token, hash, hop.recipients);
    hop.tokens.push(token);
    this.fates.told(token, (await client.send(`${token}@${SENDERS}`, hop.recipients, bytes)).kind);
    return token;
  }

  #message(token: string, { size = 2_000, sevenBit }: Fault): { bytes: Buffer; hash: string } {
    const made = testMessage(token, size, this.#chance);
    if (sevenBit === undefined) return made;
    const bytes = Buffer.from(made.bytes.map((octet) => (octet > 126 ? 63 : octet)));
    return { bytes, hash: hashOf(bytes) };
  }

  async client(): Promise<SmtpClient> {
    const opened = await SmtpClient.open(this.relay.port);
    if (opened === undefined) throw new Error('the relay does not greet');
    await opened.client.command('EHLO sender.example');
    return opened.client;
  }

  /** A DSN: its sender is told about these recipients. */
  #notice(to: string, text: string): void {
    for (const block of text.split('\r\n\r\n')) {
      const recipient = /^Final-Recipient: *[^;]*; *(\S+)/m.exec(block)?.[1];
      const action = /^Action: *(\S+)/m.exec(block)?.[1];
      if (recipient !== undefined && action !== undefined) this.fates.notice(to.replace(`@${SENDERS}`, ''), recipient, action);
    }
  }

  /** `token recipient` of all that the relay still has. */
  queued(): Set<string> {
    const { stdout } = this.relay.cli('queue', 'list', '--all', '--limit', '1000', '--json');
    const { messages } = JSON.parse(stdout) as {
      messages: { sender: string; recipients: { recipient: string; state: string }[] }[];
    };
    return new Set(
      messages.flatMap(({ sender, recipients }) =>
        recipients
          .filter(({ state }) => state === 'queued' || state === 'deferred' || state === 'held')
          .map(({ recipient }) => `${sender.replace(`@${SENDERS}`, '')} ${recipient}`),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.stop();
    await Promise.all(this.hops.map((hop) => hop.close()));
    await this.#senders[Symbol.asyncDispose]();
  }
}

function settingsOf(hops: readonly Hop[], senders: number, queue: string): string {
  const domain = (name: string) =>
    `  - { name: ${name}, type: internal-relay, unknown-recipients: on-premises, verify-recipients: off }`;
  const connector = (name: string, space: string, nextHop: string, tls = '{ mode: none }') =>
    `  - { name: ${name}, address-spaces: [${space}], next-hop: ${nextHop}, tls: ${tls}, connections: ${CONNECTIONS} }`;
  return [
    'domains:',
    domain(SENDERS),
    ...hops.map((hop) => domain(hop.domain)),
    'connectors:',
    connector('senders', SENDERS, `{ smart-hosts: ["127.0.0.1:${senders}"] }`),
    ...hops.map(({ domain: space, port, fault }, index) =>
      connector(
        `hop${index}`,
        space,
        fault.protocol === 'lmtp' ? `{ lmtp: "127.0.0.1:${port}" }` : `{ smart-hosts: ["127.0.0.1:${port}"] }`,
        fault.tls,
      ),
    ),
    'limits: { exempt: [127.0.0.0/8] }',
    `queue: ${queue}`,
    '',
  ].join('\n');
}
