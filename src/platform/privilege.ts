/** From root, or from whoever starts the relay, to the one as whom it runs. */
import { lstatSync } from 'node:fs';
import { type Account, accountOf, become, isRoot, ownDirectory } from './account.ts';
import { BoundSockets, type Endpoint } from './bound-sockets.ts';

const BACKLOG = 1024;

export interface Wanted {
  readonly dataDirectory: string;
  readonly account?: { readonly user: string; readonly group?: string };
  readonly listeners: readonly Endpoint[];
}

/** What a person should know about the process itself. */
export interface OwnFinding {
  readonly code: string;
  readonly severity: 'warning';
  readonly problem: string;
  readonly remedy: string;
}

/**
 * Takes the sockets that systemd opened, binds the others while the process is root, and becomes `account`. From then on
 * the process has no right that the account has not, and what it writes is readable for its owner alone. Throws
 * `AccountProblem` where an administrator must mend something first, and what `listen` throws.
 */
export async function settleIn({ dataDirectory, account, listeners }: Wanted): Promise<BoundSockets> {
  process.umask(0o077);
  const sockets = new BoundSockets();
  await sockets.inherit(process.env, process.pid);
  if (!isRoot() || account === undefined) return sockets;
  const wanted = accountOf(account.user, account.group);
  try {
    for (const listener of listeners) if (listener.port !== 0) await sockets.bind(listener, BACKLOG);
    ownDirectory(dataDirectory, wanted);
    become(wanted);
  } catch (error) {
    sockets.close();
    throw error;
  }
  return sockets;
}

/** Commands that work on the data directory write there as the relay does, whoever types them. */
export function settleBeside({ dataDirectory, account }: Omit<Wanted, 'listeners'>): void {
  process.umask(0o077);
  if (!isRoot() || account === undefined) return;
  const wanted: Account = accountOf(account.user, account.group);
  ownDirectory(dataDirectory, wanted);
  become(wanted);
}

export function ownFindings({ dataDirectory, account }: Omit<Wanted, 'listeners'>, userName: string): OwnFinding[] {
  const findings: OwnFinding[] = [];
  const warn = (code: string, problem: string, remedy: string): void =>
    void findings.push({ code, severity: 'warning', problem, remedy });
  if (isRoot())
    warn(
      'running-as-root',
      'the relay runs as root: who breaks into it has the machine',
      'name a `user` in the settings, chown -R the data directory to it, and restart',
    );
  else if (account !== undefined && account.user !== userName)
    warn(
      'running-as-another',
      `the settings name the user ${account.user}, but root did not start the relay: it runs as ${userName}`,
      `start it as root or as ${account.user}, or leave out \`user\``,
    );
  const mode = lstatSync(dataDirectory, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) !== 0)
    warn(
      'data-directory-open',
      `others on this machine can look into the data directory ${dataDirectory} (mode 0${(mode & 0o777).toString(8)})`,
      `mail and its records lie there: chmod 700 ${dataDirectory}`,
    );
  return findings;
}
