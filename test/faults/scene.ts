/**
 * What the faults of the machine have in common: a relay between two next hops that write down all they get, a sender,
 * and the ledger. Addresses: `local@` (on-premises) and `moved@` (cloud) arrive, `later@` is put off with 451 while
 * `puttingOff` is set, `nobody@` is refused with 550 by its server, so that `sender@` gets a DSN.
 */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { Relay, smartHost, twoSides } from '../e2e/support/relay.ts';
import { SmtpClient, type Verdict } from '../e2e/support/smtp-client.ts';
import { type Delivery, SmtpSink } from '../e2e/support/smtp-sink.ts';
import { freePorts, until, Workspace } from '../e2e/support/workspace.ts';
import { type Findings, Ledger } from './ledger.ts';
import { some } from './report.ts';

export const SENDER = 'sender@example.com';
const CLOUD_DOMAIN = 'tenant.mail.example.net';
const RECIPIENTS = [
  `${SENDER},on-premises,,`,
  'local@example.com,on-premises,,',
  'later@example.com,on-premises,,',
  'nobody@example.com,on-premises,,',
  `moved@example.com,cloud,moved@${CLOUD_DOMAIN},`,
];

export interface SceneOptions {
  /** More settings, as YAML. */
  readonly more?: string;
  /** More limits, as YAML in braces has them. */
  readonly limits?: string;
  readonly connections?: number;
}

export class Scene implements AsyncDisposable {
  readonly workspace: Workspace;
  readonly onPremises = new SmtpSink();
  readonly cloud = new SmtpSink();
  readonly chance = seeded(5);
  ledger = new Ledger();
  puttingOff = false;
  /** How often `later@` was put off. */
  putOff = 0;
  readonly #settings: () => string;
  readonly #ports: readonly number[];
  #relays = 0;

  private constructor(name: string, options: SceneOptions, ports: readonly number[]) {
    this.workspace = new Workspace(name);
    this.#ports = ports;
    this.#settings = () =>
      twoSides({
        onPremises: smartHost(this.onPremises.port),
        cloud: smartHost(this.cloud.port),
        connections: options.connections ?? 10,
        ...(options.limits !== undefined && { limits: options.limits }),
        more: options.more ?? 'queue: { retry: [1s], expire-after: 1h }',
      });
    for (const sink of [this.onPremises, this.cloud]) {
      sink.onDelivery = (delivery) => {
        sink.deliveries.length = 0; // the ledger has it
        this.#arrived(delivery);
      };
    }
    this.onPremises.answer = (stage, argument) => {
      if (stage !== 'rcpt') return undefined;
      if (argument.includes('<nobody@')) return '550 5.1.1 Nobody here of that name';
      if (!this.puttingOff || !argument.includes('<later@')) return undefined;
      this.putOff += 1;
      return '451 4.2.1 Try later';
    };
  }

  static async open(name: string, options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(name, options, await freePorts(2));
    await Promise.all([scene.onPremises.listen(), scene.cloud.listen()]);
    return scene;
  }

  /** A relay on a data directory of its own, with the same ports each time. */
  relay(dataDirectory?: string): Relay {
    const [port = 0, adminPort = 0] = this.#ports;
    const name = `relay-${++this.#relays}`;
    return new Relay(this.workspace, {
      port,
      adminPort,
      name,
      settings: this.#settings(),
      recipients: RECIPIENTS,
      ...(dataDirectory !== undefined && { dataDirectory }),
    });
  }

  /** A new ledger: what came before is told in the findings returned. */
  turnPage(): Findings {
    const found = this.ledger.findings();
    this.ledger = new Ledger();
    this.putOff = 0;
    return found;
  }

