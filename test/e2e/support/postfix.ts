/** Debian's Postfix as a sending server: takes everything on a loopback port and hands it to the relay. */
import { existsSync, writeFileSync } from 'node:fs';
import { greets, run, until, type Workspace } from './workspace.ts';

const PROGRAM = '/usr/sbin/postfix';

/** `more`: lines of main.cf that count instead of those here. */
export async function startPostfix(
  workspace: Workspace,
  port: number,
  relayPort: number,
  more: readonly string[] = [],
): Promise<{ log(): string }> {
  if (!existsSync(PROGRAM)) throw new Error('Postfix is not installed: apt-get install postfix');
  const etc = workspace.folder('postfix', 'etc');
  const spool = workspace.folder('postfix', 'spool');
  const data = workspace.folder('postfix', 'data');
  run('chown', ['postfix', data]);
  const instead = new Set(more.map((line) => line.split(' =', 1)[0]));
  const lines = `compatibility_level = 3.6
queue_directory = ${spool}
data_directory = ${data}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.source.example
mydestination =
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = example.com
relay_transport = relay:[127.0.0.1]:${relayPort}
default_transport = relay:[127.0.0.1]:${relayPort}
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
notify_classes =
smtp_tls_security_level = may
smtp_tls_loglevel = 1
message_size_limit = 52428800
minimal_backoff_time = 5s
maximal_backoff_time = 5s
queue_run_delay = 5s
maillog_file = ${workspace.path('postfix', 'maillog')}
maillog_file_prefixes = ${workspace.dir}
`;
  const own = lines.split('\n').filter((line) => !instead.has(line.split(' =', 1)[0]));
  writeFileSync(`${etc}/main.cf`, [...own, ...more, ''].join('\n'));
  const services = `127.0.0.1:${port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 5 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`;
  writeFileSync(`${etc}/master.cf`, services);
  // start-fg leaves master behind a shell that does not pass signals on
  workspace.atEnd(() => run(PROGRAM, ['-c', etc, 'stop']));
  workspace.start('postfix', PROGRAM, ['-c', etc, 'start-fg']);
  await until('Postfix greets', () => greets(port));
  return { log: () => run('cat', [workspace.path('postfix', 'maillog')]).stdout };
}
