import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verificationOf } from '../../../../src/delivery/call-forward.ts';
import { mailCommand, rcptCommand, xtext } from '../../../../src/delivery/envelope-commands.ts';
import { connectFailure, readReply, sessionFailure } from '../../../../src/delivery/network-replies.ts';
import { ourselves } from '../../../../src/delivery/ourselves.ts';
import { WireDecoder } from '../../../../src/delivery/wire-decoder.ts';
import { parseReply } from '../../../../src/mail/reply.ts';
import { recipients, transaction } from '../../../integration/delivery/transport/setup.ts';

describe('xtext (RFC 3461 §4)', () => {
  it('encodes what it must, and nothing else', () => {
    expect(xtext('plain!#$%&*,-./:;<>?@[]^_`{|}~')).toBe('plain!#$%&*,-./:;<>?@[]^_`{|}~');
    expect(xtext('a+b=c d\té')).toBe('a+2Bb+3Dc+20d+09+C3+A9');
  });

  it('is always printable ASCII, and reads back as what went in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = xtext(text);
        expect(encoded).toMatch(/^[!-~]*$/);
        const octets = encoded.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
        expect(Buffer.from(octets, 'latin1').toString('utf8')).toBe(Buffer.from(text).toString('utf8'));
      }),
    );
  });
});

describe('the envelope', () => {
  const all = { dsn: true, eightBitMime: true, smtputf8: true, sizeOffered: true };
  const none = { dsn: false, eightBitMime: false, smtputf8: false, sizeOffered: false };

  it('asks for what the peer offers and the message needs', () => {
    const full = transaction({ ret: 'FULL', envid: 'id', eightBit: true, smtputf8: true, size: 7 });
    expect(mailCommand(all, full)).toBe('MAIL FROM:<sender@example.net> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=id\r\n');
    expect(mailCommand(none, full)).toBe('MAIL FROM:<sender@example.net>\r\n');
    expect(mailCommand(all, transaction({ sender: null, size: 7 }))).toBe('MAIL FROM:<> SIZE=7\r\n');
  });

  it('names the original recipient, its type untouched', () => {
    const [recipient] = recipients('a@example.com');
    expect(rcptCommand(all, { ...recipient!, orcpt: 'rfc822;x=y@example.com' })).toBe(
      'RCPT TO:<a@example.com> ORCPT=rfc822;x+3Dy@example.com\r\n',
    );
    expect(rcptCommand(none, { ...recipient!, notify: ['NEVER'] })).toBe('RCPT TO:<a@example.com>\r\n');
  });
});

describe('the form of a file', () => {
  it('is the same however the wire form was cut', () => {
    const piece = fc.constantFrom('.', '\r', '\n', '\r\n', 'a', '..');
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(5), { minLength: 1 }), (pieces, cuts) => {
        const wire = pieces.join('');
        const naive = wire.replace(/(^|\r\n)\./g, '$1').replaceAll('\r\n', '\n');
        const decoder = new WireDecoder();
        let out = '';
        let at = 0;
        for (let i = 0; at < wire.length; i++) {
          const length = (cuts[i % cuts.length] ?? 0) + (i % cuts.length === 0 ? 1 : 0);
          out += decoder.decode(Buffer.from(wire.slice(at, at + length))).toString();
          at += length;
        }
        expect(out + decoder.end().toString()).toBe(naive);
      }),
    );
  });
});

describe('replies', () => {
  it('of a peer are read as UTF-8 where they are, else octet by octet', () => {
    expect(readReply(Buffer.from('550 größer').toString('latin1')).text).toBe('größer');
    expect(readReply('550 gr\xf6\xdfer').text).toBe('größer');
    expect(readReply('25 what').enhanced).toBe('4.5.0');
  });

  it('of ours name the host', () => {
    expect(connectFailure('mx.test (127.0.0.1:25)', 'ECONNREFUSED')).toMatchObject({ code: 451, enhanced: '4.4.1' });
    expect(connectFailure('mx.test', 'EMFILE').enhanced).toBe('4.3.1');
    expect(sessionFailure('mx.test', 'DATA', { code: 'ETIMEDOUT', message: '' })).toMatchObject({
      enhanced: '4.4.2',
      text: expect.stringContaining('mx.test'),
    });
    expect(sessionFailure('mx.test', 'DATA', { code: 'EPROTOCOL', message: 'a\x07b' })).toMatchObject({
      enhanced: '4.5.0',
      text: expect.stringContaining('a?b'),
    });
  });

  it('C3: to RCPT tell a recipient only where they speak of the recipient', () => {
    for (const [reply, answer] of [
      ['250 2.1.5 Ok', 'known'],
      ['252 2.1.5 Cannot verify', 'known'],
      ['550 5.1.1 no', 'unknown'],
      ['550 5.1.10 no', 'unknown'],
      ['550 No such user', 'unknown'],
      ['550 5.4.1 Recipient address rejected: Access denied', 'unknown'],
      ['550 5.2.1 disabled', 'unknown'],
      ['552 5.2.2 full', 'known'],
      ['550 5.1.8 bad sender', 'unavailable'],
      ['550 5.7.1 relaying denied', 'unavailable'],
      ['554 refused', 'unavailable'],
      ['451 4.7.1 greylisted', 'unavailable'],
      ['503 5.5.1 sequence', 'unavailable'],
    ] as const) {
      expect([reply, verificationOf(parseReply(reply)!).answer]).toEqual([reply, answer]);
    }
  });
});

describe('R20: ourselves', () => {
  it('are our names, and the addresses where we listen on that port', () => {
    const machine = ['127.0.0.1', '198.51.100.7', '::1'];
    const at = ourselves(['MX1.example.com'], 25, [{ address: '198.51.100.7', port: 25 }], machine);
    expect(at('mx1.example.com', undefined)).toBe(true);
    expect(at('other.example', '198.51.100.7')).toBe(true);
    expect(at('other.example', '127.0.0.1')).toBe(false);
    expect(ourselves([], 25, [{ address: '0.0.0.0', port: 25 }], machine)('x', '127.0.0.1')).toBe(true);
    expect(ourselves([], 25, [{ address: '0.0.0.0', port: 2525 }], machine)('x', '198.51.100.7')).toBe(false);
    const everywhere = ourselves([], 25, [{ address: '0.0.0.0', port: 25 }], machine);
    for (const way of ['127.0.0.2', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:198.51.100.7']) {
      expect([way, everywhere('x', way), at('x', way)]).toEqual([way, true, way.endsWith('.7')]);
    }
    const untold = ourselves([], 25, undefined, machine);
    expect([untold('x', '127.0.0.1'), untold('x', '198.51.100.7')]).toEqual([false, true]);
  });
});
