/** A whole relay whose admin API is spoken to over real sockets, for the targets that do. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { type RelayLog, silentLog } from '../../src/platform/logger.ts';
import { startRelay } from '../../src/relay.ts';
import { loadSettings } from '../../src/settings/load.ts';
import { must } from './target.ts';

export const TOKEN = '0123456789abcdef0123456789abcdef';
/** What begins connections to elsewhere, or stops what the next input needs, is asked with nonsense alone. */
export const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'BREW'];
export const PARAMETERS = [
  'x',
  '01KAGQ00000000000000000000',
  '..',
  '%2e%2e',
  '%00',
  'a%2fb',
  '%ff',
  'cloud',
  'example.com',
  '__proto__',
  'constructor',
  'x'.repeat(5_000),
  '%F0%9F%98%80',
];
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | number;
}

export class AdminRelay implements AsyncDisposable {
  readonly #folder: string;
  readonly #relay: Awaited<ReturnType<typeof startRelay>>;
  /** What the relay logged as errors. */
  readonly errors: readonly unknown[];

  private constructor(folder: string, relay: Awaited<ReturnType<typeof startRelay>>, errors: readonly unknown[]) {
    this.#folder = folder;
    this.#relay = relay;
    this.errors = errors;
  }

  static async open(): Promise<AdminRelay> {
    const folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
    writeFileSync(join(folder, 'token'), TOKEN, { mode: 0o600 });
    writeFileSync(
      join(folder, 'bridgehead.yaml'),
      `hostname: mx1.example.com
data-directory: data
listeners: [{ address: 127.0.0.1, port: 0 }]
admin: { address: 127.0.0.1, port: 0, token-file: token }
dns: { servers: ["127.0.0.1:9"] }
domains: [{ name: example.com, unknown-recipients: reject, verify-recipients: off }]
cloud: { routing-domains: [tenant.example.net] }
connectors:
  - { name: cloud, address-spaces: [tenant.example.net, "*"], next-hop: { smart-hosts: ["127.0.0.1:9"] } }
  - { name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["127.0.0.1:9"] } }
`,
    );
    const loaded = await loadSettings(join(folder, 'bridgehead.yaml'));
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    const errors: unknown[] = [];
    const log = Object.assign(Object.create(silentLog) as RelayLog, { error: (fields: unknown) => void errors.push(fields) });
    return new AdminRelay(folder, await startRelay(loaded.settings, { log, clock: systemClock, version: '0.0.0' }), errors);
  }

  get url(): string {
    return this.#relay.adminUrl;
  }

  /** It answers as ever, and logged no error. */
  async isWell(): Promise<void> {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const { status } = await ask(this.url, { method: 'GET', path: '/api/v1/status', headers, body: Buffer.alloc(0) });
    must(status === 200, `status ${status} in the end`);
    must(this.errors.length === 0, `errors in the log: ${JSON.stringify(this.errors.at(-1) ?? '').slice(0, 600)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop(1_000);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A stack, a path of ours, or a file of the machine in an answer. */
export const tellsOfTheMachine = (text: string): boolean => text.includes('root:') || /\bat \S+ \(|node_modules/.test(text);

/** Status 499: the server ended the connection in the middle of our body, as it may. */
export function ask(url: string, { method, path, headers, body }: Ask): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const base = new URL(url);
    const sent = request({
      host: base.hostname,
      port: base.port,
      method,
      path,
      headers: { ...headers },
      agent: false,
      setHost: headers['host'] === undefined,
    });
    let status = 499;
    let text = '';
    sent.on('response', (answer) => {
      status = answer.statusCode ?? 0;
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('error', () => {});
    });
    sent.on('error', () => {});
    sent.on('close', () => resolve({ status, text }));
    if (typeof body !== 'number') return void sent.end(body);
    const block = Buffer.alloc(64 * 1024, ' ');
    let left = body;
    const more = (): void => {
      while (left > 0 && !sent.destroyed) {
        left -= block.length;
        if (!sent.write(block)) return void sent.once('drain', more);
      }
      sent.end();
    };
    more();
  });
}

/** What is no HTTP at all. */
export async function nonsense(url: string, input: Buffer): Promise<void> {
  const base = new URL(url);
  const socket = connect(Number(base.port), base.hostname);
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.resume();
  socket.end(input);
  await closed;
}
