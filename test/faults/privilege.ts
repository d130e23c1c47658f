/**
 * Starts as root, binds port 25 and runs as nobody; takes a socket as systemd hands it over; runs unprivileged with one
 * capability. Each looks at what the kernel says of the process, sends a message and reloads.
 *
 *   node test/faults/privilege.ts        (as root; needs setpriv, and for the second part systemd-socket-activate)
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { freePorts, greets, isRunning, selfSigned, stop, until, Workspace } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';

const NOBODY = 65_534;
/** Port 25, on an address that nothing else has. */
const PRIVILEGED = { host: '127.0.25.25', port: 25 };

if (process.getuid?.() !== 0) {
  process.stderr.write('privilege.ts starts the relay as root, so it must be started as root\n');
  process.exit(2);
}
await using workspace = new Workspace('privilege');
const sink = await new SmtpSink().listen();
const program = programFor(NOBODY);
const broken: string[] = [];
const rows: (string | number)[][] = [];
const must = (holds: boolean, what: string): void => void (holds || broken.push(what));

/** The program, where this user may read it: a checkout under /root is copied. */
function programFor(uid: number): string {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const readable = spawnSync('setpriv', [`--reuid=${uid}`, '--clear-groups', 'test', '-r', join(root, 'src/main.ts')]);
  if (readable.status === 0) return join(root, 'src/main.ts');
  const copy = workspace.folder('program');
  for (const part of ['src', 'package.json', 'node_modules'])
    cpSync(join(root, part), join(copy, part), { recursive: true, verbatimSymlinks: true });
  return join(copy, 'src/main.ts');
}

interface Variant {
  readonly name: string;
  readonly settings: string;
  /** What stands before `node`. */
  readonly before: readonly string[];
  readonly flags?: readonly string[];
  readonly capabilities: string;
}

function settingsOf(name: string, more: string, adminPort: number): string {
  const folder = workspace.folder(name);
  const file = join(folder, 'bridgehead.yaml');
  writeFileSync(
    file,
    `hostname: relay.example
data-directory: ${join(folder, 'data')}
${more}
admin: { address: 127.0.0.1, port: ${adminPort} }
domains: [{ name: example.com, unknown-recipients: reject, verify-recipients: off }]
directory: { sources: [{ name: plain, file: recipients.csv }] }
cloud: { routing-domains: [tenant.example.net] }
connectors:
  - { name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["127.0.0.1:${sink.port}"] }, tls: { mode: none } }
  - { name: cloud, address-spaces: [tenant.example.net, "*"], next-hop: { smart-hosts: ["127.0.0.1:${sink.port}"] } }
`,
  );
  writeFileSync(join(folder, 'recipients.csv'), 'address,route\nuser@example.com,on-premises\n');
  return file;
}

const statusOf = (pid: number): Record<string, string> =>
  Object.fromEntries(
    readFileSync(`/proc/${pid}/status`, 'utf8')
      .split('\n')
      .map((line) => line.split(':\t'))
      .map(([key = '', value = '']) => [key, value.trim()]),
  );

