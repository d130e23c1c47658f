/** What becomes durable together: changes, and the group of them that one transaction takes. */
import type { EventRecord } from '../mail/event.ts';
import type { SpoolId } from '../mail/spooled.ts';

/** One message in a change: its new record and, when it is born, its body; without a record it goes, body and all. */
export interface Write {
  readonly id: SpoolId;
  readonly record: string | undefined;
  readonly body?: Buffer;
}

/** All of it becomes durable, or nothing. */
export interface Change {
  readonly writes: readonly Write[];
  readonly events: readonly EventRecord[];
  /** Said again after a failure until it is durable (an outcome). Otherwise the failure is told (an acceptance). */
  readonly keep: boolean;
  readonly control?: { readonly key: string; readonly value: string | undefined };
}

/** The changes of one transaction. Both promises settle once; nobody need listen. */
export class Group {
  readonly changes: Change[] = [];
  /** For acceptances: resolved when durable, rejected when not. */
  readonly accepted = Promise.withResolvers<void>();
  /** For outcomes: resolved when durable, be it by a later transaction. */
  readonly kept = Promise.withResolvers<void>();
  /** The deadline passed: what was accepted in it was refused to the client. */
  late = false;

  constructor() {
    this.accepted.promise.catch(() => {});
    this.kept.promise.catch(() => {});
  }

  outcomes(): Change[] {
    return this.changes.filter((change) => change.keep);
  }

  /** Ids of the messages that were to be accepted. */
  *acceptances(): Generator<SpoolId> {
    for (const { keep, writes } of this.changes) if (!keep) for (const { id } of writes) yield id;
  }
}

/** The event records of changes, in their order. */
export function eventsOf(changes: readonly Change[]): EventRecord[] {
  return changes.flatMap(({ events }) => events);
}

/** JSON lines without a final newline; `''` where there are none. */
export function linesOf(events: readonly EventRecord[]): string {
  let lines = '';
  for (const event of events) lines += lines === '' ? JSON.stringify(event) : `\n${JSON.stringify(event)}`;
  return lines;
}

/** Octets of the bodies and records in changes. */
export function octetsOf(changes: readonly Change[]): number {
  let octets = 0;
  for (const { writes } of changes) for (const { record, body } of writes) octets += (record?.length ?? 0) + (body?.length ?? 0);
  return octets;
}
