import { describe, expect, it } from 'vitest';
import { formatReply, isPermanent, isPositive, isTransient, parseReply, reply } from '../../../src/mail/reply.ts';

describe('SMTP replies', () => {
  it('reads code, enhanced status and text apart', () => {
    expect(parseReply('550 5.1.1 <x@y>: user unknown')).toEqual({ code: 550, enhanced: '5.1.1', text: '<x@y>: user unknown' });
  });

  it('reads a reply without an enhanced status, and one without text', () => {
    expect(parseReply('250 Ok')).toEqual({ code: 250, text: 'Ok' });
    expect(parseReply('250')).toEqual({ code: 250, text: '' });
  });

  it('joins the lines of a long reply and keeps the status of the first', () => {
    expect(parseReply('550-5.7.1 Not\r\n550-5.7.1 from\r\n550 5.7.1 you')).toEqual({
      code: 550,
      enhanced: '5.7.1',
      text: 'Not from you',
    });
  });

  it('believes no enhanced status whose class contradicts the code (RFC 2034 §4)', () => {
    expect(parseReply('550 2.1.5 fine')).toEqual({ code: 550, text: 'fine' });
  });

  it('takes what is no reply for none', () => {
    expect(['', 'hello', '99 x', '199 x', '600 x', '25'].filter((text) => parseReply(text) !== undefined)).toEqual([]);
  });

  it('bounds the text of a talkative peer', () => {
    expect(parseReply(`250 ${'x'.repeat(1_000_000)}`)?.text).toHaveLength(512);
  });

  it('writes what it reads', () => {
    expect(formatReply(reply(452, '4.3.1', 'Insufficient system storage'))).toBe('452 4.3.1 Insufficient system storage');
    expect(formatReply({ code: 354, text: 'Go on' })).toBe('354 Go on');
  });

  it('tells success, transient and permanent refusals apart', () => {
    expect(
      [200, 354, 421, 550].map((code) => [isPositive, isTransient, isPermanent].map((is) => is({ code, text: '' }))),
    ).toEqual([
      [true, false, false],
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });
});
