/** Each path and method of the API's own description, in every wrong way there is (reliability.md 4.6): what is answered is told apart. */
import { AdminRelay, type Ask, ask, METHODS, PARAMETERS, TOKEN, tellsOfTheMachine } from '../admin-relay.ts';
import { must, strided, type Target } from '../target.ts';

const ENDLESS = 100 * 2 ** 20;
const NOTHING = Buffer.alloc(0);
const EVIL = 'evil.example';
const JSON_TYPE = { 'content-type': 'application/json' };
const TYPES = [
  'text/plain',
  'text/html',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'x',
];
const BEHIND = [
  '/../../../etc/passwd',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/..%2f..%2fetc%2fpasswd',
  '%00',
  '/',
  '//',
  '?'.repeat(50),
  `?${'a=b&'.repeat(2_000)}`,
];
/** Whole bodies that are wrong, or huge within what is read. */
const BODIES: readonly string[] = [
  'null',
  '1',
  '"x"',
  'true',
  '[]',
  '{}',
  '{"',
  '\u0000',
  '\ufeff{}',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '['.repeat(500_000),
  `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
  `[${'1,'.repeat(500_000)}1]`,
  `{${Array.from({ length: 60_000 }, (_, n) => `"k${n}":1`).join(',')}}`,
];
/** Values of each field that the description names. */
const VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  1e300,
  '',
  'x',
  '\0',
  '../../etc/passwd',
  [],
  {},
  [null],
  'x'.repeat(900_000),
  Array.from({ length: 200_000 }, () => 1),
  Array.from({ length: 40_000 }, (_, n) => `u${n}@example.com`),
];

interface Case extends Ask {
  /** What may be answered. */
  readonly may: (status: number) => boolean;
}
const isRefusal = (status: number): boolean => status >= 400 && status < 500;
const isAnswer = (status: number): boolean => (status >= 200 && status < 500) || status === 503;
const only =
  (...statuses: readonly number[]) =>
  (status: number): boolean =>
    statuses.includes(status);

interface Described {
  readonly requestBody?: { readonly content: Record<string, { readonly schema?: { readonly properties?: object } }> };
}

function casesOf(paths: Record<string, Record<string, Described>>): Case[] {
  const good = { authorization: `Bearer ${TOKEN}`, ...JSON_TYPE };
  const cases: Case[] = [];
  for (const [template, methods] of Object.entries(paths)) {
    const path = template.replace(/\{\w+\}/, 'x');
    const known = Object.keys(methods).map((method) => method.toUpperCase());
    for (const method of METHODS.filter((one) => !known.includes(one)))
      cases.push({ method, path, headers: good, body: NOTHING, may: isRefusal });
    for (const [lower, { requestBody }] of Object.entries(methods)) {
      const method = lower.toUpperCase();
      const body = method === 'GET' ? NOTHING : Buffer.from('{}');
      const add = (more: Partial<Case>): void => void cases.push({ method, path, headers: good, body, may: isAnswer, ...more });
      const { authorization, ...nobody } = good;
      add({ headers: { ...good, host: EVIL }, may: only(421) });
      add({ headers: { ...good, host: `127.0.0.1.${EVIL}` }, may: only(421) });
      add({ headers: { ...good, origin: `http://${EVIL}` }, may: only(403) });
      add({ headers: { ...good, origin: 'null' }, may: only(403) });
      add({ headers: { ...good, 'sec-fetch-site': 'cross-site' }, may: only(403) });
      add({ headers: nobody, may: only(401) });
      for (const wrong of ['Bearer x', `Bearer ${TOKEN}0`, `Basic ${TOKEN}`, authorization.slice(0, -1), 'Bearer '])
        add({ headers: { ...good, authorization: wrong }, may: only(401) });
      for (const parameter of template.includes('{') ? PARAMETERS : [])
        add({ path: template.replace(/\{\w+\}/, parameter), may: isAnswer });
      for (const behind of BEHIND) add({ path: path + behind });
      add({ body: ENDLESS, may: method === 'GET' ? isAnswer : only(400, 413, 499) });
      add({ headers: nobody, body: ENDLESS, may: only(401, 499) });
      if (requestBody === undefined) continue;
      const isUpload = 'application/octet-stream' in requestBody.content;
      for (const type of isUpload ? [...TYPES, JSON_TYPE['content-type']] : TYPES)
        add({ headers: { ...good, 'content-type': type }, may: isRefusal });
      for (const text of BODIES) add({ body: Buffer.from(text) });
      const fields = Object.keys(requestBody.content['application/json']?.schema?.properties ?? {});
      for (const field of fields) for (const value of VALUES) add({ body: Buffer.from(JSON.stringify({ [field]: value })) });
    }
  }
  return cases;
}

export const endpoints: Target = {
  name: 'endpoints',
  inputs: 'request',
  long: 6_000,
  short: 200,
  async open() {
    const relay = await AdminRelay.open();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const described = await ask(relay.url, { method: 'GET', path: '/api/v1/openapi.json', headers, body: NOTHING });
    const cases = casesOf((JSON.parse(described.text) as { paths: Record<string, Record<string, Described>> }).paths);
    return {
      corpus: [],
      words: [],
      atOnce: 4,
      make: (_, number) => Buffer.from(String(cases.indexOf(strided(cases, number)))),
      async run(input) {
        const one = cases[Number(input.toString())];
        must(one !== undefined, 'no such case');
        const { status, text } = await ask(relay.url, one);
        const sent = typeof one.body === 'number' ? `${one.body} octets` : one.body.toString('latin1', 0, 60);
        const where = `${one.method} ${one.path.slice(0, 100)} ${JSON.stringify(one.headers)} ${sent}`;
        must(one.may(status), `${where}: ${status} ${text.slice(0, 300)}`);
        must(!tellsOfTheMachine(text), `${where}: tells of the machine: ${text.slice(0, 300)}`);
        const asked = typeof one.body === 'number' ? 0 : one.body.length;
        must(text.length < 2 ** 18 + 8 * asked, `${where}: an answer of ${text.length} characters`);
        must((Object.prototype as { polluted?: boolean }).polluted === undefined, 'Object.prototype was written to');
      },
      settle: () => relay.isWell(),
      [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
    };
  },
};
