/** A directory server for tests: bind, StartTLS, paged search over a list of objects (the filter is noted, not applied). */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer, TLSSocket } from 'node:tls';
import { BerReader, BerWriter } from 'ldapts';
import { signed } from './certificates.ts';

/** One object: its name and the values of its attributes. */
export interface TestObject {
  readonly dn: string;
  readonly [attribute: string]: string | readonly string[];
}

export interface LdapOptions {
  objects?: readonly TestObject[];
  /** Name and password that may bind; absent: everybody. */
  login?: readonly [dn: string, password: string];
  /** TLS from the first octet. */
  secure?: boolean;
  /** What is never answered: a page (from the second one on), or the handshake behind StartTLS. */
  hangs?: 'page' | 'handshake';
  /** Closes the connection behind this many pages. */
  closesAfterPages?: number;
  /** Values of `member` in one answer, as Active Directory cuts them. */
  range?: number;
}

const PAGED = '1.2.840.113556.1.4.319';
const PAGE_CONTROL = 0xa0;

export class LdapServer implements AsyncDisposable {
  readonly options: LdapOptions;
  /** `bind NAME tls`, `search BASE clear`, in their order. */
  readonly log: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: LdapOptions) {
    this.options = options;
    const context = { cert: signed.cert, key: signed.key };
    this.#server = options.secure === true ? createTlsServer(context, this.#connected) : createServer(this.#connected);
    this.#server.on('tlsClientError', () => undefined);
  }

  static async start(options: LdapOptions = {}): Promise<LdapServer> {
    const server = new LdapServer(options);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.options.secure === true ? 'ldaps' : 'ldap'}://127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  readonly #connected = (socket: Socket): void => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    const session: Session = { socket, pages: 0, encrypted: this.options.secure === true };
    this.#listen(session);
  };

  #listen(session: Session): void {
    let rest = Buffer.alloc(0);
    session.socket.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data]);
      for (;;) {
        const reader = new BerReader(rest);
        if (reader.readSequence() === null || reader.remain < reader.length) return;
        const end = reader.offset + reader.length;
        reader.setBufferSize(end);
        const message = rest.subarray(0, end);
        rest = rest.subarray(end);
        this.#answer(session, new BerReader(message));
      }
    });
  }

  #answer(session: Session, reader: BerReader): void {
    reader.readSequence();
    const id = reader.readInt() ?? 0;
    const operation: number = reader.readSequence() ?? 0;
    const side = session.encrypted ? 'tls' : 'clear';
    switch (operation) {
      case 0x60: {
        reader.readInt();
        const name = reader.readString() ?? '';
        const password = reader.readString(0x80) ?? '';
        this.log.push(`bind ${name} ${side}`);
        const { login } = this.options;
        const isGood = login === undefined || (login[0] === name && login[1] === password);
        session.socket.write(result(id, 0x61, isGood ? 0 : 49));
        return;
      }
      case 0x63:
        return this.#search(session, id, reader, side);
      case 0x77:
        session.socket.write(result(id, 0x78, 0), () => this.#upgrade(session));
        return;
      default:
        session.socket.end();
    }
  }

  #upgrade(session: Session): void {
    const plain = session.socket;
    plain.removeAllListeners('data');
    if (this.options.hangs === 'handshake') return;
    const secureContext = createSecureContext({ cert: signed.cert, key: signed.key });
    const socket = new TLSSocket(plain, { isServer: true, secureContext });
    socket.on('error', () => plain.destroy());
    session.socket = socket;
    session.encrypted = true;
    this.#listen(session);
  }

  #search(session: Session, id: number, reader: BerReader, side: string): void {
    const base = reader.readString() ?? '';
    const scope = reader.readEnumeration();
    reader.readEnumeration();
    reader.readInt();
    reader.readInt();
    reader.readBoolean();
    reader.readSequence();
    reader.offset += reader.length;
    reader.readSequence();
    const wanted: string[] = [];
    const end = reader.offset + reader.length;
    while (reader.offset < end) wanted.push(reader.readString() ?? '');
    const paging = pagingOf(reader);
    this.log.push(`search ${base} ${side}`);
    const { objects = [], hangs, closesAfterPages } = this.options;
    if (scope === 0) {
      const found = base === '' ? { dn: '', defaultNamingContext: 'DC=example,DC=com' } : objects.find(({ dn }) => dn === base);
      if (found !== undefined) session.socket.write(this.#entry(id, found, wanted));
      session.socket.write(result(id, 0x65, 0));
      return;
    }
    if (hangs === 'page' && session.pages > 0) return;
    const at = Number(paging?.cookie ?? 0);
    const page = objects.slice(at, paging === undefined ? undefined : at + paging.size);
    const next = paging !== undefined && at + paging.size < objects.length ? String(at + paging.size) : '';
    for (const object of page) session.socket.write(this.#entry(id, object, wanted));
    session.socket.write(result(id, 0x65, 0, paging === undefined ? undefined : next));
    session.pages++;
    if (closesAfterPages === session.pages) session.socket.end();
  }

  #entry(id: number, object: TestObject, wanted: readonly string[]): Buffer {
    const attributes = Object.entries(object).filter(([name]) => name !== 'dn');
    return message(id, (writer) => {
      writer.startSequence(0x64);
      writer.writeString(object.dn);
      writer.startSequence();
      for (const [name, value] of attributes) {
        const [shown, values] = this.#cut(name, typeof value === 'string' ? [value] : value, wanted);
        writer.startSequence();
        writer.writeString(shown);
        writer.startSequence(0x31);
        for (const one of values) writer.writeString(one);
        writer.endSequence();
        writer.endSequence();
      }
      writer.endSequence();
      writer.endSequence();
    });
  }

  /** Range retrieval of Active Directory: `member;range=0-1` in place of `member`. */
  #cut(name: string, values: readonly string[], wanted: readonly string[]): [string, readonly string[]] {
    const { range } = this.options;
    if (name !== 'member' || range === undefined || values.length <= range) return [name, values];
    const from = Number(/^member;range=(\d+)-/.exec(wanted.find((one) => one.startsWith('member;')) ?? '')?.[1] ?? 0);
    const part = values.slice(from, from + range);
    const last = from + range >= values.length ? '*' : String(from + range - 1);
    return [`member;range=${from}-${last}`, part];
  }
}

