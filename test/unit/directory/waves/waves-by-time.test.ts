import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WaveDeps } from '../../../../src/directory/waves/ports.ts';
import { Waves } from '../../../../src/directory/waves/waves.ts';
import { box, DAY, HOLD, HOUR, listOf, MINUTE, Organisation, START } from './organisation.ts';

let here: Organisation;
let waves: Waves;
const BY = { who: 'olga' };
const ALL = ['anna@example.com', 'bert@example.com', 'carl@example.com'];

beforeEach(async () => {
  here = new Organisation();
  waves = await Waves.open(here.deps());
});
afterEach(async () => {
  await waves[Symbol.asyncDispose]();
  here[Symbol.dispose]();
});

/** As a crash leaves it: nothing is closed or flushed, all is read anew. */
async function restart(more: Partial<WaveDeps> = {}): Promise<void> {
  waves = await Waves.open(here.deps(more));
}
const states = (): string[] => waves.show('pilot').mailboxes.map(({ state }) => state);
const scheduleOf = () => waves.show('pilot').schedule?.state;
const switches = (): number => here.directory.changes.filter(({ reason }) => reason.startsWith('scheduled')).length;

it('mail that goes to both sides for too long is told, and goes on', async () => {
  await waves.create('pilot', listOf(...ALL), BY);
  await waves.both('pilot', { ...BY, only: ALL.slice(0, 2) });
  here.clock.time = START + 14 * DAY - 1;
  expect(waves.findings()).toEqual([]);
  here.clock.time = START + 14 * DAY;
  await waves.tick();
  expect(waves.findings()).toMatchObject([
    { severity: 'warning', problem: expect.stringContaining('sends the mail of 2 mailboxes to both sides') as string },
  ]);
  expect(states()).toEqual(['both', 'both', 'on-premises']);
  await waves.rollback('pilot', BY);
  expect(waves.findings()).toEqual([]);
});

describe('a scheduled switch', () => {
  beforeEach(() => waves.create('pilot', listOf(...ALL), { ...BY, at: START + HOUR }));

  it('happens at its time, once, also across a restart', async () => {
    await waves.tick();
    expect(states()).toEqual(['on-premises', 'on-premises', 'on-premises']);
    await restart();
    here.clock.time = START + HOUR;
    await waves.tick();
    await waves.tick();
    await restart();
    await waves.tick();
    expect(states()).toEqual(['cloud', 'cloud', 'cloud']);
    expect([switches(), scheduleOf()]).toEqual([1, 'done']);
    expect(here.directory.changes[0]).toMatchObject({
      who: 'schedule',
      reason: `scheduled for ${new Date(START + HOUR).toISOString()} by olga`,
    });
  });

  it('that fell into a stop of the relay happens at its start', async () => {
    here.clock.time = START + 5 * HOUR;
    await restart();
    waves.start();
    await vi.waitFor(() => expect(states()).toEqual(['cloud', 'cloud', 'cloud']));
    expect(switches()).toBe(1);
  });

  it('is not repeated where a crash came between the version and the file of the wave', async () => {
    here.clock.time = START + HOUR;
    let file = '';
    // what is on disk at the moment when the version is active
    here.directory.behind = () => {
      file = readFileSync(join(here.folder, 'waves', 'pilot.json'), 'utf8');
    };
    await waves.tick();
    writeFileSync(join(here.folder, 'waves', 'pilot.json'), file);
    await restart();
    await waves.tick();
    expect(states()).toEqual(['cloud', 'cloud', 'cloud']);
    expect([switches(), scheduleOf()]).toEqual([1, 'done']);
    expect(waves.show('pilot').mailboxes[0]?.steps.at(-1)).toMatchObject({
      who: 'schedule',
      'directory-version': here.directory.version,
    });
  });

  it('is done after a crash before the version was active', async () => {
    here.clock.time = START + HOUR;
    let file = '';
    here.directory.before = () => {
      file = readFileSync(join(here.folder, 'waves', 'pilot.json'), 'utf8');
      throw new Error('killed');
    };
    await waves.tick();
    expect(waves.findings()).toMatchObject([{ severity: 'error', problem: expect.stringContaining('killed') }]);
    writeFileSync(join(here.folder, 'waves', 'pilot.json'), file);
    here.directory.before = () => {};
    await restart();
    expect(states()).toEqual(['on-premises', 'on-premises', 'on-premises']);
    await waves.tick();
    expect([switches(), scheduleOf()]).toEqual([1, 'done']);
  });

  it('is refused where a mailbox is unsafe by then, with an alarm, and not tried again', async () => {
    here.unsafe = [{ address: 'bert@example.com', why: 'not in the cloud export', remedy: 'license it' }];
    here.clock.time = START + HOUR;
    await waves.tick();
    expect([states()[0], scheduleOf()]).toEqual(['on-premises', 'refused']);
    expect(waves.findings()[0]?.problem).toContain('bert@example.com: not in the cloud export');
    here.unsafe = [];
    await waves.tick();
    expect(states()[0]).toBe('on-premises');
    await waves.switch('pilot', BY);
    expect(waves.findings()).toEqual([]);
  });

  it('is done by a switch before its time, and cancelled by a rollback of the wave', async () => {
    await waves.switch('pilot', BY);
    expect(scheduleOf()).toBe('done');
    await waves.rollback('pilot', BY);
    await waves.schedule('pilot', START + 2 * HOUR, 'olga');
    await waves.rollback('pilot', BY);
    expect(scheduleOf()).toBe('cancelled');
    here.clock.time = START + 3 * HOUR;
    await waves.tick();
    expect(states()[0]).toBe('on-premises');
  });

  it('cannot lie in the past', async () => {
    await expect(waves.schedule('pilot', START - 1, 'olga')).rejects.toThrow('is past');
    await expect(waves.create('w', listOf('dora@example.com'), { ...BY, at: START })).rejects.toThrow('is past');
  });
});

