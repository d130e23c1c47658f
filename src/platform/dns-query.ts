/**
 * Questions to DNS whose answers keep what node:dns leaves out: the TTL of every record, the aliases on the way, and
 * whether the resolver vouches for it (AD, RFC 6840 §5.7). For checks that people run; mail itself is resolved by node:dns.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { connect, isIPv6, SocketAddress } from 'node:net';

const TYPES = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, TLSA: 52 } as const;
export type DnsType = keyof typeof TYPES;

export interface DnsRecord {
  /** The owner of the record: the last alias, where there are aliases. Lower case, no final dot. */
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  /** An address, a name (lower case, no final dot; `` is the root), a text; of TLSA the data in hex. */
  readonly value: string;
  /** Of MX. */
  readonly preference?: number;
}

/** `absent`: the name does not exist, or has no record of this type. `unanswered` says nothing of the name. */
export type DnsAnswer =
  | {
      readonly kind: 'found';
      readonly records: readonly DnsRecord[];
      /** CNAMEs that were followed. */
      readonly aliases: readonly string[];
      /** The resolver has validated it by DNSSEC. */
      readonly authenticated: boolean;
    }
  | { readonly kind: 'absent'; readonly nameExists: boolean; readonly aliases: readonly string[] }
  | { readonly kind: 'unanswered'; readonly why: string };

export interface DnsQueryOptions {
  /** `host:port` or `[host]:port`; empty: the system's. */
  readonly servers: readonly string[];
  /** Milliseconds for one try at one server. */
  readonly deadline?: number;
}

const DEADLINE = 2_000;
const ROUNDS = 2;
const MOST_ALIASES = 8;
const MOST_QUESTIONS = 5_000;
const HEADER = 12;

/** Remembers each answer as long as it lives: make one for one run of checks. */
export class DnsQuery {
  readonly #servers: readonly { readonly host: string; readonly port: number }[];
  readonly #deadline: number;
  readonly #answers = new Map<string, Promise<DnsAnswer>>();

  constructor({ servers, deadline = DEADLINE }: DnsQueryOptions) {
    this.#servers = (servers.length > 0 ? servers : getServers()).map(serverOf);
    this.#deadline = deadline;
  }

