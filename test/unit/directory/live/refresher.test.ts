/** Live sources asked again and again; the clock and the timers are the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Fetched, LiveSource, UpdateResult } from '../../../../src/directory/live/ports.ts';
import { Refresher } from '../../../../src/directory/live/refresher.ts';
import type { DirectoryRecord, DirectorySource, Finding } from '../../../../src/directory/ports.ts';
import { parseMailbox } from '../../../../src/mail/address.ts';
import { silentLog } from '../../../../src/platform/logger.ts';

const MINUTE = 60_000;
const record = (address: string): DirectoryRecord => {
  const box = parseMailbox(address);
  if (box === undefined) throw new Error(address);
  return { address: box, route: 'on-premises', aliases: [], primary: 'on-premises', line: 0 };
};
const people = (...names: string[]): Fetched => ({
  ok: true,
  records: names.map((name) => record(`${name}@example.com`)),
  findings: [],
});
const AWAY: Fetched = { ok: false, problem: 'ldaps://dc1: connect ECONNREFUSED', remedy: 'Look at the server' };
const refusal: Finding = {
  severity: 'error',
  file: 'ldaps://dc1',
  line: 0,
  address: '',
  problem: '3 of 3 recipients would go',
  remedy: 'directory import --yes-shrink',
};

/** A server whose answers the test gives, and a directory that refuses to be emptied. */
function setup(names: readonly string[] = ['ad'], random = 0.5) {
  const asked: string[] = [];
  const active = new Map<string, string[]>();
  let answer: (name: string, signal: AbortSignal) => Fetched | Promise<Fetched> = () => people('anna');
  const source = (name: string): LiveSource => ({
    name,
    kind: 'ldap',
    origin: `ldaps://${name}`,
    fetch: (signal) => {
      asked.push(name);
      return Promise.resolve(answer(name, signal));
    },
  });
  const failures: string[] = [];
  const updateSource = async (name: string, from: DirectorySource, { yesShrink = false } = {}): Promise<UpdateResult> => {
    const records: string[] = [];
    await from.read({ record: ({ address }) => void records.push(address.address), finding: () => undefined });
    if (!yesShrink && records.length === 0 && (active.get(name)?.length ?? 0) > 0) return { ok: false, findings: [refusal] };
    active.set(name, records);
    return { ok: true, findings: [] };
  };
  const refresher = new Refresher(
    names.map((name) => ({ source: source(name), refresh: 10 * MINUTE, fingerprint: name })),
    {
      updates: { updateSource, sourceFailed: (name, problem) => void failures.push(`${name}: ${problem}`) },
      clock: { now: () => Date.now(), monotonic: () => Date.now() },
      log: silentLog,
      random: () => random,
    },
  );
  return { refresher, asked, active, failures, source, answers: (next: typeof answer) => void (answer = next) };
}

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) }));
afterEach(() => void vi.useRealTimers());

