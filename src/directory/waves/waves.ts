/** The moves of an organisation, batch by batch: what an operator can do with waves. */
import { type Mailbox, mailboxKey } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import { reply, type SmtpReply } from '../../mail/reply.ts';
import type { Finding } from '../ports.ts';
import { type CarryItem, carryInstructions, carryList } from './carry.ts';
import { FirstDeliveries, isCloudDelivery } from './first-deliveries.ts';
import { HeldVolume } from './held-volume.ts';
import { holdFindings, type WaveFinding } from './hold-caps.ts';
import { addressesOf, recordsOf } from './mailbox-records.ts';
import { ownerOf } from './owner.ts';
import { pilotFindings } from './pilots.ts';
import type { AttemptUnderWay, WaveDeps } from './ports.ts';
import { resetScript } from './powershell.ts';
import { type Change, isInCloud, type Member, move, sourceOf, type Wave } from './wave.ts';
import {
  detailsOf,
  type OverruledBy,
  reportOf,
  summaryOf,
  type WaveDetails,
  type WaveReport,
  type WaveReportMailbox,
  type WaveSummary,
} from './wave-answers.ts';
import { SET_BY, WaveBook } from './wave-book.ts';
import { WaveClock } from './wave-clock.ts';
import { candidates, type WaveList } from './wave-list.ts';
import { type By, cleared, type SwitchOptions, type WaveChange, WaveMoves, WaveRefused, type WaveSwitch } from './wave-moves.ts';
import { isWaveName } from './wave-store.ts';

export type WaveCreation =
  | { readonly created: true; readonly wave: WaveSummary; readonly findings: readonly Finding[] }
  | { readonly created: false; readonly findings: readonly Finding[] };

export interface WaveReplay {
  readonly name: string;
  readonly messages: readonly CarryItem[];
  /** Mailboxes with more records than were looked at. */
  readonly incomplete: readonly string[];
  /** Lines for a person: how to carry them over. */
  readonly instructions: readonly string[];
}

export interface WaveRollback extends WaveChange, WaveReplay {
  readonly name: string;
  /** Attempts at the side it left that had not ended after some seconds: `replay` names what became of them. */
  readonly 'under-way': number;
  /** Lines of PowerShell that reset the on-premises directory. */
  readonly powershell: readonly string[];
}

/** A way that may be for some of the wave alone; any address of a mailbox names it. */
export interface PartOptions extends By {
  readonly only?: readonly string[];
}

/** How long a rollback waits for what is on its way, milliseconds: a server that takes longer to answer is ill. */
const ATTEMPTS_END = 5_000;

/** RFC 3463 §3.3: mailbox full, for the hold is. */
const HOLD_IS_FULL = reply(452, '4.2.2', 'Mail for this recipient is held, and no more can be held; please try again');

export class Waves implements AsyncDisposable {
  readonly #deps: WaveDeps;
  readonly #book: WaveBook;
  readonly #deliveries: FirstDeliveries;
  readonly #moves: WaveMoves;
  readonly #clock: WaveClock;
  readonly #volume = new HeldVolume();

  private constructor(deps: WaveDeps) {
    this.#deps = deps;
    this.#book = new WaveBook(deps);
    this.#deliveries = new FirstDeliveries(this.#book, deps.directory, deps.log);
    this.#moves = new WaveMoves(deps, this.#book, this.#deliveries);
    this.#clock = new WaveClock(this.#book, this.#moves, deps);
  }

  /** Reads the waves and brings them in step with the active version. Rejects when the disk or the directory fails. */
  static async open(deps: WaveDeps): Promise<Waves> {
    const waves = new Waves(deps);
    await waves.#book.settle();
    waves.#book.reconcile();
    for await (const message of deps.heldMail?.() ?? []) waves.#volume.known(message);
    waves.#deliveries.watch();
    return waves;
  }

  /** Watches the time from now on: scheduled switches, caps of holds. */
  start(): void {
    if (this.#deps.readOnly !== true) this.#clock.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clock.stop();
    await this.#moves.quiet();
    this.#book.flush();
  }

  /** A named list of mailboxes, perhaps with the time of its switch. A wave that has not begun is made anew. */
  create(name: string, list: WaveList, options: { readonly at?: number; readonly who: string }): Promise<WaveCreation> {
    return this.#moves.inTurn(async () => {
      const { at, who } = options;
      if (!isWaveName(name))
        throw new WaveRefused('invalid', `"${name}" cannot name a wave: letters, digits, "-", "_" and ".", at most 64`);
      const existing = this.#book.get(name);
      if (existing?.members.some(({ state, home }) => state !== home) === true)
        throw new WaveRefused('invalid', `wave ${name} has begun; roll it back first, or choose another name`);
      const time = this.#inFuture(name, at);
      const change = { time, who, reason: `in wave ${name}` };
      const { isOurs, directory } = this.#deps;
      const active = directory.active();
      const { members, findings, taken } = candidates(
        list,
        {
          find: (key) => active.find(key),
          waves: this.#book.all().filter((wave) => wave.name !== name),
          ...(isOurs === undefined ? {} : { isOurs }),
        },
        change,
      );
      if (findings.some(({ severity }) => severity === 'error')) return { created: false, findings };
      const wave: Wave = {
        name,
        created: { time, who },
        ...(at === undefined ? {} : { schedule: { at, who, state: 'waiting' } }),
        members,
        alarms: [],
      };
      await this.#letGo(existing, wave, change);
      this.#moves.save(wave);
      for (const [older, keys] of taken) await this.#book.takeOver(name, older, new Set(keys), change);
      return { created: true, wave: this.#summary(wave), findings };
    });
  }

