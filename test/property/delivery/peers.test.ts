/** The scheduler and its transport against a peer, over real sockets, that does as a random script says. */
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { createScheduler } from '../../../src/delivery/scheduler.ts';
import { createTransport } from '../../../src/delivery/transport.ts';
import type { Connector } from '../../../src/mail/route.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { drop, hang, type PeerScript, type PeerSession, type Reaction, ScriptedPeer } from '../../support/scripted-peer.ts';
import {
  box,
  connector,
  DAY,
  deliverBy,
  FakeControl,
  FakeNotifying,
  FakeRouting,
  FakeSpool,
  isFinal,
  message,
  SETTINGS,
} from '../../unit/delivery/scheduler/samples.ts';

const RUNS = Number(process.env['BRIDGEHEAD_PROPERTY_RUNS'] ?? 15);
const USUAL = { greeting: '220 mx.test', ehlo: '', mail: '250 Ok', rcpt: '250 Ok', data: '354 Go on', dot: '250 Ok' } as const;
type Stage = keyof typeof USUAL;
type Act = 'usual' | 'drop' | 'hang' | 'nonsense' | 'twice' | '421' | '451' | '550';

/** What was scripted, or the usual answer. Behind the dot it never hangs: our patience there is minutes, not a test's. */
function reactionOf(act: Act, stage: Stage, usual: string): Reaction {
  switch (act) {
    case 'usual':
      return usual;
    case 'drop':
      return drop;
    case 'hang':
      return stage === 'dot' ? drop : hang;
    case 'nonsense':
      return 'hello there';
    case 'twice':
      return `${usual}\r\n250 2.0.0 Ok`;
    case '421':
      return '421 4.3.0 Closing';
    case '451':
      return '451 4.3.0 Not now';
    case '550':
      return '550 5.7.1 Never';
  }
}

const ACT = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Act>('usual') },
  { weight: 8, arbitrary: fc.constantFrom<Act[]>('451', '550', 'nonsense', 'twice') },
  { weight: 1, arbitrary: fc.constantFrom<Act[]>('drop', 'hang', '421') },
);
/** What happens at the openings of connections, and in transactions: apart, else most would end before MAIL. */
const scripts = fc.record({
  opening: fc.array(ACT, { maxLength: 6 }),
  transactions: fc.array(ACT, { maxLength: 60, size: 'max' }),
});
type Script = typeof scripts extends fc.Arbitrary<infer S> ? S : never;
const batches = fc.array(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 }), {
  minLength: 1,
  maxLength: 5,
});

const addressOf = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? '';

/** Plays the acts, one at each point of each dialogue, and notes which copies it has confirmed and which not. */
function play(script: Script, keywords: readonly string[], forever: boolean) {
  const confirmed = new Map<string, number>();
  const silent = new Map<string, number>();
  const begun = new WeakSet<PeerSession>();
  const opening = script.opening.values();
  const transactions = script.transactions.values();
  let over = false;
  const next = (stage: Stage): Act => {
    const { value, done } = (stage === 'greeting' || stage === 'ehlo' ? opening : transactions).next();
    if (done !== true) return value;
    over = stage !== 'greeting' && stage !== 'ehlo';
    return forever && stage === 'rcpt' ? '451' : 'usual';
  };
  const usualEhlo = ['mx.test', ...keywords].map((word, i) => `250${i === keywords.length ? ' ' : '-'}${word}`).join('\r\n');
  const at =
    (stage: Stage): Reaction =>
    (peer, line) => {
      if (stage === 'rcpt' && !begun.has(peer)) return '503 5.5.1 MAIL first';
      const reaction = reactionOf(next(stage), stage, stage === 'ehlo' ? usualEhlo : USUAL[stage]);
      const answer = typeof reaction === 'function' ? reaction(peer, line) : reaction;
      if (stage === 'mail') begun[answer?.startsWith('2') === true ? 'add' : 'delete'](peer);
      return answer;
    };
  const peer: PeerScript = {
    greeting: at('greeting'),
    ehlo: at('ehlo'),
    mail: at('mail'),
    rcpt: at('rcpt'),
    data: at('data'),
    dot: at('dot'),
    onMessage: ({ mail, rcpts }, answer) => {
      if (answer?.startsWith('4') === true || answer?.startsWith('5') === true) return;
      const copies = answer?.startsWith('2') === true ? confirmed : silent;
      for (const rcpt of rcpts) {
        const key = `${addressOf(mail)} ${addressOf(rcpt)}`;
        copies.set(key, (copies.get(key) ?? 0) + 1);
      }
    },
  };
  return { peer, confirmed, silent, isOver: () => over };
}