describe('refreshing', () => {
  it('asks at the start and by the interval', async () => {
    await using parts = use(setup());
    parts.refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(parts.active.get('ad')).toEqual(['anna@example.com']);
    await vi.advanceTimersByTimeAsync(10 * MINUTE - 1);
    expect(parts.asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(parts.asked).toHaveLength(2);
  });

  it('comes up to a tenth earlier or later, so that several relays do not ask at one moment', async () => {
    for (const [random, minutes] of [
      [0, 9],
      [0.999_999, 11],
    ] as const) {
      await using parts = use(setup(['ad'], random));
      parts.refresher.start();
      await vi.advanceTimersByTimeAsync(0);
      const next = Date.parse(parts.refresher.states()[0]?.next ?? '');
      expect(Math.round((next - Date.now()) / MINUTE)).toBe(minutes);
    }
  });

  it('keeps what it had while the server is away, and the state says why and since when', async () => {
    await using parts = use(setup());
    parts.refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    parts.answers(() => AWAY);
    await vi.advanceTimersByTimeAsync(10 * MINUTE);
    expect(parts.active.get('ad')).toEqual(['anna@example.com']);
    expect(parts.refresher.states()).toEqual([
      {
        name: 'ad',
        kind: 'ldap',
        origin: 'ldaps://ad',
        state: 'stale',
        refreshing: false,
        'last-success': '2026-11-22T12:00:00.000Z',
        age: 600,
        'last-attempt': '2026-11-22T12:10:00.000Z',
        recipients: 1,
        error: { problem: 'ldaps://dc1: connect ECONNREFUSED', remedy: 'Look at the server' },
        next: '2026-11-22T12:15:00.000Z',
      },
    ]);
    expect(parts.failures).toEqual(['ad: ldaps://dc1: connect ECONNREFUSED']);
    parts.answers(() => people('anna', 'ben'));
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(parts.refresher.states()[0]).toMatchObject({ state: 'good', recipients: 2, error: null, age: 0 });
  });

  it('keeps what it had where the directory refuses the new set (R16), and does not hurry', async () => {
    await using parts = use(setup());
    parts.refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    parts.answers(() => people());
    expect(await parts.refresher.refresh('ad')).toMatchObject({
      ok: false,
      problem: 'refused: 3 of 3 recipients would go',
      findings: [refusal],
    });
    expect(parts.active.get('ad')).toEqual(['anna@example.com']);
    await vi.advanceTimersByTimeAsync(0);
    expect(parts.refresher.states()[0]).toMatchObject({
      state: 'stale',
      error: { problem: 'refused: 3 of 3 recipients would go', remedy: 'directory import --yes-shrink' },
      next: '2026-11-22T12:10:00.000Z',
    });
    expect(await parts.refresher.refresh('ad', { yesShrink: true })).toMatchObject({ ok: true, recipients: 0 });
    expect(parts.active.get('ad')).toEqual([]);
  });

  it('goes on after a bug in a source and a directory that cannot write', async () => {
    await using parts = use(setup());
    parts.answers(() => Promise.reject(new Error('ENOSPC: no space left on device')));
    expect(await parts.refresher.refresh('ad')).toMatchObject({ ok: false, problem: 'ENOSPC: no space left on device' });
    parts.answers(() => people('anna'));
    expect(await parts.refresher.refresh('ad')).toEqual({ ok: true, recipients: 1, findings: [] });
  });

  it('asks one source at a time, and once for all who ask meanwhile', async () => {
    await using parts = use(setup(['ad', 'tenant']));
    const { promise, resolve } = Promise.withResolvers<Fetched>();
    parts.answers((name) => (name === 'ad' ? promise : people('ben')));
    const first = parts.refresher.refresh('ad');
    const again = parts.refresher.refresh('ad');
    const other = parts.refresher.refresh('tenant');
    await vi.advanceTimersByTimeAsync(0);
    expect(parts.asked).toEqual(['ad']);
    expect(parts.refresher.states()[0]).toMatchObject({ refreshing: true, state: 'waiting', next: null });
    resolve(people('anna'));
    expect(await first).toBe(await again);
    expect(await other).toMatchObject({ ok: true });
    expect(parts.asked).toEqual(['ad', 'tenant']);
    expect(parts.refresher.refresh('nobody')).toBeUndefined();
  });

  it('ends a reading that is under way when the relay stops, and asks no more', async () => {
    const parts = setup();
    parts.answers(
      (_name, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(people()), { once: true })),
    );
    parts.refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    await parts.refresher[Symbol.asyncDispose]();
    await vi.advanceTimersByTimeAsync(60 * MINUTE);
    expect(parts.asked).toHaveLength(1);
    expect(parts.active.size).toBe(0);
  });

  it('takes new settings: what is gone is asked no more, what stayed keeps its state', async () => {
    await using parts = use(setup(['ad', 'tenant']));
    parts.refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    parts.refresher.reconfigure(
      [
        ['tenant', 'tenant'],
        ['new', 'new'],
      ].map(([name = '', fingerprint = '']) => ({ source: parts.source(name), refresh: 10 * MINUTE, fingerprint })),
    );
    await vi.advanceTimersByTimeAsync(0);
    expect(parts.asked).toEqual(['ad', 'tenant', 'new']);
    await vi.advanceTimersByTimeAsync(11 * MINUTE);
    expect(parts.asked.filter((name) => name === 'ad')).toHaveLength(1);
    expect(parts.refresher.states().map(({ name }) => name)).toEqual(['tenant', 'new']);
  });
});

const use = <T extends { readonly refresher: Refresher }>(parts: T): T & AsyncDisposable => ({
  ...parts,
  [Symbol.asyncDispose]: () => parts.refresher[Symbol.asyncDispose](),
});
