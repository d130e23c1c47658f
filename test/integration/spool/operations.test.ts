import { describe, expect, it } from 'vitest';
import { accept, open, START, temporaryDirectory } from './harness.ts';

describe('steering the spool', () => {
  it('selects by id, addresses, domain, connector and age, and nothing by nothing', async () => {
    const { spool, clock } = await open(temporaryDirectory());
    const a = await accept(spool, 'x', ['User@example.com', 'other@example.org']);
    clock.time += 5000;
    const b = await accept(spool, 'x', ['b@example.org'], clock.now());
    await spool.settle({ id: b, changes: [{ index: 0, state: 'deferred', lastConnector: 'cloud' }], events: [] });
    const ids = async (selector: Parameters<typeof spool.list>[0]) => (await spool.list(selector)).messages.map((m) => m.id);
    expect(await ids({})).toEqual([]);
    expect(await ids({ all: true })).toEqual([a, b]);
    expect(await ids({ id: b })).toEqual([b]);
    expect(await ids({ recipient: 'user@EXAMPLE.com' })).toEqual([a]);
    expect(await ids({ sender: 'sender@example.net' })).toEqual([a, b]);
    expect(await ids({ sender: '' })).toEqual([]);
    expect(await ids({ domain: 'example.org' })).toEqual([a, b]);
    expect(await ids({ connector: 'cloud' })).toEqual([b]);
    expect(await ids({ olderThan: 5000 })).toEqual([a]);
    expect(await ids({ domain: 'example.org', olderThan: 5000 })).toEqual([a]);
    expect(await spool.list({ all: true }, { limit: 1 })).toMatchObject({ messages: [{ id: a }], next: a });
    expect(await spool.list({ all: true }, { limit: 1, after: a })).toMatchObject({ messages: [{ id: b }], next: undefined });
    await spool.close();
  });

  it('holds and releases the selected recipients alone, durably, with HOLD and RELEASE in the record', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    const records: string[] = [];
    first.spool.onCommitted(({ lines }) => records.push(...lines.split('\n')));
    const id = await accept(first.spool, 'x', ['a@example.com', 'b@example.org']);
    expect(await first.spool.steer({ domain: 'example.com' }, { kind: 'hold', reason: 'ticket 12' })).toEqual({
      messages: 1,
      recipients: 1,
    });
    expect([...first.spool.held()]).toEqual([id]);
    await first.spool.close();

    const { spool, clock } = await open(directory);
    spool.onCommitted(({ lines }) => records.push(...lines.split('\n')));
    expect(spool.load(id)?.recipients.map((r) => r.state)).toEqual(['held', 'queued']);
    clock.time += 1000;
    await spool.steer({ heldBy: 'operator' }, { kind: 'release' });
    expect(spool.load(id)?.recipients[0]).toMatchObject({ state: 'queued', heldFor: 1000, nextAttemptAt: START + 1000 });
    await spool.close();
    expect(records.map((line) => JSON.parse(line)).map((r) => [r.event, r.recipient, r.reason])).toEqual([
      ['RECEIVE', undefined, undefined],
      ['HOLD', 'a@example.com', 'ticket 12'],
      ['RELEASE', 'a@example.com', 'operator'],
    ]);
  });

  it('makes due at once what is retried, rerouted or given up', async () => {
    const { spool, clock } = await open(temporaryDirectory());
    const ids = [await accept(spool), await accept(spool), await accept(spool)] as const;
    const later = START + 3_600_000;
    for (const id of spool.due(START, 9)) {
      await spool.settle({ id, changes: [{ index: 0, state: 'deferred', nextAttemptAt: later }], events: [] });
      spool.release(id);
    }
    let woken = 0;
    spool.onDue(() => {
      woken += 1;
    });
    expect(spool.nextDue()).toBe(later);
    await spool.steer({ id: ids[0] }, { kind: 'retry' });
    await spool.steer({ id: ids[1] }, { kind: 'reroute', connector: 'site-b' });
    await spool.steer({ id: ids[2] }, { kind: 'expire' });
    expect(woken).toBeGreaterThan(0);
    expect(spool.due(clock.now(), 9)).toEqual([...ids]);
    expect(spool.load(ids[1])?.recipients[0]).toMatchObject({ state: 'queued', rerouteTo: 'site-b' });
    expect(spool.load(ids[2])?.recipients[0]).toMatchObject({ state: 'queued', expireNow: true });
    await spool.close();
  });

  it('keeps small settings over a restart', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    await first.spool.setControl('paused:cloud', 'operator');
    await first.spool.setControl('paused:site', 'operator');
    await first.spool.setControl('paused:site', undefined);
    await first.spool.close();
    const { spool } = await open(directory);
    expect([spool.control('paused:cloud'), spool.control('paused:site')]).toEqual(['operator', undefined]);
    await spool.close();
  });
});
