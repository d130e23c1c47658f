/** Debian's Dovecot as the on-premises side: LMTP with STARTTLS and, where asked for, IMAP; one Maildir a user, stored with CRLF. */
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { run, selfSigned, until, type Workspace } from './workspace.ts';

export const PASSWORD = 'probe-secret';
export const hasDovecotImap = existsSync('/usr/lib/dovecot/imap');

/** `imapPort`: IMAP with implicit TLS for any user, who signs in with `PASSWORD`; its certificate is for localhost. */
export async function startDovecot(
  workspace: Workspace,
  port: number,
  imapPort?: number,
): Promise<{ maildirs: string; certificate: string; log(): string }> {
  if (!existsSync('/usr/sbin/dovecot')) throw new Error('Dovecot is not installed: apt-get install dovecot-lmtpd');
  const dir = workspace.folder('dovecot');
  const maildirs = workspace.folder('dovecot', 'mail');
  workspace.folder('dovecot', 'run');
  run('chown', ['nobody:nogroup', maildirs]);
  const { certificate, key } = selfSigned(workspace, imapPort === undefined ? 'onpremises.example.com' : 'localhost');
  writeFileSync(
    `${dir}/dovecot.conf`,
    `base_dir = ${dir}/run
state_dir = ${dir}/run
log_path = ${dir}/dovecot.log
protocols = lmtp${imapPort === undefined ? '' : ' imap'}
listen = 127.0.0.1
hostname = onpremises.example.com
mail_location = maildir:~/Maildir
mail_save_crlf = yes
first_valid_uid = 1
auth_username_format = %n
ssl = yes
ssl_cert = <${certificate}
ssl_key = <${key}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
${imapPort === undefined ? '' : imapService(imapPort)}passdb {
  driver = static
  args = password=${PASSWORD}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${maildirs}/%n allow_all_users=yes
}
`,
  );
  workspace.start('dovecot', '/usr/sbin/dovecot', ['-F', '-c', `${dir}/dovecot.conf`]);
  const listening = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
  await until('Dovecot listens', listening);
  return { maildirs, certificate, log: () => run('cat', [`${dir}/dovecot.log`]).stdout };
}

const imapService = (port: number): string => `service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = ${port}
    ssl = yes
  }
}
`;
