/** What waves do by themselves: switches at their time, holds that come to their end. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/logger.ts';
import { isOver, nextMoment, type WaveFinding } from './hold-caps.ts';
import type { HoldSettings, WaveDeps } from './ports.ts';
import { isInCloud, move, type Wave } from './wave.ts';
import type { WaveBook } from './wave-book.ts';
import { heldFromOf, type WaveMoves, withAlarm } from './wave-moves.ts';

/** How often waves are looked at, however little happens. Milliseconds. */
const LONGEST_SLEEP = 60_000;
const SHORTEST_SLEEP = 100;

export class WaveClock {
  readonly #book: WaveBook;
  readonly #moves: WaveMoves;
  readonly #hold: () => HoldSettings;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What could not be done at its time, by wave; it is tried again. */
  readonly #failing = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(book: WaveBook, moves: WaveMoves, { hold, clock, log }: Pick<WaveDeps, 'hold' | 'clock' | 'log'>) {
    this.#book = book;
    this.#moves = moves;
    this.#hold = hold;
    this.#clock = clock;
    this.#log = log;
    moves.onChange = () => this.#arm();
  }

  start(): void {
    this.#running = true;
    void this.#ring();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  findings(): WaveFinding[] {
    return Array.from(this.#failing, ([wave, problem]) => ({
      severity: 'error',
      problem: `wave ${wave} could not be brought forward: ${problem}; it is tried again each minute`,
      remedy: `bridgehead wave check ${wave}`,
    }));
  }

  /** One look at all waves. */
  tick(): Promise<void> {
    return this.#moves.inTurn(async () => {
      this.#moves.changed();
      for (const { name } of this.#book.all()) {
        try {
          await this.#endHolds(this.#moves.waveOf(name));
          await this.#switchDue(this.#moves.waveOf(name));
          this.#failing.delete(name);
        } catch (error) {
          this.#failing.set(name, error instanceof Error ? error.message : String(error));
          this.#log.error({ err: error, wave: name }, 'wave not brought forward, trying again');
        }
      }
      this.#book.flush();
    });
  }

  async #endHolds(wave: Wave): Promise<void> {
    const now = this.#clock.now();
    const change = { time: now, who: 'relay', reason: 'the hold came to its maximum (C9)' };
    const moved = move(wave, (member) => (isOver(member, this.#hold(), now) ? heldFromOf(member) : undefined), change);
    if (moved.members.length === 0) return;
    const problem = `wave ${wave.name}: the hold of ${moved.members.length} mailboxes came to its maximum; their mail goes to the side they came from (C9)`;
    const alarm = { time: now, problem, remedy: `bridgehead wave report ${wave.name}` };
    await this.#moves.apply({ ...moved, wave: withAlarm(moved.wave, alarm) }, change);
    this.#log.error({ wave: wave.name, mailboxes: moved.members.length }, 'hold ended by itself');
  }

  /** Once, also across a restart: that it was done is part of the very step that does it, and a wave that is over there stays. */
  async #switchDue(wave: Wave): Promise<void> {
    const { name, schedule } = wave;
    const now = this.#clock.now();
    if (schedule?.state !== 'waiting' || schedule.at > now) return;
    if (wave.members.every(isInCloud)) {
      this.#moves.save({ ...wave, schedule: { ...schedule, state: 'done' } });
      return;
    }
    const reason = `scheduled for ${new Date(schedule.at).toISOString()} by ${schedule.who}`;
    const done = await this.#moves.switch(wave, { who: 'schedule', reason });
    if (done.switched) {
      if (done.unchecked > 0)
        this.#log.warn({ wave: name, mailboxes: done.unchecked }, 'scheduled switch of unchecked mailboxes');
      return;
    }
    const note = done.unsafe
      .map(({ address, why }) => `${address}: ${why}`)
      .join('; ')
      .slice(0, 1000);
    const problem = `wave ${name} was not switched at its time: ${done.unsafe.length} mailboxes are not safe (${note})`;
    const remedy = `bridgehead wave check ${name}, then bridgehead wave switch ${name}`;
    const asItIs = this.#moves.waveOf(name);
    this.#moves.save(withAlarm({ ...asItIs, schedule: { ...schedule, state: 'refused', note } }, { time: now, problem, remedy }));
    this.#log.error({ wave: name, unsafe: done.unsafe.length }, 'scheduled switch refused');
  }

  #arm(): void {
    if (!this.#running) return;
    clearTimeout(this.#timer);
    const now = this.#clock.now();
    let next = now + LONGEST_SLEEP;
    for (const wave of this.#book.all()) {
      next = Math.min(next, nextMoment(wave, this.#hold(), now) ?? next);
      if (wave.schedule?.state === 'waiting' && wave.schedule.at > now) next = Math.min(next, wave.schedule.at);
    }
    this.#timer = setTimeout(() => void this.#ring(), Math.max(next - now, SHORTEST_SLEEP));
    this.#timer.unref();
  }

  async #ring(): Promise<void> {
    try {
      await this.tick();
    } catch (error) {
      this.#log.error({ err: error }, 'waves not looked at, trying again');
    }
    this.#arm();
  }
}
