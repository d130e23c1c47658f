/** R6, C10, C13: whatever the directory, the rules and the client are, nothing goes to the peer it came from. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRouting } from '../../../src/routing/compile.ts';
import { decideRoute } from '../../../src/routing/decide.ts';
import type { RoutingRule } from '../../../src/routing/ports.ts';
import { box, CONNECTORS, directoryOf, ROUTING_DOMAIN, SETTINGS } from '../../unit/routing/flow.ts';

const NAMES = ['ann', 'bob', 'cid', 'postmaster', 'ann+x', 'bob+y+z'];
const DOMAINS = [
  'example.com',
  'closed.example',
  'wide.example',
  'sub.wide.example',
  ROUTING_DOMAIN,
  'gmail.example',
  'mx1.example.net',
];
const recipients = fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...DOMAINS)).map(([name, domain]) => `${name}@${domain}`);
const people = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('ann', 'bob', 'cid', 'postmaster', 'ann+x'),
    route: fc.constantFrom('on-premises' as const, 'cloud' as const, 'hold' as const, 'both' as const),
    primary: fc.constantFrom(undefined, 'cloud' as const),
    connector: fc.constantFrom(undefined, 'on-premises', 'cloud', 'internet'),
  }),
  { selector: ({ name }) => name, maxLength: 5 },
);
const rules = fc.array(
  fc.record({
    recipient: fc.constantFrom('*', '*@example.com', 'ann@*', `*@${ROUTING_DOMAIN}`),
    // oxlint-disable-next-line unicorn/no-thenable -- a rule is data
    then: fc.oneof(
      fc.constantFrom('on-premises', 'cloud', 'internet').map((connector) => ({ kind: 'connector' as const, connector })),
      fc.constantFrom('on-premises', 'cloud', 'internet').map((connector) => ({ kind: 'copy-to' as const, connector })),
      fc.constant({ kind: 'hold' as const }),
    ),
    source: fc.constant('bridgehead.yaml:50'),
  }),
  { maxLength: 3 },
);
const origins = fc.record({
  peer: fc.constantFrom('external' as const, 'on-premises' as const, 'cloud' as const, 'gateway' as const),
  ownHops: fc.nat(2),
  tenantProof: fc.boolean(),
  address: fc.constantFrom('10.1.0.5', '198.51.100.7'),
});

describe('a decision', () => {
  it('never sends to the peer the message came from, and is always an answer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          lines: people,
          written: rules,
          to: recipients,
          origin: origins,
          stage: fc.constantFrom('rcpt' as const, 'delivery' as const),
          postmaster: fc.constantFrom(undefined, 'ann@example.com', 'ops@gmail.example'),
          copyTo: fc.constantFrom(undefined, undefined, 'on-premises', 'cloud'),
          size: fc.constantFrom(undefined, 1000, 60_000_000),
        }),
        async ({ lines, written, to, origin, stage, postmaster, copyTo, size }) => {
          const imported = await directoryOf(
            lines.map(({ name, route, primary }) => [`${name}@example.com`, route, primary === undefined ? {} : { primary }]),
          );
          // an import refuses a connector of another side; a wave may have moved its mailbox since
          const connectors = new Map(lines.map(({ name, connector }) => [`${name}@example.com`, connector]));
          const directory: typeof imported = {
            ...imported,
            find: (key) => {
              const entry = imported.find(key);
              const connector = connectors.get(entry?.address.address ?? '');
              return entry === undefined || connector === undefined ? entry : { ...entry, connector };
            },
          };
          const routing = compileRouting({
            ...SETTINGS,
            rules: written as RoutingRule[],
            ...(postmaster === undefined ? {} : { postmaster: box(postmaster) }),
          });
          const decision = decideRoute(routing, directory, {
            recipient: box(to),
            sender: box('s@example.net'),
            origin,
            stage,
            explain: true,
            ...(copyTo === undefined ? {} : { copyTo }),
            ...(size === undefined ? {} : { size }),
          });
          const isAnswer = decision.kind !== 'reject' || decision.reply.code >= 400;
          const legs = decision.kind === 'deliver' ? [decision.primary, ...decision.copies] : [];
          const isOurTenant = origin.peer === 'cloud' && (origin.tenantProof || origin.ownHops > 0);
          const from = origin.peer === 'on-premises' ? 'on-premises' : isOurTenant ? 'cloud' : 'nobody';
          expect(isAnswer).toBe(true);
          expect(legs.map(({ side }) => side)).not.toContain(from);
          // one connector gets a recipient once
          const used = legs.map(({ connector }) => connector.name);
          expect(new Set(used).size).toBe(used.length);
          expect(CONNECTORS.map(({ name }) => name)).toEqual(expect.arrayContaining(used));
        },
      ),
      { numRuns: 500 },
    );
  });
});
