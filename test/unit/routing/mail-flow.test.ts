/** The mail-flow matrix (coexistence.md 2.2 to 2.4) with the decisions that stand over it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import {
  ask,
  brief,
  CONNECTORS,
  connector,
  directoryOf,
  type From,
  MiB,
  PEOPLE,
  question,
  ROUTING,
  SETTINGS,
  ROUTING_DOMAIN as T,
} from './flow.ts';

let people: ActiveDirectory;
beforeAll(async () => {
  people = await directoryOf(PEOPLE);
});

const MATRIX: readonly [rule: string, from: From, recipient: string, route: string][] = [
  ['2.2 an on-premises user goes on-premises, nothing rewritten', 'external', 'here@example.com', 'on-premises here@example.com'],
  ['2.2 a migrated user goes to the routing address', 'external', 'pilarp@example.com', `cloud pilar@${T}`],
  [
    '2.2 without a routing address of its own: the local part at the first routing domain',
    'external',
    'moved@example.com',
    `cloud moved@${T}`,
  ],
  ['2.2 a group goes to the side of its owner', 'external', 'group@example.com', 'on-premises group@example.com'],
  ['2.2 an unknown recipient follows the setting', 'external', 'nobody@example.com', 'on-premises nobody@example.com'],
  ['2.2 an unknown recipient of a complete directory is refused', 'external', 'nobody@closed.example', '550 5.1.1'],
  ["2.2 an unknown recipient may be the cloud's", 'external', 'nobody@wide.example', `cloud nobody@${T}`],
  ['2.2 a subdomain of a wildcard domain is ours', 'external', 'nobody@deep.wide.example', `cloud nobody@${T}`],
  ["R10 an alias goes to the owner's routing address, whatever the case", 'external', 'PP@Example.COM', `cloud pilar@${T}`],
  ['R10 an alias on-premises stays the alias', 'external', 'h@example.com', 'on-premises h@example.com'],
  ['R11 an exact address with + wins', 'external', 'a+b@example.com', 'on-premises a+b@example.com'],
  ['R11 else the base, with its tag, in the cloud', 'external', 'a+x@example.com', `cloud a+x@${T}`],
  [
    'R11 a sub-address of an alias keeps its tag at the routing address',
    'external',
    'pp+news@example.com',
    `cloud pilar+news@${T}`,
  ],
  ['R11 a sub-address on-premises is unchanged', 'external', 'here+news@example.com', 'on-premises here+news@example.com'],
  ['G10 outsiders do not write to routing addresses', 'external', `moved@${T}`, '550 5.7.1'],
  ['R15 outsiders do not write elsewhere', 'external', 'x@gmail.example', '550 5.7.1'],
  [
    'C10 both: the primary side, and a copy to the other',
    'external',
    'dual@example.com',
    `on-premises dual@example.com + cloud dual@${T}`,
  ],
  [
    'C10 both with the cloud as primary',
    'external',
    'dual.cloud@example.com',
    `cloud dual.cloud@${T} + on-premises dual.cloud@example.com`,
  ],
  ['C9 hold takes and keeps', 'external', 'held@example.com', 'hold'],
  ['a gateway has the rights of an outsider', 'gateway', 'x@gmail.example', '550 5.7.1'],
  ['a gateway reaches our people', 'gateway', 'moved@example.com', `cloud moved@${T}`],

  ['2.3 on-premises to a migrated user', 'on-premises', 'pilarp@example.com', `cloud pilar@${T}`],
  ['2.3 on-premises has rewritten already: passed through', 'on-premises', `pilar@${T}`, `cloud pilar@${T}`],
  ["2.3 a routing address nobody lists is the cloud's business", 'on-premises', `other@${T}`, `cloud other@${T}`],
  ['2.3 a sub-address in routing form', 'on-premises', `pilar+x@${T}`, `cloud pilar+x@${T}`],
  [
    'C9 on-premises sends what we have on-premises: forward to the cloud, never back',
    'on-premises',
    'here@example.com',
    `cloud here@${T}`,
  ],
  ['C9 hold also catches the routing address form', 'on-premises', `held@${T}`, 'hold'],
  ['C9 the routing form of somebody we have on-premises goes forward', 'on-premises', `here@${T}`, `cloud here@${T}`],
  ['C2 on-premises asks for somebody nobody knows', 'on-premises', 'nobody@example.com', '550 5.1.1'],
  ["C2 unless the unknown are the cloud's", 'on-premises', 'nobody@wide.example', `cloud nobody@${T}`],
  ['C10 both from on-premises: no copy back', 'on-premises', 'dual@example.com', `cloud dual@${T}`],
  ['R15 on-premises without the right does not relay to the Internet', 'on-premises', 'x@gmail.example', '550 5.7.1'],

  ['2.4 the cloud to an on-premises user', 'cloud', 'here@example.com', 'on-premises here@example.com'],
  [
    'C2 a pilot user in the cloud writes to an unlisted colleague',
    'cloud, ours',
    'nobody@example.com',
    'on-premises nobody@example.com',
  ],
  ['C1 a foreign tenant writes to a migrated user: delivered', 'cloud', 'moved@example.com', `cloud moved@${T}`],
  ['R6 our tenant sends back what is in the cloud', 'cloud, ours', 'moved@example.com', '550 5.4.6'],
  ['C2 our tenant sends back what nobody knows', 'cloud, ours', 'nobody@wide.example', '550 5.1.1'],
  ['C10 both from our tenant: on-premises alone', 'cloud, ours', 'dual.cloud@example.com', 'on-premises dual.cloud@example.com'],
  ['R15 the cloud does not relay through us', 'cloud', 'x@gmail.example', '550 5.7.1'],
  ['C1 the cloud has the rights of an outsider: no routing address', 'cloud', `moved@${T}`, '550 5.7.1'],
];

describe('the mail-flow matrix', () => {
  it.each(MATRIX)('%s (from %s: %s)', (_rule, from, recipient, route) => {
    expect(ask(people, ROUTING, recipient, from)).toBe(route);
  });
});

describe('R6 and C1', () => {
  it('our own Received field is proof too: the cloud returns what we sent it', () => {
    const origin = { peer: 'cloud', address: '198.51.100.7', ownHops: 1, tenantProof: false } as const;
    expect(ask(people, ROUTING, 'moved@example.com', 'cloud', { origin, stage: 'delivery' })).toBe('550 5.4.6');
  });

  it('our own notices came from nobody: they go wherever the recipient is', () => {
    const ours = { ours: true, stage: 'delivery' } as const;
    expect(ask(people, ROUTING, 'here@example.com', 'on-premises', ours)).toBe('on-premises here@example.com');
    expect(ask(people, ROUTING, 'moved@example.com', 'cloud, ours', ours)).toBe(`cloud moved@${T}`);
  });

  it('one on-premises server may send to another, and not to itself (several sites)', async () => {
    const siteB = connector('site-b', 'on-premises', ['b.example.com'], {
      nextHop: { kind: 'smart-hosts', hosts: [{ host: '10.2.0.5', port: 25 }], order: 'failover' },
    });
    const routing = compileRouting({ ...SETTINGS, connectors: [...CONNECTORS, siteB] });
    const directory = await directoryOf([['there@example.com', 'on-premises', { connector: 'site-b' }]]);
    const from = (address: string) => ({ origin: { peer: 'on-premises', address, ownHops: 0, tenantProof: false } as const });
    const decision = decideRoute(routing, directory, question('there@example.com', 'on-premises', from('10.1.0.5')));
    expect(decision.kind === 'deliver' && decision.primary.connector.name).toBe('site-b');
    expect(ask(directory, routing, 'there@example.com', 'on-premises', from('10.2.0.5'))).toBe(`cloud there@${T}`);
    expect(ask(directory, routing, 'there@example.com', 'on-premises', from('10.9.9.9'))).toBe(`cloud there@${T}`);
  });

  it('a connector that the directory names for the side left behind is passed over, and explain says so', async () => {
    const siteB = connector('site-b', 'on-premises', ['b.example.com'], {
      nextHop: { kind: 'smart-hosts', hosts: [{ host: '10.2.0.5', port: 25 }], order: 'failover' },
    });
    const routing = compileRouting({ ...SETTINGS, connectors: [...CONNECTORS, siteB] });
    const directory = await directoryOf([['there@example.com', 'on-premises', { connector: 'site-b' }]]);
    const moved: typeof directory = {
      ...directory,
      find: (key) => {
        const entry = directory.find(key);
        return entry === undefined ? undefined : { ...entry, route: 'cloud', source: 'wave pilot' };
      },
    };
    const decision = decideRoute(routing, moved, { ...question('there@example.com', 'external'), explain: true });
    expect(decision.kind === 'deliver' && decision.primary.connector.name).toBe('cloud');
    expect(decision.steps).toContainEqual({
      step: 'connector',
      result: 'site-b, which the directory names, leads elsewhere than to cloud: the address space decides',
      source: 'wave pilot',
    });
  });

  it('C9 says the disagreement in its reason', () => {
    expect(decideRoute(ROUTING, people, question('here@example.com', 'on-premises')).reason).toMatch(/disagreement/);
  });
});

describe('C11 and C14', () => {
  it('C11 a notice to a sender on the Internet goes by the connector for *, and fails with a reason where there is none', () => {
    const ours = { ours: true, stage: 'delivery' } as const;
    expect(ask(people, ROUTING, 'sender@example.net', 'external', ours)).toBe('internet sender@example.net');
    const without = compileRouting({ ...SETTINGS, connectors: CONNECTORS.filter(({ name }) => name !== 'internet') });
    const decision = decideRoute(without, people, question('sender@example.net', 'external', ours));
    expect(brief(decision)).toBe('550 5.4.4');
    expect(decision.reply.text).toBe('No connector for example.net');
  });

  it('C14 a recipient whose route takes less is refused at RCPT, the others are not', () => {
    const size = { size: 40 * MiB };
    expect(ask(people, ROUTING, 'moved@example.com', 'external', size)).toBe('552 5.3.4');
    expect(ask(people, ROUTING, 'here@example.com', 'external', size)).toBe('on-premises here@example.com');
    expect(ask(people, ROUTING, 'dual@example.com', 'external', size)).toBe('on-premises dual@example.com');
  });

  it('C14 what was taken by its SIZE does not fail later by our own trace field', () => {
    expect(ask(people, ROUTING, 'moved@example.com', 'external', { size: 35 * MiB })).toBe(`cloud moved@${T}`);
    expect(ask(people, ROUTING, 'moved@example.com', 'external', { size: 35 * MiB + 400, stage: 'delivery' })).toBe(
      `cloud moved@${T}`,
    );
  });

  it('on-premises with the right to the Internet goes by the connector for *', () => {
    const routing = compileRouting({
      ...SETTINGS,
      relayTo: { ...SETTINGS.relayTo, 'on-premises': ['own', 'cloud', 'internet'] },
    });
    expect(ask(people, routing, 'x@gmail.example', 'on-premises')).toBe('internet x@gmail.example');
  });
});

describe('connectors', () => {
  it('the most specific address space wins, then the lowest cost', () => {
    const choose = (domainName: string) =>
      compileRouting({
        ...SETTINGS,
        connectors: [
          connector('any', 'internet', ['*']),
          connector('wide', 'internet', ['*.partner.example']),
          connector('dear', 'internet', [], { addressSpaces: [{ pattern: 'a.partner.example', cost: 20 }] }),
          connector('cheap', 'internet', [], { addressSpaces: [{ pattern: 'a.partner.example', cost: 10 }] }),
        ],
      }).connectorFor(domainName as never, 'internal')?.name;
    expect(choose('a.partner.example')).toBe('cheap');
    expect(choose('b.partner.example')).toBe('wide');
    expect(choose('partner.example')).toBe('wide');
    expect(choose('xpartner.example')).toBe('any');
  });

  it('G5 an identity for internal mail does not carry what outsiders send', () => {
    const connectors = [
      connector('trusted', 'cloud', [T], { origin: 'internal' }),
      connector('untrusted', 'cloud', [], { origin: 'external', addressSpaces: [{ pattern: T, cost: 5 }] }),
      ...CONNECTORS.filter(({ name }) => name !== 'cloud'),
    ];
    const routing = compileRouting({ ...SETTINGS, connectors });
    const by = (from: From) => {
      const decision = decideRoute(routing, people, question('moved@example.com', from));
      return decision.kind === 'deliver' ? decision.primary.connector.name : decision.kind;
    };
    expect(by('external')).toBe('untrusted');
    expect(by('on-premises')).toBe('trusted');
  });

  it('R20 the on-premises side is never looked up by MX', async () => {
    const routing = compileRouting({ ...SETTINGS, connectors: CONNECTORS.filter(({ name }) => name !== 'on-premises') });
    expect(ask(people, routing, 'here@example.com', 'external')).toBe('550 5.4.4');
  });

  it("an operator's reroute and a copy go by their connector whatever the route says", () => {
    const delivery = { stage: 'delivery' } as const;
    expect(ask(people, ROUTING, 'here@example.com', 'external', { ...delivery, rerouteTo: 'cloud' })).toBe(`cloud here@${T}`);
    expect(ask(people, ROUTING, 'dual@example.com', 'external', { ...delivery, copyTo: 'cloud' })).toBe(`cloud dual@${T}`);
    expect(ask(people, ROUTING, 'dual@example.com', 'on-premises', { ...delivery, copyTo: 'on-premises' })).toBe('550 5.4.6');
    expect(ask(people, ROUTING, 'dual@example.com', 'external', { ...delivery, copyTo: 'gone' })).toBe('550 5.4.4');
  });
});

describe('explain', () => {
  it('names every step with the line that decided it', () => {
    const decision = decideRoute(ROUTING, people, question('pp+news@example.com', 'external', { explain: true }));
    expect(decision.steps.map(({ step, source }) => [step, source])).toEqual([
      ['domain', 'bridgehead.yaml:10'],
      ['directory', 'plain recipients.csv:3'],
      ['sub-address', 'R11'],
      ['connector', `address space for ${T}`],
    ]);
    expect(decision.canonical.address).toBe('pilarp@example.com');
    expect(decision.reason).toBe('directory: migrated (version 12, plain recipients.csv:3)');
    expect(decision.directoryVersion).toBe(12);
  });

  it('names a recipient that the directory does not know in the case in which addresses are compared', () => {
    const { canonical } = decideRoute(ROUTING, people, question('"No.Body"@EXAMPLE.com', 'external', { explain: true }));
    expect(canonical.address).toBe('no.body@example.com');
    expect(decideRoute(ROUTING, people, question('No.Body@example.com', 'external')).canonical.localPart).toBe('No.Body');
  });

  it('without it no step is written: it is the hot path', () => {
    expect(decideRoute(ROUTING, people, question('here@example.com', 'external')).steps).toEqual([]);
  });
});
