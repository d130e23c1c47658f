/**
 * Listening sockets that are there before the parts that will use them: bound by root before it becomes somebody else, or
 * by systemd (sd_listen_fds(3)). Who connects meanwhile waits, and is handed over with the socket.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Clients that wait for the part that takes the socket; further ones are turned away. */
const MOST_WAITING = 512;
const FIRST_FD = 3; // SD_LISTEN_FDS_START

interface Bound {
  readonly server: Server;
  readonly waiting: Socket[];
}

export class BoundSockets {
  readonly #bound = new Map<string, Bound>();

  /** Where they listen, as `address:port`. */
  get names(): readonly string[] {
    return [...this.#bound.keys()];
  }

  /** Takes over what systemd opened for this process, and forgets the variables that told of it. */
  async inherit(environment: NodeJS.ProcessEnv, pid: number): Promise<void> {
    const count = environment['LISTEN_PID'] === String(pid) ? Number(environment['LISTEN_FDS'] ?? 0) : 0;
    for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name];
    for (let fd = FIRST_FD; fd < FIRST_FD + count; fd++) await this.#open({ fd });
  }

  /** Binds an address that is not there yet. Rejects as `listen` does. */
  async bind({ address, port }: Endpoint, backlog: number): Promise<void> {
    if (!this.#bound.has(nameOf(address, port))) await this.#open({ host: address, port, backlog });
  }

  async #open(where: { fd: number } | { host: string; port: number; backlog: number }): Promise<void> {
    const waiting: Socket[] = [];
    const server = createServer({ pauseOnConnect: true, noDelay: false }, (socket) => {
      if (waiting.length < MOST_WAITING) waiting.push(socket.on('error', () => {}));
      else socket.destroy();
    });
    server.listen(where);
    await once(server, 'listening'); // rejects on 'error'
    const { address, port } = server.address() as AddressInfo;
    this.#bound.set(nameOf(address, port), { server, waiting });
  }

  /** Lets `server` listen on the socket of this endpoint; false where there is none. */
  handOver({ address, port }: Endpoint, server: Server, backlog: number): boolean {
    const bound = this.#bound.get(nameOf(address, port));
    if (bound === undefined) return false;
    this.#bound.delete(nameOf(address, port));
    server.listen(bound.server, backlog);
    server.once('listening', () => {
      for (const socket of bound.waiting) {
        if (socket.destroyed) continue;
        server.emit('connection', socket);
        socket.resume();
      }
    });
    return true;
  }

  /** Closes what nobody took; where that was. */
  close(): readonly string[] {
    const left = this.names;
    for (const { server, waiting } of this.#bound.values()) {
      for (const socket of waiting) socket.destroy();
      server.close();
    }
    this.#bound.clear();
    return left;
  }
}

const nameOf = (address: string, port: number): string => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
