/**
 * The waves as they are, in memory and on disk, in step with the directory: its active version is the truth, and a wave
 * that a crash or a rollback of the directory left behind follows it.
 */
import type { Log } from '../../platform/logger.ts';
import type { Overlay } from '../ports.ts';
import type { WaveDeps } from './ports.ts';
import {
  type Change,
  type Destination,
  type MailboxState,
  type Member,
  type Moved,
  move,
  overlaysOf,
  routeOf,
  sourceOf,
  type Wave,
  withVersion,
} from './wave.ts';
import { type StoredWave, WaveStore } from './wave-store.ts';

/** How the source of an entry begins that an administrator set; it wins over waves (C6). */
export const SET_BY = 'set by ';

export class WaveBook {
  readonly #deps: WaveDeps;
  readonly #store: WaveStore;
  readonly #log: Log;
  readonly #waves = new Map<string, Wave>();
  /** Waves whose file is behind. */
  readonly #behind = new Set<string>();
  /** The version that the waves were last compared with. */
  #seen = -1;
  readonly broken: readonly { readonly file: string; readonly problem: string }[];

  constructor(deps: WaveDeps) {
    this.#deps = deps;
    this.#log = deps.log;
    this.#store = new WaveStore(deps.folder, deps.readOnly === true);
    const { stored, broken } = this.#store.load();
    this.broken = broken;
    for (const one of broken) this.#log.error(one, 'wave not read');
    for (const one of stored.toSorted((a, b) => a.wave.created.time - b.wave.created.time)) this.#recover(one);
  }