  list(): WaveSummary[] {
    return this.#book.all().map((wave) => this.#summary(wave));
  }

  show(name: string): WaveDetails {
    return detailsOf(this.#moves.waveOf(name), this.#volume.of(name), this.#overruledBy(name));
  }

  /** The mailboxes of a wave, for a check of it. */
  mailboxes(name: string): Mailbox[] {
    return this.#moves.waveOf(name).members.map(({ address }) => address);
  }

  /** Sets or (without a time) cancels the scheduled switch. `at`: milliseconds since the epoch. */
  schedule(name: string, at: number | undefined, who: string): Promise<WaveSummary> {
    return this.#moves.inTurn(async () => {
      const wave = this.#moves.waveOf(name);
      this.#inFuture(name, at);
      if (at === undefined && wave.schedule?.state !== 'waiting') return this.#summary(wave);
      const after: Wave = {
        ...wave,
        schedule: at === undefined ? { at: wave.schedule?.at ?? 0, who, state: 'cancelled' } : { at, who, state: 'waiting' },
      };
      this.#moves.save(after);
      return this.#summary(after);
    });
  }

  /** Keeps the mail of all who are not in the cloud yet; where all are there, of all (before a way back). */
  hold(name: string, options: PartOptions): Promise<WaveChange> {
    return this.#moves.inTurn(async () => {
      const wave = this.#moves.waveOf(name);
      const only = this.#moves.named(wave, options.only);
      const areAllThere = wave.members.every(isInCloud);
      const isMeant = (member: Member): boolean => only?.has(member.key) ?? (areAllThere || !isInCloud(member));
      return this.#moves.to(wave, 'hold', isMeant, options);
    });
  }

  /** Mail goes to both sides and the primary one counts (C10): for pilots. Whoever is in the cloud already stays there. */
  both(name: string, options: PartOptions): Promise<WaveChange> {
    return this.#moves.inTurn(async () => {
      const wave = this.#moves.waveOf(name);
      const only = this.#moves.named(wave, options.only);
      const isMeant = (member: Member): boolean => only?.has(member.key) ?? !isInCloud(member);
      return this.#moves.to(wave, 'both', isMeant, options);
    });
  }

  /**
   * To the cloud, in one version for the whole wave, once it is found safe; `force` needs a reason. Who is excepted stays;
   * who of them was held goes back to where it came from, for nobody would end that hold.
   */
  switch(name: string, options: SwitchOptions): Promise<WaveSwitch> {
    return this.#moves.inTurn(async () => {
      if (options.force === true && (options.reason ?? '').trim() === '')
        throw new WaveRefused('invalid', 'to switch by force a reason is needed');
      return this.#moves.switch(this.#moves.waveOf(name), options);
    });
  }

  /**
   * Back to where it came from, the whole wave or `only` these. What is queued follows by itself (P3). A scheduled switch
   * of the whole wave is cancelled.
   */
  rollback(name: string, options: PartOptions): Promise<WaveRollback> {
    return this.#moves.inTurn(async () => {
      const before = this.#moves.waveOf(name);
      const only = this.#moves.named(before, options.only);
      const isMeant = (member: Member): boolean => only?.has(member.key) ?? true;
      const change = this.#moves.changeBy(options, 'rollback');
      const wave: Wave =
        only === undefined && before.schedule?.state === 'waiting'
          ? { ...before, schedule: { ...before.schedule, state: 'cancelled' } }
          : before;
      const moved = move(cleared(wave), (member) => (isMeant(member) ? member.home : undefined), change);
      const done = await this.#moves.apply(moved, change);
      if (done.version === null) this.#moves.save(moved.wave);
      const back = this.#moves.waveOf(name).members.filter((member) => isMeant(member) && member.switchedAt !== undefined);
      const addresses = back.map(({ address }) => address);
      const underWay = await this.#attemptsEnd(back);
      return { ...done, ...(await this.#carry(back)), 'under-way': underWay, powershell: resetScript(name, addresses) };
    });
  }

  /**
   * The messages that are on the other side of each mailbox: delivered to the cloud before it came back, or on-premises
   * behind its switch; `since` (milliseconds since the epoch) asks for all from then on. The relay has no bodies any more,
   * so it names the messages and where the mover finds them.
   */
  async replay(name: string, options: { readonly since?: number } = {}): Promise<WaveReplay> {
    return { name, ...(await this.#carry(this.#moves.waveOf(name).members, options.since)) };
  }

  /** Who is confirmed by a first delivery, who is not, what was held, what bounced. */
  async report(name: string): Promise<WaveReport> {
    const incomplete: string[] = [];
    const mailboxes: WaveReportMailbox[] = [];
    const overruledBy = this.#overruledBy(name);
    const { members } = this.#moves.waveOf(name);
    const addresses = addressesOf(members, this.#deps);
    const begun = members.flatMap(({ key, steps }) => {
      const since = steps[1]?.time;
      return since === undefined ? [] : [{ key, since, addresses: addresses.get(key) ?? new Set<string>() }];
    });
    const answers = await recordsOf(begun, this.#deps.evidence);
    const known = new Map(begun.map(({ key }, index) => [key, answers[index]]));
    for (const member of members) {
      const { records, isWhole } = known.get(member.key) ?? { records: [], isWhole: true };
      if (!isWhole) incomplete.push(member.address.address);
      // a crash may have lost the confirmation; the record of the delivery is there
      for (const record of records) if (isCloudDelivery(record)) this.#deliveries.confirm(name, member.key, record);
      const now = this.#book.get(name)?.members.find(({ key }) => key === member.key);
      mailboxes.push(reportOf(now ?? member, records, overruledBy));
    }
    return { ...this.#summary(this.#moves.waveOf(name)), mailboxes, incomplete };
  }

  /** What needs a person. */
  findings(): WaveFinding[] {
    const now = this.#deps.clock.now();
    const findings: WaveFinding[] = this.#book.broken.map(({ file, problem }) => ({
      severity: 'error',
      problem: `${file} cannot be read: ${problem}; its mailboxes are routed as the directory says`,
      remedy: 'Restore the file and restart',
    }));
    for (const wave of this.#book.all()) {
      findings.push(...holdFindings(wave, this.#volume.of(wave.name), this.#deps.hold(), now));
      findings.push(...pilotFindings(wave, this.#deps.bothWarnAfter(), now));
      for (const { problem, remedy } of wave.alarms) findings.push({ severity: 'error', problem, remedy });
    }
    return [...findings, ...this.#clock.findings()];
  }

  /** The answer at RCPT where a hold is full (C9); `heldBy` is that of the route. */
  refusal(heldBy: string): SmtpReply | undefined {
    const wave = HeldVolume.waveOf(heldBy);
    return wave !== undefined && this.#volume.of(wave).octets >= this.#deps.hold().volume ? HOLD_IS_FULL : undefined;
  }

  /** Every record that is durable. */
  onEvent(record: EventRecord): void {
    if (record.event === 'RECEIVE') return;
    this.#volume.onEvent(record);
    this.#deliveries.onEvent(record);
  }

  /** Follows what else changed: the directory (a rollback of versions, an administrator's word, a source), or the settings. */
  follow(): Promise<void> {
    return this.#moves.inTurn(async () => this.#moves.changed());
  }

  /** Does what the time asks for; `start` calls it when it is time. */
  tick(): Promise<void> {
    return this.#clock.tick();
  }

  #inFuture(name: string, at: number | undefined): number {
    const now = this.#deps.clock.now();
    if (at !== undefined && at <= now)
      throw new WaveRefused('invalid', `${new Date(at).toISOString()} is past; "wave switch ${name}" switches now`);
    return now;
  }

  /** A wave made anew lets go of whom its list names no longer. */
  async #letGo(existing: Wave | undefined, wave: Wave, change: Change): Promise<void> {
    const kept = new Set(wave.members.map(({ key }) => key));
    const dropped = existing?.members.filter(({ key, steps }) => !kept.has(key) && steps.length > 1) ?? [];
    if (dropped.length === 0) return;
    await this.#deps.directory.applyWave(wave.name, new Map(dropped.map(({ key }) => [key, undefined])), change);
    await this.#deps.recheck();
  }

  async #carry(members: readonly Member[], since?: number): Promise<Omit<WaveReplay, 'name'>> {
    const { messages, incomplete } = await carryList(members, this.#deps, since);
    const sides = new Set(messages.map(({ from }) => from));
    return { messages, incomplete, instructions: [...sides].flatMap((side) => carryInstructions(side)) };
  }

  /** What was on its way to the side that these mailboxes left ends first, so that the list has it too. */
  async #attemptsEnd(members: readonly Member[]): Promise<number> {
    const active = this.#deps.directory.active();
    const side = new Map(members.map((member) => [member.key, isInCloud(member) ? 'cloud' : 'on-premises']));
    const isMeant = ({ recipient, side: to }: AttemptUnderWay): boolean => {
      const owner = side.size === 0 ? undefined : ownerOf(active, recipient);
      const home = owner === undefined ? undefined : side.get(mailboxKey(owner.entry.address));
      return home !== undefined && to !== home;
    };
    return (await this.#deps.attemptsEnd?.(isMeant, ATTEMPTS_END)) ?? 0;
  }

  #overruledBy(wave: string): OverruledBy {
    const active = this.#deps.directory.active();
    return ({ key }) => {
      const source = active.find(key)?.source;
      return source !== undefined && source !== sourceOf(wave) && source.startsWith(SET_BY) ? source : null;
    };
  }

  #summary(wave: Wave): WaveSummary {
    return summaryOf(wave, this.#volume.of(wave.name));
  }
}
