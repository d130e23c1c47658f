/** What the command line needs; main.ts hands it over. */
import type { CheckReport, Operations } from '../admin/contract.ts';
import type { FileFinding } from '../admin/directory-contract.ts';
import type { EventRecord } from '../mail/event.ts';

/** What `smtp-check` is to look at; times in milliseconds. */
export interface SmtpCheckRequest {
  /** A host, or a domain whose exchangers are meant; absent: the hosts of the connector. */
  readonly target?: { readonly host: string; readonly port: number } | { readonly mx: string };
  readonly connector?: string;
  readonly helo?: string;
  readonly names: readonly string[];
  readonly envelope?: { readonly from: string; readonly to: string };
  readonly implicitTls: boolean;
  readonly ip?: 4 | 6 | 'any';
  readonly patience: number;
}

/** All that commands need to know of the settings. */
export interface CliSettings {
  /** Absolute path. */
  readonly dataDirectory: string;
}

type Findings = CheckReport['mistakes'];

/** Where the daemon's API listens. */
export interface AdminAddress {
  readonly address: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly tls?: { readonly certificate: string };
}

export type LoadedSettings<S extends CliSettings> =
  | {
      readonly ok: true;
      readonly settings: S;
      readonly notes: Readonly<Findings>;
      /** What the guards refuse: a reload changes nothing, and a start goes on with the directory before. */
      readonly refused?: Readonly<Findings>;
    }
  | { readonly ok: false; readonly mistakes: Readonly<Findings> };

export interface Output {
  write(text: string): void;
  /** Width of the terminal; absent where it is none, and then nothing is cut. */
  readonly columns?: number;
}

export interface CliPorts<S extends CliSettings = CliSettings> {
  readonly version: string;
  /** Absolute path, also where the settings have mistakes; `undefined` where the file does not say it. */
  dataDirectoryOf(file: string): Promise<string | undefined>;
  /** By the settings alone: nothing in the data directory is read. `undefined` where they have mistakes. */
  adminOf(file: string): Promise<AdminAddress | undefined>;
  /** Never rejects: a file that cannot be read is a mistake too. */
  loadSettings(file: string): Promise<LoadedSettings<S>>;
  /** Operations on the data directory, where no daemon runs. Rejects where somebody else has it. */
  openOffline(settings: S): Promise<Operations & AsyncDisposable>;
  /** Runs the relay until it is told to stop; gives the exit status. */
  run(settingsFile: string): Promise<number>;
  /** `bridgehead demo ARGS`: reads its own arguments. */
  demo(args: readonly string[]): Promise<number>;
  /** Looks at servers, without mail. `mustLoad`: settings with mistakes end it. Rejects where there is nothing to look at. */
  smtpCheck(
    settingsFile: string,
    request: SmtpCheckRequest,
    mustLoad: boolean,
  ): Promise<
    | { readonly ok: true; readonly checked: readonly { readonly ok: boolean; readonly report: object; readonly text: string }[] }
    | { readonly ok: false; readonly mistakes: Readonly<Findings> }
  >;
  /** Reads a message's Received fields. `trust` and the relay-names of the settings are hosts of ours. */
  readHeaders(
    settingsFile: string,
    request: { readonly message: Uint8Array; readonly trust: readonly string[] },
    mustLoad: boolean,
  ): Promise<
    | {
        readonly ok: true;
        readonly report: { readonly hops: readonly object[]; readonly 'vouched-encrypted': boolean };
        readonly text: string;
        /** Why the relay-names are not known. */
        readonly note?: string;
      }
    | { readonly ok: false; readonly mistakes: Readonly<Findings> }
  >;
  /** Who types; it stands in histories. */
  readonly user: string;
  /** Why a file is no directory, and must not be sent anywhere as one (a migration batch file has passwords). */
  inspectFile(file: string, format: string | undefined): Promise<readonly FileFinding[]>;
  /** The addresses in a list of mailboxes, and nothing else of it. */
  readWaveList(file: string): Promise<{
    readonly addresses: readonly { readonly address: string; readonly line: number }[];
    readonly findings: readonly FileFinding[];
  }>;
  /** Records for people, and in Exchange's form. */
  readonly render: {
    story(records: readonly EventRecord[]): string;
    csv(records: readonly EventRecord[]): string;
  };
  readonly stdout: Output;
  readonly stderr: Output;
  /** Milliseconds since the epoch. */
  now(): number;
}