  all(): Wave[] {
    return [...this.#waves.values()];
  }

  get(name: string): Wave | undefined {
    return this.#waves.get(name);
  }

  /** Which wave has this mailbox; by `mailboxKey` of its primary address. */
  memberOf(key: string): { readonly wave: Wave; readonly member: Member } | undefined {
    for (const wave of this.#waves.values()) {
      const member = wave.members.find((one) => one.key === key);
      if (member !== undefined) return { wave, member };
    }
    return undefined;
  }

  /** Durable when it returns; throws where the disk fails, and then the wave is what it was. */
  save(wave: Wave): void {
    this.#store.save(wave);
    this.#waves.set(wave.name, wave);
    this.#behind.delete(wave.name);
  }

  /** For what can be found again after a crash: durable with the next `flush`. */
  note(wave: Wave): void {
    this.#waves.set(wave.name, wave);
    this.#behind.add(wave.name);
  }

  flush(): void {
    for (const name of this.#behind) {
      const wave = this.#waves.get(name);
      if (wave === undefined) this.#behind.delete(name);
      else this.#saveLater(wave);
    }
  }

  /**
   * Makes moves true: one version of the directory for all of them. Rejects where the directory or the disk fails, and
   * then nothing has changed. A crash before the version is active leaves the wave as it was, one behind it as it is now.
   */
  async apply(moved: Moved, change: Change, lifted: readonly string[] = []): Promise<{ wave: Wave; version: number }> {
    const { name } = moved.wave;
    const before = this.#waves.get(name) ?? moved.wave;
    const states: Map<string, Overlay | undefined> = overlaysOf(name, moved.members);
    for (const key of lifted) states.set(key, undefined);
    const over = moved.members.filter((one) => hasChangedSides(one, change.time)).map(({ key }) => key);
    this.#store.save(before, moved.wave);
    // before it counts: an answer of the cloud may come as soon as it does (R5)
    const takeBack = over.length === 0 ? undefined : this.#deps.grace.note(over, change.time);
    let version: number;
    try {
      ({ version } = await this.#deps.directory.applyWave(name, states, change));
    } catch (error) {
      this.#saveLater(before);
      takeBack?.();
      throw error;
    }
    const keys = new Set(moved.members.map(({ key }) => key));
    const wave = withVersion(this.#withNews(moved.wave, keys), keys, version);
    this.#waves.set(name, wave);
    this.#saveLater(wave);
    this.#log.info({ wave: name, ...sum(moved.members), who: change.who, reason: change.reason, version }, 'wave changed');
    return { wave, version };
  }

  /**
   * Gives mailboxes of an older wave to a newer one. The newer one takes over what the older laid over the sources before
   * that is lifted, so that no route changes. Repeated after a crash.
   */
  async takeOver(newer: string, older: string, keys: ReadonlySet<string>, change: Change): Promise<void> {
    const taker = this.#waves.get(newer);
    const giver = this.#waves.get(older);
    if (taker === undefined || giver === undefined) return;
    const laid = taker.members.filter((member) => keys.has(member.key) && this.#sourceOf(member.key) === sourceOf(older));
    if (laid.length > 0) await this.#deps.directory.applyWave(newer, overlaysOf(newer, laid), change);
    const left = giver.members.filter((member) => keys.has(member.key));
    if (left.some(({ steps }) => steps.length > 1)) {
      const lifted = new Map(left.map(({ key }) => [key, undefined]));
      await this.#deps.directory.applyWave(older, lifted, change);
    }
    this.save({ ...giver, members: giver.members.filter((member) => !keys.has(member.key)) });
  }

  /** Ends what a crash left undone: mailboxes in two waves. */
  async settle(): Promise<void> {
    if (this.#deps.readOnly === true) return;
    const owners = new Map<string, string>();
    const doubles = new Map<string, { newer: string; older: string; keys: Set<string> }>();
    for (const wave of this.#waves.values()) {
      for (const { key } of wave.members) {
        const older = owners.get(key);
        owners.set(key, wave.name);
        if (older === undefined) continue;
        const pair = `${older} ${wave.name}`;
        const double = doubles.get(pair) ?? { newer: wave.name, older, keys: new Set<string>() };
        doubles.set(pair, double);
        double.keys.add(key);
      }
    }
    for (const { newer, older, keys } of doubles.values()) {
      const change = { time: this.#deps.clock.now(), who: 'relay', reason: `moved to wave ${newer}` };
      await this.takeOver(newer, older, keys, change);
    }
  }

  /** Follows the active version, where it is another one than last time. */
  reconcile(): void {
    const { version } = this.#deps.directory.active();
    if (version === this.#seen) return;
    for (const wave of this.#waves.values()) {
      const change = { time: this.#deps.clock.now(), who: 'directory', reason: `version ${version} says so` };
      const { wave: after, members } = move(wave, this.#truth(wave.name), change, version);
      if (members.length === 0) continue;
      this.#log.warn({ wave: wave.name, ...sum(members), version }, 'wave follows the directory');
      const over = members.filter((one) => hasChangedSides(one, change.time)).map(({ key }) => key);
      if (over.length > 0 && this.#deps.readOnly !== true) this.#deps.grace.note(over, change.time);
      this.#waves.set(wave.name, after);
      this.#saveLater(after);
    }
    this.#seen = version;
  }

  /** What the active version says of each member; an administrator's word for one address leaves the wave's state alone. */
  #truth(wave: string): Destination {
    const active = this.#deps.directory.active();
    return ({ key, state }: Member): MailboxState | undefined => {
      const entry = active.find(key);
      if (entry !== undefined && entry.source !== sourceOf(wave) && entry.source.startsWith(SET_BY)) return undefined;
      const route = entry?.route ?? 'on-premises';
      return route === routeOf(state) ? undefined : route;
    };
  }

  #recover({ wave, next }: StoredWave): void {
    if (next === undefined) {
      this.#waves.set(wave.name, wave);
      return;
    }
    const active = this.#deps.directory.active();
    const before = new Map(wave.members.map((member) => [member.key, member.state]));
    const moved = next.members.filter(({ key, state }) => before.get(key) !== state);
    // one version for all of them: where one is seen, all are there
    const isDone = moved.some(({ key, state }) => {
      const entry = active.find(key);
      return entry?.source === sourceOf(wave.name) && entry.route === routeOf(state);
    });
    const keys = new Set(moved.map(({ key }) => key));
    const truth = isDone ? withVersion(next, keys, active.version) : wave;
    this.#log.warn({ wave: wave.name, mailboxes: moved.length, isDone }, 'a change of the wave was cut short');
    this.#waves.set(wave.name, truth);
    this.#saveLater(truth);
  }

  /** What deliveries told of the others while the directory made its version. */
  #withNews(wave: Wave, moved: ReadonlySet<string>): Wave {
    const now = new Map(this.#waves.get(wave.name)?.members.map((member) => [member.key, member]));
    return { ...wave, members: wave.members.map((member) => (moved.has(member.key) ? member : (now.get(member.key) ?? member))) };
  }

  #sourceOf(key: string): string | undefined {
    return this.#deps.directory.active().find(key)?.source;
  }

  /** The directory has it already: a disk that fails now is tried again with the next `flush`. */
  #saveLater(wave: Wave): void {
    this.#behind.add(wave.name);
    try {
      this.#store.save(wave);
      this.#behind.delete(wave.name);
    } catch (error) {
      this.#log.error({ err: error, wave: wave.name }, 'wave not saved, trying again');
    }
  }
}

const hasChangedSides = ({ switchedAt, returnedAt }: Member, time: number): boolean => switchedAt === time || returnedAt === time;

function sum(members: readonly Member[]): { readonly mailboxes: number; readonly to: Readonly<Record<string, number>> } {
  const to: Record<string, number> = {};
  for (const { state } of members) to[state] = (to[state] ?? 0) + 1;
  return { mailboxes: members.length, to };
}