interface Session {
  socket: Socket;
  pages: number;
  encrypted: boolean;
}

function pagingOf(reader: BerReader): { readonly size: number; readonly cookie: string } | undefined {
  if (reader.peek() !== PAGE_CONTROL) return undefined;
  reader.readSequence(PAGE_CONTROL);
  reader.readSequence();
  if (reader.readString() !== PAGED) return undefined;
  if (reader.peek() === 0x01) reader.readBoolean();
  const value = new BerReader(reader.readString(0x04, true) ?? Buffer.alloc(0));
  value.readSequence();
  const size = value.readInt() ?? 0;
  return { size, cookie: value.readString() ?? '' };
}

function message(id: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  write(writer);
  writer.endSequence();
  return writer.buffer;
}

function result(id: number, operation: number, code: number, cookie?: string): Buffer {
  return message(id, (writer) => {
    writer.startSequence(operation);
    writer.writeEnumeration(code);
    writer.writeString('');
    writer.writeString('');
    writer.endSequence();
    if (cookie === undefined) return;
    const value = new BerWriter();
    value.startSequence();
    value.writeInt(0);
    value.writeString(cookie);
    value.endSequence();
    writer.startSequence(PAGE_CONTROL);
    writer.startSequence();
    writer.writeString(PAGED);
    writer.writeBuffer(value.buffer, 0x04);
    writer.endSequence();
    writer.endSequence();
  });
}
