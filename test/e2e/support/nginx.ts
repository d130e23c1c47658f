/** Debian's nginx as an SMTP proxy: it hears the client out up to RCPT, names it to the relay by XCLIENT or PROXY, and hands the wire over. */
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { greets, isRunning, until, type Workspace } from './workspace.ts';

const PROGRAM = '/usr/sbin/nginx';
const MAIL_MODULE = '/usr/lib/nginx/modules/ngx_mail_module.so';

export interface MailProxy {
  /** On both loopbacks. */
  readonly port: number;
  readonly by: 'xclient' | 'proxy_protocol';
  readonly relay: number;
}

export async function startNginx(workspace: Workspace, proxies: readonly MailProxy[]): Promise<void> {
  if (!existsSync(MAIL_MODULE)) throw new Error('nginx is not installed: apt-get install nginx-light libnginx-mod-mail');
  const dir = workspace.folder('nginx');
  // nginx asks for each client where to; everybody is let through
  const door = createServer(({ headers }, answer) => {
    answer.writeHead(200, { 'Auth-Status': 'OK', 'Auth-Server': '127.0.0.1', 'Auth-Port': String(headers['x-relay']) }).end();
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  workspace.atEnd(() => void door.close());
  const servers = proxies.map(
    ({ port, by, relay }) => `  server {
    listen 127.0.0.1:${port};
    listen [::1]:${port};
    protocol smtp;
    smtp_auth none;
    xclient ${by === 'xclient' ? 'on' : 'off'};
    proxy_protocol ${by === 'proxy_protocol' ? 'on' : 'off'};
    auth_http_header X-Relay ${relay};
  }
`,
  );
  writeFileSync(
    `${dir}/nginx.conf`,
    `load_module ${MAIL_MODULE};
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events {}
mail {
  server_name filter.example;
  auth_http 127.0.0.1:${(door.address() as AddressInfo).port}/;
  proxy_pass_error_message on;
  smtp_capabilities PIPELINING 8BITMIME ENHANCEDSTATUSCODES;
${servers.join('')}}
`,
  );
  const child = workspace.start('nginx', PROGRAM, ['-p', dir, '-e', `${dir}/error.log`, '-c', `${dir}/nginx.conf`]);
  await until('nginx greets', async () => {
    if (!isRunning(child)) throw new Error(`nginx ended:\n${workspace.log('nginx')}`);
    return (await Promise.all(proxies.map(({ port }) => greets(port)))).every(Boolean);
  });
}
