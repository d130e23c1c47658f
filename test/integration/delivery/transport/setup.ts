/** What the transport's tests share: a transport with short deadlines, connectors, transactions. */

import type { Deadlines } from '../../../../src/delivery/deadlines.ts';
import type { Transaction, TransactionRecipient } from '../../../../src/delivery/transaction.ts';
import { createTransport, type RelayTransport, type TransportDeps } from '../../../../src/delivery/transport.ts';
import { type Domain, type Mailbox, parseDomain, parseMailbox } from '../../../../src/mail/address.ts';
import type { Attempt } from '../../../../src/mail/attempt.ts';
import type { Connector, NextHop, TlsPolicy } from '../../../../src/mail/route.ts';
import type { SpooledBody, SpoolId } from '../../../../src/mail/spooled.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';
import { testCa } from '../../../support/certificates.ts';

export const SHORT: Partial<Deadlines> = {
  connect: 1_000,
  greeting: 200,
  command: 200,
  handshake: 200,
  mail: 200,
  rcpt: 200,
  data: 200,
  block: 200,
  final: 200,
  quit: 100,
};

export function transport(
  deps: Partial<TransportDeps> = {},
  dnsServers: readonly string[] = [],
): RelayTransport & AsyncDisposable {
  const made = createTransport(
    { hostname: 'relay.test', relayNames: ['relay.test', 'relay2.test'], dnsServers },
    { clock: systemClock, log: silentLog, ca: [testCa], ...deps },
  );
  return Object.assign(made, { [Symbol.asyncDispose]: () => made.close(500) });
}

export function mailbox(text: string): Mailbox {
  const box = parseMailbox(text);
  if (box === undefined) throw new TypeError(`not a mailbox: ${text}`);
  return box;
}

export function domain(text: string): Domain {
  const name = parseDomain(text);
  if (name === undefined) throw new TypeError(`not a domain: ${text}`);
  return name;
}

export function connector(nextHop: NextHop, tls: Partial<TlsPolicy> = {}, more: Partial<Connector> = {}): Connector {
  return {
    name: 'cloud',
    side: 'cloud',
    addressSpaces: [],
    nextHop,
    tls: { mode: 'opportunistic', profile: 'intermediate', ...tls },
    origin: 'any',
    ip: 4,
    connections: 20,
    ...more,
  };
}

/** To one port of this machine. */
export function to(port: number, tls: Partial<TlsPolicy> = {}, more: Partial<Connector> = {}): Connector {
  return connector({ kind: 'smart-hosts', hosts: [{ host: '127.0.0.1', port }], order: 'failover' }, tls, more);
}

export function recipients(...addresses: string[]): TransactionRecipient[] {
  return addresses.map((address) => ({ address: mailbox(address), orcpt: `rfc822;${address}` }));
}

/** A body in wire form that is at hand. */
export function bodyOf(wire: string | Buffer): SpooledBody {
  const bytes = typeof wire === 'string' ? Buffer.from(wire, 'latin1') : wire;
  return {
    length: bytes.length,
    bytes,
    async *chunks() {
      yield bytes;
    },
  };
}

/** A body that has to be streamed, in the pieces given. */
export function streamed(pieces: readonly Buffer[], length = pieces.reduce((sum, piece) => sum + piece.length, 0)): SpooledBody {
  return {
    length,
    async *chunks() {
      yield* pieces;
    },
  };
}

export const MESSAGE = 'From: a@example.net\r\nSubject: test\r\n\r\nHello\r\n';

export function transaction(more: Partial<Transaction> = {}): Transaction {
  const body = more.body ?? bodyOf(MESSAGE);
  return {
    spoolId: '01TEST' as SpoolId,
    sender: mailbox('sender@example.net'),
    recipients: recipients('user@example.com'),
    eightBit: false,
    smtputf8: false,
    size: body.length,
    body,
    stuffed: true,
    ...more,
  };
}

/** The one attempt of a transaction with one recipient. */
export async function deliverOne(
  by: RelayTransport,
  at: Connector,
  more: Partial<Transaction> = {},
  destination = 'example.com',
): Promise<Attempt> {
  const [attempt] = await by.deliver(at, domain(destination), transaction(more));
  if (attempt === undefined) throw new TypeError('no attempt');
  return attempt;
}
