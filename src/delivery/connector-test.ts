/** `connector test`: opens a session as mail would, looks at its greeting and TLS, and leaves without mail. */
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { formatReply } from '../mail/reply.ts';
import type { Connector } from '../mail/route.ts';
import type { TlsEvidence } from '../mail/tls.ts';
import type { NextHostFinder } from './next-hosts.ts';
import type { SessionOpener } from './session.ts';
import type { SmtpConnection } from './smtp-connection.ts';

export interface ConnectorTest {
  readonly connector: string;
  /** Mail would go. */
  readonly ok: boolean;
  /** Who answered, or was asked last: `name [address]:port`. */
  readonly host: string | null;
  readonly reply: string | null;
  readonly tls: TlsEvidence | null;
  readonly problem: string | null;
  /** The 220 line, and the EHLO keywords that the relay knows; where a session was opened. */
  readonly greeting?: string | null;
  readonly extensions?: readonly string[];
}

/** Milliseconds for a whole test: somebody waits for the answer, and mail's own patience with a greeting is longer. */
const PATIENCE = 30_000;

/** Never rejects. Tries every target in order, as a message would, until one takes the session or `patience` ends. */
export async function testConnector(
  connector: Connector,
  finder: NextHostFinder,
  opener: SessionOpener,
  patience = PATIENCE,
): Promise<ConnectorTest> {
  const watch: Watch = { isOver: false, last: nothingOf(connector) };
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<ConnectorTest>((resolve) => {
    timer = setTimeout(() => {
      watch.isOver = true;
      resolve({ ...watch.last, problem: `no answer within ${patience / 1000} s` });
    }, patience);
  });
  try {
    return await Promise.race([tryAll(connector, finder, opener, watch), over]);
  } finally {
    clearTimeout(timer);
  }
}

/** How far a test is. */
interface Watch {
  /** Nobody waits for its end any more. */
  isOver: boolean;
  last: ConnectorTest;
}

const nothingOf = ({ name }: Connector): ConnectorTest => ({
  connector: name,
  ok: false,
  host: null,
  reply: null,
  tls: null,
  problem: null,
});

async function tryAll(connector: Connector, finder: NextHostFinder, opener: SessionOpener, watch: Watch): Promise<ConnectorTest> {
  const nothing = nothingOf(connector);
  const { nextHop } = connector;
  if (nextHop.kind === 'maildir') return testMaildir(nothing, nextHop.path);
  const destination = connector.addressSpaces
    .map(({ pattern }) => pattern.replace(/^\*\./, ''))
    .find((pattern) => pattern !== '*');
  if (nextHop.kind === 'mx' && destination === undefined) {
    return { ...nothing, problem: 'this connector goes by the MX of each recipient: there is no one host to test' };
  }
  const next = await finder.find(connector, destination ?? '');
  if ('outcome' in next) return { ...nothing, reply: formatReply(next.outcome.reply), problem: next.outcome.reply.text };
  let last = { ...nothing, problem: 'the connector has no host' } as ConnectorTest;
  for (const target of next.targets) {
    const host =
      'unix' in target.endpoint
        ? `unix:${target.endpoint.unix}`
        : `${target.name} [${target.endpoint.address}]:${target.endpoint.port}`;
    if (watch.isOver) return last;
    watch.last = { ...nothing, host };
    const session = await opener.open(target);
    if ('reply' in session) {
      last = { ...nothing, host, reply: formatReply(session.reply), tls: session.tls, problem: session.reply.text };
      continue;
    }
    const { connection } = session;
    connection.close();
    return {
      ...nothing,
      ok: true,
      host,
      tls: session.tls,
      greeting: connection.greeting ?? null,
      extensions: extensionsOf(connection),
    };
  }
  return last;
}

function extensionsOf({ pipelining, eightBitMime, dsn, smtputf8, sizeOffered, maxSize }: SmtpConnection): string[] {
  const offered: [boolean, string][] = [
    [pipelining, 'PIPELINING'],
    [eightBitMime, '8BITMIME'],
    [dsn, 'DSN'],
    [smtputf8, 'SMTPUTF8'],
    [sizeOffered, `SIZE ${maxSize}`],
  ];
  return offered.flatMap(([isOffered, keyword]) => (isOffered ? [keyword] : []));
}

async function testMaildir(nothing: ConnectorTest, path: string): Promise<ConnectorTest> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK | constants.X_OK);
    return { ...nothing, ok: true, host: path };
  } catch (error) {
    return {
      ...nothing,
      host: path,
      problem: `mail cannot be written there (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    };
  }
}
