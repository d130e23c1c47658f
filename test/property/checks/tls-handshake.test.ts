import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeChain } from '../../../src/checks/certificate-chain.ts';
import { readServerHandshake } from '../../../src/checks/tls-handshake.ts';
import { plainError } from '../../../src/platform/plain-error.ts';

const record = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 255]), body]);
const message = (type: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 0, body.length >> 8, body.length & 255]), body]);
const list = (...certificates: Buffer[]): Buffer => {
  const inner = Buffer.concat(
    certificates.map((one) => Buffer.concat([Buffer.from([0, one.length >> 8, one.length & 255]), one])),
  );
  return Buffer.concat([Buffer.from([0, inner.length >> 8, inner.length & 255]), inner]);
};
const HELLO = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 1), Buffer.from([0, 0xc0, 0x2f, 0])]);

describe('a handshake read from the wire', () => {
  it('gives the certificates of TLS 1.2 as they were sent, however the records cut them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 4 }),
        fc.boolean(),
        fc.integer({ min: 5, max: 400 }),
        (sent, asks, cut) => {
          const certificates = sent.map((one) => Buffer.from(one));
          const flight = Buffer.concat([
            message(2, HELLO),
            message(11, list(...certificates)),
            ...(asks ? [message(13, Buffer.from([1, 64, 0, 0, 0, 0]))] : []),
            message(14, Buffer.alloc(0)),
          ]);
          const records = [];
          for (let at = 0; at < flight.length; at += cut) records.push(record(22, flight.subarray(at, at + cut)));
          expect(readServerHandshake(Buffer.concat(records), [])).toEqual({ certificates, asksForCertificate: asks });
        },
      ),
    );
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(22, 23, 20), fc.string(), (bytes, type, key) => {
        const keys = [`SERVER_HANDSHAKE_TRAFFIC_SECRET 00 ${key}`];
        readServerHandshake(Buffer.from(bytes), keys);
        readServerHandshake(record(type, Buffer.from(bytes)), keys);
        readServerHandshake(record(22, message(2, Buffer.concat([HELLO.subarray(0, 35), Buffer.from(bytes)]))), keys);
        expect(describeChain([Buffer.from(bytes)], [], 0)).toBeUndefined();
      }),
    );
  });
});

describe('an error of OpenSSL', () => {
  it('is told without addresses and files', () => {
    const error =
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 409D285F427F0000:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 70\n';
    expect(plainError(error)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: tlsv1 alert protocol version');
    expect(plainError('ECONNRESET: read ECONNRESET')).toBe('ECONNRESET: read ECONNRESET');
  });
});
