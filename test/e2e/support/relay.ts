/** The relay under test, as a process of its own, driven by its outer face alone. */
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { EventRecord } from '../../../src/mail/event.ts';
import { type CommandEnd, freePorts, greets, isRunning, run, runBeside, stop, until, type Workspace } from './workspace.ts';

const MAIN = process.env['BRIDGEHEAD_MAIN'] ?? fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

export interface RelayOptions {
  readonly port: number;
  readonly adminPort: number;
  /** Instead of one plain listener at `port`: each as YAML in one line. */
  readonly listeners?: readonly string[];
  /** Settings below the frame: domains, connectors, directory, queue ... as YAML. */
  readonly settings: string;
  readonly recipients: readonly string[];
  /** More sources of the directory beside recipients.csv, each as YAML in one line. */
  readonly sources?: readonly string[];
  readonly dataDirectory?: string;
  readonly name?: string;
  /** What is run in place of the relay's own entry, with arguments behind `run --config FILE`. */
  readonly run?: { readonly main: string; readonly args: readonly string[] };
  /** More of its environment. */
  readonly environment?: Record<string, string>;
}

export class Relay {
  readonly config: string;
  readonly port: number;
  readonly dataDirectory: string;
  readonly #workspace: Workspace;
  readonly #name: string;
  readonly #adminPort: number;
  readonly #run: RelayOptions['run'];
  readonly #environment: Record<string, string>;
  #child: ChildProcess | undefined;

  constructor(workspace: Workspace, options: RelayOptions) {
    this.#workspace = workspace;
    this.#name = options.name ?? 'relay';
    this.port = options.port;
    this.#adminPort = options.adminPort;
    this.#run = options.run;
    this.#environment = options.environment ?? {};
    this.dataDirectory = options.dataDirectory ?? workspace.folder(this.#name, 'data');
    this.config = workspace.path(this.#name, 'bridgehead.yaml');
    workspace.folder(this.#name);
    this.setRecipients(options.recipients);
    writeFileSync(
      this.config,
      `hostname: relay.example
data-directory: ${this.dataDirectory}
listeners: [${(options.listeners ?? [`{ address: 127.0.0.1, port: ${options.port} }`]).join(', ')}]
admin: { address: 127.0.0.1, port: ${options.adminPort} }
directory: { sources: [${[...(options.sources ?? []), '{ name: plain, file: recipients.csv }'].join(', ')}] }
${options.settings}`,
    );
  }

  /** A relay on free ports. */
  static async prepare(workspace: Workspace, options: Omit<RelayOptions, 'port' | 'adminPort'>): Promise<Relay> {
    const [port = 0, adminPort = 0] = await freePorts(2);
    return new Relay(workspace, { ...options, port, adminPort });
  }

  setRecipients(lines: readonly string[]): void {
    const text = ['address,route,routing-address,aliases', ...lines, ''].join('\n');
    writeFileSync(this.#workspace.path(this.#name, 'recipients.csv'), text);
  }

  get command(): { readonly file: string; readonly args: readonly string[] } {
    const { main = MAIN, args = [] } = this.#run ?? {};
    return { file: process.execPath, args: [main, 'run', '--config', this.config, ...args] };
  }

  /** Starts it, or what `wrap` makes of its command line, and waits until it takes mail. Returns the seconds that took. */
  async start(wrap: readonly string[] = []): Promise<number> {
    const began = performance.now();
    const line = [...wrap, this.command.file, ...this.command.args];
    const child = this.#workspace.start(this.#name, line[0] ?? '', line.slice(1), this.#environment);
    this.#child = child;
    const ready = async () => {
      if (!isRunning(child)) throw new Error(`the relay ended with ${child.exitCode}:\n${this.log().slice(-3000)}`);
      return greets(this.port);
    };
    await until('the relay greets', ready, 120_000, 20);
    return (performance.now() - began) / 1000;
  }

  /** Of the admin API and page, without a final slash. */
  get adminUrl(): string {
    return `http://127.0.0.1:${this.#adminPort}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && isRunning(this.#child);
  }

  /** How it ended: an exit status or the name of a signal; `undefined` while it runs. */
  get end(): number | NodeJS.Signals | undefined {
    return this.#child?.exitCode ?? this.#child?.signalCode ?? undefined;
  }

  /** A signal ended it. */
  get wasKilled(): boolean {
    return (this.#child?.signalCode ?? null) !== null;
  }

  log(): string {
    return this.#workspace.log(this.#name);
  }

  /** A line of our own in its log. */
  note(text: string): void {
    appendFileSync(this.#workspace.path(`${this.#name}.log`), `--- ${text}\n`);
  }

  async kill(): Promise<void> {
    if (this.#child !== undefined) await stop(this.#child, 'SIGKILL', 5_000);
  }

  /** SIGTERM, as a service manager does; the exit status. */
  async stop(): Promise<number | null> {
    return this.#child === undefined ? null : stop(this.#child, 'SIGTERM', 40_000);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Resident memory in MiB: now, of it our own (heap, buffers) and mapped files (the spool's pages), and the peak so far. */
  memory(): { now: number; own: number; mapped: number; peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
    return { now: of('VmRSS'), own: of('RssAnon'), mapped: of('RssFile'), peak: of('VmHWM') };
  }

  cli(...args: string[]): CommandEnd {
    return run(process.execPath, [MAIN, ...args, '--config', this.config]);
  }

  /** As `cli`, while this process goes on: for commands under load that it makes itself. */
  cliBeside(...args: string[]): Promise<CommandEnd> {
    return runBeside(process.execPath, [MAIN, ...args, '--config', this.config]);
  }

  /** `trace --json`: the event records that match. */
  trace(...selectors: string[]): EventRecord[] {
    const answer = this.cli('trace', '--json', ...selectors);
    if (answer.status !== 0 && answer.status !== 1) throw new Error(`trace: status ${answer.status}: ${answer.stderr}`);
    return answer.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as EventRecord);
  }

  async ready(): Promise<boolean> {
    return fetch(`${this.adminUrl}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  }
}

/** Two sides behind one domain, as the settings file says it; next hops are plain SMTP unless told. */
export function twoSides(options: {
  readonly onPremises: string;
  readonly cloud: string;
  readonly tls?: string;
  readonly more?: string;
  /** More limits, as YAML in braces has them. */
  readonly limits?: string;
  readonly connections?: number;
  /** Whom no limit of admission binds; all of this machine where it is not said. */
  readonly exempt?: string;
}): string {
  const tls = options.tls ?? 'none';
  const connections = options.connections ?? 10;
  return `domains:
  - { name: example.com, type: internal-relay, unknown-recipients: reject, verify-recipients: off }
cloud: { routing-domains: [tenant.mail.example.net] }
connectors:
  - { name: on-premises, address-spaces: [example.com], next-hop: ${options.onPremises}, tls: { mode: ${tls} }, connections: ${connections} }
  - { name: cloud, address-spaces: [tenant.mail.example.net], next-hop: ${options.cloud}, tls: { mode: ${tls} }, connections: ${connections} }
limits: { exempt: [${options.exempt ?? '127.0.0.0/8'}]${options.limits === undefined ? '' : `, ${options.limits}`} }
${options.more ?? ''}`;
}

export const smartHost = (port: number): string => `{ smart-hosts: ["127.0.0.1:${port}"] }`;
