/** Who answers a command: a relay elsewhere, the daemon on this data directory, or the data directory itself. */
import { readFileSync } from 'node:fs';
import { OperationError, type Operations } from '../admin/contract.ts';
import { isOutOfReach, type RunFile, readRunFile } from '../platform/run-file.ts';
import { HttpOperations, Unreachable } from './client.ts';
import { EXIT, text, UsageError, type Values } from './command.ts';
import { mistakeLine } from './mistakes.ts';
import type { CliPorts } from './ports.ts';

const PING_DEADLINE = 3_000;

/** Runs `work` against who answers. Gives its exit status, or 78 where the settings do not say who that is. */
export async function withOperations(
  ports: CliPorts,
  config: string,
  values: Values,
  work: (operations: Operations) => Promise<number>,
): Promise<number> {
  const server = text(values, 'server');
  if (server !== undefined) return work(remote(server, values));
  for (const name of ['token-file', 'ca-file']) {
    if (values[name] !== undefined) throw new UsageError(`--${name} goes with --server`);
  }
  // The daemon is asked before the files are read: it answers by what it has read, whatever they hold by now
  const named = await ports.dataDirectoryOf(config);
  // where its disk fails, the relay on it has that to say, and the settings lead to it
  const file = named === undefined ? undefined : isOutOfReach(named) ? await bySettings(ports, config) : readRunFile(named);
  const daemon = file === undefined ? undefined : await running(file);
  if (daemon !== undefined) return work(daemon);
  const loaded = await ports.loadSettings(config);
  if (!loaded.ok) {
    for (const mistake of loaded.mistakes) ports.stderr.write(mistakeLine(mistake));
    return EXIT.settings;
  }
  await using offline = await ports.openOffline(loaded.settings);
  return await work(offline);
}

function remote(server: string, values: Values): HttpOperations {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
    throw new UsageError(`--server ${server}: write it like https://relay.example.com:8025`);
  const tokenFile = text(values, 'token-file');
  const caFile = text(values, 'ca-file');
  return new HttpOperations({
    url: server,
    ...(tokenFile !== undefined && { token: readOption('token-file', tokenFile).trim() }),
    ...(caFile !== undefined && { ca: readOption('ca-file', caFile) }),
  });
}

function readOption(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--${name} ${file}: it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}

/** The daemon, where one runs and answers. One that runs and does not answer is an error: it has the data directory. */
async function running(file: Omit<RunFile, 'pid'>): Promise<HttpOperations | undefined> {
  const settings = { url: file.adminUrl, ...secretsOf(file) };
  try {
    await new HttpOperations({ ...settings, deadline: PING_DEADLINE }).ping();
  } catch (error) {
    if (error instanceof Unreachable) return undefined; // another process got the pid of a daemon that crashed
    throw error;
  }
  return new HttpOperations(settings);
}

async function bySettings(ports: CliPorts, config: string): Promise<Omit<RunFile, 'pid'> | undefined> {
  const admin = await ports.adminOf(config);
  if (admin === undefined) return undefined;
  const { address, port, tokenFile, tls } = admin;
  return {
    adminUrl: `${tls === undefined ? 'http' : 'https'}://${address.includes(':') ? `[${address}]` : address}:${port}`,
    ...(tokenFile !== undefined && { tokenFile }),
    ...(tls !== undefined && { certificateFile: tls.certificate }),
  };
}

function secretsOf(file: Omit<RunFile, 'pid'>): { token?: string; ca?: string; pinned?: boolean } {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new OperationError(
        'forbidden',
        `the running relay wants what is in ${path}, and it cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      );
    }
  };
  return {
    ...(file.tokenFile !== undefined && { token: read(file.tokenFile).trim() }),
    ...(file.certificateFile !== undefined && { ca: read(file.certificateFile), pinned: true }),
  };
}
