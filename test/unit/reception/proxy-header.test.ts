import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, PROXY_HEADER_LIMIT, parseProxyHeader } from '../../../src/reception/proxy-header.ts';
import { field, SIGNATURE, version2, version2Ipv6, withChecksum } from '../../support/proxy-headers.ts';

const text = (line: string) => parseProxyHeader(Buffer.from(line, 'latin1'));
const BROKEN = { broken: expect.any(String) };

describe('a PROXY header', () => {
  it.each([
    ['PROXY TCP4 198.51.100.7 203.0.113.5 40000 25\r\n', '198.51.100.7'],
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', '255.255.255.255'],
    ['PROXY TCP6 2001:db8::7 2001:db8::5 40000 25\r\n', '2001:db8::7'],
    ['PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 0 0\r\n', '2001:db8::7'],
    ['PROXY TCP6 ::ffff:198.51.100.7 ::1 40000 25\r\n', '198.51.100.7'],
  ])('of version 1 names the client: %j', (line, client) => {
    expect(text(line)).toEqual({ length: line.length, client });
    expect(text(`${line}EHLO x\r\n`)).toEqual({ length: line.length, client });
  });

  it.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n'])(
    'of version 1 may name none: %j',
    (line) => expect(text(line)).toEqual({ length: line.length }),
  );

  it.each([
    'EHLO client.example.net\r\n',
    '\x16\x03\x01\x02\x00',
    'GET / HTTP/1.1\r\n',
    'proxy TCP4 198.51.100.7 203.0.113.5 40000 25\r\n',
    'PROXY tcp4 198.51.100.7 203.0.113.5 40000 25\r\n',
    'PROXY TCP5 198.51.100.7 203.0.113.5 40000 25\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY TCP4\r\n',
    'PROXY TCP4 198.51.100.7\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 40000\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 40000 25 6\r\n',
    'PROXY TCP4  198.51.100.7 203.0.113.5 40000 25\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 40000 25 \r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 65536 25\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 -1 25\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 040 25\r\n',
    'PROXY TCP4 198.51.100.007 203.0.113.5 40000 25\r\n',
    'PROXY TCP4 198.51.100 203.0.113.5 40000 25\r\n',
    'PROXY TCP4 0x7f.0.0.1 203.0.113.5 40000 25\r\n',
    'PROXY TCP4 198.51.100.256 203.0.113.5 40000 25\r\n',
    'PROXY TCP4 2001:db8::7 2001:db8::5 40000 25\r\n',
    'PROXY TCP6 198.51.100.7 203.0.113.5 40000 25\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 40000 25\r\n',
    'PROXY TCP4 198.51.100.7 elsewhere 40000 25\r\n',
    'PROXY TCP4 198.51.100.7 203.0.113.5 40000 25\n\n\n',
    `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
  ])('is not this: %j', (line) => {
    expect(text(line.padEnd(108, '\0'))).toEqual(BROKEN);
  });

  it('of version 1 has at most 107 octets', () => {
    const longest = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;
    expect(longest).toHaveLength(107);
    expect(text(longest)).toEqual({ length: 107 });
  });

  it.each([
    ['over IPv4', version2(), '198.51.100.7'],
    ['over IPv6', version2Ipv6(), '2001:db8::7'],
    ['over IPv6 with an IPv4 client', ipv4Mapped(), '198.51.100.7'],
    ['with a checksum', withChecksum(), '198.51.100.7'],
    ['with TLS facts of the balancer', version2({ fields: field(0x20, Buffer.alloc(40, 1)) }), '198.51.100.7'],
    ['as long as may be', version2({ fields: field(0x04, Buffer.alloc(PROXY_HEADER_LIMIT - 31)) }), '198.51.100.7'],
    ['for the balancer itself', version2({ command: 0x20 }), undefined],
    [
      'for the balancer itself, with nonsense behind',
      version2({ command: 0x20, kind: 0x77, addresses: Buffer.alloc(3) }),
      undefined,
    ],
    ['for a client it does not know', version2({ kind: 0, addresses: Buffer.alloc(0) }), undefined],
  ])('of version 2 %s', (_what, header, client) => {
    const found = client === undefined ? { length: header.length } : { length: header.length, client };
    expect(parseProxyHeader(header)).toEqual(found);
    expect(parseProxyHeader(Buffer.concat([header, Buffer.from('EHLO x\r\n')]))).toEqual(found);
    for (let i = 0; i < header.length; i++) expect(parseProxyHeader(header.subarray(0, i))).toBe('more');
  });

  it.each([
    ['of another version', version2({ command: 0x11 })],
    ['with another command', version2({ command: 0x22 })],
    ['of a socket of its own machine', version2({ kind: 0x31, addresses: Buffer.alloc(216) })],
    ['of datagrams', version2({ kind: 0x12 })],
    ['whose addresses are cut short', version2({ addresses: Buffer.alloc(11) })],
    ['over IPv6 with addresses of IPv4', version2({ kind: 0x21 })],
    ['that is longer than may be', version2({ length: 65_535 })],
    ['with half a field', version2({ fields: Buffer.from([4, 0]) })],
    ['with a field that is cut short', version2({ fields: Buffer.from([4, 0, 9, 1]) })],
    ['with a wrong checksum', version2({ fields: field(0x03, Buffer.alloc(4, 7)) })],
    ['with a checksum of three octets', version2({ fields: field(0x03, Buffer.alloc(3)) })],
    [
      'with a signature that ends otherwise',
      Buffer.concat([SIGNATURE.subarray(0, 11), Buffer.from('X'), version2().subarray(12)]),
    ],
  ])('%s is refused', (_what, header) => {
    expect(parseProxyHeader(header)).toEqual(BROKEN);
  });

  it('of any octets ends in an answer, and no octet more takes it back', () => {
    const start = fc.constantFrom(
      '',
      'PROXY ',
      'PROXY TCP4 ',
      'PROXY TCP6 ',
      SIGNATURE.toString('latin1'),
      version2().toString('latin1'),
    );
    const answers = (octets: Buffer): unknown[] =>
      Array.from({ length: octets.length + 1 }, (_, i) => parseProxyHeader(octets.subarray(0, i)));
    const isFinal = (answer: unknown): boolean => answer !== 'more';
    expect(
      fc.check(
        fc.property(start, fc.uint8Array({ maxLength: 600 }), (before, octets) => {
          const all = answers(Buffer.concat([Buffer.from(before, 'latin1'), octets]));
          const final = all.slice(all.findIndex(isFinal)).map((answer) => JSON.stringify(answer));
          return all.some(isFinal) ? new Set(final).size === 1 : all.length <= PROXY_HEADER_LIMIT;
        }),
        { numRuns: 60 },
      ),
    ).toMatchObject({ failed: false });
  });

  it('has the checksum of RFC 9260 (123456789 is e3069283)', () => {
    expect(crc32c(Buffer.from('123456789')).toString(16)).toBe('e3069283');
  });
});

function ipv4Mapped(): Buffer {
  const address = Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff, 198, 51, 100, 7])]);
  return version2({ kind: 0x21, addresses: Buffer.concat([address, address, Buffer.alloc(4)]) });
}