  /** Never rejects. Aliases are followed. */
  ask(name: string, type: DnsType): Promise<DnsAnswer> {
    const key = `${type} ${plain(name)}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    if (this.#answers.size >= MOST_QUESTIONS)
      return Promise.resolve({ kind: 'unanswered', why: 'too many questions in one run' });
    const answer = this.#follow(plain(name), type);
    this.#answers.set(key, answer);
    return answer;
  }

  async #follow(name: string, type: DnsType): Promise<DnsAnswer> {
    const aliases: string[] = [];
    let at = name;
    for (;;) {
      const reply = await this.#once(at, type);
      if (typeof reply === 'string') return { kind: 'unanswered', why: reply };
      for (;;) {
        const records = reply.records.filter((one) => one.type === TYPES[type] && one.name === at);
        if (records.length > 0)
          return {
            kind: 'found',
            records: records.map(({ name: owner, ttl, value, preference }) => ({
              name: owner,
              ttl,
              value,
              ...(preference !== undefined && { preference }),
            })),
            aliases,
            authenticated: reply.authenticated,
          };
        const alias =
          type === 'CNAME' ? undefined : reply.records.find((one) => one.type === TYPES.CNAME && one.name === at)?.value;
        if (alias === undefined) break;
        aliases.push(alias);
        at = alias;
        if (aliases.length > MOST_ALIASES) return { kind: 'unanswered', why: `the aliases of ${name} have no end` };
      }
      const follows = aliases.at(-1) === at && reply.asked !== at && !reply.nameError;
      if (!follows) return { kind: 'absent', nameExists: !reply.nameError, aliases };
    }
  }

  /** One question, to each server in turn; a text is why there is no answer. */
  async #once(name: string, type: DnsType): Promise<Reply | string> {
    if (!isQuestion(name)) return `"${name.slice(0, 80)}" is no name that DNS can be asked for`;
    if (this.#servers.length === 0) return 'this machine has no DNS server';
    let why = '';
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers) {
        const query = question(name, type);
        let packet = await byUdp(query, server, this.#deadline);
        if (Buffer.isBuffer(packet) && (packet.readUInt16BE(2) & 0x0200) !== 0)
          packet = await byTcp(query, server, this.#deadline);
        const reply = Buffer.isBuffer(packet) ? read(packet, name) : packet;
        if (typeof reply !== 'string') return reply;
        why = `${server.host}:${server.port}: ${reply}`;
      }
    }
    return why;
  }
}

/** `5.113.0.203.in-addr.arpa`, of the octets of an address. */
export function reverseName(octets: readonly number[]): string {
  if (octets.length === 4) return `${octets.toReversed().join('.')}.in-addr.arpa`;
  const nibbles = octets.flatMap((octet) => [octet >> 4, octet & 15]);
  return `${nibbles
    .toReversed()
    .map((nibble) => nibble.toString(16))
    .join('.')}.ip6.arpa`;
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '');

function serverOf(text: string): { host: string; port: number } {
  const [, bracketed, host, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { host: bracketed ?? host ?? text, port: port === undefined ? 53 : Number(port) };
}

function isQuestion(name: string): boolean {
  return (
    name.length > 0 && name.length <= 253 && name.split('.').every((label) => label.length > 0 && Buffer.byteLength(label) <= 63)
  );
}

function question(name: string, type: DnsType): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(randomInt(65_536), 0);
  header.writeUInt16BE(0x0120, 2); // RD; AD: tell us whether you have validated it
  header.writeUInt16BE(1, 4);
  const labels = name.split('.').map((label) => {
    const octets = Buffer.from(label);
    return Buffer.concat([Buffer.from([octets.length]), octets]);
  });
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, TYPES[type], 0, 1])]);
}

interface Server {
  readonly host: string;
  readonly port: number;
}

function byUdp(query: Buffer, { host, port }: Server, deadline: number): Promise<Buffer | string> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (result: Buffer | string): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => end(`no answer within ${deadline} ms`), deadline);
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.on('message', (packet) => {
      if (isAnswerTo(query, packet)) end(packet);
    });
    // connected: answers of others are not seen, and a closed port is told at once
    socket.connect(port, host, () => socket.send(query));
  });
}

function byTcp(query: Buffer, { host, port }: Server, deadline: number): Promise<Buffer | string> {
  return new Promise((resolve) => {
    let taken = Buffer.alloc(0);
    const socket = connect({ host, port });
    const end = (result: Buffer | string): void => {
      clearTimeout(timer);
      socket.on('error', () => {});
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(`no answer over TCP within ${deadline} ms`), deadline);
    socket.on('error', (error: NodeJS.ErrnoException) => end(`over TCP: ${error.code ?? error.message}`));
    socket.on('close', () => end('the server closed the TCP connection'));
    socket.on('data', (chunk: Buffer) => {
      taken = Buffer.concat([taken, chunk]);
      const length = taken.length < 2 ? Number.POSITIVE_INFINITY : taken.readUInt16BE(0) + 2;
      if (taken.length < length) return;
      const packet = taken.subarray(2, length);
      end(isAnswerTo(query, packet) ? packet : 'an answer to another question');
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
}

/** The same id and the same question (RFC 5452 §9.1); letters may come back in another case. */
function isAnswerTo(query: Buffer, packet: Buffer): boolean {
  if (packet.length < query.length || packet.readUInt16BE(0) !== query.readUInt16BE(0) || (packet[2] ?? 0) < 0x80) return false;
  const asked = (octets: Buffer): string => octets.toString('latin1', HEADER, query.length).toLowerCase();
  return asked(packet) === asked(query);
}

interface Reply {
  readonly asked: string;
  readonly records: readonly (DnsRecord & { readonly type: number })[];
  readonly nameError: boolean;
  readonly authenticated: boolean;
}

const CODES: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 4: 'NOTIMP', 5: 'REFUSED' };

function read(packet: Buffer, asked: string): Reply | string {
  try {
    const flags = packet.readUInt16BE(2);
    const code = flags & 15;
    if (code !== 0 && code !== 3) return CODES[code] ?? `RCODE ${code}`;
    let at = HEADER;
    for (let i = 0; i < packet.readUInt16BE(4); i++) at = nameAt(packet, at).next + 4;
    const records: (DnsRecord & { type: number })[] = [];
    for (let i = 0; i < packet.readUInt16BE(6); i++) {
      const { name, next } = nameAt(packet, at);
      const type = packet.readUInt16BE(next);
      const ttl = packet.readUInt32BE(next + 4);
      const begin = next + 10;
      at = begin + packet.readUInt16BE(next + 8);
      const value = valueOf(packet, type, begin, at);
      if (value !== undefined) records.push({ name, type, ttl, ...value });
    }
    return { asked, records, nameError: code === 3, authenticated: (flags & 0x20) !== 0 };
  } catch {
    return 'an answer that is cut short'; // reading past the end throws
  }
}

function valueOf(packet: Buffer, type: number, begin: number, end: number): { value: string; preference?: number } | undefined {
  if (end > packet.length) throw new RangeError('cut short');
  const data = packet.subarray(begin, end);
  switch (type) {
    case TYPES.A:
      return data.length === 4 ? { value: data.join('.') } : undefined;
    case TYPES.AAAA:
      return data.length === 16 ? { value: ipv6(data) } : undefined;
    case TYPES.CNAME:
    case TYPES.PTR:
      return { value: nameAt(packet, begin).name };
    case TYPES.MX:
      return { value: nameAt(packet, begin + 2).name, preference: packet.readUInt16BE(begin) };
    case TYPES.TXT: {
      const parts: Buffer[] = [];
      for (let at = 0; at < data.length; at += 1 + (data[at] ?? 0)) parts.push(data.subarray(at + 1, at + 1 + (data[at] ?? 0)));
      return { value: Buffer.concat(parts).toString('utf8') };
    }
    case TYPES.TLSA:
      return { value: data.toString('hex') };
    default:
      return undefined;
  }
}

/** A name, by its pointers (RFC 1035 §4.1.4); each must lead back, so that there is an end. */
function nameAt(packet: Buffer, start: number): { name: string; next: number } {
  const labels: string[] = [];
  let next: number | undefined;
  let bound = start;
  for (let at = start; ; ) {
    const length = packet.readUInt8(at);
    if (length === 0) return { name: labels.join('.').toLowerCase(), next: next ?? at + 1 };
    if (length >= 0xc0) {
      const target = packet.readUInt16BE(at) & 0x3fff;
      next ??= at + 2;
      if (target >= bound) throw new RangeError('a pointer that leads on');
      bound = target;
      at = target;
      continue;
    }
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The canonical text (RFC 5952). */
function ipv6(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(i * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
