import { describe, expect, it } from 'vitest';
import { parseXclient, withXclient } from '../../../src/reception/xclient.ts';

describe('XCLIENT', () => {
  it.each([
    ['XCLIENT ADDR=198.51.100.7', { address: '198.51.100.7' }],
    ['xclient addr=198.51.100.7 name=c.example', { address: '198.51.100.7', reverseName: 'c.example' }],
    ['XCLIENT ADDR=IPV6:2001:DB8::7', { address: '2001:db8::7' }],
    ['XCLIENT ADDR=2001:db8::7', { address: '2001:db8::7' }],
    ['XCLIENT ADDR=::ffff:198.51.100.7', { address: '198.51.100.7' }],
    ['XCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL] HELO=[UNAVAILABLE]', { address: null, reverseName: null, helo: null }],
    ['XCLIENT HELO=c+2Eexample PROTO=ESMTP', { helo: 'c.example', esmtp: true }],
    ['XCLIENT HELO=old+name', { helo: 'old+name' }],
    ['XCLIENT PROTO=SMTP', { esmtp: false }],
    ['XCLIENT LOGIN=someone PORT=40000 DESTADDR=203.0.113.5', {}],
    ['XCLIENT PORT=[UNAVAILABLE] LOGIN=[UNAVAILABLE] DESTADDR=[UNAVAILABLE]', {}],
  ])('%s is taken', (line, facts) => {
    expect(parseXclient(line)).toEqual(facts);
  });

  it.each([
    'XCLIENT',
    'XCLIENT ADDR',
    'XCLIENT ADDR=',
    'XCLIENT =198.51.100.7',
    'XCLIENT ADDR=elsewhere',
    'XCLIENT ADDR=198.51.100',
    'XCLIENT ADDR=198.51.100.7  NAME=x',
    'XCLIENT ADDR=198.51.100.7 ADDR=198.51.100.8',
    'XCLIENT ADDR=198.51.100.7 RIGHTS=all',
    'XCLIENT NAME=a+0D+0Ab',
    'XCLIENT NAME=a(b)',
    'XCLIENT HELO=a+20b',
    'XCLIENT HELO=a+00',
    `XCLIENT HELO=${'a'.repeat(256)}`,
    'XCLIENT PROTO=LMTP',
    'XCLIENT PORT=65536',
    'XCLIENT DESTADDR=here',
  ])('%j is refused whole', (line) => {
    expect(parseXclient(line)).toBeUndefined();
  });

  it('is the last of what EHLO offers', () => {
    expect(withXclient('250-mx\r\n250-SIZE 1\r\n250 DSN')).toBe(
      '250-mx\r\n250-SIZE 1\r\n250-DSN\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR',
    );
  });
});
