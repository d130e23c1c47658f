/** What an administrator sees of the directory: sources and how they fare, one recipient in full. */
import { setImmediate } from 'node:timers/promises';
import { type Mailbox, mailboxKey } from '../mail/address.ts';
import type { KeyRole } from './compiled-index.ts';
import type { SourceRecord, VersionRecord } from './history.ts';
import type { State } from './making.ts';
import type { KeptOverlay } from './overlays.ts';
import type { DirectoryEntry, DirectoryRoute, DirectorySettings, DirectorySource } from './ports.ts';
import { RecordLines } from './record-lines.ts';
import { readSet } from './record-sets.ts';
import type { SourceState } from './source-states.ts';

export interface ListedSource {
  readonly name: string;
  readonly kind: SourceRecord['kind'];
  readonly origins: readonly string[];
  readonly recipients: number;
  /** `never`: nothing was read of it yet. */
  readonly state: 'ok' | 'failing' | 'never';
  /** ISO 8601, and seconds since. */
  readonly 'last-success': string | null;
  readonly age: number | null;
  /** When what it holds was new. */
  readonly since: string | null;
  readonly error: string | null;
}

export interface ListedOverlay {
  readonly address: string;
  readonly route: DirectoryRoute;
  readonly 'routing-address': string | null;
  readonly who: string;
  readonly time: string;
  /** Seconds. */
  readonly age: number;
  readonly reason: string;
  /** What the sources say of it; null: nothing. */
  readonly 'sources-say': DirectoryRoute | null;
}

export interface DirectoryListing {
  readonly version: number;
  readonly recipients: number;
  readonly counts: Readonly<Record<DirectoryRoute, number>>;
  /** The version that a rollback restored, whose sources do not change it until the next import. */
  readonly pinned: number | null;
  /** In their order of precedence. */
  readonly sources: readonly ListedSource[];
  /** An administrator's words. */
  readonly set: readonly ListedOverlay[];
  readonly waves: readonly { readonly wave: string; readonly mailboxes: number }[];
  /** That can be gone back to, newest first. */
  readonly versions: readonly VersionRecord[];
}

export function listing(
  settings: DirectorySettings,
  { record, version, overlays }: State,
  versions: readonly VersionRecord[],
  stateOf: (name: string) => SourceState,
  now: number,
): DirectoryListing {
  const named = new Map(record.sources.map((source) => [source.name, source]));
  const silent = (settings.live ?? []).filter(({ name }) => !named.has(name));
  return {
    version: record.version,
    recipients: version.recipients,
    counts: version.counts,
    pinned: record.pinned ?? null,
    sources: [
      ...record.sources.map((source) => listed(source.name, source, stateOf(source.name), now)),
      ...silent.map(({ name }) => listed(name, undefined, stateOf(name), now)),
    ],
    set: [...overlays.set.values()].map((overlay) => listedOverlay(overlay, version, now)),
    waves: [...overlays.waves].map(([wave, mailboxes]) => ({ wave, mailboxes: mailboxes.size })),
    versions,
  };
}

function listed(name: string, source: SourceRecord | undefined, state: SourceState, now: number): ListedSource {
  const lastSuccess = state.lastSuccess ?? source?.since ?? null;
  return {
    name,
    kind: source?.kind ?? 'live',
    origins: source?.origins ?? [],
    recipients: source?.records ?? 0,
    state: lastSuccess === null ? 'never' : state.error !== undefined ? 'failing' : 'ok',
    'last-success': lastSuccess,
    age: lastSuccess === null ? null : ageOf(lastSuccess, now),
    since: source?.since ?? null,
    error: state.error ?? null,
  };
}

const listedOverlay = (overlay: KeptOverlay, version: State['version'], now: number): ListedOverlay => ({
  address: overlay.address.address,
  route: overlay.route,
  'routing-address': overlay.routingAddress?.address ?? null,
  who: overlay.who,
  time: overlay.time,
  age: ageOf(overlay.time, now),
  reason: overlay.reason,
  'sources-say': version.ofSources(mailboxKey(overlay.address))?.route ?? null,
});

export interface Shown {
  readonly version: number;
  readonly pinned: number | null;
  readonly address: string;
  readonly entry: DirectoryEntry;
  readonly addresses: readonly { readonly address: string; readonly role: KeyRole }[];
  /** What the sources alone say; null: nothing. */
  readonly 'of-sources': DirectoryEntry | null;
  readonly set: ListedOverlay | null;
  /** The one that counts first. */
  readonly waves: readonly (ListedOverlay & { readonly wave: string })[];
}

export function show({ record, version, overlays }: State, address: Mailbox, now: number): Shown | undefined {
  const entry = version.find(mailboxKey(address));
  if (entry === undefined) return undefined;
  const key = mailboxKey(entry.address);
  const set = overlays.set.get(key);
  return {
    version: record.version,
    pinned: record.pinned ?? null,
    address: entry.address.address,
    entry,
    addresses: version.addressesOf(key).map((one) => ({ address: one.key, role: one.role })),
    'of-sources': version.ofSources(key) ?? null,
    set: set === undefined ? null : listedOverlay(set, version, now),
    waves: [...overlays.waves].flatMap(([wave, mailboxes]) => {
      const overlay = mailboxes.get(key);
      return overlay === undefined ? [] : [{ wave, ...listedOverlay(overlay, version, now) }];
    }),
  };
}

/** A source's kept records, to be read as they were accepted. */
export function keptSource(folder: string, { name, origins, set }: SourceRecord): DirectorySource {
  return {
    name,
    origin: origins.join(', '),
    async read(sink) {
      const lines = new RecordLines(
        (record) => sink.record(record),
        () => undefined,
      );
      for (const chunk of readSet(folder, set)) {
        lines.take(chunk);
        await setImmediate(); // mail has its turn
      }
    },
  };
}

const ageOf = (time: string, now: number): number => Math.max(0, Math.round((now - Date.parse(time)) / 1_000));