async function tried({ name, settings, before, flags = [], capabilities }: Variant, port = PRIVILEGED.port): Promise<void> {
  const [adminPort = 0] = await freePorts(1);
  const config = settingsOf(name, settings, adminPort);
  const folder = dirname(config);
  // those that root does not start must own the place; root makes the data directory itself
  if (before.length > 0) chownSync(folder, NOBODY, NOBODY);
  const line = [...before, process.execPath, ...flags, program, 'run', '--config', config];
  const child = workspace.start(name, line[0] ?? '', line.slice(1));
  const log = (): string => workspace.log(name);
  await until(
    `${name}: the relay greets`,
    async () => {
      if (!isRunning(child)) throw new Error(`${name}: ended with ${child.exitCode}:\n${log().slice(-2_000)}`);
      return (await greets(port, PRIVILEGED.host)) && /accepts mail/.test(log());
    },
    60_000,
  );
  const pid = Number(/"pid":(\d+)/.exec(log())?.[1] ?? child.pid);
  const status = statusOf(pid);
  const ids = [status['Uid'], status['Gid']].map((text = '') => text.split('\t'));
  must(
    ids.flat().every((id) => Number(id) === NOBODY),
    `${name}: Uid ${status['Uid']}, Gid ${status['Gid']}`,
  );
  must(/^(?:65534)?$/.test(status['Groups'] ?? ''), `${name}: Groups ${status['Groups']}`);
  must(status['CapEff'] === capabilities && status['CapPrm'] === capabilities, `${name}: CapEff ${status['CapEff']}`);
  const threads = readdirSync(`/proc/${pid}/task`).map((id) => statusOf(Number(id))['Uid']);
  must(new Set(threads).size === 1, `${name}: threads of several users: ${[...new Set(threads)].join(' | ')}`);

  const message = testMessage(name.replaceAll(' ', '-'), 5_000, seeded(1));
  const opened = await SmtpClient.open(port, '127.0.0.1', 10_000, PRIVILEGED.host);
  await opened?.client.command('EHLO client.example');
  const answer = await opened?.client.send('a@example.net', ['user@example.com'], message.bytes);
  await opened?.client.quit();
  must(answer?.kind === 'acked', `${name}: the message was not taken: ${JSON.stringify(answer)}`);
  await until(`${name}: the message arrives`, () => sink.deliveries.some(({ hash }) => hash === message.hash), 10_000);

  const open = files(join(folder, 'data')).filter((path) => (statSync(path).mode & 0o077) !== 0 || statSync(path).uid !== NOBODY);
  must(
    open.every((path) => path.endsWith('run.json')),
    `${name}: others' files, or open to others: ${open.join(', ')}`,
  );
  process.kill(pid, 'SIGHUP');
  await until(`${name}: the reload`, () => /reload/i.test(log().split('accepts mail')[1] ?? ''), 10_000).catch(() =>
    broken.push(`${name}: nothing was said of the reload`),
  );
  must(!/reload refused/.test(log()), `${name}: the reload was refused`);
  must(await greets(port, PRIVILEGED.host), `${name}: no greeting behind the reload`);
  if (pid !== child.pid) process.kill(pid, 'SIGTERM');
  const code = await stop(child, 'SIGTERM', 40_000);
  must(code === 0, `${name}: ended with ${code}`);
  rows.push([
    name,
    (status['Uid'] ?? '').replaceAll('\t', ' '),
    status['Groups'] ?? '',
    status['CapEff'] ?? '',
    threads.length,
    open.length === 0 ? '0600/0700' : open.length,
  ]);
}

const files = (folder: string): string[] => [
  folder,
  ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
];

/** A relay that must say why it does not start, or what a reload cannot read. */
function refused(name: string, settings: string, expected: RegExp): void {
  const config = settingsOf(name, settings, 0);
  const done = spawnSync(process.execPath, [program, 'run', '--config', config], { encoding: 'utf8', timeout: 30_000 });
  must(done.status === 78 && expected.test(done.stderr), `${name}: status ${done.status}: ${done.stderr.slice(0, 500)}`);
  say(`${name}: ${done.stderr.trim().split('\n').at(-1) ?? ''}`);
}

const listener = `listeners: [{ address: ${PRIVILEGED.host}, port: ${PRIVILEGED.port} }]`;
await tried({ name: 'root', settings: `user: nobody\n${listener}`, before: [], capabilities: '0000000000000000' });
await tried({
  name: 'capability',
  settings: listener,
  before: [
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--bounding-set=-all,+net_bind_service',
    '--inh-caps=+net_bind_service',
    '--ambient-caps=+net_bind_service',
    '--no-new-privs',
  ],
  capabilities: '0000000000000400',
});
await tried({
  name: 'socket',
  settings: listener,
  before: [
    'systemd-socket-activate',
    `--listen=${PRIVILEGED.host}:${PRIVILEGED.port}`,
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    '--bounding-set=-all',
    '--inh-caps=-all',
    '--no-new-privs',
  ],
  flags: ['--max-semi-space-size=16'],
  capabilities: '0000000000000000',
});

// A key that root alone can read: said at the start, not at the first renewal
const { certificate, key } = selfSigned(workspace, 'relay.example');
chmodSync(key, 0o600);
refused(
  'key of root',
  `user: nobody\n${listener}\ntls: { certificate: ${certificate}, key: ${key} }`,
  /tls\.key: .*cannot be read \(EACCES\)/,
);
// A data directory of somebody else
workspace.folder('data directory of root', 'data');
refused('data directory of root', `user: nobody\n${listener}`, /does not belong to nobody.*chown -R nobody/);
refused('no such user', `user: nobody-of-that-name\n${listener}`, /there is no user nobody-of-that-name/);

say(table(['started by', 'Uid', 'Groups', 'CapEff', 'threads', 'files'], rows));
await sink.down();
process.exitCode = verdict('privilege', broken);
