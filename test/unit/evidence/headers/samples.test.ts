import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseReceived, type ReceivedField } from '../../../../src/evidence/headers/received.ts';

/** Real fields of some thirty mail systems, what each must be read as, and why it is hard. */
const samples = JSON.parse(readFileSync(new URL('../../../data/received-samples.json', import.meta.url), 'utf8')) as readonly {
  readonly name: string;
  readonly mta: string;
  readonly header: string;
  readonly expected: Readonly<Record<string, string | boolean | null>>;
}[];

const NAMES: Readonly<Record<string, keyof ReceivedField>> = {
  from_host: 'fromHost',
  from_ip: 'fromIp',
  helo: 'helo',
  by_host: 'byHost',
  by_ip: 'byIp',
  with: 'protocol',
  via: 'via',
  id: 'id',
  id_is_version: 'idIsVersion',
  for: 'recipient',
  date: 'date',
  tls: 'tls',
  tls_version: 'tlsVersion',
  tls_version_raw: 'tlsVersionText',
  cipher: 'cipher',
  cipher_raw: 'cipherText',
  verify: 'verify',
};

describe('Received fields of real mail systems (R19)', () => {
  it('has them all, and knows all that is expected of them', () => {
    expect(samples.length).toBeGreaterThanOrEqual(62);
    const expected = new Set(samples.flatMap((sample) => Object.keys(sample.expected)));
    expect([...expected].filter((name) => !(name in NAMES))).toEqual([]);
  });

  it.each(samples)('reads $name ($mta)', ({ header, expected }) => {
    const read = parseReceived(header);
    const found = Object.keys(expected).map((name) => [name, read[NAMES[name] ?? 'tls']]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });

  it.each(samples)('reads $name the same with other folding and line ends', ({ header }) => {
    const words = header.replace(/^Received:\s*/i, '').split(/\s+/);
    expect(parseReceived(`Received: ${words.join('\r\n\t')}`)).toEqual(parseReceived(header));
    expect(parseReceived(words.join(' '))).toEqual(parseReceived(header));
  });
});
