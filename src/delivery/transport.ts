/** The ways out, by the kind of a connector's next hop. */
import type { Mailbox } from '../mail/address.ts';
import type { Connector } from '../mail/route.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/logger.ts';
import { CALL_FORWARD_LIMITS, CallForward, type CallForwardLimits, type Verification } from './call-forward.ts';
import { type ConnectorTest, testConnector } from './connector-test.ts';
import { DEADLINES, type Deadlines } from './deadlines.ts';
import type { LearnedTls } from './learned-tls.ts';
import { MaildirTransport } from './maildir.ts';
import { MailResolver } from './mx.ts';
import { NextHostFinder } from './next-hosts.ts';
import { type Listening, ourselves } from './ourselves.ts';
import { POOL_LIMITS, Pool, type PoolLimits } from './pool.ts';
import type { DeliverySettings, ProtocolLogging } from './ports.ts';
import { SessionOpener } from './session.ts';
import { SmtpTransport } from './smtp-transport.ts';
import { TlsContexts } from './tls-contexts.ts';
import type { Transport } from './transaction.ts';

export interface TransportDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
  readonly deadlines?: Partial<Deadlines>;
  readonly pool?: Partial<PoolLimits>;
  readonly callForward?: Partial<CallForwardLimits>;
  /** Where we listen ourselves: an MX that leads there is an error (R20). */
  readonly listeners?: readonly Listening[];
  /** The port of mail exchangers; tests cannot have 25. */
  readonly mxPort?: number;
  /** Trust anchors in PEM, in place of Node's own. */
  readonly ca?: string[];
  /** Absent: nothing is learned of next hops. */
  readonly learned?: LearnedTls;
  /** Absent: no connection is written down. */
  readonly protocolLog?: ProtocolLogging;
}

export interface RelayTransport extends Transport {
  /**
   * Asks a connector's next hop whether it knows a recipient (C3); remembered for a while. Never rejects, never takes
   * longer than `deadline` milliseconds.
   */
  verify(connector: Connector, recipient: Mailbox, deadline: number): Verification | Promise<Verification>;
  /** The certificate of this connector has changed: connections that were made with the one before end soon. */
  retire(connector: string): void;
  /** Opens a session as mail would and leaves without mail. Never rejects. */
  test(connector: Connector): Promise<ConnectorTest>;
}

export function createTransport(
  settings: Pick<DeliverySettings, 'hostname' | 'relayNames' | 'dnsServers'>,
  deps: TransportDeps,
): RelayTransport {
  const { clock } = deps;
  const mxPort = deps.mxPort ?? 25;
  const deadlines = { ...DEADLINES, ...deps.deadlines };
  const pool = new Pool(clock, deadlines, { ...POOL_LIMITS, ...deps.pool });
  const resolver = new MailResolver({
    servers: settings.dnsServers,
    isOurself: ourselves([settings.hostname, ...settings.relayNames], mxPort, deps.listeners),
    random: deps.random ?? Math.random,
  });
  const finder = new NextHostFinder(resolver, pool, clock, settings.hostname, mxPort);
  const opener = new SessionOpener(pool, clock, deps.log, deadlines, new TlsContexts(deps.ca), deps.learned, deps.protocolLog);
  const smtp = new SmtpTransport(finder, pool, opener, clock);
  const maildir = new MaildirTransport(settings.hostname, clock);
  const callForward = new CallForward(finder, pool, opener, clock, { ...CALL_FORWARD_LIMITS, ...deps.callForward });
  return {
    deliver: (connector, destination, transaction) =>
      connector.nextHop.kind === 'maildir'
        ? maildir.deliver(connector.nextHop.path, transaction)
        : smtp.deliver(connector, destination, transaction),
    verify: (connector, recipient, deadline) => callForward.verify(connector, recipient, deadline),
    retire: (connector) => pool.retire(connector),
    test: (connector) => testConnector(connector, finder, opener),
    close: (deadline) => pool.close(deadline),
  };
}
