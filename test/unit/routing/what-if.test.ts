import { describe, expect, it } from 'vitest';
import type { SpooledMessage, SpooledRecipient, SpoolId } from '../../../src/mail/spooled.ts';
import type { ActiveDirectory } from '../../../src/routing/ports.ts';
import { routeSpooled } from '../../../src/routing/spooled-route.ts';
import { explainWith, queuedMoves } from '../../../src/routing/what-if.ts';
import { box, brief, directoryOf, ROUTING, ROUTING_DOMAIN } from './flow.ts';

const recipient = (index: number, address: string, state: SpooledRecipient['state'] = 'deferred'): SpooledRecipient => ({
  index,
  address: box(address),
  state,
  attempts: 1,
  nextAttemptAt: 0,
});
const message = (id: string, recipients: readonly SpooledRecipient[]): SpooledMessage => ({
  id: id as SpoolId,
  receivedAt: 0,
  sender: box('sender@example.net'),
  eightBit: false,
  smtputf8: false,
  origin: { peer: 'external', address: '198.51.100.7', ownHops: 0, tenantProof: false },
  size: 2048,
  wireSize: 2048,
  recipients,
});
const by =
  (directory: ActiveDirectory) =>
  (...[spooled, one]: [SpooledMessage, SpooledRecipient]) =>
    routeSpooled(ROUTING, directory, spooled, one);

describe('what if', () => {
  it('explains a recipient by a directory that is not active', async () => {
    const now = await directoryOf([['anna@example.com', 'on-premises']], 12);
    const then = await directoryOf([['anna@example.com', 'cloud']], 13);
    const deps = {
      routing: () => ROUTING,
      directory: { active: () => now },
      verify: () => ({ answer: 'known' as const, reply: { code: 250, text: 'Ok' } }),
    };
    const decision = await explainWith(deps, then, { recipient: box('anna@example.com'), sender: null, peer: 'external' });
    expect(brief(decision)).toBe(`cloud anna@${ROUTING_DOMAIN}`);
    expect(decision.directoryVersion).toBe(13);
    expect(decision.steps.length).toBeGreaterThan(0);
  });

  it('names the queued mail that would move, and not what stays or is delivered', async () => {
    const now = await directoryOf([
      ['anna@example.com', 'on-premises'],
      ['bert@example.com', 'on-premises'],
      ['carl@example.com', 'hold'],
    ]);
    const then = await directoryOf(
      [
        ['anna@example.com', 'cloud'],
        ['bert@example.com', 'on-premises', { aliases: ['b@example.com'] }],
        ['carl@example.com', 'cloud'],
      ],
      13,
    );
    const queue = [
      message('one', [recipient(0, 'anna@example.com'), recipient(1, 'bert@example.com')]),
      message('two', [recipient(0, 'anna@example.com', 'relayed'), recipient(1, 'carl@example.com', 'held')]),
    ];
    expect(await queuedMoves(queue, by(now), by(then))).toEqual({
      recipients: 3,
      moves: 2,
      changes: { 'on-premises → cloud': 1, 'hold → cloud': 1 },
      list: [
        {
          id: 'one',
          recipient: 'anna@example.com',
          from: 'on-premises by on-premises to anna@example.com',
          to: `cloud by cloud to anna@${ROUTING_DOMAIN}`,
        },
        { id: 'two', recipient: 'carl@example.com', from: 'hold', to: `cloud by cloud to carl@${ROUTING_DOMAIN}` },
      ],
    });
    expect(await queuedMoves(queue, by(now), by(then), 1)).toMatchObject({ moves: 2, list: [{ id: 'one' }] });
  });
});
