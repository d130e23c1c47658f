/** A wave: mailboxes that move together. Its states and the ways between them; every step says who, when and why. Pure. */
import type { Mailbox } from '../../mail/address.ts';
import type { TlsEvidence } from '../../mail/tls.ts';
import type { DirectoryRoute, Overlay } from '../ports.ts';

export type MailboxState = 'on-premises' | 'both' | 'hold' | 'cloud' | 'confirmed';

/** Where each state may lead. `confirmed` is the cloud's too: the first delivery proved it. */
const WAYS: Readonly<Record<MailboxState, readonly MailboxState[]>> = {
  'on-premises': ['both', 'hold', 'cloud'],
  both: ['on-premises', 'hold', 'cloud'],
  hold: ['on-premises', 'both', 'cloud'],
  cloud: ['confirmed', 'on-premises', 'both', 'hold'],
  confirmed: ['on-premises', 'both', 'hold'],
};

export const mayMove = (from: MailboxState, to: MailboxState): boolean => WAYS[from].includes(to);

/** One change of one mailbox. */
export interface Step {
  readonly state: MailboxState;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly who: string;
  readonly reason: string;
  /** The directory version that made it true. */
  readonly version?: number;
}

/** The first delivery to the cloud after the switch. */
export interface Confirmation {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly messageId?: string;
  readonly remoteMta?: { readonly name: string; readonly address?: string; readonly port?: number };
  readonly tls?: TlsEvidence;
}

export interface Member {
  readonly address: Mailbox;
  /** `mailboxKey` of the address. */
  readonly key: string;
  readonly kind?: string;
  /** Where it lived when the wave was made, and where `rollback` returns it to. */
  readonly home: 'on-premises' | 'both';
  /** Which side counts in `both`. */
  readonly primary: 'on-premises' | 'cloud';
  readonly state: MailboxState;
  /** Oldest first; the last one made the state what it is. */
  readonly steps: readonly Step[];
  /** In `hold`: the side it came from (C9). */
  readonly heldFrom?: Exclude<MailboxState, 'hold' | 'confirmed'>;
  /** When it last came to the cloud, and when it last came back. Milliseconds since the epoch. */
  readonly switchedAt?: number;
  readonly returnedAt?: number;
  readonly confirmation?: Confirmation;
  /** Sub-addresses that mail came for, so that it can be found again. */
  readonly subAddresses?: readonly string[];
}

export interface Schedule {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly who: string;
  readonly state: 'waiting' | 'done' | 'refused' | 'cancelled';
  readonly note?: string;
}

/** Something that happened by itself and needs a person; the next operation on the wave clears it. */
export interface Alarm {
  readonly time: number;
  readonly problem: string;
  readonly remedy: string;
}

export interface Wave {
  readonly name: string;
  readonly created: { readonly time: number; readonly who: string };
  readonly schedule?: Schedule;
  readonly members: readonly Member[];
  readonly alarms: readonly Alarm[];
}

/** Who changes something, and why. */
export interface Change {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly who: string;
  readonly reason: string;
}

/** Steps kept of each mailbox. */
const MAX_STEPS = 50;

/** What stands as the source of an entry that a wave decides (`directory: migrated (version 12, wave pilot)`). */
export const sourceOf = (wave: string): string => `wave ${wave}`;

export const isInCloud = ({ state }: Member): boolean => state === 'cloud' || state === 'confirmed';
/** Test users never count as migrated. */
export const counts = ({ kind }: Member): boolean => kind !== 'probe';

/** The route that a state stands for. */
export function routeOf(state: MailboxState): DirectoryRoute {
  return state === 'confirmed' ? 'cloud' : state;
}

/** Where this mailbox goes, were it moved; `undefined` where it stays. */
export type Destination = (member: Member) => MailboxState | undefined;

export interface Moved {
  readonly wave: Wave;
  /** The members that moved, as they are now. */
  readonly members: readonly Member[];
  /** There is no way from where they are to where they should go. */
  readonly impossible: readonly Member[];
}

/** Moves mailboxes; nothing else of the wave changes. */
export function move(wave: Wave, to: Destination, change: Change, version?: number): Moved {
  const members: Member[] = [];
  const impossible: Member[] = [];
  const all = wave.members.map((member) => {
    const state = to(member);
    if (state === undefined || state === member.state) return member;
    if (!mayMove(member.state, state)) {
      impossible.push(member);
      return member;
    }
    const after = entered(member, { ...change, state, ...(version === undefined ? {} : { version }) });
    members.push(after);
    return after;
  });
  return { wave: { ...wave, members: all }, members, impossible };
}

function entered(before: Member, step: Step): Member {
  const { heldFrom: _, confirmation: __, ...rest } = before;
  const member = { ...rest, state: step.state, steps: [...before.steps, step].slice(-MAX_STEPS) };
  const wasInCloud = isInCloud(before) || before.heldFrom === 'cloud';
  switch (step.state) {
    case 'hold':
      return { ...member, heldFrom: before.state === 'confirmed' || before.state === 'hold' ? 'cloud' : before.state };
    case 'cloud':
      // back from a hold it was in the cloud all the time
      return wasInCloud && before.switchedAt !== undefined ? member : { ...member, switchedAt: step.time };
    case 'confirmed':
      return member;
    case 'on-premises':
    case 'both':
      return wasInCloud ? { ...member, returnedAt: step.time } : member;
  }
}

/** The wave with the version in the steps that it made true. */
export function withVersion(wave: Wave, keys: ReadonlySet<string>, version: number): Wave {
  const members = wave.members.map((member) => {
    const last = member.steps.at(-1);
    if (!keys.has(member.key) || last === undefined) return member;
    return { ...member, steps: [...member.steps.slice(0, -1), { ...last, version }] };
  });
  return { ...wave, members };
}

/** The first delivery to the cloud; the wave itself where this mailbox waits for none. */
export function confirm(wave: Wave, key: string, confirmation: Confirmation): Wave {
  const at = wave.members.findIndex((member) => member.key === key);
  const member = wave.members[at];
  if (member?.state !== 'cloud' || confirmation.time < (member.switchedAt ?? 0)) return wave;
  const step = { state: 'confirmed', time: confirmation.time, who: 'relay', reason: 'first delivery to the cloud' } as const;
  return { ...wave, members: wave.members.with(at, { ...entered(member, step), confirmation }) };
}

/** What the directory is told of these mailboxes. */
export function overlaysOf(wave: string, members: readonly Member[]): Map<string, Overlay> {
  return new Map(
    members.map(({ key, address, state, primary }) => [
      key,
      { address, route: routeOf(state), ...(state === 'both' ? { primary } : {}), source: sourceOf(wave) },
    ]),
  );
}
