/** Debian's HAProxy as the load balancer in front of the relay. */
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { isRunning, until, type Workspace } from './workspace.ts';

const PROGRAM = '/usr/sbin/haproxy';

export interface Check {
  /** `UP`, `DOWN`, with how far it is on its way. */
  readonly status: string;
  /** `L4OK`, `L7OK`, `L7STS` ... */
  readonly result: string;
  readonly said: string;
}

/** `sections`: frontends and backends; each backend has one server, `relay`. */
export async function startHaproxy(
  workspace: Workspace,
  name: string,
  sections: string,
): Promise<{ check(backend: string): Promise<Check> }> {
  if (!existsSync(PROGRAM)) throw new Error('HAProxy is not installed: apt-get install haproxy');
  const file = workspace.path(`${name}.cfg`);
  const control = workspace.path(`${name}.sock`);
  writeFileSync(
    file,
    `global
  stats socket ${control} mode 600 level admin
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout check 5s
  unique-id-format %ci:%cp_%fi:%fp_%Ts_%rt_%pid
${sections}`,
  );
  const child = workspace.start(name, PROGRAM, ['-db', '-f', file]);
  const ask = (question: string) => {
    const socket = connect(control);
    socket.end(`${question}\n`);
    return text(socket);
  };
  await until('HAProxy is up', async () => {
    if (!isRunning(child)) throw new Error(`HAProxy ended:\n${workspace.log(name)}`);
    return existsSync(control) && (await ask('show info')).includes('Uptime');
  });
  return {
    async check(backend) {
      const [head = '', ...rows] = (await ask('show stat')).trim().split('\n');
      const names = head.slice(2).split(',');
      const row = rows.map((line) => line.split(',')).find(([at, server]) => at === backend && server === 'relay') ?? [];
      const of = (column: string): string => row[names.indexOf(column)] ?? '';
      return { status: of('status'), result: of('check_status').replace('* ', ''), said: of('last_chk') };
    },
  };
}
