/** Whatever stands in the file: an answer, never an exception, and each mistake has a place and a remedy. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkSettings } from '../../../src/settings/load.ts';

const BASE = {
  hostname: 'mx1.example.com',
  domains: [{ name: 'example.com', 'verify-recipients': 'off' }],
  cloud: { 'routing-domains': ['t.example'] },
  peers: { 'on-premises': { networks: ['10.1.0.5/32'] } },
  connectors: [
    { name: 'cloud', 'address-spaces': ['t.example', '*'], 'next-hop': { mx: true }, tls: { mode: 'opportunistic' } },
    { name: 'home', 'address-spaces': ['example.com'], 'next-hop': { 'smart-hosts': ['10.1.0.5:25'] } },
  ],
  // oxlint-disable-next-line unicorn/no-thenable -- a rule is data
  rules: [{ when: { recipient: '*@x.example' }, then: { hold: true } }],
  queue: { retry: ['1m'], 'expire-after': '5d' },
  listeners: [{ address: '127.0.0.1', port: 0 }],
};

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    -1,
    3.5,
    '',
    'x',
    '*',
    '10.0.0.1',
    '0.0.0.0/0',
    [],
    [null],
    {},
    { x: 1 },
    'on-premises',
    '5m',
    '1e400MiB',
    1e300,
  ),
  fc.jsonValue(),
);

/** Every place in the value: a path of keys. */
function paths(value: unknown, here: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [here];
  return [here, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...here, key]))];
}

function put(root: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy = (Array.isArray(root) ? [...(root as unknown[])] : { ...(root as object) }) as Record<string, unknown>;
  copy[key] = put(copy[key], rest, value);
  return copy;
}

async function answers(text: string): Promise<boolean> {
  const loaded = await checkSettings('/nowhere/bridgehead.yaml', text);
  if (loaded.ok) return Object.isFrozen(loaded.settings);
  return (
    loaded.mistakes.length > 0 &&
    loaded.mistakes.every(({ line, column, problem, remedy }) => line > 0 && column > 0 && problem !== '' && remedy !== '')
  );
}

describe('any settings file', () => {
  it('the base is good', async () => {
    expect((await checkSettings('/nowhere/bridgehead.yaml', stringify(BASE))).ok).toBe(true);
  });

  it('with junk in any two places has an answer', async () => {
    const place = fc.constantFrom(...paths(BASE));
    await fc.assert(
      fc.asyncProperty(place, junk, place, junk, async (one, first, two, second) => {
        const once = put(BASE, one, first);
        const twice = two.every((_, index) => typeof at(once, two.slice(0, index)) === 'object') ? put(once, two, second) : once;
        expect(await answers(stringify(twice))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('of any text has an answer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), async (text) => {
        expect(await answers(text)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

function at(root: unknown, path: readonly string[]): unknown {
  let here = root;
  for (const key of path) here = typeof here === 'object' && here !== null ? (here as Record<string, unknown>)[key] : undefined;
  return here ?? undefined;
}
