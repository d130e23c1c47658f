/**
 * The server's part of a TLS handshake, read from the wire: the certificates in the order in which they were sent, and
 * whether one of ours was asked for. Node tells neither: its chain is put together with its own roots, and it answers a
 * request without a word. In TLS 1.2 both stand in clear (RFC 5246 §7.4); in TLS 1.3 they are read with the secret that
 * our side of the handshake has (RFC 8446 §7.3). Pure.
 */
import { createDecipheriv, createHmac } from 'node:crypto';

export interface ServerHandshake {
  /** DER, the server's own first. */
  readonly certificates: readonly Buffer[];
  readonly asksForCertificate: boolean;
}

const RECORD = { changeCipherSpec: 20, handshake: 22, applicationData: 23 } as const;
const MESSAGE = { serverHello: 2, certificate: 11, certificateRequest: 13, serverHelloDone: 14, finished: 20 } as const;
/** RFC 8446 §4.1.3: the SHA-256 of `HelloRetryRequest`, in place of a server's random. */
const RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');
const SUPPORTED_VERSIONS = 43;

interface Suite {
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
  readonly hash: 'sha256' | 'sha384';
  readonly keyLength: number;
}
/** RFC 8446 Appendix B.4. */
const SUITES: Readonly<Record<number, Suite>> = {
  0x1301: { cipher: 'aes-128-gcm', hash: 'sha256', keyLength: 16 },
  0x1302: { cipher: 'aes-256-gcm', hash: 'sha384', keyLength: 32 },
  0x1303: { cipher: 'chacha20-poly1305', hash: 'sha256', keyLength: 32 },
};

/** `keys` are lines of the key log (`SERVER_HANDSHAKE_TRAFFIC_SECRET random secret`). `undefined`: it could not be read. */
export function readServerHandshake(inbound: Buffer, keys: readonly string[]): ServerHandshake | undefined {
  const clear: Buffer[] = [];
  const sealed: { readonly header: Buffer; readonly body: Buffer }[] = [];
  let isSealed = false;
  for (let at = 0; at + 5 <= inbound.length; ) {
    const length = inbound.readUInt16BE(at + 3);
    const header = inbound.subarray(at, at + 5);
    const body = inbound.subarray(at + 5, at + 5 + length);
    at += 5 + length;
    if (header[0] === RECORD.applicationData) sealed.push({ header, body });
    else if (header[0] === RECORD.handshake && !isSealed) clear.push(body);
    else if (header[0] === RECORD.changeCipherSpec && sealed.length === 0) isSealed = !hasRetry(clear);
  }
  const messages = [...messagesOf(Buffer.concat(clear))];
  const hello = messages.findLast(({ type }) => type === MESSAGE.serverHello)?.body;
  if (hello === undefined) return undefined;
  const suite = suiteOf13(hello);
  if (suite === undefined) return read(messages, readList12, MESSAGE.serverHelloDone);
  const secret = keys.find((line) => line.startsWith('SERVER_HANDSHAKE_TRAFFIC_SECRET '))?.split(' ')[2];
  if (secret === undefined) return undefined;
  return read([...messagesOf(unseal(sealed, suite, Buffer.from(secret, 'hex')))], readList13, MESSAGE.finished);
}

interface Message {
  readonly type: number;
  readonly body: Buffer;
}

function* messagesOf(octets: Buffer): Generator<Message> {
  for (let at = 0; at + 4 <= octets.length; ) {
    const end = at + 4 + octets.readUIntBE(at + 1, 3);
    if (end > octets.length) return;
    yield { type: octets[at] ?? 0, body: octets.subarray(at + 4, end) };
    at = end;
  }
}

const hasRetry = (clear: readonly Buffer[]): boolean =>
  [...messagesOf(Buffer.concat(clear))].every(({ type, body }) => type !== MESSAGE.serverHello || isRetry(body));
const isRetry = (hello: Buffer): boolean => hello.subarray(2, 34).equals(RETRY);

/** The suite of a ServerHello that chooses TLS 1.3; `undefined` where it chooses an older one. */
function suiteOf13(hello: Buffer): Suite | undefined {
  let at = 34 + 1 + (hello[34] ?? 0);
  if (at + 5 > hello.length) return undefined;
  const suite = SUITES[hello.readUInt16BE(at)];
  at += 5;
  while (at + 4 <= hello.length) {
    const type = hello.readUInt16BE(at);
    if (type === SUPPORTED_VERSIONS) return suite;
    at += 4 + hello.readUInt16BE(at + 2);
  }
  return undefined;
}

function unseal(records: readonly { header: Buffer; body: Buffer }[], suite: Suite, secret: Buffer): Buffer {
  const key = expandLabel(secret, 'key', suite.keyLength, suite.hash);
  const iv = expandLabel(secret, 'iv', 12, suite.hash);
  const messages: Buffer[] = [];
  for (const [sequence, { header, body }] of records.entries()) {
    const nonce = Buffer.from(iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8);
    if (body.length < 17) break;
    // the three ciphers take the same options, and Node's types know each by itself
    const decipher = createDecipheriv(suite.cipher as 'aes-256-gcm', key, nonce, { authTagLength: 16 });
    decipher.setAAD(header).setAuthTag(body.subarray(-16));
    let inner: Buffer;
    try {
      inner = Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]);
    } catch {
      break; // another key from here on: the handshake is over
    }
    let end = inner.length;
    while (end > 0 && inner[end - 1] === 0) end--; // RFC 8446 §5.4: padding
    if (inner[end - 1] === RECORD.handshake) messages.push(inner.subarray(0, end - 1));
  }
  return Buffer.concat(messages);
}

/** HKDF-Expand-Label (RFC 8446 §7.1) of one block, without a context. */
function expandLabel(secret: Buffer, label: string, length: number, hash: string): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}

function read(
  messages: readonly Message[],
  list: (body: Buffer) => readonly Buffer[] | undefined,
  last: number,
): ServerHandshake | undefined {
  const certificate = messages.find(({ type }) => type === MESSAGE.certificate)?.body;
  const certificates = certificate === undefined ? undefined : list(certificate);
  if (certificates === undefined || !messages.some(({ type }) => type === last)) return undefined;
  return { certificates, asksForCertificate: messages.some(({ type }) => type === MESSAGE.certificateRequest) };
}

/** RFC 5246 §7.4.2: a list of certificates, each with its length. */
function readList12(body: Buffer): readonly Buffer[] | undefined {
  return readList(body, 0, 0);
}

/** RFC 8446 §4.4.2: a context in front, and extensions behind each. */
function readList13(body: Buffer): readonly Buffer[] | undefined {
  return readList(body, 1 + (body[0] ?? 0), 2);
}

function readList(body: Buffer, from: number, extensionsLength: 0 | 2): readonly Buffer[] | undefined {
  const certificates: Buffer[] = [];
  for (let at = from + 3; at + 3 <= body.length; ) {
    const end = at + 3 + body.readUIntBE(at, 3);
    if (end + extensionsLength > body.length) return undefined;
    certificates.push(body.subarray(at + 3, end));
    at = end + (extensionsLength === 0 ? 0 : 2 + body.readUInt16BE(end));
  }
  return certificates;
}
