/** One SMTP connection in the protocol log (coexistence.md 1.1). Lines as they stood on the wire; never what follows DATA. */
export interface ProtocolSession {
  /** What we said: whole lines, CRLF between them. */
  sent(lines: string): void;
  /** What the other side said, as it came: lines may be cut anywhere. */
  received(text: string): void;
  /** What no line on the wire says: TLS, a deadline. */
  note(what: string): void;
  end(): void;
}

/** Where the two ends are: `203.0.113.9:25`, `[2001:db8::9]:25`. */
interface Endpoints {
  readonly local: string;
  readonly remote: string;
}

/** What of a socket says where its ends are; asked for only where somebody writes them down. */
export interface SocketEnds {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export function endpointsOf(socket: SocketEnds): Endpoints {
  return {
    local: endpoint(socket.localAddress, socket.localPort),
    remote: endpoint(socket.remoteAddress, socket.remotePort),
  };
}

function endpoint(address: string | undefined, port: number | undefined): string {
  if (address === undefined) return ''; // a unix socket
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  return plain.includes(':') ? `[${plain}]:${port ?? ''}` : `${plain}:${port ?? ''}`;
}
