/** A DNS server for tests: answers from a table, over UDP. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

/** Records of a name; a name that is not in the table does not exist. `fail` is SERVFAIL, `silent` no answer at all. */
export interface TestRecords {
  readonly mx?: readonly (readonly [preference: number, exchange: string])[];
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly txt?: readonly string[];
  readonly cname?: string;
  readonly ptr?: string;
  /** Of TLSA, in hex: usage, selector, matching type, data. */
  readonly tlsa?: readonly string[];
  /** Seconds; 0 where nothing is said. */
  readonly ttl?: number;
  readonly fail?: 'servfail' | 'silent';
}

const TYPES = { 1: 'a', 5: 'cname', 12: 'ptr', 28: 'aaaa', 15: 'mx', 16: 'txt', 52: 'tlsa' } as const;

export class DnsServer implements AsyncDisposable {
  readonly records: Map<string, TestRecords>;
  /** `MX example.com`, in the order of the questions. */
  readonly questions: string[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket, records: Record<string, TestRecords>) {
    this.#socket = socket;
    this.records = new Map(Object.entries(records));
    socket.on('message', (query, { address, port }) => {
      const answer = this.#answer(query);
      if (answer !== undefined) socket.send(answer, port, address);
    });
  }

  static async start(records: Record<string, TestRecords>): Promise<DnsServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsServer(socket, records);
  }

  /** `host:port`, as settings name it. */
  get server(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #answer(query: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = TYPES[query.readUInt16BE(at + 1) as keyof typeof TYPES];
    const question = query.subarray(12, at + 5);
    this.questions.push(`${type?.toUpperCase() ?? '?'} ${name}`);
    const found = this.records.get(name);
    if (found?.fail === 'silent') return undefined;
    const answers = found === undefined || found.fail !== undefined ? [] : records(found, type);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (found === undefined ? 3 : found.fail === 'servfail' ? 2 : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    return Buffer.concat([header, question, ...answers]);
  }
}

function records(found: TestRecords, type: (typeof TYPES)[keyof typeof TYPES] | undefined): Buffer[] {
  return answersOf(found, type).map((answer) => withTtl(answer, found.ttl ?? 0));
}

function answersOf(found: TestRecords, type: (typeof TYPES)[keyof typeof TYPES] | undefined): Buffer[] {
  if (found.cname !== undefined) return [record(5, domain(found.cname))];
  switch (type) {
    case 'a':
      return (found.a ?? []).map((address) => record(1, Buffer.from(address.split('.').map(Number))));
    case 'aaaa':
      return (found.aaaa ?? []).map((address) => record(28, ipv6(address)));
    case 'mx':
      return (found.mx ?? []).map(([preference, exchange]) =>
        record(15, Buffer.concat([Buffer.from([preference >> 8, preference & 255]), domain(exchange)])),
      );
    case 'txt':
      return (found.txt ?? []).map((text) => record(16, strings(text)));
    case 'ptr':
      return found.ptr === undefined ? [] : [record(12, domain(found.ptr))];
    case 'tlsa':
      return (found.tlsa ?? []).map((hex) => record(52, Buffer.from(hex, 'hex')));
    case 'cname':
    case undefined:
      return [];
  }
}

/** A text in strings of 255 octets at most (RFC 1035 §3.3.14). */
function strings(text: string): Buffer {
  const parts = text.match(/[^]{1,255}/g) ?? [''];
  return Buffer.concat(parts.map((part) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])));
}

function withTtl(answer: Buffer, ttl: number): Buffer {
  answer.writeUInt32BE(ttl, 6);
  return answer;
}

/** A record of the name in the question, with a time to live of 0. */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 255]);
  return Buffer.concat([head, data]);
}

function domain(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

function ipv6(address: string): Buffer {
  if (isIPv4(address)) throw new TypeError(`not an IPv6 address: ${address}`);
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const words =
    tail === undefined ? left : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]));
}
