/** Listens on the wire between a client and a server: what the client said outside of TLS, whatever either end believes. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Wiretap implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #heard: Listener[] = [];

  private constructor(server: Server, to: number) {
    this.#server = server;
    const address = server.address();
    this.port = address !== null && typeof address === 'object' ? address.port : 0;
    server.on('connection', (client) => this.#join(client, connect({ port: to, host: '127.0.0.1' })));
  }

  /** Between clients of `port` and the server on port `to`. */
  static async start(to: number): Promise<Wiretap> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Wiretap(server, to);
  }

  /** What clients said in clear, one text for each connection. */
  get clear(): string[] {
    return this.#heard.map((one) => one.clear);
  }

  /** How many connections went over to TLS. */
  get secured(): number {
    return this.#heard.filter((one) => one.isSecured).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(client: Socket, server: Socket): void {
    const listener = new Listener();
    this.#heard.push(listener);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('end', () => to.end());
      from.on('data', (chunk: Buffer) => {
        if (from === client) listener.hear(chunk);
        to.write(chunk);
      });
    }
  }
}

const HANDSHAKE = 0x16;
const LAST_TYPE = 0x17;
const FIRST_TYPE = 0x14;
const RECORD_HEADER = 5;

/** Tells text from TLS records (RFC 8446 §5.1); whatever is neither counts as clear. */
class Listener {
  clear = '';
  isSecured = false;
  #rest: Buffer = Buffer.alloc(0);

  hear(chunk: Buffer): void {
    let data = Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    if (!this.isSecured && data[0] === HANDSHAKE && this.clear.endsWith('STARTTLS\r\n')) this.isSecured = true;
    while (this.isSecured && data.length > 0) {
      const [type = 0, major] = data;
      if (type < FIRST_TYPE || type > LAST_TYPE || (data.length > 1 && major !== 3)) break;
      const end = data.length < RECORD_HEADER ? Number.POSITIVE_INFINITY : RECORD_HEADER + data.readUInt16BE(3);
      if (data.length < end) {
        this.#rest = data;
        return;
      }
      data = data.subarray(end);
    }
    this.clear += data.toString('latin1');
  }
}
