/** The admin API of a whole relay: every path with wrong methods, types and bodies, other hosts and origins, and bodies without end. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROUTES } from '../../../src/admin/routes.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { type RelayLog, silentLog } from '../../../src/platform/logger.ts';
import { startRelay } from '../../../src/relay.ts';
import { loadSettings } from '../../../src/settings/load.ts';
import { corpusOf } from '../corpus.ts';
import { Mutator } from '../mutate.ts';
import { below, must, pick, type Target } from '../target.ts';

const TOKEN = '0123456789abcdef0123456789abcdef';
const ENDLESS = 100 * 2 ** 20;
/** What begins connections to elsewhere, or stops what the next input needs, is asked with nonsense alone. */
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'BREW'];
const PARAMETERS = [
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
const KEYS = [
  'id',
  'recipient',
  'sender',
  'domain',
  'connector',
  'all',
  'olderThan',
  'older-than',
  'limit',
  'after',
  'since',
  'until',
  'message-id',
  'addresses',
  'name',
  'uploads',
  'files',
  'source',
  'dryRun',
  'version',
  'reason',
  'route',
  'address',
  'peer',
  'from',
  'size',
  'except',
  'only',
  'format',
  '__proto__',
];
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1e300,
  '',
  'x',
  'a@b.c',
  'user@example.com',
  'cloud',
  '*',
  '\0',
  '2026-11-22',
  '5m',
  [],
  [[]],
  ['x'],
  ['user@example.com'],
  {},
  { a: { b: [] } },
  'x'.repeat(10_000),
  '../../../etc/passwd',
  '01KAGQ00000000000000000000',
];

interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | number;
}

export const http: Target = {
  name: 'http',
  inputs: 'request',
  long: 10_000,
  short: 600,
  async open() {
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
    const relay = await startRelay(loaded.settings, { log, clock: systemClock, version: '0.0.0' });
    const bodies = corpusOf('http');
    const mutator = new Mutator(
      bodies,
      KEYS.map((key) => `"${key}":`),
      100_000,
    );

    const plan = (input: Buffer, chance: () => number): Ask => {
      const route = pick(chance, ROUTES);
      const path = `/api/v1${route.path.replace(/:\w+/, pick(chance, PARAMETERS))}`;
      const headers: Record<string, string> = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
      const way = chance();
      let body: Buffer | number = chance() < 0.5 ? input : Buffer.from(JSON.stringify(made(chance)) ?? '');
      if (way < 0.05) headers['host'] = 'evil.example';
      else if (way < 0.1) headers['origin'] = 'http://evil.example';
      else if (way < 0.15) delete headers['authorization'];
      else if (way < 0.2)
        headers['authorization'] = pick(chance, ['Bearer x', 'Basic eDp5', 'Bearer ', `Bearer ${TOKEN}0`, TOKEN]);
      else if (way < 0.3)
        headers['content-type'] = pick(chance, [
          'text/plain',
          'application/xml',
          'multipart/form-data; boundary=x',
          'application/octet-stream',
          'application/json; charset=utf-16',
          '',
        ]);
      else if (way < 0.303) body = ENDLESS;
      if (chance() < 0.1) {
        const wild = pick(chance, [
          '/../../etc/passwd',
          '/%2e%2e/%2e%2e/etc/passwd',
          '/api/v1/../../x',
          '//evil.example/',
          '/api/v1/queue/%2e%2e%2f',
          '/metrics/..',
          '/api/v2/status',
          `/${'x'.repeat(20_000)}`,
        ]);
        return { method: pick(chance, METHODS.slice(0, 7)), path: wild, headers, body };
      }
      const query =
        chance() < 0.5
          ? ''
          : `?${Array.from({ length: 1 + below(chance, 4) }, () => `${pick(chance, KEYS)}=${encodeURIComponent(String(pick(chance, VALUES)))}`).join('&')}`;
      return { method: chance() < 0.8 ? route.method : pick(chance, METHODS), path: path + query, headers, body };
    };

    return {
      corpus: bodies,
      words: KEYS,
      atOnce: 4,
      make: (chance) => (chance() < 0.5 ? mutator.next(chance) : Buffer.from(JSON.stringify(made(chance)) ?? '')),
      async run(input, chance) {
        if (chance() < 0.05) return nonsense(relay.adminUrl, input);
        const asked = plan(input, chance);
        const before = errors.length;
        const { status, text } = await ask(relay.adminUrl, asked);
        const where = `${asked.method} ${asked.path.slice(0, 100)}`;
        must(status >= 200 && status < 600, `${where}: status ${status}`);
        must(
          status !== 500 && errors.length === before,
          `${where}: ${status} ${text.slice(0, 300)} ${JSON.stringify(errors.at(-1) ?? '').slice(0, 600)}`,
        );
        const { host, origin, authorization } = asked.headers;
        if (status !== 400 && status !== 414 && status !== 431 && status !== 413 && status !== 404 && status !== 405) {
          if (host !== undefined) must(status === 421, `${where}: ${status} for a host that is not ours`);
          else if (origin !== undefined) must(status === 403, `${where}: ${status} for an origin that is not ours`);
          else if (authorization !== `Bearer ${TOKEN}`) must(status === 401, `${where}: ${status} without the token`);
        }
        must(
          !text.includes('root:') && !/\bat \S+ \(|node_modules/.test(text),
          `${where}: tells of the machine: ${text.slice(0, 300)}`,
        );
      },
      async [Symbol.asyncDispose]() {
        await relay.stop(1_000);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

function made(chance: () => number): unknown {
  return Object.fromEntries(Array.from({ length: below(chance, 5) }, () => [pick(chance, KEYS), pick(chance, VALUES)]));
}

/** Status 499: the server ended the connection in the middle of our body, as it may. */
function ask(url: string, { method, path, headers, body }: Ask): Promise<{ status: number; text: string }> {
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
async function nonsense(url: string, input: Buffer): Promise<void> {
  const base = new URL(url);
  const socket = connect(Number(base.port), base.hostname);
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.resume();
  socket.end(input);
  await closed;
}
