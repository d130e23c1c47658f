/** Moves mailboxes of a wave, one change after the other, each one version of the directory. */
import { mailboxKey, parseMailbox } from '../../mail/address.ts';
import type { FirstDeliveries } from './first-deliveries.ts';
import type { UnsafeMailbox, WaveDeps } from './ports.ts';
import { type Alarm, type Change, type Destination, isInCloud, type Member, type Moved, move, type Wave } from './wave.ts';
import type { WaveBook } from './wave-book.ts';

/** An operation that was not done, said so that an operator can act on it; nothing has changed. */
export class WaveRefused extends Error {
  readonly refusal: 'not-found' | 'invalid' | 'unavailable';

  constructor(refusal: WaveRefused['refusal'], message: string) {
    super(message);
    this.refusal = refusal;
  }
}

export interface WaveChange {
  readonly name: string;
  /** The directory version that made it true; null where nothing had to move. */
  readonly version: number | null;
  readonly moved: readonly string[];
}

export type WaveSwitch =
  | (WaveChange & {
      readonly switched: true;
      /** Left out by `except`; who of them was held is where it came from again. */
      readonly except: readonly string[];
      /** Found unsafe, and switched by force. */
      readonly forced: readonly UnsafeMailbox[];
      /** Mailboxes that could not be checked: no export of the cloud is known. */
      readonly unchecked: number;
    })
  | { readonly switched: false; readonly name: string; readonly unsafe: readonly UnsafeMailbox[] };

/** Who asks, and why. */
export interface By {
  readonly who: string;
  readonly reason?: string;
}

export interface SwitchOptions extends By {
  readonly except?: readonly string[];
  readonly force?: boolean;
}

const MAX_ALARMS = 20;

export class WaveMoves {
  readonly #deps: WaveDeps;
  readonly #book: WaveBook;
  readonly #deliveries: FirstDeliveries;
  #turn: Promise<unknown> = Promise.resolve();
  /** Called when something about the waves' times may have changed. */
  onChange: () => void = () => {};

  constructor(deps: WaveDeps, book: WaveBook, deliveries: FirstDeliveries) {
    this.#deps = deps;
    this.#book = book;
    this.#deliveries = deliveries;
  }

  /** One after the other; each sees the waves in step with the directory. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(() => {
      if (this.#deps.readOnly === true) throw new WaveRefused('unavailable', 'waves can be looked at here, not changed');
      this.#book.reconcile();
      return work();
    });
    this.#turn = next.catch(() => undefined);
    return next;
  }

  /** Resolves when nothing is under way. */
  async quiet(): Promise<void> {
    await this.#turn;
  }

  waveOf(name: string): Wave {
    const wave = this.#book.get(name);
    if (wave !== undefined) return wave;
    const known = this.#book.all().map((one) => one.name);
    throw new WaveRefused('not-found', `there is no wave "${name}"${known.length === 0 ? '' : `; there is ${known.join(', ')}`}`);
  }

  /** The members that these addresses name; any address of a mailbox will do. Keys. */
  named(wave: Wave, addresses: readonly string[] | undefined): Set<string> | undefined {
    if (addresses === undefined) return undefined;
    const active = this.#deps.directory.active();
    return new Set(
      addresses.map((text) => {
        const address = parseMailbox(text);
        const key = address === undefined ? undefined : mailboxKey(active.find(mailboxKey(address))?.address ?? address);
        if (key === undefined || !wave.members.some((member) => member.key === key))
          throw new WaveRefused('invalid', `${text} is not in wave ${wave.name}`);
        return key;
      }),
    );
  }

  changeBy({ who, reason }: By, what: string): Change {
    return { time: this.#deps.clock.now(), who, reason: reason ?? what };
  }

  /** Makes moves true and routes anew what is queued. */
  async apply(moved: Moved, change: Change): Promise<WaveChange> {
    const { name } = moved.wave;
    if (moved.members.length === 0) return { name, version: null, moved: [] };
    const { version } = await this.#book.apply(moved, change);
    this.changed();
    await this.#deps.recheck();
    return { name, version, moved: moved.members.map(({ address }) => address.address) };
  }

  /** Saves what is no matter of the directory. */
  save(wave: Wave): void {
    this.#book.save(wave);
    this.changed();
  }

  changed(): void {
    this.#deliveries.watch();
    this.onChange();
  }

  /** `hold` or `both` for those members that are meant. */
  async to(wave: Wave, state: 'hold' | 'both', isMeant: (member: Member) => boolean, by: By): Promise<WaveChange> {
    const change = this.changeBy(by, state);
    const moved = move(cleared(wave), (member) => (isMeant(member) ? state : undefined), change);
    const [stuck] = moved.impossible;
    if (moved.members.length === 0 && stuck !== undefined)
      throw new WaveRefused('invalid', `${stuck.address.address} is ${stuck.state}: from there is no way to ${state}`);
    return this.apply(moved, change);
  }

  /** To the cloud, once found safe; a schedule that waits is done by it, in the same step. */
  async switch(wave: Wave, options: SwitchOptions): Promise<WaveSwitch> {
    const { name, schedule } = wave;
    const except = this.named(wave, options.except) ?? new Set<string>();
    const meant = wave.members.filter((member) => !isInCloud(member) && !except.has(member.key));
    if (meant.length === 0) throw new WaveRefused('invalid', `no mailbox of wave ${name} is left to switch`);
    const isMeant = new Set(meant.map(({ key }) => key));
    const { unsafe: found, unchecked } = await this.#deps.unsafe({ name, mailboxes: meant.map(({ address }) => address) });
    const unsafe = found.filter(({ address }) => {
      const box = parseMailbox(address);
      return box === undefined || isMeant.has(mailboxKey(box));
    });
    if (unsafe.length > 0 && options.force !== true) return { switched: false, name, unsafe };
    const forced = unsafe.length === 0 ? '' : ` (by force: ${unsafe.length} mailboxes were found unsafe)`;
    const change = this.changeBy({ ...options, reason: `${options.reason ?? 'switch'}${forced}` }, 'switch');
    const to: Destination = (member) => {
      if (isMeant.has(member.key)) return 'cloud';
      return except.has(member.key) && member.state === 'hold' ? heldFromOf(member) : undefined;
    };
    const planned = schedule?.state === 'waiting' ? { ...wave, schedule: { ...schedule, state: 'done' as const } } : wave;
    const done = await this.apply(move(cleared(planned), to, change), change);
    const left = wave.members.filter(({ key }) => except.has(key)).map(({ address }) => address.address);
    const moved = done.moved.filter((address) => !left.includes(address)); // one that went back from its hold was not switched
    return { ...done, moved, switched: true, except: left, forced: unsafe, unchecked };
  }
}

/** An operation is the answer to what was alarming. */
export const cleared = (wave: Wave): Wave => ({ ...wave, alarms: [] });

export const withAlarm = (wave: Wave, alarm: Alarm): Wave => ({ ...wave, alarms: [...wave.alarms, alarm].slice(-MAX_ALARMS) });

/** C9: the side that a held mailbox came from. */
export const heldFromOf = (member: Member): 'on-premises' | 'both' | 'cloud' => member.heldFrom ?? member.home;
