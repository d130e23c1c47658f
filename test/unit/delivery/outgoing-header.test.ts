import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editHeader, headerEdits, withEdits } from '../../../src/delivery/outgoing-header.ts';
import type { SpooledBody, SpooledMessage } from '../../../src/mail/spooled.ts';
import { SETTINGS } from './scheduler/samples.ts';

const EDITS = { prepend: 'A-R: new\r\n', authservIds: ['mx1.example.com'], firewall: true };
const RECEIVED = 'Received: from a by mx1.example.com;\r\n\tnow\r\n';

function body(wire: Buffer, pieces: number | undefined): SpooledBody {
  if (pieces === undefined) return { length: wire.length, bytes: wire, async *chunks() {} };
  return {
    length: wire.length,
    async *chunks() {
      for (let at = 0; at < wire.length; at += pieces) yield wire.subarray(at, at + pieces);
    },
  };
}

async function read(edited: SpooledBody): Promise<string> {
  if (edited.bytes !== undefined) return edited.bytes.toString('latin1');
  const chunks: Buffer[] = [];
  for await (const chunk of edited.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

describe('the header as it goes out', () => {
  it('has our field in front, and no reserved or forged one', async () => {
    const wire = Buffer.from(
      `${RECEIVED}X-MS-Exchange-Forest-X: a\r\n b\r\nAuthentication-Results: "MX1.example.com" 1; spf=pass\r\nAuthentication-Results: other.example; none\r\n\r\nX-MS-Exchange-Forest-X: body\r\n`,
    );
    const expected = `A-R: new\r\n${RECEIVED}Authentication-Results: other.example; none\r\n\r\nX-MS-Exchange-Forest-X: body\r\n`;
    for (const pieces of [undefined, 1, 5, 1000]) {
      const { body: edited, longer } = await withEdits(body(wire, pieces), EDITS);
      expect(await read(edited)).toBe(expected);
      expect([edited.length, longer]).toEqual([expected.length, expected.length - wire.length]);
    }
  });

  it('is the whole message where there is no empty line, and stays as it is where there is no line', async () => {
    const { body: edited } = await withEdits(body(Buffer.from(RECEIVED), undefined), EDITS);
    expect(await read(edited)).toBe(`A-R: new\r\n${RECEIVED}`);
    const none = await withEdits(body(Buffer.from('no line'), 3), EDITS);
    expect(await read(none.body)).toBe('A-R: new\r\nno line');
  });

  it('keeps every other octet, whatever they are', () => {
    const line = fc.constantFrom(
      'A: b',
      '\tfolded',
      ' \xff\x00',
      'x-other: 1',
      'Authentication-Results: z; none',
      ':',
      'no colon',
      '',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const header = lines.map((one) => `${one}\r\n`).join('');
        expect(editHeader(header, { ...EDITS, prepend: '' })).toBe(header);
      }),
    );
  });

  it('is not touched for mail that nobody asked anything of', () => {
    const message = { origin: { peer: 'external', ownHops: 0, tenantProof: false } } as SpooledMessage;
    const authentication = { time: '', spf: { result: 'none' }, dkim: [], dmarc: { result: 'none' } } as const;
    expect(headerEdits(message, SETTINGS)).toBeUndefined();
    expect(headerEdits({ ...message, authentication }, SETTINGS)).toBeUndefined();
    expect(headerEdits({ ...message, authentication }, { ...SETTINGS, addAuthenticationResults: ['cloud'] })).toBeUndefined();
    expect(headerEdits({ ...message, authentication }, { ...SETTINGS, addAuthenticationResults: ['external'] })?.prepend).toBe(
      'Authentication-Results: mx1.example.com;\r\n\tspf=none;\r\n\tdkim=none;\r\n\tdmarc=none\r\n',
    );
  });
});