describe('a hold (C9)', () => {
  beforeEach(async () => {
    await waves.create('pilot', listOf(...ALL), BY);
    await waves.hold('pilot', BY);
  });

  it('warns before its cap, raises the alarm behind it, and goes on holding', async () => {
    expect(waves.findings()).toEqual([]);
    here.clock.time = START + 95 * MINUTE;
    expect(waves.findings()).toMatchObject([{ severity: 'warning' }]);
    here.clock.time = START + 2 * HOUR;
    expect(waves.findings()).toMatchObject([{ severity: 'error' }]);
    expect(waves.findings()[0]?.problem).toContain(new Date(START + 3 * DAY).toISOString());
    await waves.tick();
    expect(states()).toEqual(['hold', 'hold', 'hold']);
  });

  it('ends at its maximum by itself towards the side it came from, in one version, and says so until somebody acts', async () => {
    await waves.switch('pilot', { ...BY, except: ['carl@example.com'] });
    await waves.hold('pilot', { ...BY, only: ['anna@example.com', 'carl@example.com'] });
    const before = here.directory.changes.length;
    here.clock.time = START + 3 * DAY;
    await waves.tick();
    expect(states()).toEqual(['cloud', 'cloud', 'on-premises']);
    expect(here.directory.changes.slice(before)).toMatchObject([{ who: 'relay', reason: 'the hold came to its maximum (C9)' }]);
    await restart();
    expect(waves.findings()).toMatchObject([{ severity: 'error', problem: expect.stringContaining('came to its maximum') }]);
    await waves.hold('pilot', BY);
    expect(waves.findings()).toEqual([]);
  });

  it('at its volume answers 452 4.2.2, warns before, and takes mail again when there is room', async () => {
    await restart({ hold: () => ({ ...HOLD, volume: 1000 }) });
    const reason = `directory: hold (version ${here.directory.version}, wave pilot)`;
    const held = (size: number, id: string) =>
      waves.onEvent(here.record('HOLD', 'anna@example.com', { reason, size, 'spool-id': id }));
    held(700, 'A');
    expect([waves.refusal('directory: wave pilot'), waves.findings()]).toEqual([undefined, []]);
    held(100, 'B');
    expect(waves.findings()).toMatchObject([{ severity: 'warning' }]);
    held(200, 'C');
    expect(waves.refusal('directory: wave pilot')).toMatchObject({ code: 452, enhanced: '4.2.2' });
    expect(waves.refusal('directory: wave other')).toBeUndefined();
    expect(waves.refusal('rule: quarantine')).toBeUndefined();
    waves.onEvent(here.record('RELEASE', 'anna@example.com', { 'spool-id': 'A' }));
    expect(waves.refusal('directory: wave pilot')).toBeUndefined();
  });

  it('knows after a restart what the spool holds for it', async () => {
    const recipient = (state: 'held' | 'queued', heldBy?: string) => ({
      index: 0,
      address: box('anna@example.com'),
      state,
      attempts: 0,
      nextAttemptAt: 0,
      ...(heldBy === undefined ? {} : { heldBy }),
    });
    const mail = { id: 'A', size: 600, recipients: [recipient('held', 'directory: wave pilot'), recipient('queued')] };
    await restart({ heldMail: () => [mail] as never });
    expect(waves.show('pilot').held).toEqual({ messages: 1, octets: 600 });
  });
});

it('watches the time by itself: the next switch, and the end of a hold', async () => {
  vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout'] });
  try {
    waves.start();
    await waves.create('pilot', listOf(...ALL), { ...BY, at: START + 5000 });
    here.clock.time = START + 5000;
    await vi.advanceTimersByTimeAsync(5000);
    await vi.waitFor(() => expect(states()).toEqual(['cloud', 'cloud', 'cloud']));
  } finally {
    vi.useRealTimers();
  }
});

it('a file that is no wave is named, left alone, and stops nobody else', async () => {
  await waves.create('pilot', listOf(...ALL), BY);
  writeFileSync(join(here.folder, 'waves', 'broken.json'), '{"form":1,"wave":{"name":"broken"}}');
  await restart();
  expect(waves.list().map(({ name }) => name)).toEqual(['pilot']);
  expect(waves.findings()).toMatchObject([{ severity: 'error', problem: expect.stringContaining('broken.json') }]);
  expect(readdirSync(join(here.folder, 'waves')).sort()).toEqual(['broken.json', 'pilot.json']);
});

it('a mailbox in two waves, as a crash between their files leaves it, belongs to the newer one', async () => {
  await waves.create('pilot', listOf(...ALL), BY);
  const before = readFileSync(join(here.folder, 'waves', 'pilot.json'), 'utf8');
  here.clock.time += 1;
  await waves.create('second', listOf('anna@example.com'), BY);
  writeFileSync(join(here.folder, 'waves', 'pilot.json'), before);
  await restart();
  expect(waves.mailboxes('pilot').map(({ localPart }) => localPart)).toEqual(['bert', 'carl']);
  expect(waves.mailboxes('second').map(({ localPart }) => localPart)).toEqual(['anna']);
});
