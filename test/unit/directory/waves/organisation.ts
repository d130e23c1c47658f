/** A directory that waves can change, records to ask, and a clock to move: what the tests of waves stand on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DirectoryChanges, DirectoryEntry, DirectoryRoute, Overlay } from '../../../../src/directory/ports.ts';
import { GraceWindow } from '../../../../src/directory/waves/grace-window.ts';
import type { HoldSettings, UnsafeMailbox, WaveDeps } from '../../../../src/directory/waves/ports.ts';
import type { WaveList } from '../../../../src/directory/waves/wave-list.ts';
import { type Mailbox, mailboxKey, parseMailbox } from '../../../../src/mail/address.ts';
import type { EventRecord } from '../../../../src/mail/event.ts';
import type { Clock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/logger.ts';

export const START = Date.UTC(2026, 10, 22, 10);
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const HOLD: HoldSettings = { warnAfter: 2 * HOUR, deliverAfter: 3 * DAY, volume: 10 * 2 ** 30 };

export function box(text: string): Mailbox {
  const parsed = parseMailbox(text);
  if (parsed === undefined) throw new Error(`no mailbox: ${text}`);
  return parsed;
}

export const listOf = (...addresses: string[]): WaveList => ({
  file: 'pilot.csv',
  addresses: addresses.map((text, index) => ({ mailbox: box(text), line: index + 2 })),
  findings: [],
});

export class MovableClock implements Clock {
  time = START;
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
}

/** Versions in memory, as the directory makes them: sources, over them waves (who spoke last first), over them `set`. */
export class FakeDirectory implements DirectoryChanges {
  version = 1;
  readonly sources = new Map<string, DirectoryEntry>();
  /** Alias or routing address → key of the owner. */
  readonly aliases = new Map<string, string>();
  readonly set = new Map<string, Overlay>();
  waves = new Map<string, Map<string, Overlay>>();
  /** What each `applyWave` was asked for. */
  readonly changes: { wave: string; keys: string[]; who: string; reason: string }[] = [];
  /** Called inside `applyWave`; throws to refuse, before or behind the change. */
  before: () => void = () => {};
  behind: () => void = () => {};

  add(address: string, route: DirectoryRoute = 'on-premises', more: Partial<DirectoryEntry> & { aliases?: string[] } = {}): void {
    const { aliases = [], ...entry } = more;
    const key = mailboxKey(box(address));
    this.sources.set(key, { address: box(address), route, primary: 'on-premises', source: 'plain recipients.csv:2', ...entry });
    for (const alias of aliases) this.aliases.set(mailboxKey(box(alias)), key);
    this.version += 1;
  }

  active(): { version: number; find: (key: string) => DirectoryEntry | undefined } {
    return { version: this.version, find: (key) => this.find(key) };
  }

  find(key: string): DirectoryEntry | undefined {
    const owner = this.aliases.get(key) ?? key;
    const source = this.sources.get(owner);
    let overlay = this.set.get(owner);
    for (const wave of this.waves.values()) overlay ??= wave.get(owner);
    if (overlay === undefined) return source;
    const { address, route, routingAddress, primary } = overlay;
    return {
      ...(source ?? { address, primary: 'on-premises' }),
      route,
      ...(routingAddress === undefined ? {} : { routingAddress }),
      ...(primary === undefined ? {} : { primary }),
      source: overlay.source,
    };
  }

  async applyWave(
    wave: string,
    states: ReadonlyMap<string, Overlay | undefined>,
    change: { readonly who: string; readonly reason: string },
  ): Promise<{ version: number }> {
    await Promise.resolve();
    this.before();
    const own = new Map(this.waves.get(wave));
    for (const [key, overlay] of states) {
      if (overlay === undefined) own.delete(key);
      else own.set(key, overlay);
    }
    const others = [...this.waves].filter(([name]) => name !== wave);
    this.waves = new Map([[wave, own], ...others]);
    this.version += 1;
    this.changes.push({ wave, keys: [...states.keys()], who: change.who, reason: change.reason });
    this.behind();
    return { version: this.version };
  }

  routeOf(address: string): string {
    return this.find(mailboxKey(box(address)))?.route ?? 'unknown';
  }
}

/** A wave's surroundings in a folder of its own. */
export class Organisation implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'waves-test-'));
  readonly clock = new MovableClock();
  readonly directory = new FakeDirectory();
  readonly records: EventRecord[] = [];
  unsafe: UnsafeMailbox[] = [];
  rechecks = 0;
  /** Asked of the evidence. */
  questions = 0;
  /** Made anew by each `deps()`, from its file, as after a restart. */
  grace!: GraceWindow;

  constructor(people = ['anna@example.com', 'bert@example.com', 'carl@example.com']) {
    for (const address of people) this.directory.add(address);
    this.deps();
  }

  deps(more: Partial<WaveDeps> = {}): WaveDeps {
    const { clock, directory } = this;
    this.grace = new GraceWindow({ file: join(this.folder, 'grace.json'), directory, clock, log: silentLog, window: DAY });
    return {
      folder: join(this.folder, 'waves'),
      directory,
      evidence: {
        query: async ({ recipients = [], since = 0, limit = 1000 }) => {
          this.questions += 1;
          const records = this.#matching(new Set(recipients), since);
          return { records: records.slice(-limit), more: records.length > limit };
        },
      },
      unsafe: async () => ({ unsafe: this.unsafe, unchecked: 0 }),
      recheck: async () => {
        this.rechecks += 1;
      },
      grace: this.grace,
      hold: () => HOLD,
      bothWarnAfter: () => 14 * DAY,
      clock,
      log: silentLog,
      ...more,
    };
  }

  /** A record of something that happens now. */
  record(event: EventRecord['event'], address: string, more: Partial<EventRecord> = {}): EventRecord {
    const record: EventRecord = {
      time: new Date(this.clock.time).toISOString(),
      event,
      'spool-id': `01J${this.records.length}`,
      'message-id': `<${this.records.length}@example.net>`,
      sender: 'x@example.net',
      recipient: address,
      'original-recipient': address,
      ...more,
    };
    this.records.push(record);
    return record;
  }

  sent(address: string, route: 'cloud' | 'on-premises', more: Partial<EventRecord> = {}): EventRecord {
    return this.record('SEND', address, { route, tls: { result: 'encrypted', protocol: 'TLSv1.3' }, ...more });
  }

  #matching(recipients: ReadonlySet<string>, since: number): EventRecord[] {
    const matches = (text: string | undefined): boolean => recipients.has(text?.toLowerCase() ?? '');
    return this.records.filter(
      (one) => (matches(one.recipient) || matches(one['original-recipient'])) && Date.parse(one.time) >= since,
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
