/** The admin API of a whole relay: every path with wrong methods, types and bodies, other hosts and origins, and bodies without end. */
import { ROUTES } from '../../../src/admin/routes.ts';
import { AdminRelay, type Ask, ask, METHODS, nonsense, PARAMETERS, TOKEN, tellsOfTheMachine } from '../admin-relay.ts';
import { corpusOf } from '../corpus.ts';
import { Mutator } from '../mutate.ts';
import { below, must, pick, type Target } from '../target.ts';

const ENDLESS = 100 * 2 ** 20;
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

export const http: Target = {
  name: 'http',
  inputs: 'request',
  long: 10_000,
  short: 600,
  async open() {
    const relay = await AdminRelay.open();
    const { errors } = relay;
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
        if (chance() < 0.05) return nonsense(relay.url, input);
        const asked = plan(input, chance);
        const before = errors.length;
        const { status, text } = await ask(relay.url, asked);
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
        must(!tellsOfTheMachine(text), `${where}: tells of the machine: ${text.slice(0, 300)}`);
      },
      settle: () => relay.isWell(),
      [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
    };
  },
};

function made(chance: () => number): unknown {
  return Object.fromEntries(Array.from({ length: below(chance, 5) }, () => [pick(chance, KEYS), pick(chance, VALUES)]));
}
