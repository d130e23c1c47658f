import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecipientState, SpoolId } from '../../../src/mail/spooled.ts';
import { silentLog } from '../../../src/platform/logger.ts';
import { openSpool } from '../../../src/spool/open.ts';
import type { Spool } from '../../../src/spool/spool.ts';
import { newMessage } from '../../unit/spool/messages.ts';

interface ModelRecipient {
  state: RecipientState;
  nextAttemptAt: number;
}
interface Model {
  now: number;
  /** Accepted and not done, in the order of acceptance. */
  messages: Map<SpoolId, { body: Buffer; recipients: ModelRecipient[] }>;
}
interface Real {
  directory: string;
  spool: Spool;
  model: Model;
  generation: number;
}

const FINAL = ['relayed', 'failed', 'expired'];

/** Opens a copy of the directory as it is this moment, as after kill -9: the old process is not asked to close. */
async function reopen(real: Real): Promise<void> {
  const copy = `${real.directory}-${++real.generation}`;
  cpSync(real.directory, copy, { recursive: true });
  await real.spool.close();
  rmSync(real.directory, { recursive: true });
  real.directory = copy;
  real.spool = await openAt(copy, real.model);
}

function openAt(directory: string, model: Model): Promise<Spool> {
  const clock = { now: () => model.now, monotonic: () => model.now };
  return openSpool({ directory, messageSize: 1 << 20, freeSpace: () => 2 ** 40 }, { clock, log: silentLog });
}

async function check(real: Real): Promise<void> {
  const { spool, model } = real;
  expect(spool.stats()).toMatchObject({ messages: model.messages.size, setAside: 0 });
  let earliest = Number.POSITIVE_INFINITY;
  for (const [id, { body, recipients }] of model.messages) {
    const message = spool.load(id);
    expect(message?.recipients.map(({ state }) => state)).toEqual(recipients.map(({ state }) => state));
    if (message === undefined) continue;
    const pieces: Buffer[] = [];
    for await (const piece of spool.body(message).chunks()) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
    for (const { state, nextAttemptAt } of recipients) {
      if (state === 'queued' || state === 'deferred') earliest = Math.min(earliest, nextAttemptAt);
    }
  }
  expect(spool.nextDue() ?? Number.POSITIVE_INFINITY).toBe(earliest);
}

type Step =
  | { kind: 'accept'; octets: number; recipients: number }
  | { kind: 'settle'; which: number; recipient: number; state: RecipientState; delay: number }
  | { kind: 'hold' | 'release' | 'retry'; which: number }
  | { kind: 'wait'; delay: number }
  | { kind: 'crash' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      octets: fc.constantFrom(0, 10, 5000, 150_000),
      recipients: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat(),
      recipient: fc.nat(2),
      state: fc.constantFrom<RecipientState>('deferred', 'relayed', 'failed', 'expired'),
      delay: fc.nat(100),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('hold' as const, 'release' as const, 'retry' as const), which: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), delay: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
);

async function take(real: Real, one: Step): Promise<void> {
  const { spool, model } = real;
  const pick = (which: number) => [...model.messages][which % Math.max(1, model.messages.size)];
  switch (one.kind) {
    case 'accept': {
      const id = spool.newId();
      const body = Buffer.alloc(one.octets, id);
      const draft = spool.draft(id);
      await draft.write(body);
      const addresses = Array.from({ length: one.recipients }, (_, i) => `user${i}@example.com`);
      await draft.commit(newMessage(id, model.now, addresses), [{ time: '', event: 'RECEIVE' }]);
      model.messages.set(id, { body, recipients: addresses.map(() => ({ state: 'queued', nextAttemptAt: model.now })) });
      return;
    }
    case 'settle': {
      const [id, message] = pick(one.which) ?? [];
      const recipient = message?.recipients[one.recipient];
      if (id === undefined || message === undefined || recipient === undefined) return;
      const claimed = spool.due(model.now, 100);
      const nextAttemptAt = model.now + one.delay;
      await spool.settle({
        id,
        changes: [{ index: one.recipient, state: one.state, nextAttemptAt }],
        events: [{ time: '', event: 'SEND' }],
      });
      for (const each of claimed) spool.release(each);
      if (FINAL.includes(recipient.state)) return;
      if (recipient.state !== 'held' || one.state !== 'deferred') recipient.state = one.state;
      recipient.nextAttemptAt = nextAttemptAt;
      if (message.recipients.every(({ state }) => FINAL.includes(state))) model.messages.delete(id);
      return;
    }
    case 'hold':
    case 'release':
    case 'retry': {
      const [id, message] = pick(one.which) ?? [];
      if (id === undefined || message === undefined) return;
      await spool.steer({ id }, { kind: one.kind });
      for (const recipient of message.recipients) {
        if (FINAL.includes(recipient.state)) continue;
        if (one.kind === 'hold') {
          recipient.state = 'held';
        } else if (one.kind === 'release' ? recipient.state === 'held' : recipient.state !== 'held') {
          recipient.state = 'queued';
          recipient.nextAttemptAt = model.now;
        }
      }
      return;
    }
    case 'wait':
      model.now += one.delay;
      return;
    case 'crash':
      await reopen(real);
  }
}

describe('the spool against a model', () => {
  it('P1, P4: agrees with it after every step, also over crashes', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const directory = mkdtempSync(join(tmpdir(), 'spool-model-'));
        const model: Model = { now: 1_763_800_000_000, messages: new Map() };
        const real: Real = { directory, model, generation: 0, spool: await openAt(directory, model) };
        try {
          for (const one of [...steps, { kind: 'crash' as const }]) {
            await take(real, one);
            await check(real);
            expect(real.spool.failure).toBeUndefined();
          }
        } finally {
          await real.spool.close();
          rmSync(real.directory, { recursive: true, force: true });
          rmSync(directory, { recursive: true, force: true });
        }
      }),
      { numRuns: 40 },
    );
  });
});
