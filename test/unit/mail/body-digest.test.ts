import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyDigest, digestOf, digestOfFile } from '../../../src/mail/body-digest.ts';

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex');
const wire = (text: string): Buffer => Buffer.from(text, 'latin1');

function inPieces(message: Buffer, cuts: readonly number[]): string {
  const digest = new BodyDigest();
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    digest.take(message.subarray(from, Math.max(from, cut)));
    from = Math.max(from, cut);
  }
  digest.take(message.subarray(from));
  return digest.hex();
}

describe('the digest of a body', () => {
  it('is that of what stands behind the first empty line', () => {
    expect(digestOf(wire('A: b\r\nC: d\r\n\r\nHello\r\n\r\nyou\r\n'))).toBe(sha256('Hello\r\n\r\nyou\r\n'));
  });

  it('is that of nothing where there is no body, or no empty line', () => {
    for (const message of ['', 'A: b\r\n', 'A: b\r\n\r\n', '\r\n']) expect(digestOf(wire(message))).toBe(sha256(''));
  });

  it('takes an empty line at the very beginning for the end of the header', () => {
    expect(digestOf(wire('\r\nHello\r\n'))).toBe(sha256('Hello\r\n'));
  });

  it('unstuffs the dots of the wire', () => {
    expect(digestOf(wire('A: b\r\n\r\n..\r\n...x\r\na.b\r\n..\r\n'))).toBe(sha256('.\r\n..x\r\na.b\r\n.\r\n'));
  });

  it('is the same wherever the network cuts the message', () => {
    const piece = fc.constantFrom('\r\n', '.', '..', 'a', '\r\n\r\n', '\r\n..', 'A: b', '\r', '\n');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat({ max: 60 }), { maxLength: 12 }), (parts, cuts) => {
        const message = wire(`A: b\r\n${parts.join('')}`);
        expect(inPieces(message, cuts)).toBe(digestOf(message));
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with the plain definition', () => {
    const line = fc.constantFrom('', '.', '..', 'Hello', '.Hello', 'a.b', 'x'.repeat(90));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const body = lines.map((one) => `${one}\r\n`).join('');
        const stuffed = body.replace(/^\./gm, '..');
        expect(digestOf(wire(`A: b\r\n\r\n${stuffed}`))).toBe(sha256(body));
      }),
    );
  });

  it('of a file is the same, whether its lines end as on the wire or as on Unix', () => {
    const body = 'Hello\r\n.\r\n\r\n.dot\r\n';
    const expected = digestOf(wire(`A: b\r\n\r\n${body.replace(/^\./gm, '..')}`));
    expect(digestOfFile(wire(`A: b\r\n\r\n${body}`))).toBe(expected);
    expect(digestOfFile(wire(`Return-Path: <>\nA: b\n\n${body.replaceAll('\r\n', '\n')}`))).toBe(expected);
  });
});
