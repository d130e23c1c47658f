/** What a command is, how its arguments are read, and its help. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Operations } from '../admin/contract.ts';
import type { CliPorts } from './ports.ts';

export const EXIT = { done: 0, no: 1, usage: 2, settings: 78 } as const;

/** The words were wrong: exit status 2. */
export class UsageError extends Error {}

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  /** What stands behind it: `ADDRESS`. */
  readonly value?: string;
  readonly help: string;
}

export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

export interface Invocation {
  readonly values: Values;
  readonly positionals: readonly string[];
  /** Print JSON. */
  readonly json: boolean;
  readonly ports: CliPorts;
  /** The settings file. */
  readonly config: string;
  /** Runs against the daemon, the `--server`, or the data directory. */
  readonly withOperations: (work: (operations: Operations) => Promise<number>) => Promise<number>;
}

export interface Command {
  /** `status`, `queue list` */
  readonly name: string;
  readonly summary: string;
  /** Names of what must stand behind the options: `['ID']`; the last may be `FILE...` (one or more) or `[VERSION]` (or none). */
  readonly positionals?: readonly string[];
  readonly options?: Readonly<Record<string, Option>>;
  /** It works on the settings file alone and takes no `--server`. */
  readonly local?: boolean;
  run(invocation: Invocation): Promise<number>;
}

const COMMON: Readonly<Record<string, Option>> = {
  config: { type: 'string', value: 'FILE', help: 'the settings (config/bridgehead.yaml)' },
  json: { type: 'boolean', help: 'print JSON' },
  help: { type: 'boolean', help: 'print this' },
};
const REMOTE: Readonly<Record<string, Option>> = {
  server: { type: 'string', value: 'URL', help: 'a relay elsewhere, by its admin API' },
  'token-file': { type: 'string', value: 'FILE', help: 'the token for --server' },
  'ca-file': { type: 'string', value: 'FILE', help: 'certificates to trust for --server, PEM' },
};

function optionsOf(command: Command): Readonly<Record<string, Option>> {
  return { ...command.options, ...COMMON, ...(command.local === true ? {} : REMOTE) };
}

export function readArguments(command: Command, args: readonly string[]): { values: Values; positionals: string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { type, multiple }] of Object.entries(optionsOf(command)))
    options[name] = { type, multiple: multiple ?? false };
  let parsed: { values: Values; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true }) as typeof parsed;
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
  }
  const wanted = command.positionals ?? [];
  if (parsed.values['help'] === true) return parsed;
  const missing = wanted[parsed.positionals.length];
  if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`);
  const surplus = parsed.positionals[wanted.length];
  if (surplus !== undefined && wanted.at(-1)?.endsWith('...') !== true) throw new UsageError(`"${surplus}" is one word too many`);
  return parsed;
}

/** A string option; `undefined` where it was not given. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function helpOf(command: Command): string {
  const options = Object.entries(optionsOf(command)).map(([name, { value, help }]): [string, string] => [
    `--${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  ]);
  const width = Math.max(...options.map(([name]) => name.length));
  const usage = ['bridgehead', command.name, ...(command.positionals ?? []), '[options]'].join(' ');
  return `${usage}\n\n  ${command.summary}\n\n${options.map(([name, help]) => `  ${name.padEnd(width)}  ${help}\n`).join('')}`;
}

export function helpOfAll(commands: readonly Command[], version: string): string {
  const names = commands.map((command) => [command.name, ...(command.positionals ?? [])].join(' '));
  const width = Math.max(...names.map((name) => name.length));
  const lines = commands.map((command, i) => `  ${(names[i] ?? '').padEnd(width)}  ${command.summary}\n`);
  return `Bridgehead ${version}: mail between an on-premises server and the cloud, with proof\n\nbridgehead COMMAND [options]; --help behind a command tells more\n\n${lines.join('')}`;
}