  /** Sends one message on a session of its own and writes down how it ended. */
  async send(token: string, to: readonly string[], size = 2_000): Promise<Verdict> {
    const message = testMessage(token, size, this.chance);
    this.ledger.sending(
      token,
      message.hash,
      to.map((address) => address.replace('moved@example.com', `moved@${CLOUD_DOMAIN}`)),
    );
    const opened = await SmtpClient.open(this.#ports[0] ?? 0);
    if (opened === undefined) return { kind: 'unknown' };
    const { client, greeting } = opened;
    const greeted = greeting.code === 220 && (await client.command('EHLO sender.example'))?.code === 250;
    const answer: Verdict = greeted
      ? await client.send(SENDER, to, message.bytes)
      : greeting.code === 220
        ? { kind: 'unknown' }
        : { kind: 'refused', reply: greeting };
    this.ledger.told(token, answer.kind);
    client.drop();
    return answer;
  }

  /** Waits until everything acknowledged has arrived or was bounced, and a moment more for second copies. */
  async settle(deadline = 20_000): Promise<void> {
    await until('the queue drains', () => this.ledger.missing().length === 0, deadline, 50).catch(() => {});
    await delay(300);
  }

  #arrived(delivery: Delivery): void {
    // a DSN quotes the header of what it speaks of, and with it the token
    if (delivery.recipients.includes(SENDER)) this.ledger.bounced(delivery.token);
    else this.ledger.delivered(delivery);
  }

  forget(relay: Relay): void {
    if (process.env['BRIDGEHEAD_TEST_KEEP'] === undefined) rmSync(relay.dataDirectory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workspace[Symbol.asyncDispose]();
    await Promise.all([this.onPremises.down(), this.cloud.down()]);
  }
}

/** The words that a client was told. */
export const told = (answer: Verdict): string => ('reply' in answer ? (answer.reply.lines.at(-1) ?? '') : 'no answer');

/** What an operator sees: whether /readyz is green, and the first finding of `status`. */
export async function look(relay: Relay): Promise<{ ready: boolean; finding: string }> {
  const { stdout } = await relay.cliBeside('status', '--json');
  const { findings = [] } = JSON.parse(stdout === '' ? '{}' : stdout) as { findings?: { problem: string }[] };
  return { ready: await relay.ready(), finding: findings[0]?.problem ?? '' };
}

/** What a ledger says that must not be, each with where it happened; `copies` more than so many of one delivery are too many. */
export function brokenPromises(where: string, found: Findings, copies = 1): string[] {
  const broken: string[] = [];
  if (found.lost.length > 0) broken.push(`${where}: lost ${some(found.lost)}`);
  if (found.wrong.length > 0) broken.push(`${where}: wrong ${some(found.wrong)}`);
  if (found.refusedButDelivered.length > 0) broken.push(`${where}: refused but delivered ${some(found.refusedButDelivered)}`);
  const extra = new Map<string, number>();
  for (const { key } of found.duplicates) extra.set(key, (extra.get(key) ?? 0) + 1);
  const tooMany = [...extra].filter(([, count]) => count > copies).map(([key]) => key);
  if (tooMany.length > 0) broken.push(`${where}: more than ${copies + 1} copies of ${some(tooMany)}`);
  return broken;
}

/** `senders` that send without pause, each message on a session of its own, until `end`; at most so many octets each. */
export function underLoad(
  scene: Scene,
  senders: number,
  name: string,
  largest = 41_000,
): { readonly end: () => Promise<Map<string, number>> } {
  let running = true;
  let count = 0;
  /** Answers other than 250, by their text. */
  const answers = new Map<string, number>();
  const ways = [['local@example.com'], ['moved@example.com'], ['local@example.com', 'moved@example.com']];
  const one = async () => {
    while (running) {
      const n = ++count;
      const answer = await scene.send(`${name}-${n}`, ways[n % 3] ?? [], 1_000 + Math.floor(scene.chance() * (largest - 1_000)));
      if (answer.kind === 'acked') continue;
      answers.set(told(answer), (answers.get(told(answer)) ?? 0) + 1);
      await delay(50);
    }
  };
  const all = Promise.all(Array.from({ length: senders }, one));
  return {
    async end() {
      running = false;
      await all;
      return answers;
    },
  };
}
