/** An IMAP server for tests: one user, a few mailboxes, as much of RFC 3501 as a client needs that looks for a message. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

interface Stored {
  readonly uid: number;
  readonly message: string;
}

export class ImapServer implements AsyncDisposable {
  /** By name; the octets of each message, with CRLF. */
  readonly mailboxes = new Map<string, Stored[]>([['INBOX', []]]);
  password = 'secret';
  /** Commands, without their tags. */
  readonly commands: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #uid = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(): Promise<ImapServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ImapServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  store(mailbox: string, message: string): void {
    this.#uid += 1;
    const stored = this.mailboxes.get(mailbox) ?? [];
    stored.push({ uid: this.#uid, message });
    this.mailboxes.set(mailbox, stored);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let unread = '';
    const session = { selected: undefined as string | undefined, doomed: new Set<number>() };
    socket.write('* OK [CAPABILITY IMAP4rev1 UIDPLUS] ready\r\n');
    socket.on('data', (chunk) => {
      unread += chunk.toString('latin1');
      for (let end = unread.indexOf('\r\n'); end >= 0; end = unread.indexOf('\r\n')) {
        const line = unread.slice(0, end);
        unread = unread.slice(end + 2);
        const [tag = '*'] = line.split(' ');
        const command = line.slice(tag.length + 1);
        this.commands.push(command);
        socket.write(`${this.#answer(command, session)}`.replaceAll('TAG', tag));
      }
    });
  }

  #answer(command: string, session: { selected: string | undefined; doomed: Set<number> }): string {
    const word = command.replace(/^UID /i, '').split(' ')[0]?.toUpperCase() ?? '';
    const done = `TAG OK ${word} done\r\n`;
    const here = this.mailboxes.get(session.selected ?? '') ?? [];
    switch (word) {
      case 'CAPABILITY':
        return `* CAPABILITY IMAP4rev1 UIDPLUS\r\n${done}`;
      case 'LOGIN':
        return command.includes(this.password) ? done : 'TAG NO [AUTHENTICATIONFAILED] wrong password\r\n';
      case 'LIST':
      case 'LSUB': {
        const pattern = (/"?([^" ]*)"?$/.exec(command)?.[1] ?? '*').replaceAll('%', '*');
        // RFC 3501 §6.3.8: an empty pattern asks for the delimiter
        if (pattern === '') return `* ${word} (\\Noselect) "/" ""\r\n${done}`;
        const names = [...this.mailboxes.keys()].filter((name) => pattern === '*' || name === pattern);
        return `${names.map((name) => `* ${word} () "/" "${name}"\r\n`).join('')}${done}`;
      }
      case 'SELECT':
      case 'EXAMINE': {
        const name = command.slice(word.length + 1).replaceAll('"', '');
        const mailbox = this.mailboxes.get(name);
        if (mailbox === undefined) return 'TAG NO there is no such mailbox\r\n';
        session.selected = name;
        return `* ${mailbox.length} EXISTS\r\n* OK [UIDVALIDITY 1] one\r\n* OK [UIDNEXT ${this.#uid + 1}] next\r\n* FLAGS (\\Deleted)\r\nTAG OK [READ-WRITE] done\r\n`;
      }
      case 'SEARCH': {
        const wanted = /SUBJECT "?([0-9a-f]+)"?/.exec(command)?.[1] ?? '';
        const found = here.filter(({ message }) => new RegExp(`^Subject:.*${wanted}`, 'm').test(message));
        return `* SEARCH${found.map(({ uid }) => ` ${uid}`).join('')}\r\n${done}`;
      }
      case 'FETCH': {
        const uid = Number(/FETCH (\d+)/i.exec(command)?.[1]);
        const at = here.findIndex((one) => one.uid === uid);
        const header = `${here[at]?.message.split('\r\n\r\n')[0] ?? ''}\r\n\r\n`;
        return at < 0 ? done : `* ${at + 1} FETCH (UID ${uid} BODY[HEADER] {${header.length}}\r\n${header})\r\n${done}`;
      }
      case 'STORE':
        session.doomed.add(Number(/STORE (\d+)/i.exec(command)?.[1]));
        return done;
      case 'EXPUNGE':
        this.mailboxes.set(
          session.selected ?? '',
          here.filter(({ uid }) => !session.doomed.has(uid)),
        );
        return done;
      case 'LOGOUT':
        return `* BYE\r\n${done}`;
      default:
        return ['NOOP', 'CLOSE', 'UNSELECT', 'NAMESPACE', 'ID', 'ENABLE'].includes(word) ? done : 'TAG BAD what?\r\n';
    }
  }
}
