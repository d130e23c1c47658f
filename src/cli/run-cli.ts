/** `bridgehead ARGS`: finds the command, reads its arguments, and turns what happened into an exit status (contract.md). */
import { OperationError, type Refusal } from '../admin/contract.ts';
import { printable } from '../platform/printable.ts';
import { advice } from './advice-command.ts';
import { type Command, EXIT, helpOf, helpOfAll, readArguments, text, UsageError } from './command.ts';
import { connectorCommands } from './connector-commands.ts';
import { directoryCommands } from './directory-commands.ts';
import { doctor } from './doctor-command.ts';
import { domainCommands } from './domain-commands.ts';
import { explain } from './explain-command.ts';
import { headers } from './headers-command.ts';
import type { CliPorts, CliSettings } from './ports.ts';
import { probe } from './probe-command.ts';
import { queueCommands } from './queue-commands.ts';
import { withOperations } from './reach.ts';
import { reportCommands } from './report-commands.ts';
import { check, demo, run } from './settings-commands.ts';
import { shadow } from './shadow-command.ts';
import { smtpCheck } from './smtp-check-command.ts';
import { status } from './status-command.ts';
import { trace } from './trace-command.ts';
import { traceVerify } from './trace-verify-command.ts';
import { waveCommands } from './wave-commands.ts';

const DEFAULT_CONFIG = 'config/bridgehead.yaml';
const COMMANDS: readonly Command[] = [
  run,
  demo,
  status,
  check,
  explain,
  ...directoryCommands,
  ...waveCommands,
  ...domainCommands,
  shadow,
  ...queueCommands,
  ...connectorCommands,
  trace,
  traceVerify,
  headers,
  ...reportCommands,
  doctor,
  smtpCheck,
  probe,
  advice,
];
const STATUS: Record<Refusal, number> = { 'not-found': EXIT.no, forbidden: EXIT.no, unavailable: EXIT.no, invalid: EXIT.usage };

/** Runs one command line (without `node` and the file); the exit status. */
export async function runCli<S extends CliSettings>(argv: readonly string[], cliPorts: CliPorts<S>): Promise<number> {
  // Commands hand settings back to the ports unread; which kind they are is the ports' own affair
  const ports = cliPorts as unknown as CliPorts;
  const { command, rest } = find(argv);
  if (command === undefined) return noCommand(argv, ports);
  if (command === demo) return ports.demo(rest);
  try {
    const { values, positionals } = readArguments(command, rest);
    if (values['help'] === true) {
      ports.stdout.write(helpOf(command));
      return EXIT.done;
    }
    const config = text(values, 'config') ?? DEFAULT_CONFIG;
    return await command.run({
      values,
      positionals,
      json: values['json'] === true,
      ports,
      config,
      withOperations: (work) => withOperations(ports, config, values, work),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    ports.stderr.write(`bridgehead ${command.name}: ${printable(message)}\n`);
    if (error instanceof UsageError) ports.stderr.write(`"bridgehead ${command.name} --help" tells what there is\n`);
    if (error instanceof UsageError) return EXIT.usage;
    return error instanceof OperationError ? STATUS[error.refusal] : EXIT.no;
  }
}

function find(argv: readonly string[]): { command: Command | undefined; rest: readonly string[] } {
  const [first = '', second = ''] = argv;
  const double = COMMANDS.find((command) => command.name === `${first} ${second}`);
  if (double !== undefined) return { command: double, rest: argv.slice(2) };
  return { command: COMMANDS.find((command) => command.name === first), rest: argv.slice(1) };
}

/** Help asked for goes to standard output; wrong words get it on standard error. */
function noCommand(argv: readonly string[], { stdout, stderr, version }: CliPorts): number {
  const [first] = argv;
  if (first === '--version') {
    stdout.write(`${version}\n`);
    return EXIT.done;
  }
  const group = COMMANDS.filter((command) => command.name.startsWith(`${first} `));
  const help = helpOfAll(group.length > 0 ? group : COMMANDS, version);
  if (first === '--help' || first === 'help' || argv.includes('--help')) {
    const known = first === '--help' || first === 'help' || group.length > 0;
    (known ? stdout : stderr).write(help);
    return known ? EXIT.done : EXIT.usage;
  }
  if (first !== undefined)
    stderr.write(`bridgehead: there is no command "${printable(group.length > 0 ? argv.slice(0, 2).join(' ') : first)}"\n\n`);
  stderr.write(help);
  return EXIT.usage;
}
