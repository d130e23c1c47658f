/** One session with one directory server: encrypted, bound, read page by page, and never longer or larger than allowed. */
import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Client, type Entry } from 'ldapts';
import { guardBer } from './ber-guard.ts';

guardBer();

export interface SessionOptions {
  readonly url: string;
  readonly startTls: boolean;
  /** PEM; absent: the system's. */
  readonly ca?: string;
  /** Milliseconds for one answer. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

export interface Search {
  readonly base: string;
  readonly filter: string;
  readonly attributes: readonly string[];
  readonly pageSize: number;
}

const CONNECT = 10_000;
/** Octets of one answer; 1,000 groups with 1,500 members each stay under it. */
const MAX_ANSWER = 512 * 1024 * 1024;

export class LdapSession implements AsyncDisposable {
  readonly #client: Client;
  readonly #options: SessionOptions;
  readonly #sockets: Socket[] = [];
  readonly #broken: Promise<never>;
  #break: (reason: Error) => void = () => undefined;
  #octetsBefore = 0;
  readonly #watch: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#end(new Error('the reading was ended'));

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#broken = new Promise((_resolve, reject) => {
      this.#break = reject;
    });
    this.#broken.catch(() => undefined); // it is heard where something is waited for
    const isSecure = options.url.startsWith('ldaps:');
    this.#client = new Client({
      url: options.url,
      timeout: options.deadline,
      connectTimeout: Math.min(CONNECT, options.deadline),
      strictDN: false,
      // with tlsOptions the client speaks TLS from the first octet, whatever the scheme says
      ...(isSecure ? { tlsOptions: this.#tls() } : {}),
      createConnection: ((port: number, host: string) => this.#own(connect(port, host))) as typeof connect,
      createSecureConnection: ((...how: Parameters<typeof connectTls>) =>
        this.#own(connectTls(...how), isSecure ? 1 : 2)) as typeof connectTls,
    });
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#watch = setInterval(() => {
      if (this.#octets() - this.#octetsBefore > MAX_ANSWER) this.#end(new Error('the answer is larger than 512 MiB'));
    }, 250).unref();
  }

  /** Connects, encrypts and signs in; rejects where one of them fails. No name: anonymous. */
  async open(name: string | undefined, password: string | undefined): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (this.#options.url.startsWith('ldap:') && this.#options.startTls) {
      // the handshake has no deadline of its own
      const late = setTimeout(() => this.#end(new Error('the TLS handshake timed out')), this.#options.deadline);
      try {
        await this.#in(this.#client.startTLS(this.#tls()));
      } finally {
        clearTimeout(late);
      }
    }
    await this.#in(this.#client.bind(name ?? '', password ?? ''));
  }

  /** Every object that the filter finds, page by page. */
  async *search({ base, filter, attributes, pageSize }: Search): AsyncGenerator<readonly Entry[]> {
    const pages = this.#client.searchPaginated(base, {
      scope: 'sub',
      filter,
      attributes: [...attributes],
      paged: { pageSize },
    });
    for (;;) {
      this.#octetsBefore = this.#octets();
      const page = await this.#in(pages.next());
      if (page.done === true) return;
      yield page.value.searchEntries;
    }
  }

  /** One object by its name; `undefined` where it is not there. */
  async object(dn: string, attributes: readonly string[]): Promise<Entry | undefined> {
    const { searchEntries } = await this.#in(
      this.#client.search(dn, { scope: 'base', filter: '(objectClass=*)', attributes: [...attributes] }),
    );
    return searchEntries[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#watch);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    await Promise.race([this.#client.unbind(), this.#broken]).catch(() => undefined);
    for (const socket of this.#sockets) socket.destroy();
  }

  #in<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken]);
  }

  /** A lost connection stays lost: the client would connect anew by itself, in clear and without a name. */
  #own<S extends Socket>(socket: S, most = 1): S {
    if (this.#sockets.length >= most) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw new Error('the server closed the connection');
    }
    this.#sockets.push(socket);
    // the client does not see this of a session that StartTLS has encrypted; what it sees itself says more, so it goes first
    socket.on('close', () => setImmediate(() => this.#break(new Error('the server closed the connection'))));
    return socket;
  }

  #end(reason: Error): void {
    this.#break(reason);
    for (const socket of this.#sockets) socket.on('error', () => undefined).destroy();
  }

  #octets(): number {
    let octets = 0;
    for (const socket of this.#sockets) octets = Math.max(octets, socket.bytesRead);
    return octets;
  }

  #tls(): ConnectionOptions {
    const host = new URL(this.#options.url).hostname.replace(/^\[|\]$/g, '');
    return {
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(this.#options.ca === undefined ? {} : { ca: this.#options.ca }),
      minVersion: 'TLSv1.2',
    };
  }
}