it(
  'whatever a peer does, each recipient is relayed, failed or queued, and nobody gets a second copy that was confirmed',
  async () => {
    await fc.assert(
      fc.asyncProperty(scripts, batches, fc.boolean(), fc.boolean(), async (script, batch, pipelining, forever) => {
        const { peer, confirmed, silent, isOver } = play(script, pipelining ? ['PIPELINING', '8BITMIME'] : ['8BITMIME'], forever);
        await using hop = await ScriptedPeer.start(peer);
        const nextHop: Connector['nextHop'] = {
          kind: 'smart-hosts',
          hosts: [{ host: '127.0.0.1', port: hop.port }],
          order: 'failover',
        };
        const way = connector('on-premises', 'on-premises', { nextHop, connections: 3 });
        const settings = { ...SETTINGS, connectors: [way], retry: [5], expireAfter: DAY };
        const [due, routing, notifying] = [new FakeSpool(), new FakeRouting(), new FakeNotifying()];
        routing.route = (_, recipient) => deliverBy(way, recipient.address);
        const deadlines = { greeting: 250, command: 250, mail: 250, rcpt: 250, data: 250 };
        const parts = { clock: systemClock, log: silentLog };
        const transport = createTransport(settings, { ...parts, deadlines });
        const scheduler = createScheduler(settings, { ...parts, due, routing, notifying, control: new FakeControl(), transport });
        const sent = batch.map((names, i) =>
          message(
            names.map((name) => `${name}@example.com`),
            { sender: box(`s${i}@example.net`) },
          ),
        );
        due.add(...sent);
        scheduler.start();
        try {
          await vi.waitFor(() => expect(due.done.size === sent.length || (forever && isOver())).toBe(true), {
            timeout: 20_000,
            interval: 5,
          });
        } finally {
          await scheduler.stop(5_000);
          await transport.close(500);
        }
        for (const { id, sender } of sent) {
          for (const recipient of due.look(id).recipients) {
            const key = `${sender?.address} ${recipient.address.address}`;
            const copies = confirmed.get(key) ?? 0;
            const ends = due.events.filter(
              ({ event, ...one }) =>
                one['spool-id'] === id && one.recipient === recipient.address.address && (event === 'SEND' || event === 'FAIL'),
            );
            expect([key, copies, ends.length]).toEqual([key, recipient.state === 'relayed' ? 1 : 0, isFinal(recipient) ? 1 : 0]);
            const told = notifying.told.filter(
              (one) =>
                one.recipient === recipient ||
                (one.recipient.index === recipient.index &&
                  one.recipient.address === recipient.address &&
                  one.action === 'failed'),
            );
            expect([key, told.length > 0]).toEqual([key, recipient.state === 'failed']);
            // a copy that nobody confirmed is the peer's own silence behind our dot, and our record says so (RFC 1047)
            const doubtful = recipient.state === 'relayed' && (silent.get(key) ?? 0) > 0;
            expect([key, recipient.possibleDuplicate === true || !doubtful]).toEqual([key, true]);
          }
        }
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: RUNS > 15 ? 3_600_000 : 15_000, markInterruptAsFailure: false },
    );
  },
  RUNS > 15 ? 3_700_000 : 60_000,
);
