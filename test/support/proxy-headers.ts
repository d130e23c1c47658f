/** PROXY headers as load balancers write them, and as nobody should. */
import { crc32c } from '../../src/reception/proxy-header.ts';

export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** TCP over IPv4 from 198.51.100.7:40000 to 203.0.113.5:25, and what else is asked. */
export function version2(
  change: { command?: number; kind?: number; addresses?: Buffer; fields?: Buffer; length?: number } = {},
): Buffer {
  const addresses = change.addresses ?? Buffer.from([198, 51, 100, 7, 203, 0, 113, 5, 0x9c, 0x40, 0, 25]);
  const rest = Buffer.concat([addresses, change.fields ?? Buffer.alloc(0)]);
  const fixed = Buffer.from([change.command ?? 0x21, change.kind ?? 0x11, 0, 0]);
  fixed.writeUInt16BE(change.length ?? rest.length, 2);
  return Buffer.concat([SIGNATURE, fixed, rest]);
}

/** TCP over IPv6 from 2001:db8::7. */
export const version2Ipv6 = (): Buffer =>
  version2({
    kind: 0x21,
    addresses: Buffer.concat([
      Buffer.from('20010db8000000000000000000000007', 'hex'),
      Buffer.from('20010db8000000000000000000000005', 'hex'),
      Buffer.from([0x9c, 0x40, 0, 25]),
    ]),
  });

export function field(type: number, value: Buffer): Buffer {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
}

/** With the right checksum. */
export function withChecksum(): Buffer {
  const header = version2({ fields: Buffer.concat([field(0x04, Buffer.alloc(3)), field(0x03, Buffer.alloc(4))]) });
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

export const version1 = (client = '198.51.100.7'): Buffer => Buffer.from(`PROXY TCP4 ${client} 203.0.113.5 40000 25\r\n`);
