import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataWalk, LineEndMender } from '../../../src/reception/wire.ts';

interface Walked {
  body: string;
  /** What stood behind the final dot; undefined where it never came. */
  behind: string | undefined;
  walk: DataWalk;
}

/** Feeds `text` in the given pieces, as a socket would. */
function walked(pieces: readonly string[]): Walked {
  const walk = new DataWalk();
  let body = '';
  for (const [i, piece] of pieces.entries()) {
    const chunk = Buffer.from(piece, 'latin1');
    const behind = walk.take(chunk, 0);
    body += (walk.held?.toString('latin1') ?? '') + chunk.toString('latin1', 0, walk.bodyEnd);
    if (behind >= 0) {
      return { body, walk, behind: chunk.toString('latin1', behind) + pieces.slice(i + 1).join('') };
    }
  }
  return { body, walk, behind: undefined };
}

/** Every way to cut `text` in two, and all octets alone. */
function cuts(text: string): string[][] {
  const all: string[][] = [[text], text.split('')];
  for (let i = 1; i < text.length; i++) all.push([text.slice(0, i), text.slice(i)]);
  return all;
}

describe('the walk over DATA', () => {
  it('ends at CRLF.CRLF and hands on what follows, however the octets are cut', () => {
    for (const pieces of cuts('Subject: x\r\n\r\nbody of some length\r\n.\r\nQUIT\r\n')) {
      const { body, behind } = walked(pieces);
      expect(body).toBe('Subject: x\r\n\r\nbody of some length\r\n');
      expect(behind).toBe('QUIT\r\n');
    }
  });

  it('takes a message without a single octet', () => {
    for (const pieces of cuts('.\r\nRSET\r\n')) expect(walked(pieces)).toMatchObject({ body: '', behind: 'RSET\r\n' });
  });

  it.each([
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r.\r\n',
    '\r\n.\r',
    '\r\r\n.\r\r\n',
    '\n.\r\r\n',
    '\r\n.\r\r\n',
    '\r\n\x00.\r\n',
    '\r\n.\x00\r\n',
    '\r\n..\r\n',
    '\r\n. \r\n',
  ])('does not take %j for the end (smuggling)', (terminator) => {
    for (const pieces of cuts(`a${terminator}MAIL FROM:<evil@example.net>\r\n.\r\n`)) {
      const { body, behind } = walked(pieces);
      expect(body).toBe(`a${terminator}MAIL FROM:<evil@example.net>\r\n`);
      expect(behind).toBe('');
    }
  });

  it('takes \\r\\r\\n.\\r\\n for an end that has a bare CR before it', () => {
    for (const pieces of cuts('a\r\r\n.\r\n')) {
      const { body, behind, walk } = walked(pieces);
      expect(body).toBe('a\r\r\n');
      expect(behind).toBe('');
      expect(walk.bareLineEnds).toBe(1);
    }
  });

  it('counts stuffed dots, bare line ends and NUL the same, however the octets are cut', () => {
    const text = '..one\r\ntwo\rthree\nfour\r\n..\r\n.x\r\n\x00five\n\r\n.\r\n';
    for (const pieces of cuts(text)) {
      const { walk, body } = walked(pieces);
      expect(body).toBe(text.slice(0, -3));
      expect(walk.stuffedDots).toBe(3);
      expect(walk.bareLineEnds).toBe(3);
      expect(walk.nuls).toBe(1);
    }
  });

  it('knows the longest line without its CRLF and its stuffed dot', () => {
    for (const pieces of cuts(`short\r\n.${'.'.repeat(40)}\r\nmedium length\r\n.\r\n`))
      expect(walked(pieces).walk.longestLine).toBe(40);
  });

  it('does not mind where a chunk lies in memory', () => {
    const text = `${'x'.repeat(37)}\r\n\tfolded\r\n..dot\r\n${'y'.repeat(50)}\n\r\n.\r\n`;
    for (let offset = 0; offset < 9; offset++) {
      const chunk = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]).subarray(offset);
      const walk = new DataWalk();
      expect(walk.take(chunk, 0)).toBe(text.length);
      expect(walk).toMatchObject({ bareLineEnds: 1, stuffedDots: 1, longestLine: 51 });
    }
  });

  it('begins in the middle of a chunk', () => {
    const text = 'DATA\r\nx\r\n.\r\nQUIT\r\n';
    const walk = new DataWalk();
    expect(walk.take(Buffer.from(text), 6)).toBe(12);
    expect(walk.bodyEnd).toBe(9);
  });
});

describe('the mender of line ends', () => {
  function mended(pieces: readonly string[]): { text: string; dots: number } {
    const mender = new LineEndMender();
    let text = '';
    for (const piece of pieces)
      text += mender.take(Buffer.from(piece, 'latin1'), /\r(?!\n)|(?<!\r)\n/.test(piece)).toString('latin1');
    return { text, dots: mender.addedDots };
  }

  it('makes CRLF of bare CR and bare LF, however the octets are cut', () => {
    for (const pieces of cuts('one\ntwo\rthree\r\nfour\r\r\nfive\n\nsix\r\n')) {
      expect(mended(pieces).text).toBe('one\r\ntwo\r\nthree\r\nfour\r\n\r\nfive\r\n\r\nsix\r\n');
    }
  });

  it('stuffs the dot behind a line end that it made, so that the message cannot end there', () => {
    for (const pieces of cuts('a\n.\nb\r.\r\n..c\r\n')) {
      expect(mended(pieces)).toEqual({ text: 'a\r\n..\r\nb\r\n..\r\n..c\r\n', dots: 2 });
    }
  });

  it('takes off a stuffed dot in front of a line that it leaves empty: the next hop would end the message there', () => {
    for (const pieces of [['a\r\n', '.', '\nb\r\n'], ['a\r\n.\nb\r\n'], ['a\r\n', '.', '\r', 'b\r\n']]) {
      expect(mended(pieces)).toEqual({ text: 'a\r\n\r\nb\r\n', dots: -1 });
    }
  });

  it('leaves no bare line end and no final dot in any message, and counts its octets right', () => {
    const octets = fc.array(fc.constantFrom('\r', '\n', '.', 'a'), { maxLength: 30 }).map((all) => `${all.join('')}\r\n.\r\n`);
    const check = (text: string, cut: number): void => {
      const walk = new DataWalk();
      const mender = new LineEndMender();
      let out = '';
      const take = (chunk: Buffer): boolean => {
        const before = walk.bareLineEnds;
        const behind = walk.take(chunk, 0);
        if (walk.held !== undefined) out += mender.take(walk.held, true).toString('latin1');
        out += mender.take(chunk.subarray(0, walk.bodyEnd), walk.bareLineEnds > before).toString('latin1');
        return behind >= 0;
      };
      const pieces = text.match(new RegExp(`[^]{1,${cut}}`, 'g')) ?? [];
      pieces.some((piece) => take(Buffer.from(piece, 'latin1')));
      expect(out.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      expect(`\r\n${out}`).not.toContain('\r\n.\r\n');
      const unstuffed = `\r\n${out}`.replaceAll('\r\n.', '\r\n').slice(2);
      expect(out.length - walk.stuffedDots - mender.addedDots).toBe(unstuffed.length);
    };
    fc.assert(fc.property(octets, fc.integer({ min: 1, max: 7 }), check), { numRuns: 20_000 });
  });

  it('hands on what is right as it is', () => {
    const chunk = Buffer.from('right\r\n');
    expect(new LineEndMender().take(chunk, false)).toBe(chunk);
  });
});
