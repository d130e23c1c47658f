/** A DNS server for tests: answers from a table, over UDP and TCP. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv4, type Server } from 'node:net';

/**
 * Records of a name; a name that is not in the table does not exist. `fail`: SERVFAIL, no answer at all, REFUSED (as a
 * server that does not know the zone), an answer to another question, no DNS at all.
 */
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
  readonly fail?: 'servfail' | 'silent' | 'refused' | 'wrong-id' | 'garbage';
  /** Over UDP says no more than that there is more (RFC 2181 §9). */
  readonly truncated?: true;
}

const RCODES = { servfail: 2, refused: 5 } as const;
/** Longer answers are truncated over UDP, whatever EDNS says. */
const LONGEST_UDP = 1232;
const TYPES = { 1: 'a', 5: 'cname', 12: 'ptr', 28: 'aaaa', 15: 'mx', 16: 'txt', 52: 'tlsa' } as const;

export class DnsServer implements AsyncDisposable {
  readonly records: Map<string, TestRecords>;
  /** `MX example.com`, in the order of the questions. */
  readonly questions: string[] = [];
  readonly #socket: Socket;
  readonly #server: Server;

  private constructor(socket: Socket, server: Server, records: Record<string, TestRecords>) {
    this.#socket = socket;
    this.#server = server;
    this.records = new Map(Object.entries(records));
    socket.on('message', (query, { address, port }) => {
      const answer = this.#answer(query, LONGEST_UDP);
      if (answer !== undefined) socket.send(answer, port, address);
    });
    server.on('connection', (client) => {
      let unread = Buffer.alloc(0);
      client.on('error', () => {});
      client.on('data', (chunk) => {
        unread = Buffer.concat([unread, chunk]);
        for (let end = 2 + (unread[0] ?? 0) * 256 + (unread[1] ?? 0); unread.length > 2 && unread.length >= end; ) {
          const answer = this.#answer(unread.subarray(2, end), 65_535);
          if (answer !== undefined) client.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
          unread = unread.subarray(end);
          end = 2 + (unread[0] ?? 0) * 256 + (unread[1] ?? 0);
        }
      });
    });
  }

  static async start(records: Record<string, TestRecords>): Promise<DnsServer> {
    for (let tries = 1; ; tries++) {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const socket = createSocket('udp4');
      try {
        socket.bind((server.address() as { port: number }).port, '127.0.0.1'); // one number for both
        await once(socket, 'listening');
        return new DnsServer(socket, server, records);
      } catch (error) {
        server.close();
        if (tries === 5) throw error;
      }
    }
  }

  /** `host:port`, as settings name it. */
  get server(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.all([once(this.#socket, 'close'), once(this.#server, 'close')]);
    this.#socket.close();
    this.#server.close();
    await closed;
  }

  #answer(query: Buffer, longest: number): Buffer | undefined {
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
    if (found?.fail === 'garbage') return Buffer.from('this is no answer');
    const failure = found?.fail === 'servfail' || found?.fail === 'refused' ? RCODES[found.fail] : 0;
    const answers = found === undefined || found.fail !== undefined ? [] : this.#records(found, type);
    const whole = Buffer.concat(answers);
    const truncated = longest <= LONGEST_UDP && (found?.truncated === true || whole.length + question.length + 12 > longest);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    if (found?.fail === 'wrong-id') header[0] = (header[0] ?? 0) ^ 255;
    header.writeUInt16BE(0x8180 | (truncated ? 0x200 : 0) | (found === undefined ? 3 : failure), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(truncated ? 0 : answers.length, 6);
    return Buffer.concat([header, question, ...(truncated ? [] : [whole])]);
  }

  /** As a resolver answers: an alias is followed as far as it leads, and comes with what it leads to. */
  #records(found: TestRecords, type: QuestionType): Buffer[] {
    const chain: Buffer[] = [];
    let owner: Buffer = IN_QUESTION;
    let at: TestRecords | undefined = found;
    for (let hops = 0; at?.cname !== undefined && hops < 8; hops++) {
      chain.push(record(owner, 5, domain(at.cname), at.ttl));
      if (type === 'cname') return chain;
      owner = domain(at.cname);
      at = this.records.get(at.cname);
    }
    return at === undefined || at.cname !== undefined ? chain : [...chain, ...recordsOf(owner, at, type)];
  }
}

type QuestionType = (typeof TYPES)[keyof typeof TYPES] | undefined;

/** The name in the question, by a pointer to it. */
const IN_QUESTION = Buffer.from([0xc0, 0x0c]);

function recordsOf(owner: Buffer, found: TestRecords, type: QuestionType): Buffer[] {
  const make = (number: number, data: Buffer): Buffer => record(owner, number, data, found.ttl);
  switch (type) {
    case 'a':
      return (found.a ?? []).map((address) => make(1, Buffer.from(address.split('.').map(Number))));
    case 'aaaa':
      return (found.aaaa ?? []).map((address) => make(28, ipv6(address)));
    case 'mx':
      return (found.mx ?? []).map(([preference, exchange]) =>
        make(15, Buffer.concat([Buffer.from([preference >> 8, preference & 255]), domain(exchange)])),
      );
    case 'txt':
      return (found.txt ?? []).map((text) => make(16, strings(text)));
    case 'ptr':
      return found.ptr === undefined ? [] : [make(12, domain(found.ptr))];
    case 'tlsa':
      return (found.tlsa ?? []).map((hex) => make(52, Buffer.from(hex, 'hex')));
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

/** `ttl`: seconds. */
function record(owner: Buffer, type: number, data: Buffer, ttl = 0): Buffer {
  const head = Buffer.from([0, type, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 255]);
  head.writeUInt32BE(ttl, 4);
  return Buffer.concat([owner, head, data]);
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
