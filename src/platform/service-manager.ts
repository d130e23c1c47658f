/** Tells systemd that mail is taken (sd_notify(3); `Type=notify` in config/bridgehead.service). */
import { runProgram } from './run-program.ts';

const DEADLINE = 10_000;

/**
 * Says that the relay is ready, where somebody waits for it, and forgets the variable that told of him. systemd's own
 * program says it: Node has no datagram sockets of that kind. Answers what kept it from being said.
 */
export async function tellReady(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { NOTIFY_SOCKET: socket } = environment;
  if (socket === undefined) return undefined;
  delete environment['NOTIFY_SOCKET'];
  const { signal } = new AbortController();
  const ended = await runProgram(['systemd-notify', '--ready'], { NOTIFY_SOCKET: socket }, DEADLINE, signal);
  if (ended.status === 0) return undefined;
  return ended.problem ?? `systemd-notify ended with ${ended.status}: ${ended.output}`;
}
