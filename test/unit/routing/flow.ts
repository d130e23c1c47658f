/** A company in the middle of its migration, for the tests of routing: settings, a directory, and short ways to ask. */
import { buildDirectory } from '../../../src/directory/build.ts';
import type { DirectoryRecord, DirectoryRoute } from '../../../src/directory/ports.ts';
import { type Domain, type Mailbox, parseDomain, parseMailbox } from '../../../src/mail/address.ts';
import type { PeerClass } from '../../../src/mail/peer.ts';
import { formatReply } from '../../../src/mail/reply.ts';
import type { Connector, NextHop, Side } from '../../../src/mail/route.ts';
import { type CompiledRouting, compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { ActiveDirectory, RoutingRule, RoutingSettings } from '../../../src/routing/ports.ts';
import type { RouteQuestion } from '../../../src/routing/question.ts';
import type { Decision } from '../../../src/routing/verdicts.ts';

export const box = (text: string): Mailbox => {
  const parsed = parseMailbox(text);
  if (parsed === undefined) throw new Error(`no mailbox: ${text}`);
  return parsed;
};
export const domain = (text: string): Domain => {
  const parsed = parseDomain(text);
  if (parsed === undefined) throw new Error(`no domain: ${text}`);
  return parsed;
};

export const ROUTING_DOMAIN = domain('tenant.mail.onmicrosoft.com');
export const MiB = 1024 * 1024;

export function connector(name: string, side: Side, spaces: readonly string[], more: Partial<Connector> = {}): Connector {
  const nextHop: NextHop =
    side === 'on-premises' ? { kind: 'smart-hosts', hosts: [{ host: '10.1.0.5', port: 25 }], order: 'failover' } : { kind: 'mx' };
  return {
    name,
    side,
    addressSpaces: spaces.map((pattern) => ({ pattern, cost: 1 })),
    nextHop,
    tls: { mode: 'opportunistic', profile: 'intermediate' },
    origin: 'any',
    ip: 4,
    connections: 20,
    ...more,
  };
}

export const CONNECTORS: readonly Connector[] = [
  connector('cloud', 'cloud', [ROUTING_DOMAIN], { messageSize: 35 * MiB }),
  connector('on-premises', 'on-premises', ['example.com', 'closed.example', '*.wide.example']),
  connector('internet', 'internet', ['*']),
];

const accepted = (
  name: string,
  unknownRecipients: 'reject' | 'on-premises' | 'cloud',
  line: number,
  includeSubdomains = false,
) => ({
  name: domain(name),
  includeSubdomains,
  type: 'internal-relay' as const,
  unknownRecipients,
  mx: 'relay' as const,
  source: `bridgehead.yaml:${line}`,
});

export const SETTINGS: RoutingSettings = {
  domains: [
    accepted('example.com', 'on-premises', 10),
    accepted('closed.example', 'reject', 11),
    accepted('wide.example', 'cloud', 12, true),
  ],
  connectors: CONNECTORS,
  routingDomains: [ROUTING_DOMAIN],
  rules: [],
  relayTo: { external: ['own'], 'on-premises': ['own', 'cloud'], cloud: ['own'], gateway: ['own'] },
  relayNames: ['mx1.example.net'],
  messageSize: 50 * MiB,
};

export const withRules = (...rules: readonly RoutingRule[]): CompiledRouting => compileRouting({ ...SETTINGS, rules });
export const ROUTING = compileRouting(SETTINGS);

type Line = readonly [
  address: string,
  route: DirectoryRoute,
  more?: { aliases?: readonly string[]; routing?: string; connector?: string; primary?: 'cloud' },
];

export const PEOPLE: readonly Line[] = [
  ['here@example.com', 'on-premises', { aliases: ['h@example.com'] }],
  ['pilarp@example.com', 'cloud', { aliases: ['pp@example.com'], routing: `pilar@${ROUTING_DOMAIN}` }],
  ['moved@example.com', 'cloud'],
  ['held@example.com', 'hold'],
  ['dual@example.com', 'both'],
  ['dual.cloud@example.com', 'both', { primary: 'cloud' }],
  ['group@example.com', 'on-premises'],
  ['a+b@example.com', 'on-premises'],
  ['a@example.com', 'cloud'],
  ['percent%sign@example.com', 'on-premises'],
];

/** The directory that these lines make, by the real reader of records. */
export async function directoryOf(lines: readonly Line[], version = 12): Promise<ActiveDirectory> {
  const records = lines.map(([address, route, more = {}], index): DirectoryRecord => {
    const { aliases = [], routing, connector: named, primary = 'on-premises' } = more;
    return {
      address: box(address),
      route,
      aliases: aliases.map(box),
      primary,
      line: index + 2,
      ...(routing === undefined ? {} : { routingAddress: box(routing) }),
      ...(named === undefined ? {} : { connector: named }),
    };
  });
  const { index, findings } = await buildDirectory(
    [{ name: 'plain', origin: 'recipients.csv', read: async (sink) => records.forEach((record) => sink.record(record)) }],
    {
      domains: SETTINGS.domains,
      routingDomains: SETTINGS.routingDomains,
      connectors: [
        ...CONNECTORS.map(({ name, side }) => ({ name, side, byMx: false })),
        { name: 'site-b', side: 'on-premises', byMx: false },
      ],
    },
  );
  const errors = findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return { version, find: (key) => index.find(key) };
}

export type From = PeerClass | 'cloud, ours';

/** A question as a client of this kind puts it at RCPT, or as delivery does later. */
export function question(recipient: string, from: From, more: Partial<RouteQuestion> = {}): RouteQuestion {
  const peer = from === 'cloud, ours' ? 'cloud' : from;
  return {
    recipient: box(recipient),
    sender: box('sender@example.net'),
    origin: {
      peer,
      address: peer === 'on-premises' ? '10.1.0.5' : '198.51.100.7',
      ownHops: 0,
      tenantProof: from === 'cloud, ours',
    },
    stage: from === 'cloud, ours' ? 'delivery' : 'rcpt',
    ...more,
  };
}

/** A decision in one line: `cloud pilar@tenant`, `both here + cloud x@y`, `hold`, `550 5.1.1`. */
export function brief(decision: Decision): string {
  if (decision.kind === 'hold') return 'hold';
  if (decision.kind === 'reject') return formatReply(decision.reply).split(' ').slice(0, 2).join(' ');
  const copies = decision.copies.map((copy) => ` + ${copy.side} ${copy.address.address}`);
  return `${decision.primary.side} ${decision.primary.address.address}${copies.join('')}`;
}

export const ask = (directory: ActiveDirectory, routing: CompiledRouting, ...args: Parameters<typeof question>): string =>
  brief(decideRoute(routing, directory, question(...args)));
