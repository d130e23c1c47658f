/** What admin needs of the directory, the waves, the domains and the reports; the joining files hand it over. */
import type { Mailbox } from '../mail/address.ts';
import type { RouteDecision } from '../mail/route.ts';
import type {
  DiffOptions,
  DirectoryCheck,
  DirectoryDiff,
  DirectoryEntryShown,
  DirectoryHistory,
  DirectoryImported,
  DirectoryList,
  DirectoryRolledBack,
  DomainState,
  ExportOptions,
  FileFinding,
  ImportOptions,
  KeptExport,
  MxRequest,
  MxSwitched,
  NamedFile,
  Refreshed,
  WhatIfOptions,
} from './directory-contract.ts';
import type { ExplainQuestion } from './ports.ts';
import type { ClientsReport, ShadowOptions, ShadowReport } from './report-contract.ts';
import type { WaveChange, WaveCheck, WaveDetails, WaveReplay, WaveReport, WaveSummary } from './wave-contract.ts';

type Route = 'on-premises' | 'cloud' | 'hold' | 'both';

/** Who asks for a change, and why. */
export interface By {
  readonly who: string;
  readonly reason?: string;
}

/** Refused ones have an error among their findings; nothing has changed then. */
export type Changed =
  | { readonly ok: true; readonly version: number; readonly findings: readonly FileFinding[] }
  | { readonly ok: false; readonly findings: readonly FileFinding[] };

/** As `Changed`, with how the version decides otherwise than the one before it. */
export type RolledBack =
  | ({ readonly ok: true } & DirectoryRolledBack)
  | { readonly ok: false; readonly findings: readonly FileFinding[] };

/** A recipient as the active version has it, or as the sources alone do. */
export interface RecipientView {
  readonly address: Mailbox;
  readonly route: Route;
  readonly routingAddress?: Mailbox;
  readonly kind?: string;
  readonly connector?: string;
  readonly primary: 'on-premises' | 'cloud';
  readonly source: string;
}

export interface ShownRecipient extends Pick<DirectoryEntryShown, 'version' | 'pinned' | 'addresses' | 'set' | 'waves'> {
  readonly entry: RecipientView;
  readonly 'of-sources': RecipientView | null;
}

/** Where an explanation asks: a version that was, or the one that an import of files would make. */
export type Trial = { readonly version: number } | { readonly files: readonly NamedFile[]; readonly options: WhatIfOptions };

export interface DirectoryPort {
  /** Whole or not at all; durable when resolved. */
  import(files: readonly NamedFile[], options: ImportOptions, by: By): Promise<DirectoryImported>;
  diff(files: readonly NamedFile[], options: DiffOptions): Promise<DirectoryDiff>;
  check(): Promise<DirectoryCheck>;
  /** Keeps what one side has, for comparing alone: it has no word in routing. */
  keepExport(files: readonly NamedFile[], options: ExportOptions): Promise<KeptExport>;
  list(): DirectoryList;
  /** Recipients by route, without test users. */
  people(): Promise<DirectoryList['counts']>;
  show(address: Mailbox): ShownRecipient | undefined;
  set(
    change: {
      readonly address: Mailbox;
      readonly route: Route;
      readonly routingAddress?: Mailbox;
      readonly primary?: 'on-premises' | 'cloud';
    },
    by: By & { readonly reason: string },
  ): Promise<Changed>;
  unset(address: Mailbox, by: By): Promise<Changed>;
  history(limit: number): DirectoryHistory;
  rollback(version: number | undefined, by: By): Promise<RolledBack>;
  /** Asks a live source, or reads a file of the settings, now; `undefined`: there is none of that name. */
  refresh(name: string, by: By, yesShrink: boolean): Promise<Refreshed | undefined>;
  /** As `RoutingPort.explain`, by another directory; findings where that one cannot be had. */
  explain(trial: Trial, question: ExplainQuestion): Promise<RouteDecision | readonly FileFinding[]>;
}

interface Unsafe {
  readonly address: string;
  readonly why: string;
  readonly remedy: string;
}

/** Rejects with an error that has `refusal`, as `OperationError` has, where an operation was not done. Times in milliseconds since the epoch. */
export interface WavesPort {
  create(
    name: string,
    list: {
      readonly file?: string;
      readonly addresses: readonly { readonly mailbox: Mailbox; readonly line: number }[];
      readonly findings: readonly FileFinding[];
    },
    options: { readonly at?: number; readonly who: string },
  ): Promise<
    | { readonly created: true; readonly wave: WaveSummary; readonly findings: readonly FileFinding[] }
    | { readonly created: false; readonly findings: readonly FileFinding[] }
  >;
  list(): readonly WaveSummary[];
  show(name: string): WaveDetails;
  /** Sets or (`undefined`) cancels the scheduled switch. */
  schedule(name: string, at: number | undefined, who: string): Promise<WaveSummary>;
  hold(name: string, options: WavePartOptions): Promise<WaveChange>;
  both(name: string, options: WavePartOptions): Promise<WaveChange>;
  switch(
    name: string,
    options: By & { readonly except?: readonly string[]; readonly force?: boolean },
  ): Promise<
    | (WaveChange & {
        readonly switched: true;
        readonly except: readonly string[];
        readonly forced: readonly Unsafe[];
        readonly unchecked: number;
      })
    | { readonly switched: false; readonly name: string; readonly unsafe: readonly Unsafe[] }
  >;
  rollback(
    name: string,
    options: WavePartOptions,
  ): Promise<WaveChange & WaveReplay & { readonly 'under-way': number; readonly powershell: readonly string[] }>;
  replay(name: string, options: { readonly since?: number }): Promise<WaveReplay>;
  report(name: string): Promise<WaveReport>;
  /** Whether its mailboxes may change sides. */
  check(name: string, to: 'cloud' | 'on-premises'): Promise<WaveCheck>;
}

export interface WavePartOptions extends By {
  readonly only?: readonly string[];
}

export interface DomainsPort {
  list(): readonly DomainState[];
  /** Asks DNS now, or lets the domain through without. `undefined`: no such domain. */
  verify(name: string, override: (By & { readonly reason: string }) | undefined): Promise<DomainState | undefined>;
  mx(name: string, request: MxRequest, by: By): Promise<MxSwitched | undefined>;
}

export interface ReportsPort {
  shadow(files: readonly NamedFile[], options: ShadowOptions): Promise<ShadowReport>;
  /** Times in milliseconds since the epoch. */
  clients(query: { readonly since?: number; readonly until?: number; readonly domain?: string }): Promise<ClientsReport>;
}
