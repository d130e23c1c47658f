/**
 * Where the answers of servers and the directory disagree: each is a finding that names both sides, with counts, for
 * `directory check` and `status`. Learned from the records; forgotten when a delivery proves it over, or after a week.
 */
import { readFileSync } from 'node:fs';
import { mailboxKey, parseMailbox } from '../../mail/address.ts';
import type { EventRecord } from '../../mail/event.ts';
import type { Clock } from '../../platform/clock.ts';
import { replaceFile } from '../../platform/files.ts';
import type { Log } from '../../platform/logger.ts';
import type { DirectoryEntry } from '../ports.ts';
import { type DisagreementKind, kindOf, WORDS } from './answers.ts';
import { ownerOfText } from './owner.ts';

/** One mailbox, one kind; the form of `directory check --json`. */
export interface Disagreement {
  readonly address: string;
  readonly kind: DisagreementKind;
  readonly severity: 'error' | 'warning';
  readonly problem: string;
  readonly remedy: string;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  /** The last answer, and the directory version that it disagreed with. */
  readonly reply: string | null;
  readonly 'directory-version': number | null;
}

export interface DisagreementParts {
  /** `<data-directory>/directory/disagreements.json`; its folder is there. */
  readonly file: string;
  readonly directory: { active(): { find(key: string): DirectoryEntry | undefined } };
  readonly clock: Clock;
  readonly log: Log;
  /** Beside a relay: nothing is written. */
  readonly readOnly?: boolean;
}

interface Kept {
  readonly address: string;
  readonly kind: DisagreementKind;
  count: number;
  readonly first: number;
  last: number;
  reply: string | null;
  version: number | null;
  /** It was said after the message had been taken. */
  late?: boolean;
}

/** Kept at most; the one that was not seen for longest goes first. */
const MOST = 10_000;
/** Milliseconds without another one. */
const FORGOTTEN_AFTER = 7 * 86_400_000;

export class Disagreements implements Disposable {
  readonly #parts: DisagreementParts;
  /** `kind address` → what is known, the one seen last at the end. */
  readonly #kept: Map<string, Kept>;
  #isBehind = false;

  /** Reads what was known; a file that is damaged is begun anew. */
  constructor(parts: DisagreementParts) {
    this.#parts = parts;
    this.#kept = read(parts.file, parts.log);
  }

  /** Every record that is durable. */
  onEvent(record: EventRecord): void {
    const kind = kindOf(record);
    if (kind !== undefined) this.#note(kind, record);
    else if (record.event === 'SEND' && record.route === 'cloud' && this.#kept.size > 0) this.#settled(record);
  }

  /**
   * What a server said in a notification after it had taken the message (C4). A later delivery is no proof against it:
   * that one was taken as well.
   */
  onLateRefusal(record: EventRecord): void {
    const kind = kindOf(record);
    if (kind !== undefined) this.#note(kind, record, true);
  }

  /** What is known now, the most frequent first. */
  list(): Disagreement[] {
    return this.#standing()
      .sort((a, b) => b.count - a.count)
      .map(({ address, kind, count, first, last, reply, version }) => ({
        address,
        kind,
        severity: WORDS[kind].severity,
        problem: `${WORDS[kind].problem} (${count === 1 ? 'once, at' : `${count} times since`} ${iso(first)})`,
        remedy: WORDS[kind].remedy,
        count,
        first: iso(first),
        last: iso(last),
        reply,
        'directory-version': version,
      }));
  }

  /** The same in short, for a reconciliation. `last`: milliseconds since the epoch. */
  learned(): { readonly address: string; readonly what: string; readonly count: number; readonly last: number }[] {
    return this.#standing().map(({ address, kind, count, last, reply }) => ({
      address,
      what: `${WORDS[kind].problem}${reply === null ? '' : ` (${reply})`}`,
      count,
      last,
    }));
  }

  /** Those that are still one: a mailbox that was taken back, or switched since, agrees with what the server said. */
  #standing(): Kept[] {
    this.#forget();
    const active = this.#parts.directory.active();
    return [...this.#kept.values()].filter(({ kind, address }) => {
      const said = WORDS[kind].route;
      const route = active.find(address)?.route;
      return said === undefined || (route !== 'on-premises' && route !== 'cloud') || route === said;
    });
  }

  /** Writes what is new; call it now and then, for a crash loses what came since. */
  flush(): void {
    if (!this.#isBehind || this.#parts.readOnly === true) return;
    this.#forget();
    try {
      replaceFile(this.#parts.file, JSON.stringify([...this.#kept.values()]));
      this.#isBehind = false;
    } catch (error) {
      this.#parts.log.error({ err: error }, 'disagreements not saved, trying again');
    }
  }

  [Symbol.dispose](): void {
    this.flush();
  }

  #note(kind: DisagreementKind, record: EventRecord, isLate = false): void {
    const address = this.#mailboxOf(record);
    if (address === undefined) return;
    const key = `${kind} ${address}`;
    const time = Date.parse(record.time);
    const kept = this.#kept.get(key) ?? { address, kind, count: 0, first: time, last: time, reply: null, version: null };
    kept.count += 1;
    kept.last = time;
    if (isLate) kept.late = true;
    if (record.reply !== undefined) {
      const { code, enhanced, text } = record.reply;
      kept.reply = `${code}${enhanced === undefined ? '' : ` ${enhanced}`} ${text}`;
    }
    kept.version = record['directory-version'] ?? kept.version;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    this.#isBehind = true;
    if (kept.count === 1) this.#parts.log.warn({ mailbox: address, kind, reply: kept.reply }, 'disagreement with the directory');
    if (this.#kept.size <= MOST) return;
    for (const oldest of this.#kept.keys()) {
      this.#kept.delete(oldest);
      break;
    }
  }

  /** The cloud took mail for it: it knows the mailbox now. */
  #settled(record: EventRecord): void {
    const address = this.#mailboxOf(record);
    const key = `missing-in-cloud ${address}`;
    if (address !== undefined && this.#kept.get(key)?.late !== true && this.#kept.delete(key)) this.#isBehind = true;
  }

  /** The mailbox as the directory names it, whatever address of it the mail was for. */
  #mailboxOf(record: EventRecord): string | undefined {
    const active = this.#parts.directory.active();
    const { 'original-recipient': original, recipient } = record;
    const owner = ownerOfText(active, original) ?? ownerOfText(active, recipient);
    if (owner !== undefined) return mailboxKey(owner.entry.address);
    const address = parseMailbox(original ?? recipient ?? '');
    return address === undefined ? undefined : mailboxKey(address);
  }

  #forget(): void {
    const oldest = this.#parts.clock.now() - FORGOTTEN_AFTER;
    for (const [key, { last }] of this.#kept) if (last < oldest) this.#kept.delete(key);
  }
}

const iso = (time: number): string => new Date(time).toISOString();

function read(file: string, log: Log): Map<string, Kept> {
  try {
    const kept = (JSON.parse(readFileSync(file, 'utf8')) as Kept[]).filter(
      ({ address, kind, count, first, last }) =>
        typeof address === 'string' && kind in WORDS && [count, first, last].every((number) => Number.isFinite(number)),
    );
    return new Map(kept.map((one) => [`${one.kind} ${one.address}`, one]));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.error({ err: error, file }, 'disagreements begun anew');
    return new Map();
  }
}
