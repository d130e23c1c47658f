/**
 * Debian's Exim as the cloud side: STARTTLS, and every accepted message into one Maildir a recipient, with CRLF, so
 * that octets can be compared; or as a hop in front, that hands all of it on. As a package it conflicts with Postfix, so it is unpacked (BRIDGEHEAD_EXIM names it).
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { greets, run, selfSigned, until, type Workspace } from './workspace.ts';

const USER = 'Debian-exim'; // compiled into Debian's program

export function eximProgram(): string {
  const given = process.env['BRIDGEHEAD_EXIM'];
  if (given !== undefined) return given;
  const folder = '/var/tmp/bridgehead-exim4';
  const program = `${folder}/usr/sbin/exim4`;
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const script = 'cd "$0" && apt-get download -qq exim4-daemon-light && dpkg -x exim4-daemon-light_*.deb .';
    const got = run('bash', ['-c', script, folder]);
    if (got.status !== 0) throw new Error(`exim4 could not be unpacked: ${got.stderr}`);
  }
  return program;
}

export async function startExim(
  workspace: Workspace,
  port: number,
  domain: string,
  users: readonly string[],
  onwardTo?: number,
): Promise<{ maildirs: string; log(): string; sessionFrom(client: string): string }> {
  const dir = workspace.folder('exim');
  const maildirs = workspace.folder('exim', 'mail');
  const log = workspace.folder('exim', 'log');
  workspace.folder('exim', 'spool');
  copyFileSync(eximProgram(), `${dir}/exim`);
  chmodSync(`${dir}/exim`, 0o755);
  if (run('id', [USER]).status !== 0) run('useradd', ['-r', '-M', '-U', '-s', '/usr/sbin/nologin', USER]);
  const { certificate, key } = selfSigned(workspace, 'cloud.example.net');
  copyFileSync(key, `${dir}/key.pem`);
  writeFileSync(`${dir}/users`, users.map((user) => `${user}: ${user}\n`).join(''));
  writeFileSync(
    `${dir}/exim.conf`,
    `exim_path = ${dir}/exim
exim_user = ${USER}
exim_group = ${USER}
deliver_drop_privilege = true
spool_directory = ${dir}/spool
log_file_path = ${log}/%slog
log_selector = +tls_cipher
pid_file_path = ${dir}/exim.pid
primary_hostname = cloud.example.net
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
message_size_limit = 50M
tls_advertise_hosts = *
tls_certificate = ${certificate}
tls_privatekey = ${dir}/key.pem
dsn_advertise_hosts = *
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
begin acl
acl_rcpt:
  accept domains = ${domain}
  deny message = 5.7.1 relay not permitted
acl_data:
  accept
begin routers
${onwardTo === undefined ? '' : onwardRouter(onwardTo)}local:
  driver = accept
  domains = ${domain}
  local_parts = lsearch;${dir}/users
  transport = maildir
begin transports
onward:
  driver = smtp
  allow_localhost
  interface = 127.0.0.1
maildir:
  driver = appendfile
  directory = ${maildirs}/$local_part_data
  create_directory
  maildir_format
  use_crlf
  user = ${USER}
  group = ${USER}
begin retry
* * F,2h,5s
begin rewrite
begin authenticators
`,
  );
  run('chown', ['-R', `${USER}:${USER}`, `${dir}/spool`, `${dir}/mail`, `${dir}/log`, `${dir}/key.pem`]);
  // With -C Exim may not become root again, and this delivery needs no root.
  const asUser = ['setpriv', '--reuid', USER, '--regid', USER, '--clear-groups', '--', `${dir}/exim`, '-C', `${dir}/exim.conf`];
  workspace.start('exim', 'setpriv', [...asUser.slice(1), '-bdf', '-q5s']);
  await until('Exim greets', () => greets(port));
  return {
    maildirs,
    log: () => run('bash', ['-c', 'cat "$0"/*', log]).stdout,
    sessionFrom: (client) => [...asUser, '-bs', '-oMa', client].join(' '),
  };
}

const onwardRouter = (port: number): string => `onward:
  driver = manualroute
  route_list = * 127.0.0.1::${port}
  self = send
  transport = onward
`;
